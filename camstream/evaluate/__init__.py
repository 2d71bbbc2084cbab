"""Evaluates a model on photos or a clip: measures, sums up, writes the figures.

``annotations`` reads the ground truth, ``measure`` compares one photo with it and ``clip`` a whole
clip, with ``metrics``; ``report`` sums up, ``contact_sheet`` draws the best and the worst.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from camstream.errors import UsageError
from camstream.evaluate.annotations import read_folders, read_ground_truths, read_track
from camstream.evaluate.clip import ClipReport, measure_clip
from camstream.evaluate.contact_sheet import CONTACT_SHEET_SUFFIXES, write_contact_sheet
from camstream.evaluate.measure import ClassMapper, PhotoResult, evaluate_photo
from camstream.evaluate.report import Report, sum_up
from camstream.frame import Frame
from camstream.maps.boxes import PAPER_RATIO
from camstream.maps.smoothing import SmoothingLevel
from camstream.models.classes import ClassNames
from camstream.models.session import Model
from camstream.sinks.atomic_file import AtomicFile
from camstream.sinks.records import write_json
from camstream.sources.file import FileSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to evaluate.

    Attributes:
        photos: A folder of photos, or a clip.
        boxes: The true boxes, see ``annotations.read_ground_truths``; None: only classes are
            known. Of a clip: see ``annotations.read_track``.
        from_folders: Whether sub-folders name the classes.
        masks: A folder of true masks, see ``measure.read_mask``.
        json: Where to write the figures; None: nowhere.
        contact_sheet: Where to draw the best, typical and worst photos; None: nowhere.
        overwrite: Whether existing outputs may be replaced.
        box_threshold: Where boxes end, as a part of a map's maximum.
        smoothing: Level of smoothing; of a clip only.

    Raises:
        UsageError: Options exclude each other, or one is missing.
    """

    photos: Path
    boxes: Path | None = None
    from_folders: bool = False
    masks: Path | None = None
    json: Path | None = None
    contact_sheet: Path | None = None
    overwrite: bool = False
    box_threshold: float = PAPER_RATIO
    smoothing: SmoothingLevel = "default"

    @property
    def is_clip(self) -> bool:
        """Whether a video file is to be evaluated, not a folder of photos."""
        return self.photos.is_file()

    def __post_init__(self) -> None:
        if self.is_clip and (
            self.boxes is None or self.masks is not None or self.contact_sheet is not None
        ):
            raise UsageError(
                f"{self.photos} is a clip: it takes --true-boxes FILE.csv and --json only"
            )
        if (self.boxes is None) != self.from_folders:
            raise UsageError(
                "the true classes are missing: give either --true-boxes FILE, or "
                "--labels-from-folders"
            )
        if self.boxes is None and (self.masks is not None or self.contact_sheet is not None):
            raise UsageError(
                "--true-masks and --contact-sheet need --true-boxes: there is no place to compare with"
            )
        if (
            self.contact_sheet is not None
            and self.contact_sheet.suffix.lower() not in CONTACT_SHEET_SUFFIXES
        ):
            raise UsageError(
                f"cannot write {self.contact_sheet}: a contact sheet is a .jpg or .png picture"
            )


def evaluate(
    request: Request,
    model: Model,
    others: Mapping[str, ClassMapper] = MappingProxyType({}),
    *,
    on_photo: Callable[[int, int], None] = lambda *_: None,
) -> Report:
    """Evaluate every photo, sum up, write the figures.

    Args:
        request: What to evaluate.
        model: The model to evaluate.
        others: Other methods that map a class, to compare with the model's; by name.
        on_photo: Called with the number of photos done, and of all.

    Raises:
        SourceError: A photo or an annotation cannot be read.
        SinkError: An output cannot be written.
    """
    for output in (request.json, request.contact_sheet):
        if output is not None:  # reported now, not after minutes of work
            AtomicFile(output, overwrite=request.overwrite)
    names, unknown = ClassNames(model.info.labels), 0
    if request.boxes is None:
        ground_truths = read_folders(request.photos, names)
    else:
        ground_truths, unknown = read_ground_truths(request.photos, request.boxes, names)
    results: list[PhotoResult] = []
    for ground_truth in ground_truths:
        results.append(
            evaluate_photo(
                model,
                ground_truth,
                request.masks,
                box_threshold=request.box_threshold,
                others=others,
            )
        )
        on_photo(len(results), len(ground_truths))
    report = sum_up(
        results,
        model=model.info.name,
        weights_sha256=model.info.weights_sha256,
        floor=model.info.cam_range[0],
        unknown_boxes=unknown,
        refinement=model.refinement,
        box_threshold=request.box_threshold,
    )
    if request.json is not None:
        write_json(request.json, report.to_dict(), overwrite=request.overwrite)
    if request.contact_sheet is not None:
        write_contact_sheet(request.contact_sheet, results, model, overwrite=request.overwrite)
    return report


def evaluate_clip(
    request: Request,
    model: Model,
    *,
    on_frame: Callable[[int, int | None], None] = lambda *_: None,
) -> ClipReport:
    """Evaluate every frame of a clip, sum up, write the figures.

    Args:
        request: What to evaluate.
        model: The model to evaluate.
        on_frame: Called with the number of frames done, and of all if that is known.

    Raises:
        UsageError: There are no true boxes.
        SourceError: The clip or its boxes cannot be read.
        SinkError: An output cannot be written.
    """
    if request.boxes is None:
        raise UsageError(f"{request.photos} is a clip: it needs --true-boxes FILE.csv")
    if request.json is not None:
        AtomicFile(
            request.json, overwrite=request.overwrite, inputs=[request.photos, request.boxes]
        )
    frame_truths, unknown = read_track(request.boxes, ClassNames(model.info.labels))
    source = FileSource(request.photos)
    try:
        report = measure_clip(
            _counted(source, on_frame),
            frame_truths,
            model,
            clip=request.photos.name,
            unknown_boxes=unknown,
            box_threshold=request.box_threshold,
            smoothing=request.smoothing,
        )
    finally:
        source.close()
    if request.json is not None:
        write_json(request.json, report.to_dict(), overwrite=request.overwrite)
    return report


def _counted(source: FileSource, on_frame: Callable[[int, int | None], None]) -> Iterator[Frame]:
    for done, frame in enumerate(source, 1):
        on_frame(done, source.frame_count)
        yield frame
