"""A camstream model file in ONNX Runtime: Frame in, Prediction out."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import time
import weakref
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from camstream import contract
from camstream.contract import ModelFile, ModelInfo, fit_size
from camstream.errors import ModelError, UsageError
from camstream.frame import ClassMaps, Frame, Prediction, TopClass, softmax
from camstream.graph.runtime_errors import reason
from camstream.graph.trial import ensure_tried
from camstream.maps.select import Selection, with_boxes
from camstream.maps.views import asked_for, decided
from camstream.media import to_image
from camstream.models import second_look
from camstream.models.device import REMEDY, create_session
from camstream.picture import ImageU8, Picture

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PIL.Image import Image as PilImage

    Image = str | Path | ImageU8 | PilImage

_RANDOM = "random weights: label and heat mean nothing"


class Model:
    """A model in ONNX Runtime: class scores and class activation maps in one forward pass.

    Attributes:
        file: What was opened.
        path: Its path, or what a model in memory is called.
        info: The file's record.
        device: What really runs it ("cpu", "cuda", ...).
        refinement: What is done to its maps, see ``ClassMaps.refinement``; empty: nothing.
        looks_again: Whether it takes a second look where the first is unsure.
        gpu_problem: Why "auto" did not take the GPU although there is a driver; else empty.
    """

    def __init__(
        self,
        file: Path | ModelFile,
        *,
        device: str = "auto",
        threads: int | None = None,
        size_wh: tuple[int, int] | None = None,
        input_size: int | None = None,
        refine: bool = False,
        zoom: bool = False,
    ) -> None:
        """Open a model file and run it once, so that the first frame is as fast as the next.

        Args:
            file: A file made by ``camstream export`` or ``camstream teach``, or its path.
            device: "auto", "cpu", "cuda" and others; see ``camstream.models.device``.
            threads: CPU threads; None leaves one core to the rest of the pipeline.
            size_wh: Width and height that every picture is stretched to; None chooses them for
                each shape of picture, see ``fit_size``.
            input_size: Pixels a side of a square with as many pixels as the network gets of a
                picture of any shape; None: the model's own, see ``ModelInfo.size_hw``. Larger
                sees smaller things and makes finer maps, and takes longer by its square.
            refine: Give finer maps beside the raw ones, see ``camstream.graph.refine``.
            zoom: Look again at what the maps point to where the first look is unsure, see
                ``camstream.models.second_look``. A model of one thing and a background does not.

        A file that is new on this machine is first run in a child process, see
        ``camstream.graph.trial``.

        Raises:
            UsageError: There is no such file.
            ModelError: The file is not a camstream model, or the device cannot run it, or it
                takes no such input size, or ``refine`` is asked of a network that has no layer
                for it.
        """
        self.file = ModelFile.of(file)
        self.path = path = self.file.path
        source: str | bytes = str(path)
        if self.file.content is None:
            _ensure_usable(path)
        else:
            source = self.file.content
        self._source, self._threads = source, threads
        self._session, self.device, self.gpu_problem = create_session(
            source, device, threads=threads
        )
        _OPEN.add(self)
        self.info = read_info(self._session, str(path))
        self._size_wh = size_wh
        self._preferred_hw = self._checked_size(input_size) or self.info.size_hw
        self._outputs = list(contract.OUTPUTS)
        self.looks_again = zoom and second_look.suits(self.info)
        self.refinement = ""
        self._caveat = _RANDOM if self.info.is_random else ""
        if refine:
            self._add_refinement(threads, zoomed=input_size is None)
        self._bind_to = "cuda" if self.device in ("cuda", "tensorrt") else None
        self._warm_up()

    @overload
    def predict(self, image: Image, *, classes: Sequence[int] | None = None) -> Prediction: ...

    @overload
    def predict(
        self, image: list[Any], *, classes: Sequence[int] | None = None
    ) -> list[Prediction]: ...

    def predict(
        self, image: Image | list[Any], *, classes: Sequence[int] | None = None
    ) -> Prediction | list[Prediction]:
        """Classify one image, or each of a list, and map the evidence.

        Args:
            image: The path of a photo, (H, W, 3) uint8 BGR of any size (also grey or BGRA), a PIL
                image, or a list of these.
            classes: Which classes to map: an index >= 0 names a class, -r the one ranked r-th.
                None maps the five best.

        Returns:
            The prediction, whose ``top`` holds the five best classes whatever was mapped; for a
            list, one for each image, in their order.

        Raises:
            ModelError: There is no such class.
            SourceError: The photo cannot be read.
            ValueError: The image is of another shape or type.
        """
        if isinstance(image, list):
            return [self.predict(one, classes=classes) for one in image]
        picture = Picture.from_bgr(to_image(image))
        frame = Frame(0, 0.0, time.perf_counter(), picture)
        prediction = self.infer(frame, classes=classes)
        if classes is not None:
            prediction = dataclasses.replace(prediction, views=(asked_for(prediction, self.info),))
        return with_boxes(prediction, Selection())

    def infer(self, frame: Frame, *, classes: Sequence[int] | None = None) -> Prediction:
        """Look at a frame of a source; boxes are left to ``camstream.maps.select``."""
        first = self._look(frame, classes)
        return (
            second_look.take(first, self._look, self.info, classes) if self.looks_again else first
        )

    def infer_many(
        self, frames: Sequence[Frame], *, classes: Sequence[int] | None = None
    ) -> list[Prediction]:
        """Look at frames in one call, once each; they must come to one input size, see ``prepare``."""
        started = time.perf_counter()
        images = [self._input_of(frame) for frame in frames]
        return self._see(frames, images, classes, started=started)

    def _look(self, frame: Frame, classes: Sequence[int] | None, scale: int = 1) -> Prediction:
        started = time.perf_counter()
        image = self._input_of(frame) if scale == 1 else self._enlarged(frame.picture, scale)
        return self._see([frame], [image], classes, started=started)[0]

    def _see(
        self,
        frames: Sequence[Frame],
        images: list[ImageU8],
        classes: Sequence[int] | None,
        *,
        started: float,
    ) -> list[Prediction]:
        feed: dict[str, NDArray[np.uint8] | NDArray[np.int64]] = {
            contract.FRAMES: images[0][np.newaxis] if len(images) == 1 else np.stack(images)
        }
        if classes is not None:
            feed[contract.CLASSES] = self._checked(classes)
        outputs = self._run(feed)
        self._check(len(images), *outputs[:2])
        infer_ms = (time.perf_counter() - started) * 1e3
        return [
            self._prediction(
                frame, image, [output[n] for output in outputs], infer_ms, is_ranked=classes is None
            )
            for n, (frame, image) in enumerate(zip(frames, images, strict=True))
        ]

    def _prediction(
        self,
        frame: Frame,
        image: ImageU8,
        outputs: list[NDArray[Any]],
        infer_ms: float,
        *,
        is_ranked: bool,
    ) -> Prediction:
        """Read one frame's part of the outputs."""
        logits, cam, cam_classes, bias, *more = outputs
        prediction = Prediction(
            frame=frame,
            top=self._top(logits),
            cam=ClassMaps(
                maps=cam,
                class_indices=cam_classes,
                bias=bias,
                cam_range=self.info.cam_range,
                method=self.info.method,
                refined=more[0] if more else None,
                refinement=self.refinement,
                caveat=self._caveat,
            ),
            infer_ms=infer_ms,
            image=image,
            logits=logits,
            temperature=self.info.temperature,
        )
        if self.info.background is None or not is_ranked:
            return prediction
        return dataclasses.replace(prediction, views=(decided(prediction, self.info),))

    def prepare(self, frame: Frame) -> Frame:
        """Resize a frame for the network, in any thread, so that ``infer`` need not do it."""
        return dataclasses.replace(frame, prepared=self._input_of(frame))

    def _input_of(self, frame: Frame) -> ImageU8:
        """What the network is given of a frame; what was prepared for another size does not count."""
        width, height = self.input_size_wh(frame.picture)
        prepared = frame.prepared
        if prepared is not None and prepared.shape[:2] == (height, width):
            return prepared
        return frame.picture.bgr((width, height))

    def _enlarged(self, picture: Picture, scale: int) -> ImageU8:
        """What the network is given of a picture at several times its width and height, if it can be."""
        width, height = self.input_size_wh(picture)
        if self.info.size_multiple is None or self._size_wh is not None:
            scale = 1
        return picture.bgr((width * scale, height * scale))

    def input_size_wh(self, picture: Picture) -> tuple[int, int]:
        """Width and height that a picture is resized to for the network."""
        return self._size_wh or fit_size(
            picture.size_wh, preferred_hw=self._preferred_hw, multiple=self.info.size_multiple
        )

    def _checked_size(self, side: int | None) -> tuple[int, int] | None:
        if side is None:
            return None
        multiple, (height, width) = self.info.size_multiple, self.info.size_hw
        if multiple is None:
            raise ModelError(f"{self.path} takes {width}x{height} pixels and no other input size")
        if side < multiple or side % multiple:
            near = max(1, round(side / multiple)) * multiple
            raise ModelError(
                f"{self.path} takes input sizes that are multiples of {multiple}, such as {near}, "
                f"not {side}"
            )
        return side, side

    def _add_refinement(self, threads: int | None, *, zoomed: bool) -> None:
        """Open the model once more, with the finer maps as one more output."""
        # Imported here: it imports onnx, 0.2 s that nothing else pays.
        from camstream.graph import refine

        if self.info.fine_features is None:
            raise ModelError(
                f"{self.path} has no layer that is twice as fine as its maps, which refined maps "
                "need; export it again if an older camstream made it, else do not refine"
            )
        content, early = refine.with_refinement(self.file, self.info, self.info.fine_features)
        self._source = content
        self._session, _, _ = create_session(content, self.device, threads=threads)
        self._outputs.append(refine.REFINED)
        if zoomed:
            self._preferred_hw = refine.zoomed_hw(self.info)
        self.refinement = refine.describe(self.info, zoomed=zoomed, early=early)

    def _warm_up(self) -> None:
        try:
            blank = Picture.from_bgr(np.zeros((*self._preferred_hw, 3), np.uint8))
            self.infer(Frame(0, 0.0, 0.0, blank))
        except ModelError:
            raise
        except Exception as error:  # onnxruntime has no common base class of its own
            why = f"{self.path} does not run on {self.device}: {reason(error)}; {REMEDY}"
            raise ModelError(why) from error

    @property
    def session(self) -> ort.InferenceSession:
        """The session of ONNX Runtime, opened anew in a process that was forked.

        Raises:
            ModelError: It was opened on a GPU before the fork.
        """
        if self._session is None:
            if self.device != "cpu":
                raise ModelError(
                    f"{self.path} was opened on {self.device} before this process was forked; "
                    'load the model in the new process, or start it with "spawn"'
                )
            self._session, _, _ = create_session(self._source, "cpu", threads=self._threads)
        return self._session

    def leave_session_behind(self) -> None:
        """Forget the session in a forked process: its threads do not exist there.

        To run it or to destroy it would wait for them for ever, so that it stays in memory.
        """
        if self._session is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._session))
            self._session = None

    def __repr__(self) -> str:
        """Say in one line which model this is."""
        height, width = self.info.size_hw
        return (
            f"<camstream.Model {self.info.name}: {len(self.info.labels)} classes, "
            f"{width}x{height}, {self.info.method}, on {self.device}>"
        )

    def _run(self, feed: dict[str, NDArray[np.uint8] | NDArray[np.int64]]) -> list[Any]:
        try:
            return self._run_raw(feed)
        except ModelError:
            raise
        except Exception as error:  # onnxruntime has no common base class of its own
            why = f"{self.path} does not run on {self.device}: {reason(error)}; {REMEDY}"
            raise ModelError(why) from error

    def _run_raw(self, feed: dict[str, NDArray[np.uint8] | NDArray[np.int64]]) -> list[Any]:
        if self._bind_to is None:
            return list(self.session.run(self._outputs, feed))
        # Bound outputs let the copies to and from the device overlap with nothing waiting but
        # this thread; the maps are a few kilobytes, so they come back with the logits.
        binding = self.session.io_binding()
        for name, array in feed.items():
            binding.bind_ortvalue_input(
                name, ort.OrtValue.ortvalue_from_numpy(array, self._bind_to, 0)
            )
        for name in self._outputs:
            binding.bind_output(name, "cpu")
        self.session.run_with_iobinding(binding)
        return list(binding.copy_outputs_to_cpu())

    def _check(self, count: int, logits: NDArray[np.float32], cam: NDArray[np.float32]) -> None:
        """Refuse outputs for so many frames that no network gives whose file is whole."""
        if logits.shape != (count, len(self.info.labels)):
            raise ModelError(
                f"{self.path} has {len(self.info.labels)} labels, but {logits.shape[-1]} classes; "
                "export the model again with a label for each"
            )
        if cam.ndim != 4 or not cam.size:
            raise ModelError(f"{self.path} gives no maps; export the model again")
        for name, values in (("scores", logits), ("maps", cam)):
            # One comparison that is also false for NaN.
            if not float(np.abs(values).max()) <= contract.ABSURD:
                raise ModelError(
                    f"{self.path} gives {name} that are no numbers or absurdly large; its weights "
                    "are damaged, or do not fit its precision"
                )

    def _checked(self, classes: Sequence[int]) -> NDArray[np.int64]:
        count = len(self.info.labels)
        for number in classes:
            if not -count <= number < count:
                raise ModelError(f"{self.info.name} has {count} classes; there is no {number}")
        if not classes:
            raise ModelError("name at least one class to map")
        return np.array(classes, np.int64)

    def _top(self, logits: NDArray[np.float32]) -> tuple[TopClass, ...]:
        scores = softmax(logits, self.info.temperature)
        count = min(contract.DEFAULT_TOP_K, len(logits))
        best = np.argpartition(-logits, count - 1)[:count]
        best = best[np.argsort(-logits[best], kind="stable")]
        return tuple(
            TopClass(self.info.labels[i], int(i), float(scores[i]), float(logits[i])) for i in best
        )


_OPEN: weakref.WeakSet[Model] = weakref.WeakSet()


def _leave_sessions_behind() -> None:
    for model in list(_OPEN):
        model.leave_session_behind()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_sessions_behind)


def _ensure_usable(path: Path) -> None:
    """Raise where a file is not there, cannot be read, or does not come through a first run."""
    if not path.is_file():
        raise UsageError(f"no model file {path}; make one with: camstream export -o {path}")
    try:
        ensure_tried(path)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from error


def read_info(session: ort.InferenceSession, path: str) -> ModelInfo:
    """Read the record of a model file.

    Raises:
        ModelError: The file was not made by camstream, or by another version of the contract.
    """
    try:
        text = session.get_modelmeta().custom_metadata_map.get(contract.METADATA_KEY)
    except UnicodeDecodeError as error:
        raise ModelError(f"cannot open {path}: {reason(error)}") from error
    return ModelInfo.of_file(text, {value.name for value in session.get_outputs()}, path=path)
