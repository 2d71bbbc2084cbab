"""What a taught model can be trusted with: figures on pictures that it was not fitted to."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.metrics import confusion_matrix

from camstream.teach.calibration import F64, I64
from camstream.teach.features import Gallery
from camstream.teach.fit import Fitted, train

_DOUBTFUL = 12


@dataclass(frozen=True, slots=True)
class LowConfidence:
    """A picture whose own class got little of the probability.

    Attributes:
        name: The picture.
        label: The class of its folder.
        taken_for: The class that got most of the probability.
        probability: What its own class got, 0 to 1.
    """

    name: str
    label: str
    taken_for: str
    probability: float


@dataclass(frozen=True, slots=True)
class SourceResult:
    """How a whole source is judged by what was fitted to the others.

    Attributes:
        source: Its name.
        pictures: How many are in it.
        recall: Part of them right, by class; a source with one class tells nothing more.
        balanced_accuracy: Mean of the recalls; None where the source holds one class only.
    """

    source: str
    pictures: int
    recall: dict[str, float]
    balanced_accuracy: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """All figures; every one is of pictures that the judging layer was not fitted to.

    Attributes:
        labels: The classes.
        counts: Pictures by class.
        skipped: What could not be read.
        chosen: The classifier, in words.
        tried: Balanced accuracy of each candidate.
        accuracy: Part of the pictures that is right.
        balanced_accuracy: Mean over the classes of the part that is right.
        confusion: confusion[i][j] pictures of class i were taken for class j.
        doubtful: The most doubtful pictures, worst first.
        sources: With each source left out; empty where there are fewer than two.
    """

    labels: tuple[str, ...]
    counts: tuple[int, ...]
    skipped: tuple[str, ...]
    chosen: str
    tried: dict[str, float]
    accuracy: float
    balanced_accuracy: float
    confusion: tuple[tuple[int, ...], ...]
    doubtful: tuple[LowConfidence, ...]
    sources: tuple[SourceResult, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give the figures as JSON takes them."""
        return asdict(self)


def sum_up(
    gallery: Gallery, fitted: Fitted, *, on_source: Callable[[str], None] = lambda _: None
) -> Report:
    """Judge a fit.

    Args:
        gallery: What was fitted to.
        fitted: What came of it.
        on_source: Is told the source that is being left out, from any thread.
    """
    labels, own = gallery.dataset.labels, gallery.targets
    logits = fitted.out_of_fold[:: gallery.views]
    confusion = confusion_matrix(own, logits.argmax(axis=1), labels=range(len(labels)))
    recalls = np.diag(confusion) / confusion.sum(axis=1)
    return Report(
        labels=labels,
        counts=tuple(int(count) for count in confusion.sum(axis=1)),
        skipped=gallery.skipped,
        chosen=str(fitted.chosen),
        tried={str(candidate): value for candidate, value in fitted.tried.items()},
        accuracy=float(np.diag(confusion).sum() / confusion.sum()),
        balanced_accuracy=float(recalls.mean()),
        confusion=tuple(tuple(int(n) for n in row) for row in confusion),
        doubtful=_low_confidences(gallery, logits),
        sources=_leave_out(gallery, fitted, on_source),
    )


def softmax(logits: F64) -> F64:
    """Give (N, C) probabilities."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: F64 = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def balanced_accuracy(own: I64, seen: I64) -> float:
    """Mean over the classes that occur of the part of each that is right."""
    return float(np.mean([(seen[own == index] == index).mean() for index in np.unique(own)]))


def _low_confidences(gallery: Gallery, logits: F64) -> tuple[LowConfidence, ...]:
    labels, own = gallery.dataset.labels, gallery.targets
    probability = softmax(logits)[np.arange(len(own)), own]
    worst = np.argsort(probability, kind="stable")[:_DOUBTFUL]
    seen = logits.argmax(axis=1)
    return tuple(
        LowConfidence(gallery.names[n], labels[own[n]], labels[seen[n]], float(probability[n]))
        for n in worst
    )


def _leave_out(
    gallery: Gallery, fitted: Fitted, on_source: Callable[[str], None]
) -> tuple[SourceResult, ...]:
    """Fit to all sources but one, and judge that one; for each in turn."""
    sources, samples = np.array(gallery.sources), gallery.samples()
    names = [str(name) for name in np.unique(sources) if name]

    def judge(name: str) -> SourceResult | None:
        out: NDArray[np.bool_] = sources == name
        if len(np.unique(gallery.targets[~out])) < len(gallery.dataset.labels):
            return None  # what is left does not hold every class
        on_source(name)
        layer = train(samples[~np.repeat(out, gallery.views)], fitted.chosen)
        seen = layer.calibrated(fitted.calibration).logits(gallery.features[out, 0]).argmax(axis=1)
        own = gallery.targets[out]
        recall = {
            gallery.dataset.labels[index]: float((seen[own == index] == index).mean())
            for index in np.unique(own)
        }
        balanced = balanced_accuracy(own, seen) if len(recall) > 1 else None
        return SourceResult(name, int(out.sum()), recall, balanced)

    if len(names) < 2:
        return ()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return tuple(result for result in pool.map(judge, names) if result is not None)


def show(report: Report, console: Console) -> None:
    """Print the figures as people read them."""
    console.print(
        f"{sum(report.counts)} pictures, {report.chosen}: {report.accuracy:.1%} right, balanced "
        f"accuracy {report.balanced_accuracy:.1%} (cross-validated: on pictures that were not "
        "fitted to)",
        markup=False,
    )
    console.print(_confusion_table(report))
    if report.sources:
        console.print(_source_table(report))
    low_confidences = Table(
        title="most doubtful pictures", title_justify="left", box=None, pad_edge=False
    )
    for heading in ("picture", "its folder says", "probability", "taken for"):
        low_confidences.add_column(heading, justify="right" if heading == "probability" else "left")
    for doubt in report.doubtful:
        low_confidences.add_row(
            doubt.name, doubt.label, f"{doubt.probability:.1%}", doubt.taken_for
        )
    console.print(low_confidences)


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
