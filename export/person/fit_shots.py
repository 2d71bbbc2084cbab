"""Fits ``person`` on to footage: ``python -m export.person.fit_shots FOLDER START YOLOX CACHE``.

FOLDER contains ``person_video``, ``person``, ``boxes`` and ``flowers17``; START is the person.npz that
``train_person`` wrote, from which the fit goes on; YOLOX a detector's file (see scorers.py), for boxes of the
people in photos; CACHE a folder for features, 4 GB, which are computed where it lacks them. Prints the
figures of docs/lab/person-video.md for sources that were left out, each judged by a head that was fitted
on without them (START has seen all photos, so theirs say what the fit loses). Nothing of it is shipped.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.progress import track

from camstream.console import plain_errors
from camstream.contract import fit_size
from camstream.media import read_photo
from camstream.models import zoo
from camstream.picture import Picture
from export.person import grids
from export.person.backgrounds import write_backgrounds
from export.person.fit_neck import Net, TwoGrids
from export.person.fit_on import fit_on, limited, logits_of
from export.person.grids import Grids
from export.person.judge_person import Judgement
from export.person.score_frames import Labelled, figures, read, show
from export.person.scorers import Yolox
from export.person.shots import F32, FOLDS, Shot, read_shots
from export.person.vary import Varied, Variety

_SIDE = 288  # of the plain pass
_PASSES = ((1, 448), (2, 352), (3, 448))  # of variations: seed and size
_BACKGROUND_TIMES = 6  # as often is one varied in a pass


def photo_boxes(folder: Path, yolox: Path, cache: Path) -> dict[str, F32]:
    """Find the people in the photos that show some, or read what was found before."""
    file = cache / "photo_boxes.npz"
    if not file.is_file():
        detector, photos = Yolox(yolox), read(folder / "person")
        people = [path for path, one in zip(photos.paths, photos.person, strict=True) if one]
        found = {
            str(path.relative_to(folder)): detector.boxes(read_photo(path), at_least=0.3)[:, :4]
            for path in track(people, "people in photos")
        }
        arrays: dict[str, Any] = {name: one.astype(np.float32) for name, one in found.items()}
        np.savez_compressed(file, **arrays)
    with np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def plain(shot: Shot, side: int) -> Varied:
    """Give a shot as the model sees it."""
    image = read_photo(shot.path)
    height, width = image.shape[:2]
    wh = fit_size((width, height), preferred_hw=(side, side), multiple=32)
    scale = np.array([wh[0] / width, wh[1] / height] * 2, np.float32)
    return Varied(Picture.from_bgr(image).bgr(wh), shot.boxes * scale, shot.person)


def compute(shots: Sequence[Shot], cache: Path) -> list[Grids]:
    """Compute the features of all shots and of variations of some, where there are none yet."""
    two_grids, variety = TwoGrids(zoo.find_model().path), Variety(shots)

    def of_pass(seed: int, side: int) -> Iterator[tuple[int, Varied]]:
        numbers = np.random.default_rng(100 + seed).permutation(len(shots))
        if seed:
            numbers = numbers[limited(numbers, shots)]
            again = [number for number in numbers if shots[number].background]
            numbers = np.concatenate([numbers, np.repeat(again, _BACKGROUND_TIMES - 1).astype(int)])
        for turn, number in enumerate(track(numbers, f"pass {seed}")):
            shot = shots[number]
            made = variety.make(shot, side, 1000003 * seed + turn) if seed else plain(shot, side)
            yield int(number), made

    found = []
    for seed, side in ((0, _SIDE), *_PASSES):
        folder = cache / f"pass{seed}_{side}"
        if not (folder / "rows.npy").is_file():
            grids.write(folder, of_pass(seed, side), two_grids)
        found.append(Grids(folder))
    return found


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Logits of judged shots, each by a head that was fitted on without its fold.

    Attributes:
        shots: The judged shots.
        judged: Their logits and labels.
    """

    shots: tuple[Shot, ...]
    judged: Judgement

    def some(self, chosen: Callable[[Shot], bool]) -> tuple[Labelled, Judgement]:
        """Choose some shots."""
        rows = np.flatnonzero([chosen(shot) for shot in self.shots])
        judged = Judgement(self.judged.logits[rows], self.judged.person[rows])
        shots = [self.shots[row] for row in rows]
        sources = np.array([shot.source for shot in shots])
        return Labelled(tuple(shot.path for shot in shots), judged.person, sources), judged

    def show(self) -> None:
        """Print what score_frames prints; each fold is calibrated on the other folds."""
        calibrations = [
            self.some(lambda shot, fold=fold: shot.fold != fold)[1].calibration()  # type: ignore[misc]
            for fold in range(FOLDS)
        ]
        scale, offset = np.array([calibrations[shot.fold] for shot in self.shots]).T
        shown = dataclasses.replace(
            self, judged=Judgement(self.judged.logits * scale + offset, self.judged.person)
        )
        for kind in ("video", "photo"):
            images, judged = shown.some(lambda shot, kind=kind: shot.kind == kind)  # type: ignore[misc]
            found = figures(judged.logits.astype(np.float64), 0.0, images)
            show(f"{kind}, sources left out", found, by_source=True)


def leave_out(start: Net, passes: Sequence[Grids], shots: Sequence[Shot]) -> LeftOut:
    """Fit on without each fold in turn, and judge its shots by that."""
    kept: list[int] = []
    logits = []
    for fold in track(range(FOLDS), "fitting on, a fold left out"):
        net = fit_on(start, passes, shots, fold)
        judged = [shots[n].fold == fold and shots[n].kind != "more" for n in passes[0].shots]
        rows = np.flatnonzero(judged)
        kept += passes[0].shots[rows].tolist()
        logits.append(logits_of(net, passes[0], rows))
    chosen = tuple(shots[number] for number in kept)
    person = np.array([shot.person for shot in chosen])
    return LeftOut(chosen, Judgement(np.concatenate(logits), person))


def main(
    folder: Path,
    start: Annotated[Path, typer.Argument(help="The person.npz that train_person wrote.")],
    yolox: Annotated[Path, typer.Argument(help="A YOLOX detector's file, see scorers.py.")],
    cache: Annotated[Path, typer.Argument(help="Folder for features, 4 GB.")],
) -> None:
    """Fit the model person on to footage, and measure it on sources left out."""
    with plain_errors(debug=False):
        fit_and_judge(folder, start, yolox, cache)


def fit_and_judge(folder: Path, start: Path, yolox: Path, cache: Path) -> None:
    """Fit on without each fold in turn, and print the figures."""
    torch.set_flush_denormal(True)  # Adam's averages fade into denormal numbers, which are slow
    cache.mkdir(parents=True, exist_ok=True)
    backgrounds = cache / "backgrounds"
    if not backgrounds.is_dir():
        write_backgrounds(folder / "person_video", backgrounds)
    shots = read_shots(folder, photo_boxes(folder, yolox, cache), backgrounds)
    passes = compute(shots, cache)
    first = Net(*passes[0].channels)
    with np.load(start, allow_pickle=False) as numbers:
        first.load({name: numbers[name].astype(np.float32) for name in numbers.files})
    leave_out(first, passes, shots).show()


if __name__ == "__main__":
    typer.run(main)
