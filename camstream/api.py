"""What a program calls: ``stream`` for predictions in a loop, ``annotate`` for a whole file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from camstream.annotation import AnnotationJob, AnnotationResult, run
from camstream.drawing.overlay import Style
from camstream.errors import UsageError
from camstream.maps.boxes import BoxRule
from camstream.maps.select import Contrast, MapSelector, Selection
from camstream.maps.smoothing import SmoothingLevel
from camstream.models.classes import ClassNames
from camstream.models.session import Model
from camstream.models.zoo import DEFAULT_MODEL, load_model
from camstream.notebook import Stream
from camstream.sinks.encoding import Encoding
from camstream.sinks.naming import default_name
from camstream.sources import open_source
from camstream.stages import Sink, Source


def stream(
    source: str | int | Path | Source,
    model: Model | str | Path = DEFAULT_MODEL,
    *,
    classes: Sequence[str | int] = (),
    contrast: tuple[str | int, str | int] | None = None,
    top_k: int = 1,
    smoothing: SmoothingLevel = "default",
    decay_s: float = 0.0,
    trail_s: float = 0.0,
    box_rule: BoxRule | None = None,
    box_threshold: float | None = None,
    cam_range: tuple[float, float] | None = None,
    refine: bool = False,
    input_size: int | None = None,
    device: str = "auto",
) -> Stream:
    """Run a source through a model; iterate over the result for the predictions.

    Files give every frame; cameras and streams the newest, so that a slow loop never falls
    behind. Memory is bounded by a few frames either way.

        with camstream.stream("clip.mp4", classes=["cat"]) as predictions:
            for prediction in predictions:
                print(prediction.frame.pts_s, prediction.displayed[0].score, prediction.boxes)

    In a notebook, ``camstream.stream(0)`` as the last line of a cell shows live pictures until
    somebody interrupts it; see ``Stream.show``.

    Args:
        source: A file's path, a camera's number or device, a URL, or any ``Source``.
        model: From ``load_model``, or what that takes.
        classes: Map these classes or groups whatever wins: names, numbers, WordNet ids.
        contrast: Map what is evidence for the first class and not for the second.
        top_k: How many of the best classes to map, 1 to 9.
        smoothing: Over time: "off", "default" or "strong".
        decay_s: Let heat fade over so many seconds; 0 does not.
        trail_s: Keep the path of the peak over so many seconds; 0 does not.
        box_rule: "largest", "all" or "five", see ``camstream.maps.boxes``.
        box_threshold: Where boxes end, as a part of a map's maximum.
        cam_range: Map values where heat begins and is full; None: the model's.
        refine: Finer maps that follow outlines; only where the model is given by name or path.
        input_size: Pixels a side that the network looks at; likewise.
        device: "auto", "cpu", "cuda" ...; likewise.

    Raises:
        SourceError: The source cannot be opened; while iterating, it cannot be read.
        ModelError: The model cannot be opened.
        UsageError: There is no such class, or an option is wrong.
    """
    opened = _open_model(model, refine=refine, input_size=input_size, device=device)
    selection = make_selection(
        opened,
        classes=classes,
        contrast=contrast,
        top_k=top_k,
        smoothing=smoothing,
        decay_s=decay_s,
        trail_s=trail_s,
        box_rule=box_rule,
        box_threshold=box_threshold,
        cam_range=cam_range,
    )
    return Stream(open_source(source), MapSelector(opened.infer, opened.info, selection))


def annotate(
    source: str | Path,
    output: str | Path | None = None,
    *,
    model: Model | str | Path = DEFAULT_MODEL,
    records: str | Path | None = None,
    maps: str | Path | None = None,
    presence: str | Path | None = None,
    stats: str | Path | None = None,
    sinks: Sequence[Sink] = (),
    style: Style = Style(),
    encoding: Encoding = Encoding(),
    overwrite: bool = False,
    classes: Sequence[str | int] = (),
    contrast: tuple[str | int, str | int] | None = None,
    top_k: int = 1,
    smoothing: SmoothingLevel = "default",
    decay_s: float = 0.0,
    trail_s: float = 0.0,
    box_rule: BoxRule | None = None,
    box_threshold: float | None = None,
    cam_range: tuple[float, float] | None = None,
    refine: bool = False,
    input_size: int | None = None,
    device: str = "auto",
) -> AnnotationResult:
    """Draw label and heatmap into every frame of a video file, or into a photo.

        result = camstream.annotate("cat.mp4", "out.mp4", records="out.jsonl")
        result.stats.frames_out, result.labels, result.warnings

    Args:
        source: The video file, or a photo.
        output: The file to write, a .gif for an animated one; None: NAME.cam.mp4 in the current
            folder, or of a photo NAME.cam.jpg or what its suffix is.
        model: From ``load_model``, or what that takes.
        records: A record a frame: a .jsonl, .csv or .parquet file.
        maps: The raw maps: a .npz file.
        presence: When something was there: a .csv file.
        stats: Counts and times: a .json file.
        sinks: Take every annotated frame as well, see ``camstream.Sink``.
        style: How to draw.
        encoding: How to encode.
        overwrite: Replace existing outputs.
        classes: As for ``stream``; so are all that follow.
        contrast: See there.
        top_k: See there.
        smoothing: See there.
        decay_s: See there.
        trail_s: See there.
        box_rule: See there.
        box_threshold: See there.
        cam_range: See there.
        refine: See there.
        input_size: See there.
        device: See there.

    Raises:
        SourceError: The input cannot be read.
        SinkError: An output cannot be written.
        ModelError: The model cannot be opened.
        UsageError: There is no such class, or an option is wrong.
    """
    opened = _open_model(model, refine=refine, input_size=input_size, device=device)
    selection = make_selection(
        opened,
        classes=classes,
        contrast=contrast,
        top_k=top_k,
        smoothing=smoothing,
        decay_s=decay_s,
        trail_s=trail_s,
        box_rule=box_rule,
        box_threshold=box_threshold,
        cam_range=cam_range,
    )
    job = AnnotationJob(
        source=Path(source),
        output=Path(default_name(Path(source))) if output is None else Path(output),
        records=_path(records),
        maps=_path(maps),
        presence=_path(presence),
        stats=_path(stats),
        style=style,
        selection=selection,
        encoding=encoding,
        overwrite=overwrite,
    )
    return run(job, opened, sinks=sinks)


def make_selection(
    model: Model,
    *,
    classes: Sequence[str | int] = (),
    contrast: tuple[str | int, str | int] | None = None,
    top_k: int = 1,
    smoothing: SmoothingLevel = "default",
    decay_s: float = 0.0,
    trail_s: float = 0.0,
    box_rule: BoxRule | None = None,
    box_threshold: float | None = None,
    cam_range: tuple[float, float] | None = None,
) -> Selection:
    """Build a selection; classes are found in the model by name.

    Raises:
        UsageError: There is no such class, or a value is wrong.
    """
    names = ClassNames(model.info.labels)
    return Selection(
        top_k=top_k,
        classes=tuple(names.find(str(name)) for name in classes),
        contrast=contrast
        and Contrast((names.find(str(contrast[0])), names.find(str(contrast[1])))),
        smoothing=smoothing,
        decay_s=decay_s,
        trail_s=trail_s,
        box_rule=box_rule,
        box_threshold=box_threshold,
        cam_range=cam_range,
    )


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)


def _open_model(
    model: Model | str | Path, *, refine: bool, input_size: int | None, device: str
) -> Model:
    if not isinstance(model, Model):
        return load_model(model, refine=refine, input_size=input_size, device=device)
    if refine or input_size is not None or device != "auto":
        raise UsageError(
            "refine, input_size and device are for a model given by name or path; give them to "
            "load_model"
        )
    return model
