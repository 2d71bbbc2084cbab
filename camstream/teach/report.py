"""The accuracy of a taught model, on pictures that it was not fitted to."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.special import softmax
from sklearn.metrics import confusion_matrix

from camstream.models.cores import usable_cores
from camstream.teach.features import FeatureSet
from camstream.teach.fit import F64, Fitted, train
from camstream.teach.sources import group_sources

_LOW_CONFIDENCE = 12  # pictures that are listed
_EQUAL_POINTS = 1.0  # a smaller difference of two accuracies is none


@dataclass(frozen=True, slots=True, kw_only=True)
class LowConfidence:
    """A picture whose own class has a low probability.

    Attributes:
        name: The name of the picture.
        label: The class of its folder.
        taken_for: The class with the highest probability.
        probability: The probability of its own class, 0 to 1.
    """

    name: str
    label: str
    taken_for: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceResult:
    """The accuracy on the pictures of one source, or of some, after a fit to the other sources.

    Attributes:
        source: The name of the source or of the group, see ``group_sources``.
        pictures: How many pictures it has.
        recall: The part of its pictures that is right, by class.
        balanced_accuracy: Mean of the recalls; None if the source has pictures of one class only.
    """

    source: str
    pictures: int
    recall: dict[str, float]
    balanced_accuracy: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Accuracies on pictures that the layer was not fitted to.

    Attributes:
        labels: The classes.
        counts: Pictures by class.
        skipped: One error message per file that cannot be read.
        chosen: The chosen classifier, in words.
        tried: Balanced accuracy of each candidate.
        accuracy: Part of the pictures that is right.
        balanced_accuracy: Mean over the classes of the part that is right.
        confusion: confusion[i][j] pictures of class i were taken for class j.
        low_confidence: The pictures with the lowest probability of their own class, lowest first.
        sources: The results with each source left out; empty if there are fewer than two.
        new_sources: Balanced accuracy on sources that were left out, the mean of the sources'
            recalls for each class; None where no class has two sources.
    """

    labels: tuple[str, ...]
    counts: tuple[int, ...]
    skipped: tuple[str, ...]
    chosen: str
    tried: dict[str, float]
    accuracy: float
    balanced_accuracy: float
    confusion: tuple[tuple[int, ...], ...]
    low_confidence: tuple[LowConfidence, ...]
    sources: tuple[SourceResult, ...]
    new_sources: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the values as JSON takes them."""
        return asdict(self)


def make_report(
    feature_set: FeatureSet, fitted: Fitted, *, on_source: Callable[[str], None] = lambda _: None
) -> Report:
    """Measure the accuracy of a fit.

    Args:
        feature_set: The features that were fitted to.
        fitted: The fit.
        on_source: Called with the name of the source that is left out next, from any thread.
    """
    labels, own = feature_set.dataset.labels, feature_set.targets
    logits = fitted.out_of_fold[:: feature_set.views]
    confusion = confusion_matrix(own, logits.argmax(axis=1), labels=range(len(labels)))
    recalls = np.diag(confusion) / confusion.sum(axis=1)
    sources = _leave_out(feature_set, fitted, on_source)
    return Report(
        labels=labels,
        counts=tuple(int(count) for count in confusion.sum(axis=1)),
        skipped=feature_set.skipped,
        chosen=str(fitted.chosen),
        tried={str(candidate): value for candidate, value in fitted.tried.items()},
        accuracy=float(np.diag(confusion).sum() / confusion.sum()),
        balanced_accuracy=float(recalls.mean()),
        confusion=tuple(tuple(int(n) for n in row) for row in confusion),
        low_confidence=_low_confidence(feature_set, logits),
        sources=sources,
        new_sources=_mean_recall(labels, sources),
    )


def _low_confidence(feature_set: FeatureSet, logits: F64) -> tuple[LowConfidence, ...]:
    labels, own = feature_set.dataset.labels, feature_set.targets
    probability = softmax(logits, axis=1)[np.arange(len(own)), own]
    worst = np.argsort(probability, kind="stable")[:_LOW_CONFIDENCE]
    predicted = logits.argmax(axis=1)
    return tuple(
        LowConfidence(
            name=feature_set.names[n],
            label=labels[own[n]],
            taken_for=labels[predicted[n]],
            probability=float(probability[n]),
        )
        for n in worst
    )


def _leave_out(
    feature_set: FeatureSet, fitted: Fitted, on_source: Callable[[str], None]
) -> tuple[SourceResult, ...]:
    """Measure each source after a fit to all the others."""
    sources, data = np.array(feature_set.sources), feature_set.training_data()
    groups = group_sources(feature_set.sources)

    def measure(name: str) -> SourceResult | None:
        out: NDArray[np.bool_] = np.isin(sources, groups[name])
        if len(np.unique(feature_set.targets[~out])) < len(feature_set.dataset.labels):
            return None  # what is left does not hold every class
        on_source(name)
        layer = train(data[~np.repeat(out, feature_set.views)], fitted.chosen)
        logits = layer.calibrated(fitted.calibration).logits(feature_set.features[out, 0])
        predicted = logits.argmax(axis=1)
        own = feature_set.targets[out]
        recall = {
            feature_set.dataset.labels[index]: float((predicted[own == index] == index).mean())
            for index in np.unique(own)
        }
        return SourceResult(
            source=name,
            pictures=int(out.sum()),
            recall=recall,
            balanced_accuracy=float(np.mean(list(recall.values()))) if len(recall) > 1 else None,
        )

    if len(groups) < 2:
        return ()
    with ThreadPoolExecutor(usable_cores()) as pool:
        return tuple(result for result in pool.map(measure, groups) if result is not None)


def _mean_recall(labels: tuple[str, ...], sources: tuple[SourceResult, ...]) -> float | None:
    recalls = [[one.recall[label] for one in sources if label in one.recall] for label in labels]
    return float(np.mean([np.mean(one) for one in recalls])) if all(recalls) else None


def print_report(report: Report, console: Console) -> None:
    """Print the report as text and tables."""
    console.print(
        f"{sum(report.counts)} pictures, {report.chosen}: {report.accuracy:.1%} right, balanced "
        f"accuracy {report.balanced_accuracy:.1%} (cross-validated: on pictures that were not "
        "fitted to)",
        markup=False,
    )
    console.print(_what_to_expect(report), markup=False)
    console.print(_confusion_table(report))
    if report.sources:
        console.print(_source_table(report))
    table = Table(title="lowest confidence", title_justify="left", box=None, pad_edge=False)
    for heading in ("picture", "its folder", "probability", "taken for"):
        table.add_column(heading, justify="right" if heading == "probability" else "left")
    for one in report.low_confidence:
        table.add_row(one.name, one.label, f"{one.probability:.1%}", one.taken_for)
    console.print(table)


def _what_to_expect(report: Report) -> str:
    """Say what the cross-validation is worth: its folds hold pictures of one source on both sides."""
    if report.new_sources is None:
        return (
            "on new cameras and places expect less: the folds hold pictures of one source on both "
            "sides; put each source into a sub-folder of its class, or name them with --sources"
        )
    lower = (report.balanced_accuracy - report.new_sources) * 100
    if lower < _EQUAL_POINTS:
        return f"on sources that were left out: {report.new_sources:.1%}"
    return (
        f"on sources that were left out: {report.new_sources:.1%}, {lower:.0f} points less: expect "
        "this on new cameras and places, not the cross-validated figure"
    )


def _confusion_table(report: Report) -> Table:
    table = Table(title="taken for (columns)", title_justify="left", box=None, pad_edge=False)
    table.add_column("folder")
    for label in (*report.labels, "right"):
        table.add_column(label, justify="right")
    for index, (label, row) in enumerate(zip(report.labels, report.confusion, strict=True)):
        table.add_row(label, *map(str, row), f"{row[index] / sum(row):.1%}")
    return table


def _source_table(report: Report) -> Table:
    title = "with a whole source left out of the fit"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in ("source", "pictures", "balanced accuracy", *report.labels):
        table.add_column(heading, justify="left" if heading == "source" else "right")
    for result in report.sources:
        balanced = result.balanced_accuracy
        recalls = [result.recall.get(label) for label in report.labels]
        cells = ["" if recall is None else f"{recall:.1%}" for recall in recalls]
        shown = "one class only" if balanced is None else f"{balanced:.1%}"
        table.add_row(result.source, str(result.pictures), shown, *cells)
    return table
