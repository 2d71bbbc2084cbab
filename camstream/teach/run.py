"""What ``camstream teach`` does, once the command line is read."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from camstream.console import console, note, steps
from camstream.contract import ModelFile
from camstream.errors import SinkError, SourceError
from camstream.graph.backbone import Backbone
from camstream.graph.new_head import LinearHead, save
from camstream.picture import ImageU8, MapF32
from camstream.sinks.atomic_file import AtomicFile
from camstream.sinks.records import write_json
from camstream.teach.dataset import ImageFolder, find_background, open_dataset
from camstream.teach.features import Gallery, Look, look_through
from camstream.teach.fit import Fitted, fit
from camstream.teach.heat import choose_range, peaks_of
from camstream.teach.report import Report, sum_up

_HEAT_PICTURES = 60  # of a class, from which the range of heat is chosen
_MOST_SKIPPED_TOLD = 5


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be taught.

    Attributes:
        folder: One folder a class.
        output: The model to write.
        background: The class of what is none of the others; None: found by its name.
        look: How the pictures are looked at.
        json: Where to write the figures.
        overwrite: Whether existing outputs may be replaced.
    """

    folder: Path
    output: Path
    background: str | None = None
    look: Look = field(default_factory=Look)
    json: Path | None = None
    overwrite: bool = False

    def check(self, model: Path) -> None:
        """Find out what cannot be done before minutes of work.

        Args:
            model: The file that must not be replaced.

        Raises:
            SinkError: An output cannot be written.
            SourceError: The samples of a clip cannot be that far apart.
        """
        if self.output.suffix.lower() != ".onnx":
            raise SinkError(f"cannot write {self.output}: a model's name ends in .onnx")
        for output in (self.output, self.json):
            if output is not None:
                AtomicFile(output, overwrite=self.overwrite, inputs=[model])
        if not (math.isfinite(self.look.every_s) and self.look.every_s > 0):
            raise SourceError(f"--every {self.look.every_s:g}: give seconds, more than 0")


def teach(request: Request, model: ModelFile) -> Report:
    """Look at the pictures, fit, judge, and write the model.

    Args:
        request: What is to be taught.
        model: A camstream model file whose features are used.

    Raises:
        SourceError: The folder does not hold what is needed.
        ModelError: The model cannot be taught.
        SinkError: An output cannot be written.
    """
    request.check(model.path)
    dataset = open_dataset(request.folder)
    background = find_background(dataset.labels, request.background)
    backbone = Backbone(model)
    gallery = look_with_bar(dataset, backbone, request.look)
    tell_skipped(gallery)
    with steps(console, "fitting") as progress:
        fitted = fit(gallery.samples(), progress=progress)
        report = sum_up(gallery, fitted, on_source=lambda name: progress(f"leaving out {name}"))
        progress("choosing where heat begins")
        linear_head = to_linear_head(gallery, backbone, request.look, fitted, background)
        progress("comparing every output with the trunk")
        save(backbone, linear_head, request.output)
    if request.json is not None:
        write_json(request.json, report.to_dict(), overwrite=request.overwrite)
    return report


def look_with_bar(dataset: ImageFolder, backbone: Backbone, look: Look) -> Gallery:
    """Compute the features of an album behind a progress bar."""
    columns = (
        TextColumn("looking"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("looking", total=len(dataset.items))
        return look_through(dataset, backbone, look, on_item=lambda: bar.advance(task))


def tell_skipped(gallery: Gallery) -> None:
    """Name what could not be read."""
    for line in gallery.skipped[:_MOST_SKIPPED_TOLD]:
        note(f"skipped: {line}")
    more = len(gallery.skipped) - _MOST_SKIPPED_TOLD
    if more > 0:
        note(f"skipped: {more} more that cannot be read")


def to_linear_head(
    gallery: Gallery,
    backbone: Backbone,
    look: Look,
    fitted: Fitted,
    background: str | None,
) -> LinearHead:
    """Make the last layer of a fit: against the background, with its range of heat.

    Args:
        gallery: What was fitted to.
        backbone: Looked at it.
        look: How.
        fitted: What came of it.
        background: The label of what is none of the others; None: there is none.
    """
    labels = gallery.dataset.labels
    index = None if background is None else labels.index(background)
    layer = fitted.layer.relative_to(index)
    targets, maps = _sampled_maps(gallery, backbone, look)
    pictures = f"{len(gallery.names):,} pictures of {' and '.join(labels)}"
    return LinearHead(
        labels=labels,
        weight=layer.weight.astype(np.float32),
        bias=layer.bias.astype(np.float32),
        background=background,
        cam_range=choose_range(peaks_of(maps, layer), targets, index),
        size_hw=look.size_hw,
        taught_on=f"{pictures} in {gallery.dataset.folder.resolve().name}",
    )


def _sampled_maps(
    gallery: Gallery, backbone: Backbone, look: Look
) -> tuple[list[int], Iterator[MapF32]]:
    """Give the classes and the feature maps of some pictures, evenly over each class."""
    targets: list[int] = []
    images: list[ImageU8] = []
    for index in range(len(gallery.dataset.labels)):
        items = [item for item in gallery.dataset.items if item.class_index == index]
        picked = items[:: math.ceil(len(items) / _HEAT_PICTURES)]
        each = math.ceil(_HEAT_PICTURES / len(picked))
        for item in picked:
            with contextlib.suppress(SourceError):  # it was told as skipped
                shots = [views[0] for _, views in look.images(item, backbone)]
                images += shots[:: math.ceil(len(shots) / each)]
                targets += [index] * (len(images) - len(targets))
    return targets, (backbone.pooled_and_maps(image)[1] for image in images)
