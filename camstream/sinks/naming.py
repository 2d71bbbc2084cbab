"""What the outputs of a run are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from camstream.errors import SinkError
from camstream.media import PHOTO_SUFFIXES
from camstream.sinks.atomic_file import check_apart, plain_reasons, real_path

_MARK = ".cam"


def default_name(source: Path, *, stem: str = "") -> str:
    """Return the name of a source's output: "cat.cam.mp4", and of a photo's "cat.cam.jpg".

    Args:
        source: The input.
        stem: What to call it instead of its own name's stem.
    """
    suffix = source.suffix if source.suffix.lower() in PHOTO_SUFFIXES else ".mp4"
    return f"{stem or source.stem}{_MARK}{suffix}"


def is_batch(inputs: Sequence[str], sources: Sequence[Path]) -> bool:
    """Return whether outputs go into a folder: always, unless one file is named by its name.

    Args:
        inputs: As they were typed.
        sources: The files that these stand for.
    """
    return len(sources) != 1 or [Path(text) for text in inputs] != list(sources)


def without_outputs(
    found: Sequence[Path], inputs: Sequence[str], output: Path | None
) -> list[Path]:
    """Leave out the outputs of an earlier run that lie in the folder which is read.

    Args:
        found: The files that the inputs stand for.
        inputs: As they were typed; a file that is named there stays.
        output: As for ``name_outputs``.
    """
    folder = output or Path()
    with plain_reasons(folder):
        if output is not None and not output.is_dir():
            return list(found)
        known: dict[str, str] = {}
        targets = {real_path(path, known) for path in _targets(found, folder)}
        named = {Path(text) for text in inputs}
        return [path for path in found if path in named or real_path(path, known) not in targets]


def name_outputs(sources: Sequence[Path], output: Path | None, *, batch: bool) -> list[Path]:
    """Name the output of each source, before anything is written.

    Args:
        sources: The inputs.
        output: A file for one source, a folder for a batch; None means the current folder.
        batch: See ``is_batch``.

    Raises:
        SinkError: ``output`` must be a folder and is none, or two outputs have one name.
    """
    folder = output or Path()
    with plain_reasons(folder):
        if output is not None and not output.is_dir():
            if not batch:
                return [output]
            _check_folder(output)
    targets = _targets(sources, folder)
    check_apart(sources, targets)
    make_folder(folder)
    return targets


def beside(path: Path, target: Path, suffix: str, *, batch: bool) -> Path:
    """Name a side file: the path itself for one source, a file in that folder for a batch.

    Args:
        path: The value of the option.
        target: The video file that the side file belongs to.
        suffix: Of a file in a folder.
        batch: See ``is_batch``.

    Raises:
        SinkError: A batch needs a folder, and it is none.
    """
    with plain_reasons(path):
        is_folder = path.is_dir()
        if not batch and not is_folder:
            return path
        if not is_folder:
            _check_folder(path)
    if not is_folder:
        make_folder(path)
    return path / f"{target.stem.removesuffix(_MARK)}{suffix}"


def make_folder(path: Path) -> None:
    """Make a folder, unless it is there.

    Raises:
        SinkError: It cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no folder can have this name"
        raise SinkError(f"cannot make the folder {path}: {reason}") from error


def _check_folder(path: Path) -> None:
    if path.suffix:
        raise SinkError(f"a folder or several inputs need a folder to be written to, not {path}")


def _targets(sources: Sequence[Path], folder: Path) -> list[Path]:
    stems = Counter(source.stem for source in sources)
    # clip.mp4 and clip.mkv become clip.mp4.cam.mp4 and clip.mkv.cam.mp4.
    names = [source.name if stems[source.stem] > 1 else source.stem for source in sources]
    return [
        folder / default_name(source, stem=name)
        for source, name in zip(sources, names, strict=True)
    ]
