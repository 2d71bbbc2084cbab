"""From what was written on the command line to a list of files and their outputs."""

from __future__ import annotations

from pathlib import Path

from camstream.errors import SinkError, SourceError
from camstream.media import VIDEO_SUFFIXES
from camstream.sinks.atomic_file import check_apart, is_partial


def expand(inputs: list[str]) -> list[Path]:
    """Turn files, folders and globs into files, in order and each once, without drafts.

    Raises:
        SourceError: A folder holds no video, or a glob matches nothing.
    """
    files: list[Path] = []
    for text in inputs:
        path = Path(text)
        if path.is_dir():
            inside = sorted(
                file
                for file in path.iterdir()
                if file.suffix.lower() in VIDEO_SUFFIXES and not is_partial(file)
            )
            if not inside:
                raise SourceError(f"there is no video file in the folder {path}")
            files += inside
        elif not path.exists() and any(mark in text for mark in "*?["):
            anchor = Path(path.anchor)
            globbed = anchor.glob(str(path.relative_to(anchor)))
            matches = sorted(file for file in globbed if not is_partial(file))
            if not matches:
                raise SourceError(f"no file matches {text}")
            files += matches
        else:
            files.append(path)
    return list(dict.fromkeys(files))


def without_outputs(found: list[Path], inputs: list[str], output: Path | None) -> list[Path]:
    """Leave out what an earlier run wrote into the folder that is read.

    Args:
        found: What ``expand`` found.
        inputs: What it was given; a file that is named there stays.
        output: As for ``name_outputs``.
    """
    if output is not None and not output.is_dir():
        return found
    targets = {path.resolve() for path in _targets(found, output or Path())}
    named = {Path(text) for text in inputs}
    return [path for path in found if path in named or path.resolve() not in targets]


def name_outputs(sources: list[Path], output: Path | None) -> list[Path]:
    """Name the file that each source is written to, before anything is written.

    Args:
        sources: The inputs.
        output: A file for one source, a folder for several; None means the current folder.

    Raises:
        SinkError: A folder is needed and this is none, or two sources would be one file.
    """
    if output is not None and len(sources) == 1 and not output.is_dir():
        return [output]
    folder = output or Path()
    if output is not None and output.suffix and not output.is_dir():
        raise SinkError(f"several inputs need a folder to be written to, not {output}")
    targets = _targets(sources, folder)
    check_apart(sources, targets)
    _make_folder(folder)
    return targets


def _targets(sources: list[Path], folder: Path) -> list[Path]:
    stems = [source.stem for source in sources]
    # clip.mp4 and clip.mkv become clip.mp4.cam.mp4 and clip.mkv.cam.mp4.
    names = [source.name if stems.count(source.stem) > 1 else source.stem for source in sources]
    return [folder / f"{name}.cam.mp4" for name in names]


def beside(path: Path, target: Path, suffix: str, *, alone: bool) -> Path:
    """Name a side output: the path itself for one source, a file in that folder for several.

    Args:
        path: What was asked for.
        target: The video file that it belongs to.
        suffix: Of a file in a folder.
        alone: Whether there is one source.
    """
    if alone and not path.is_dir():
        return path
    _make_folder(path)
    return path / f"{target.stem.removesuffix('.cam')}{suffix}"


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SinkError(f"cannot make the folder {path}: {error.strerror}") from error
