"""Calibrates ``person`` on frames of cameras and on photos: the last step of making it.

    python -m export.person.calibrate_shots ../shared/data START --write

START is the person.npz that ``train_person`` wrote, with its person.json beside it. Nothing is fitted but
the scale and the offset of the logits, at the input size that the model ships with: at the threshold, 98 % of
the empty frames of cameras are called empty. Prints the figures of docs/lab/person-video.md, each fold of
sources judged with the threshold of the others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.progress import track

from camstream.console import plain_errors
from camstream.graph.backbone import Backbone
from camstream.graph.new_head import LinearHead, save
from camstream.media import read_photo
from camstream.models import shipped_head, zoo
from camstream.models.session import Model
from export.person.judge_person import Judgement
from export.person.score_frames import Labelled, figures, show
from export.person.shots import FOLDS, Shot, read_shots
from export.person.train_person import write_head

F64 = NDArray[np.float64]
KINDS = ("video", "photo")
SIDE = 288  # the shipped model's input size
# Of the empty frames of cameras, so many are to be called empty. The highest balanced accuracy lies at 95 %,
# half a point higher; but in front of a camera there is nobody most of the time, and false alarms annoy.
EMPTY = 0.98


def threshold_of(logits: F64, shots: Sequence[Shot]) -> float:
    """Find the lowest logit over which ``EMPTY`` of the empty frames of cameras do not lie."""
    empty = [shot.kind == "video" and not shot.person for shot in shots]
    return float(np.quantile(logits[np.array(empty)], EMPTY))


def show_left_out(logits: F64, shots: Sequence[Shot]) -> None:
    """Print what score_frames prints; the threshold of a fold is that of the others."""
    folds = np.array([shot.fold for shot in shots])
    thresholds = np.zeros(len(shots))
    for fold in range(FOLDS):
        others = np.flatnonzero(folds != fold).tolist()
        thresholds[folds == fold] = threshold_of(logits[others], [shots[n] for n in others])
    for kind in KINDS:
        rows = np.flatnonzero([shot.kind == kind for shot in shots]).tolist()
        chosen = [shots[row] for row in rows]
        images = Labelled(
            tuple(shot.path for shot in chosen),
            np.array([shot.person for shot in chosen]),
            np.array([shot.source for shot in chosen]),
        )
        found = figures((logits - thresholds)[rows], 0.0, images)
        show(f"{kind}, calibrated on other sources", found, by_source=True)


def calibrated(head: LinearHead, logits: F64, shots: Sequence[Shot]) -> LinearHead:
    """Give the head whose logit is 0 at the threshold, for the shipped model's input size.

    Args:
        head: With the classes no person and person.
        logits: (N,) of the class person, by that head.
        shots: Judged.
    """
    person = np.array([shot.person for shot in shots])
    scale, _ = Judgement(logits.astype(np.float32), person).calibration()
    offset = -scale * threshold_of(logits, shots)
    print(f"calibrated: logits times {scale:.2f} plus {offset:.2f}")
    low, full = (float(f"{value * scale:.3g}") for value in head.cam_range)
    return dataclasses.replace(
        head,
        weight=_rounded(head.weight * scale),
        bias=_rounded(head.bias * scale + np.array([0, offset])),
        cam_range=(low, full),
        size_hw=(SIDE, SIDE),
        taught_on=taught_on(head, shots),
    )


def taught_on(head: LinearHead, shots: Sequence[Shot]) -> str:
    """Say in words what the head was fitted to, and what it was calibrated on."""
    sources = {shot.source for shot in shots if shot.kind == "video"}
    fitted, _, _ = head.taught_on.partition(", calibrated")
    return f"{fitted}, calibrated on frames of {len(sources)} cameras too"


def main(
    folder: Path,
    start: Annotated[Path, typer.Argument(help="The person.npz that train_person wrote.")],
    write: Annotated[bool, typer.Option("--write", help="Replace the shipped head.")] = False,
) -> None:
    """Calibrate the model person, and measure it on cameras."""
    with plain_errors(debug=False):
        head = shipped_head.read(start, start.with_suffix(".json"))
        backbone = Backbone(zoo.find_model(), neck=head.neck)
        shots = [shot for shot in read_shots(folder, {}) if shot.kind in KINDS]
        with TemporaryDirectory() as temporary:
            path = Path(temporary) / "person.onnx"
            save(backbone, head.linear_head, path, name="person")
            logits = logits_of(path, shots)
            show_left_out(logits, shots)
            linear_head = calibrated(head.linear_head, logits, shots)
            info = save(backbone, linear_head, path, name="person")
            print(info.parity)
            if write:
                write_head(backbone, head.neck, linear_head, info)


def logits_of(path: Path, shots: Sequence[Shot]) -> F64:
    """Compute the logits of the class person, (N,), at the shipped model's input size."""
    model = Model(path, device="cpu", input_size=SIDE)
    found = [model.predict(read_photo(shot.path)).logits for shot in track(shots, "judging")]
    return np.array([float(logits[1] - logits[0]) for logits in found])


def _rounded(values: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.asarray(values.astype(np.float16).astype(np.float32))


if __name__ == "__main__":
    typer.run(main)
