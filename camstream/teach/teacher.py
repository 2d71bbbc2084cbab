"""Teaches while a program runs: takes frames, and returns a model with new classes in less than 1 s.

teacher = Teacher(camstream.load_model().file)
teacher.add(frame.picture, "cup")     # from any thread, as often as wanted
teacher.add(frame.picture, "no cup")
model = teacher.fit()                 # an ordinary camstream.Model, in memory
teacher.save(Path("cup.onnx"))        # the same, verified and on the disk
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
from camstream.teach.features import segment_of
from camstream.teach.fit import (
    F32,
    Candidate,
    Fitted,
    TrainingData,
    choose_range,
    fit,
    peaks_of,
)

# Neighbouring frames are so much alike that cross-validation could not choose among candidates.
# This one is among the best on the project's person photos and has the better probabilities.
_CANDIDATE = Candidate("logistic regression", 1e-3)
_FOLDS = 3
_MAPS_KEPT = 60  # of a class, for the heat range


@dataclass(slots=True)
class _ClassFrames:
    """The features and the first maps of the frames of one class."""

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
            background: The class that means "none of the others"; None: found by its name, such
                as "no cup" or "none".
            input_size: Preferred height and width of the new model, pixels; None: those of
                ``model``.
            threads: Cores that the inference of one frame uses.

        Raises:
            ModelError: The model cannot be taught, see ``Backbone``.
        """
        self._path = ModelFile.of(model).path
        self._backbone = Backbone(model, threads=threads)
        self._background = background
        self._input_size = input_size
        self._size_hw = (input_size, input_size) if input_size is not None else None
        self._lock = threading.Lock()
        self._frames: dict[str, _ClassFrames] = {}
        self._linear_head: LinearHead | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many frames each class has, in the order of their first frames."""
        with self._lock:
            return {label: len(frames.features) for label, frames in self._frames.items()}

    def add(self, picture: Picture | ImageU8, label: str) -> None:
        """Add a picture of a class; takes as long as one inference.

        Args:
            picture: Of any size; an image is (H, W, 3) uint8 BGR.
            label: Its class; an unknown label adds a class.
        """
        if not isinstance(picture, Picture):
            picture = Picture.from_bgr(picture)
        features, maps = self._backbone.pooled_and_maps(
            picture.bgr(self._backbone.size_wh(picture, self._size_hw))
        )
        with self._lock:
            frames = self._frames.setdefault(label, _ClassFrames())
            frames.features.append(features)
            if len(frames.maps) < _MAPS_KEPT:
                frames.maps.append(maps.astype(np.float16))

    def rename(self, label: str, name: str) -> None:
        """Rename a class, from the next fit on; an unknown label is ignored.

        Raises:
            SourceError: Another class has the new name.
        """
        with self._lock:
            if name != label and name in self._frames:
                raise SourceError(f"there is another class {name!r} already")
            self._frames = {
                name if old == label else old: frames for old, frames in self._frames.items()
            }

    def forget(self, label: str) -> None:
        """Delete a class and its frames; an unknown label is ignored."""
        with self._lock:
            self._frames.pop(label, None)

    def fit(
        self,
        *,
        name: str = "taught",
        device: str = "cpu",
        refine: bool = False,
        zoom: bool = False,
    ) -> Model:
        """Fit a last layer to the frames added so far.

        Args:
            name: The new model's name.
            device: See ``camstream.models.device``.
            refine: Whether the model computes refined maps as well, see ``camstream.graph.refine``.
            zoom: Whether the model looks again where it is unsure, see ``camstream.models.second_look``.

        Returns:
            A model with the new classes, in the order of their first frames.

        Raises:
            SourceError: There are fewer than two classes, or too few frames of one.
        """
        with self._lock:
            frames = {
                label: _ClassFrames(list(one.features), list(one.maps))
                for label, one in self._frames.items()
            }
        linear_head = dataclasses.replace(
            _fit_head(frames, self._background), size_hw=self._size_hw
        )
        content = to_model(self._backbone, linear_head, name=name).SerializeToString()
        model = Model(
            ModelFile(Path(f"{name} (not saved)"), content),
            device=device,
            input_size=self._input_size,
            refine=refine,
            zoom=zoom,
        )
        with self._lock:
            self._linear_head = linear_head
        return model

    def save(self, output: Path, *, overwrite: bool = False) -> ModelInfo:
        """Compare every output of the last fit with the backbone, and write the model.

        Raises:
            ModelError: Nothing was fitted yet, or an output differs.
            SinkError: The file cannot be written.
        """
        with self._lock:
            linear_head = self._linear_head
        if linear_head is None:
            raise ModelError(f"cannot write {output}: nothing was fitted yet")
        AtomicFile(output, overwrite=overwrite, inputs=[self._path])
        return save(self._backbone, linear_head, output)


def _fit_head(frames: dict[str, _ClassFrames], background: str | None) -> LinearHead:
    """Fit a last layer, see ``Teacher`` for the background."""
    counts = {label: len(one.features) for label, one in frames.items()}
    few = [label for label, count in counts.items() if count < MIN_PICTURES]
    if len(counts) < 2 or few:
        found = ", ".join(f"{count} of {label!r}" for label, count in counts.items()) or "none"
        raise SourceError(
            f"cannot fit: two classes with at least {MIN_PICTURES} frames each are needed, and "
            f"there are {found}"
        )
    labels = tuple(frames)
    background = find_background(labels, background)
    index = None if background is None else labels.index(background)
    fitted = _fit(frames, labels)
    layer = fitted.layer.relative_to(index)
    targets = [n for n, one in enumerate(frames.values()) for _ in one.maps]
    maps = (one.astype(np.float32) for each in frames.values() for one in each.maps)
    taught_on = " and ".join(f"{count} frames of {label}" for label, count in counts.items())
    return LinearHead(
        labels=labels,
        weight=layer.weight.astype(np.float32),
        bias=layer.bias.astype(np.float32),
        background=background,
        cam_range=choose_range(peaks_of(maps, layer), targets, index),
        size_hw=None,
        taught_on=f"{taught_on}, live",
    )


def _fit(frames: dict[str, _ClassFrames], labels: tuple[str, ...]) -> Fitted:
    """Fit to the frames; cross-validation keeps neighbouring frames together."""
    targets = [n for n, one in enumerate(frames.values()) for _ in one.features]
    groups = [
        n * MIN_PICTURES + segment_of(number, len(one.features))
        for n, one in enumerate(frames.values())
        for number in range(len(one.features))
    ]
    data = TrainingData(
        features=np.stack([row for one in frames.values() for row in one.features]),
        targets=np.array(targets, np.int64),
        groups=np.array(groups, np.int64),
        labels=labels,
    )
    return fit(data, candidates=(_CANDIDATE,), folds=_FOLDS)
