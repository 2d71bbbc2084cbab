"""Compares ``person`` with its rivals, image by image, on whole sources.

    python -m export.person.score_frames ../shared/data camstream:person camstream:person@448 \
        yolox:yolox_nano.onnx vww:model_fp32.tflite --cache scores

Prints, for the frames of ``person_video`` and the photos of ``person``: balanced accuracy at the
scorer's own threshold; the area under the ROC curve; the mean of the sources' accuracies, by which
a source with many frames counts as much as one with few; and the best balanced accuracy that any
threshold has, which is what calibration could reach. ``--by-source`` prints each source, the worst
first. ``--cache`` keeps the scores, one file a scorer. ``--each N`` looks at no more than N images of
a source and label, evenly chosen: frames of one source look alike, so little is lost but time.
``--by-kind`` prints the frames by camera angle, light, and how the people look
(video_sources.csv, by what the data's README says of each source).
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.progress import track
from sklearn.metrics import roc_auc_score, roc_curve

from camstream.console import plain_errors
from camstream.errors import SourceError
from camstream.media import read_photo
from export.person.scorers import Scorer, open_scorer

_KINDS = Path(__file__).with_name("video_sources.csv")
SETS = ("person_video", "person")


@dataclass(frozen=True, slots=True)
class Labelled:
    """Images with and without people, by source.

    Attributes:
        paths: Of the images.
        person: (N,) whether somebody is there.
        sources: (N,) names.
    """

    paths: tuple[Path, ...]
    person: NDArray[np.bool_]
    sources: NDArray[np.str_]

    def thinned(self, each: int) -> Labelled:
        """Keep at most so many images of each source and label, evenly chosen."""
        kept = []
        for source in np.unique(self.sources):
            for one in (True, False):
                rows = np.flatnonzero((self.sources == source) & (self.person == one))
                count = min(each, len(rows))
                kept += rows[np.linspace(0, len(rows) - 1, count).astype(int)].tolist()
        kept.sort()
        return self.rows(kept)

    def rows(self, kept: Sequence[int]) -> Labelled:
        """Keep some of the images."""
        paths = tuple(self.paths[row] for row in kept)
        return Labelled(paths, self.person[list(kept)], self.sources[list(kept)])


def read(folder: Path) -> Labelled:
    """Read the ``manifest.csv`` of ``person_video`` or of ``person``.

    Raises:
        SourceError: There is none.
    """
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        raise SourceError(f"no list of labelled images: {manifest}")
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    sources = [row["source"] if "source" in row else row["set"] for row in rows]
    person = np.array([row["label"] == "yes" for row in rows])
    return Labelled(tuple(folder / row["file"] for row in rows), person, np.array(sources))


@dataclass(frozen=True, slots=True)
class Figures:
    """What a scorer reaches on labelled images.

    Attributes:
        balanced: Mean of the shares of people seen and of empty images called empty.
        seen: Share of the images with people.
        empty: Share of those without.
        area: Under the ROC curve.
        by_source: Share of right images, by source.
        best: The balanced accuracy at the threshold that is the best for these very images.
    """

    balanced: float
    seen: float
    empty: float
    area: float
    by_source: dict[str, float]
    best: float

    @property
    def mean_of_sources(self) -> float:
        """Mean of the sources' accuracies."""
        return float(np.mean(list(self.by_source.values())))


def figures(scores: NDArray[np.float64], threshold: float, images: Labelled) -> Figures:
    """Compute the figures of (N,) scores."""
    right = (scores >= threshold) == images.person
    seen, empty = (float(right[images.person == one].mean()) for one in (True, False))
    false_alarms, found, _ = roc_curve(images.person, scores)
    return Figures(
        balanced=(seen + empty) / 2,
        seen=seen,
        empty=empty,
        area=float(roc_auc_score(images.person, scores)),
        by_source={
            str(one): float(right[images.sources == one].mean())
            for one in np.unique(images.sources)
        },
        best=float((1 + found - false_alarms).max() / 2),
    )


def score_all(scorer: Scorer, images: Labelled, cache: Path | None) -> NDArray[np.float64]:
    """Score all images, or read their scores from the cache."""
    if cache is not None and cache.is_file():
        stored: NDArray[np.float64] = np.load(cache, allow_pickle=False)
        if len(stored) == len(images.paths):
            return stored
    scores = np.array([scorer.score(read_photo(path)) for path in track(images.paths, scorer.name)])
    if cache is not None:
        cache.parent.mkdir(parents=True, exist_ok=True)
        np.save(cache, scores)
    return scores


def kinds(images: Labelled) -> dict[str, NDArray[np.bool_]]:
    """Say which images are of which kind: angle, light and people, as video_sources.csv has it."""
    with _KINDS.open(newline="", encoding="utf-8") as file:
        rows = {row.pop("source"): row for row in csv.DictReader(file)}
    found: dict[str, NDArray[np.bool_]] = {}
    for column in ("angle", "light", "people"):
        values = np.array([rows.get(str(one), {}).get(column, "") for one in images.sources])
        for value in np.unique(values[values != ""]):
            found[f"{column}: {value}"] = values == value
    return found


def show_kinds(scores: NDArray[np.float64], threshold: float, images: Labelled) -> None:
    """Print the shares seen and called empty, by kind."""
    right = (scores >= threshold) == images.person
    for name, chosen in kinds(images).items():
        shares = [
            f"{word} {right[chosen & (images.person == one)].mean():.0%}"
            for one, word in ((True, "seen"), (False, "empty"))
            if (chosen & (images.person == one)).any()
        ]
        print(f"    {name}: {', '.join(shares)} of {chosen.sum()}")


def show(name: str, found: Figures, *, by_source: bool) -> None:
    """Print one line, and one for each source where wanted."""
    print(
        f"| {name} | {found.balanced:.1%} | {found.seen:.1%} | {found.empty:.1%} "
        f"| {found.area:.3f} | {found.mean_of_sources:.1%} | {found.best:.1%} |"
    )
    if by_source:
        for source, share in sorted(found.by_source.items(), key=lambda item: item[1]):
            print(f"    {source} {share:.0%}")


def main(
    folder: Path,
    scorers: Annotated[
        list[str], typer.Argument(help="KIND:ARGUMENT, see export/person/scorers.py")
    ],
    cache: Annotated[Path | None, typer.Option(help="Folder that keeps the scores.")] = None,
    by_source: Annotated[bool, typer.Option("--by-source", help="Print each source.")] = False,
    by_kind: Annotated[bool, typer.Option("--by-kind", help="Print each kind of footage.")] = False,
    each: Annotated[int, typer.Option(help="At most so many images of a source and label.")] = 9999,
    threads: Annotated[int, typer.Option(help="Of each network.")] = 1,
) -> None:
    """Compare scorers on labelled images."""
    with plain_errors(debug=False):
        opened = [open_scorer(text, threads=threads) for text in scorers]
        for name in SETS:
            compare(opened, name, read(folder / name).thinned(each), cache, by_source, by_kind)


def compare(
    opened: Sequence[Scorer],
    name: str,
    images: Labelled,
    cache: Path | None,
    by_source: bool,
    by_kind: bool,
) -> None:
    """Print the table of one set of images."""
    print(f"\n{name}: {images.person.sum()} with people, {(~images.person).sum()} without")
    print("| | balanced | seen | empty | ROC area | mean of sources | best threshold |")
    print("|---|---|---|---|---|---|---|")
    for scorer in opened:
        file = None if cache is None else cache / f"{scorer.name}.{name}.{len(images.paths)}.npy"
        scores = score_all(scorer, images, file)
        show(scorer.name, figures(scores, scorer.threshold, images), by_source=by_source)
        if by_kind:
            show_kinds(scores, scorer.threshold, images)


if __name__ == "__main__":
    typer.run(main)
