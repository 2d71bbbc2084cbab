"""Teaches a model the classes of a folder: features, fit, report, and the new model's file."""

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
from camstream.teach.features import FeatureOptions, FeatureSet, extract_features
from camstream.teach.fit import Fitted, choose_range, fit, peaks_of
from camstream.teach.report import Report, make_report
from camstream.teach.sources import read_sources

_HEAT_PICTURES = 60  # of a class, from which the heat range is chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The options of ``camstream teach``.

    Attributes:
        folder: A folder with one folder per class.
        output: The model to write.
        sources: A table of the files' sources, see ``read_sources``; None: sub-folders are sources.
        background: The background class; None: found by its name.
        options: How pictures are prepared for the backbone.
        json: The file that the report is written to; None: no file.
        overwrite: Whether existing outputs may be replaced.
    """

    folder: Path
    output: Path
    sources: Path | None = None
    background: str | None = None
    options: FeatureOptions = field(default_factory=FeatureOptions)
    json: Path | None = None
    overwrite: bool = False

    def check(self, model: Path) -> None:
        """Check options and outputs before minutes of work.

        Args:
            model: The model's file, which must not be replaced.

        Raises:
            UsageError: An option is wrong.
            SinkError: An output cannot be written.
        """
        if self.output.suffix.lower() != ".onnx":
            raise UsageError(f"cannot write {self.output}: a model's name ends in .onnx")
        if not (math.isfinite(self.options.every_s) and self.options.every_s > 0):
            raise UsageError(f"--sample-every {self.options.every_s:g}: give seconds, more than 0")
        for output in (self.output, self.json):
            if output is not None:
                AtomicFile(output, overwrite=self.overwrite, inputs=[model])


def compute_features(
    request: Request,
    model: ModelFile,
    *,
    on_sample: Callable[[int, int], None] = lambda *_: None,
) -> tuple[FeatureSet, Backbone]:
    """Compute the features of the pictures.

    Args:
        request: The options.
        model: A camstream model file whose features are used.
        on_sample: Called with the number of photos and clips done, and of all.

    Returns:
        The features, and the backbone that computed them.

    Raises:
        UsageError: An option is wrong.
        SourceError: The folder lacks classes or pictures.
        ModelError: The model cannot be taught.
        SinkError: An output cannot be written.
    """
    request.check(model.path)
    table = None if request.sources is None else read_sources(request.sources)
    dataset = open_dataset(request.folder, sources=table)
    if table and not any(sample.source for sample in dataset.samples):
        raise SourceError(
            f"{request.sources} names no file of {request.folder}: give paths within it, such as "
            f"{dataset.samples[0].name}"
        )
    find_background(dataset.labels, request.background)  # an error is reported now
    backbone = Backbone(model)
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        on_sample(done, len(dataset.samples))

    return extract_features(dataset, backbone, request.options, on_sample=count), backbone


def fit_and_save(
    request: Request,
    feature_set: FeatureSet,
    backbone: Backbone,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Fit the last layer, measure it, and write the model and the report.

    Args:
        request: The options.
        feature_set: The features, from ``compute_features``.
        backbone: The backbone, from ``compute_features``.
        progress: Called with the name of each step.

    Raises:
        ModelError: The new model differs from what was fitted.
        SinkError: An output cannot be written.
    """
    progress("fitting")
    fitted = fit(feature_set.training_data(), progress=progress)
    report = make_report(
        feature_set, fitted, on_source=lambda name: progress(f"leaving out {name}")
    )
    progress("choosing the heat range")
    background = find_background(feature_set.dataset.labels, request.background)
    linear_head = to_linear_head(feature_set, backbone, request.options, fitted, background)
    progress("comparing every output with the backbone")
    save(backbone, linear_head, request.output)
    if request.json is not None:
        write_json(request.json, report.to_dict(), overwrite=request.overwrite)
    return report


def to_linear_head(
    feature_set: FeatureSet,
    backbone: Backbone,
    options: FeatureOptions,
    fitted: Fitted,
    background: str | None,
) -> LinearHead:
    """Return the new head of a fit: relative to the background class, with its heat range.

    Args:
        feature_set: The features that were fitted to.
        backbone: The backbone that computed them.
        options: How the pictures were prepared.
        fitted: The fit.
        background: The label of the background class; None: there is none.
    """
    labels = feature_set.dataset.labels
    index = None if background is None else labels.index(background)
    layer = fitted.layer.relative_to(index)
    targets, maps = _sampled_maps(feature_set, backbone, options)
    taught_on = f"{len(feature_set.names):,} pictures of {' and '.join(labels)}"
    return LinearHead(
        labels=labels,
        weight=layer.weight.astype(np.float32),
        bias=layer.bias.astype(np.float32),
        background=background,
        cam_range=choose_range(peaks_of(maps, layer), targets, index),
        size_hw=options.size_hw,
        taught_on=f"{taught_on} in {feature_set.dataset.folder.resolve().name}",
    )


def _sampled_maps(
    feature_set: FeatureSet, backbone: Backbone, options: FeatureOptions
) -> tuple[list[int], Iterator[MapF32]]:
    """Return the classes and the feature maps of some pictures, evenly over each class."""
    targets: list[int] = []
    images: list[ImageU8] = []
    for index in range(len(feature_set.dataset.labels)):
        samples = [s for s in feature_set.dataset.samples if s.class_index == index]
        picked = samples[:: math.ceil(len(samples) / _HEAT_PICTURES)]
        each = math.ceil(_HEAT_PICTURES / len(picked))
        for sample in picked:
            with contextlib.suppress(SourceError):  # it is among FeatureSet.skipped
                pictures = [views[0] for _, views in options.images(sample, backbone)]
                images += pictures[:: math.ceil(len(pictures) / each)]
                targets += [index] * (len(images) - len(targets))
    return targets, (backbone.pooled_and_maps(image)[1] for image in images)
