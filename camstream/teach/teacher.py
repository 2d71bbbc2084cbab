"""Teaches while a program runs: frames in, and in a fraction of a second a model with new classes.

teacher = Teacher(camstream.load_model().file)
teacher.add(frame.picture, "cup")     # from any thread, as often as wanted
teacher.add(frame.picture, "no cup")
model = teacher.fit()                 # an ordinary camstream.Model, in memory
teacher.save(Path("cup.onnx"))        # the same, proven and on the disk
"""

from __future__ import annotations

import dataclasses
import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from camstream.contract import ModelFile, ModelInfo
from camstream.errors import ModelError, SourceError
from camstream.graph.backbone import Backbone
from camstream.graph.new_head import LinearHead, save, to_model
from camstream.models.session import Model
from camstream.picture import ImageU8, MapF32, Picture
from camstream.sinks.atomic_file import AtomicFile
from camstream.teach.dataset import MIN_PICTURES, find_background
from camstream.teach.features import stretch_of
from camstream.teach.fit import F32, Candidate, Fitted, Samples, fit
from camstream.teach.heat import choose_range, peaks_of

# Neighbouring frames are so much alike that a choice among several would be made by chance; this
# one is among the best on the project's person photos and has the better probabilities.
_CANDIDATE = Candidate("logistic regression", 1e-3)
_FOLDS = 3
_MAPS_KEPT = 60  # of a class, for the range of heat


@dataclass(slots=True)
class _Class:
    """What was seen of one class."""

    features: list[F32] = field(default_factory=list)
    maps: list[MapF32] = field(default_factory=list)


class Teacher:
    """Collects frames of new classes and fits a last layer to them.

    Every method may be called from any thread; ``add`` goes on while another thread fits.
    """

    def __init__(
        self,
        model: Path | ModelFile,
        *,
        background: str | None = None,
        input_size: int | None = None,
        threads: int = 1,
    ) -> None:
        """Open the model whose features are used.

        Args:
            model: A camstream model file, such as ``Model.file``.
            background: The class of what is none of the others; None: found by its name, such
                as "no cup" or "none".
            input_size: Pixels a side that the new model prefers; None: as many as this one does.
            threads: Cores that looking at one frame uses.

        Raises:
            ModelError: The model cannot be taught, see ``Backbone``.
        """
        self._path = ModelFile.of(model).path
        self._trunk = Backbone(model, threads=threads)
        self._background = background
        self._input_size = input_size
        self._size_hw = (input_size, input_size) if input_size is not None else None
        self._lock = threading.Lock()
        self._seen: dict[str, _Class] = {}
        self._lesson: LinearHead | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many frames each class has, in the order of their first frames."""
        with self._lock:
            return {label: len(seen.features) for label, seen in self._seen.items()}

    def add(self, picture: Picture | ImageU8, label: str) -> None:
        """Look at a picture of a class; takes as long as one inference.

        Args:
            picture: Of any size; an image is (H, W, 3) uint8 BGR.
            label: Its class; one that was not named before is a new one.
        """
        if not isinstance(picture, Picture):
            picture = Picture.from_bgr(picture)
        features, maps = self._trunk.pooled_and_maps(
            picture.bgr(self._trunk.size_wh(picture, self._size_hw))
        )
        with self._lock:
            seen = self._seen.setdefault(label, _Class())
            seen.features.append(features)
            if len(seen.maps) < _MAPS_KEPT:
                seen.maps.append(maps.astype(np.float16))

    def rename(self, label: str, name: str) -> None:
        """Call a class otherwise, from the next fit on; one that is not there is no error.

        Raises:
            SourceError: Another class has that name.
        """
        with self._lock:
            if name != label and name in self._seen:
                raise SourceError(f"there is another class {name!r} already")
            self._seen = {name if one == label else one: seen for one, seen in self._seen.items()}

    def forget(self, label: str) -> None:
        """Forget a class and its frames; one that is not there is no error."""
        with self._lock:
            self._seen.pop(label, None)

    def fit(self, *, name: str = "taught", device: str = "cpu", refine: bool = False) -> Model:
        """Fit to what was seen so far.

        Args:
            name: The new model's name.
            device: See ``camstream.models.device``.
            refine: Whether it gives finer maps as well, see ``camstream.graph.refine``.

        Returns:
            A model with the new classes, in the order of their first frames.

        Raises:
            SourceError: There are fewer than two classes, or too few frames of one.
        """
        with self._lock:
            seen = {
                label: _Class(list(one.features), list(one.maps))
                for label, one in self._seen.items()
            }
        linear_head = dataclasses.replace(_learn(seen, self._background), size_hw=self._size_hw)
        made = to_model(self._trunk, linear_head, name=name).SerializeToString()
        model = Model(
            ModelFile(Path(f"{name} (not saved)"), made),
            device=device,
            input_size=self._input_size,
            refine=refine,
        )
        with self._lock:
            self._lesson = linear_head
        return model

    def save(self, output: Path, *, overwrite: bool = False) -> ModelInfo:
        """Write the model of the last fit, once it was compared with the trunk on every output.

        Raises:
            ModelError: Nothing was fitted yet.
            SinkError: The file cannot be written.
        """
        with self._lock:
            linear_head = self._lesson
        if linear_head is None:
            raise ModelError(f"cannot write {output}: nothing was fitted yet")
        AtomicFile(output, overwrite=overwrite, inputs=[self._path])
        return save(self._trunk, linear_head, output)


def _learn(seen: dict[str, _Class], asked: str | None) -> LinearHead:
    """Fit a last layer."""
    counts = {label: len(one.features) for label, one in seen.items()}
    few = [label for label, count in counts.items() if count < MIN_PICTURES]
    if len(counts) < 2 or few:
        reported = ", ".join(f"{count} of {label!r}" for label, count in counts.items()) or "none"
        raise SourceError(
            f"cannot fit: two classes with at least {MIN_PICTURES} frames each are needed, and "
            f"there are {reported}"
        )
    labels = tuple(seen)
    background = find_background(labels, asked)
    index = None if background is None else labels.index(background)
    fitted = _fit(seen, labels)
    layer = fitted.layer.relative_to(index)
    targets = [n for n, one in enumerate(seen.values()) for _ in one.maps]
    maps = (one.astype(np.float32) for each in seen.values() for one in each.maps)
    reported = " and ".join(f"{count} frames of {label}" for label, count in counts.items())
    return LinearHead(
        labels=labels,
        weight=layer.weight.astype(np.float32),
        bias=layer.bias.astype(np.float32),
        background=background,
        cam_range=choose_range(peaks_of(maps, layer), targets, index),
        size_hw=None,
        taught_on=f"{reported}, live",
    )


def _fit(seen: dict[str, _Class], labels: tuple[str, ...]) -> Fitted:
    """Fit to the frames; neighbours stay together in cross-validation."""
    targets = [n for n, one in enumerate(seen.values()) for _ in one.features]
    groups = [
        n * MIN_PICTURES + stretch_of(number, len(one.features))
        for n, one in enumerate(seen.values())
        for number in range(len(one.features))
    ]
    samples = Samples(
        np.stack([row for one in seen.values() for row in one.features]),
        np.array(targets, np.int64),
        np.array(groups, np.int64),
        labels,
    )
    return fit(samples, candidates=(_CANDIDATE,), folds=_FOLDS)
