"""Fits ``person`` on to footage: ``python -m export.person.fit_shots FOLDER START YOLOX CACHE --write``.

FOLDER contains ``person_video``, ``person``, ``boxes`` and ``flowers17``; START is the person.npz that
``train_person`` wrote, with its person.json beside it, from which the fit goes on; YOLOX a detector's file
(see scorers.py), for boxes of the people in photos; CACHE a folder for features, 4 GB, which are computed
where it lacks them. Prints the figures of docs/lab/person-video.md for sources that were left out, each
judged by a head that was fitted on without them (START has seen all photos, so theirs say what the fit
loses). With ``--write``, fits on to all, sets the threshold by those figures, and replaces the shipped head.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.progress import track

from camstream.console import plain_errors
from camstream.contract import fit_size
from camstream.graph.backbone import Backbone
from camstream.graph.new_head import LinearHead, save
from camstream.media import read_photo
from camstream.models import shipped_head, zoo
from camstream.picture import Picture
from export.person import grids
from export.person.backgrounds import write_backgrounds
from export.person.fit_neck import Net, TwoGrids, to_shipped
from export.person.fit_on import fit_on, judge, limited, soup
from export.person.grids import Grids
from export.person.score_frames import read
from export.person.scorers import Yolox
from export.person.shots import F32, FOLDS, Shot, read_shots
from export.person.threshold import F64, SIDE, calibrated, show_left_out
from export.person.train_person import write_head
from export.person.vary import Varied, Variety

_LARGE = 448  # a second size to judge at; nothing is fitted there
# Of each fit, the passes of variations beside the plain one: their seeds and sizes.
_FITS = (((1, 352), (2, 288)), ((3, 288), (6, 352)), ((5, 288), (4, 416)))
_BACKGROUND_TIMES = 6  # as often is one varied in a pass
_LIGHT = 0.1  # heat begins at this share of where it is full


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


class Features:
    """The features of all shots and of variations of some, computed where a folder lacks them."""

    def __init__(self, shots: Sequence[Shot], cache: Path) -> None:
        """Take the shots, and the folder."""
        self._shots, self._cache = shots, cache
        self._two_grids, self._variety = TwoGrids(zoo.find_model().path), Variety(shots)

    def plain(self, side: int) -> Grids:
        """Give every shot as the model sees it at an input size."""
        return self._kept(0, side)

    def fits(self) -> list[list[Grids]]:
        """Give the passes of each fit."""
        plain = self.plain(SIDE)
        return [[plain, *(self._kept(*one) for one in passes)] for passes in _FITS]

    def _kept(self, seed: int, side: int) -> Grids:
        folder = self._cache / f"pass{seed}_{side}"
        if not (folder / "rows.npy").is_file():
            grids.write(folder, self._pictures(seed, side), self._two_grids)
        return Grids(folder)

    def _pictures(self, seed: int, side: int) -> Iterator[tuple[int, Varied]]:
        shots = self._shots
        numbers = np.random.default_rng(100 + seed).permutation(len(shots))
        if seed:
            numbers = numbers[limited(numbers, shots)]
            again = [number for number in numbers if shots[number].background]
            numbers = np.concatenate([numbers, np.repeat(again, _BACKGROUND_TIMES - 1).astype(int)])
        for turn, number in enumerate(track(numbers, f"pass {seed} at {side}")):
            shot = shots[number]
            varied = self._variety.make
            made = varied(shot, side, 1000003 * seed + turn) if seed else plain(shot, side)
            yield int(number), made


def fit_all(
    start: Net, fits: Sequence[Sequence[Grids]], shots: Sequence[Shot], left_out: int | None
) -> Net:
    """Fit on several times, without a fold, and average with the start."""
    nets = [fit_on(start, fit, shots, left_out, seed=n) for n, fit in enumerate(fits)]
    return soup(start, nets)


def leave_out(
    start: Net,
    fits: Sequence[Sequence[Grids]],
    judged: Sequence[Grids],
    shots: Sequence[Shot],
) -> tuple[list[F64], list[Shot]]:
    """Fit on without each fold in turn, and judge its shots by that.

    Args:
        start: See ``fit_on``.
        fits: The passes of each fit.
        judged: Plain features of all shots, of the sizes to judge at.
        shots: All.

    Returns:
        For each size (N,) logits of the class person; and the shots, in their order.
    """
    numbers = [n for n, shot in enumerate(shots) if shot.kind != "more"]
    logits = [np.full(len(shots), np.nan) for _ in judged]
    for fold in track(range(FOLDS), "fitting on, a fold left out"):
        net = fit_all(start, fits, shots, fold)
        for found, one in zip(logits, judged, strict=True):
            own = [shots[n].fold == fold and shots[n].kind != "more" for n in one.shots]
            rows = np.flatnonzero(own)
            found[one.shots[rows]] = judge(net, one, rows)[0]
    return [found[numbers] for found in logits], [shots[n] for n in numbers]


def ship(fitted: Net, start: LinearHead, plain: Grids, logits: F64, shots: Sequence[Shot]) -> None:
    """Calibrate by the shots that were left out, and replace the shipped head.

    Args:
        fitted: To all shots.
        start: Its labels are kept.
        plain: Features of all shots.
        logits: (N,) of shots that were left out.
        shots: Those.
    """
    _, highest = judge(fitted, plain, np.flatnonzero(plain.person))
    full = float(np.median(highest))
    neck, row, bias = to_shipped(fitted, 1.0, 0.0)
    frames = [shot for shot in shots if shot.kind == "video"]
    linear = dataclasses.replace(
        start,
        weight=np.stack([np.zeros_like(row), row]),
        bias=np.stack([np.zeros_like(bias), bias]),
        cam_range=(_LIGHT * full, full),
        taught_on=f"{start.taught_on}, and {len(frames):,} frames of "
        f"{len({shot.source for shot in frames})} cameras",
    )
    linear = calibrated(linear, logits, shots)
    backbone = Backbone(zoo.find_model(), neck=neck)
    with TemporaryDirectory() as temporary:
        info = save(backbone, linear, Path(temporary) / "person.onnx", name="person")
    print(info.parity)
    write_head(backbone, neck, linear, info)


def begin(head: shipped_head.ShippedHead) -> Net:
    """Give the network to go on from."""
    neck, linear = head.neck, head.linear_head
    net = Net(neck.fine.shape[1], neck.coarse.shape[1])
    net.load({**dataclasses.asdict(neck), "weight": linear.weight, "class_bias": linear.bias})
    return net


def main(
    folder: Path,
    start: Annotated[Path, typer.Argument(help="The person.npz that train_person wrote.")],
    yolox: Annotated[Path, typer.Argument(help="A YOLOX detector's file, see scorers.py.")],
    cache: Annotated[Path, typer.Argument(help="Folder for features, 4 GB.")],
    write: Annotated[bool, typer.Option("--write", help="Replace the shipped head.")] = False,
) -> None:
    """Fit the model person on to footage, and measure it on sources left out."""
    with plain_errors(debug=False):
        torch.set_flush_denormal(True)  # Adam's averages fade into denormal numbers, which are slow
        try:
            fit_and_judge(folder, start, yolox, cache, write=write)
        finally:
            torch.set_flush_denormal(False)  # it is the whole process's


def fit_and_judge(folder: Path, start: Path, yolox: Path, cache: Path, *, write: bool) -> None:
    """Fit on without each fold in turn, print the figures; then fit on to all."""
    cache.mkdir(parents=True, exist_ok=True)
    backgrounds = cache / "backgrounds"
    if not backgrounds.is_dir():
        write_backgrounds(folder / "person_video", backgrounds)
    shots = read_shots(folder, photo_boxes(folder, yolox, cache), backgrounds)
    head = shipped_head.read(start, start.with_suffix(".json"))
    first, features = begin(head), Features(shots, cache)
    plain, fits = [features.plain(SIDE), features.plain(_LARGE)], features.fits()
    (usual, large), judged = leave_out(first, fits, plain, shots)
    show_left_out(usual, judged)
    print(f"at {_LARGE} pixels, where nothing was fitted, with the same thresholds:")
    show_left_out(large, judged, usual=usual)
    if write:
        ship(fit_all(first, fits, shots, None), head.linear_head, plain[0], usual, judged)


if __name__ == "__main__":
    typer.run(main)
