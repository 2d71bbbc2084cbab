"""Teaches a model new classes: computes features, fits a last layer, measures, writes the model."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from camstream.contract import ModelFile
from camstream.errors import SourceError, UsageError
from camstream.graph.backbone import Backbone
from camstream.graph.new_head import LinearHead, save
from camstream.picture import ImageU8, MapF32
from camstream.sinks.atomic_file import AtomicFile
from camstream.sinks.records import write_json
from camstream.teach.dataset import find_background, open_dataset
from camstream.teach.features import Gallery, Look, look_through
from camstream.teach.fit import Fitted, fit
from camstream.teach.heat import choose_range, peaks_of
from camstream.teach.report import Report, sum_up

_HEAT_PICTURES = 60  # of a class, from which the range of heat is chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to teach.

    Attributes:
        folder: One folder per class.
        output: The model to write.
        background: The background class; None: found by its name.
        look: How the pictures are sampled and sized.
        json: Where to write the figures; None: nowhere.
        overwrite: Whether existing outputs may be replaced.
    """

    folder: Path
    output: Path
    background: str | None = None
    look: Look = field(default_factory=Look)
    json: Path | None = None
    overwrite: bool = False

    def check(self, model: Path) -> None:
        """Find wrong options and outputs before minutes of work.

        Args:
            model: The file that must not be replaced.

        Raises:
            UsageError: An option is wrong.
            SinkError: An output cannot be written.
        """
        if self.output.suffix.lower() != ".onnx":
            raise UsageError(f"cannot write {self.output}: a model's name ends in .onnx")
        if not (math.isfinite(self.look.every_s) and self.look.every_s > 0):
            raise UsageError(f"--sample-every {self.look.every_s:g}: give seconds, more than 0")
        for output in (self.output, self.json):
            if output is not None:
                AtomicFile(output, overwrite=self.overwrite, inputs=[model])


def compute_features(
    request: Request,
    model: ModelFile,
    *,
    on_item: Callable[[int, int], None] = lambda *_: None,
) -> tuple[Gallery, Backbone]:
    """Compute the features of the pictures.

    Args:
        request: What to teach.
        model: A camstream model file whose features are used.
        on_item: Called with the number of photos and clips done, and of all.

    Returns:
        The features, and the network that computed them.

    Raises:
        UsageError: An option is wrong.
        SourceError: The folder does not hold what is needed.
        ModelError: The model cannot be taught.
        SinkError: An output cannot be written.
    """
    request.check(model.path)
    dataset = open_dataset(request.folder)
    find_background(dataset.labels, request.background)  # an error is reported now
    backbone = Backbone(model)
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        on_item(done, len(dataset.items))

    return look_through(dataset, backbone, request.look, on_item=count), backbone


def fit_and_save(
    request: Request,
    gallery: Gallery,
    backbone: Backbone,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Fit the last layer, measure it, and write the model and the figures.

    Args:
        request: What to teach.
        gallery: From ``compute_features``; so is the next.
        backbone: See there.
        progress: Called with each step.

    Raises:
        ModelError: The new model differs from what was fitted.
        SinkError: An output cannot be written.
    """
    progress("fitting")
    fitted = fit(gallery.samples(), progress=progress)
    report = sum_up(gallery, fitted, on_source=lambda name: progress(f"leaving out {name}"))
    progress("choosing where heat begins")
    background = find_background(gallery.dataset.labels, request.background)
    linear_head = to_linear_head(gallery, backbone, request.look, fitted, background)
    progress("comparing every output with the backbone")
    save(backbone, linear_head, request.output)
    if request.json is not None:
        write_json(request.json, report.to_dict(), overwrite=request.overwrite)
    return report


def to_linear_head(
    gallery: Gallery,
    backbone: Backbone,
    look: Look,
    fitted: Fitted,
    background: str | None,
) -> LinearHead:
    """Make the last layer of a fit: relative to the background class, with its range of heat.

    Args:
        gallery: The features that were fitted to.
        backbone: The network that computed them.
        look: How the pictures were sampled and sized.
        fitted: The fit.
        background: The label of the background class; None: there is none.
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
    """Return the classes and the feature maps of some pictures, evenly over each class."""
    targets: list[int] = []
    images: list[ImageU8] = []
    for index in range(len(gallery.dataset.labels)):
        items = [item for item in gallery.dataset.items if item.class_index == index]
        picked = items[:: math.ceil(len(items) / _HEAT_PICTURES)]
        each = math.ceil(_HEAT_PICTURES / len(picked))
        for item in picked:
            with contextlib.suppress(SourceError):  # reported as skipped before
                shots = [views[0] for _, views in look.images(item, backbone)]
                images += shots[:: math.ceil(len(shots) / each)]
                targets += [index] * (len(images) - len(targets))
    return targets, (backbone.pooled_and_maps(image)[1] for image in images)
