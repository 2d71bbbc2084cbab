"""``camstream.stream``: predictions from any source, in a loop."""

from __future__ import annotations

from pathlib import Path

from camstream.errors import SourceError
from camstream.models.session import Model
from camstream.pipeline import Pipeline
from camstream.sources.file import FileSource
from camstream.sources.live import LiveSource, is_address
from camstream.stages import Source


def open_source(
    source: str | int | Path | Source,
    *,
    even: bool = False,
    size_wh: tuple[int, int] | None = None,
) -> Source:
    """Open a file, a camera or a stream.

    Args:
        source: A file's path, a camera's number or device, a URL, or a source already.
        even: Make odd sizes of a file even, for encoders.
        size_wh: Width and height to ask a camera for.

    Raises:
        SourceError: It cannot be opened.
    """
    if isinstance(source, int):
        return LiveSource(source, size_wh=size_wh)
    if isinstance(source, str | Path):
        text = str(source)
        if text.isdecimal():
            return LiveSource(int(text), size_wh=size_wh)
        if is_address(text) or text.startswith("/dev/"):
            return LiveSource(text, size_wh=size_wh)
        return FileSource(Path(text), even=even)
    if not hasattr(source, "is_live"):
        raise SourceError(f"{source!r} is no file, camera number, URL or source")
    return source


def stream(source: str | int | Path | Source, model: Model) -> Pipeline:
    """Run a source through a model; iterate over the result for the predictions.

    Files give every frame; cameras and streams the newest, so that a slow loop never falls
    behind. Memory is bounded by a few frames either way.

        with camstream.stream("clip.mp4", model) as predictions:
            for prediction in predictions:
                print(prediction.frame.pts_s, prediction.top[0].label)

    Args:
        source: A file's path, a camera's number or device, a URL, or any ``Source``.
        model: From ``load_model``.

    Raises:
        SourceError: The source cannot be opened; while iterating, it cannot be read.
    """
    return Pipeline(open_source(source), model.infer)
