"""A camstream model file in ONNX Runtime: Frame in, Prediction out."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from camstream import contract
from camstream.contract import ModelFile, ModelInfo, fit_size
from camstream.errors import ModelError
from camstream.frame import ClassMaps, Frame, Prediction, TopClass
from camstream.maps.select import Selection, with_boxes
from camstream.maps.views import asked_for, decided, softmax
from camstream.media import to_image
from camstream.models.device import REMEDY, create_session
from camstream.picture import ImageU8, Picture

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PIL.Image import Image as PilImage

_RANDOM = "random weights: label and heat mean nothing"


class Model:
    """A model in ONNX Runtime: class scores and class activation maps in one forward pass.

    Attributes:
        file: What was opened.
        path: Its path, or what a model in memory is called.
        info: The file's record.
        device: What really runs it ("cpu", "cuda", ...).
        refinement: What is done to its maps, see ``ClassMaps.refinement``; empty: nothing.
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

        Raises:
            ModelError: The file is not a camstream model, or the device cannot run it, or it
                takes no such input size, or ``refine`` is asked of a network that has no layer
                for it.
        """
        self.file = ModelFile.of(file)
        self.path = path = self.file.path
        if self.file.content is None and not path.is_file():
            raise ModelError(f"no model file {path}; make one with: camstream export -o {path}")
        source = str(path) if self.file.content is None else self.file.content
        self.session, self.device, self.gpu_problem = create_session(
            source, device, threads=threads
        )
        self.info = read_info(self.session, str(path))
        self._size_wh = size_wh
        self._preferred_hw = self._checked_size(input_size) or self.info.size_hw
        self._outputs = list(contract.OUTPUTS)
        self.refinement = ""
        self._caveat = _RANDOM if self.info.is_random else ""
        if refine:
            self._add_refinement(source, threads, zoomed=input_size is None)
        self._bind_to = "cuda" if self.device in ("cuda", "tensorrt") else None
        self._warm_up()

    def predict(
        self, image: str | Path | ImageU8 | PilImage, *, classes: Sequence[int] | None = None
    ) -> Prediction:
        """Classify one image and map the evidence.

        Args:
            image: The path of a photo, (H, W, 3) uint8 BGR of any size, or a PIL image.
            classes: Which classes to map: an index >= 0 names a class, -r the one ranked r-th.
                None maps the five best.

        Returns:
            The prediction; its ``top`` holds the five best classes whatever was mapped.

        Raises:
            ModelError: There is no such class.
            SourceError: The photo cannot be read.
            ValueError: The image is of another shape or type.
        """
        picture = Picture.from_bgr(to_image(image))
        frame = Frame(0, 0.0, time.perf_counter(), picture)
        prediction = self.infer(frame, classes=classes)
        if classes is not None:
            prediction = dataclasses.replace(prediction, views=(asked_for(prediction, self.info),))
        return with_boxes(prediction, Selection())

    def infer(self, frame: Frame, *, classes: Sequence[int] | None = None) -> Prediction:
        """Look at a frame of a source; boxes are left to ``camstream.maps.select``."""
        started = time.perf_counter()
        image = frame.picture.bgr(self.input_size_wh(frame.picture))
        feed: dict[str, NDArray[np.uint8] | NDArray[np.int64]] = {
            contract.FRAMES: image[np.newaxis]
        }
        if classes is not None:
            feed[contract.CLASSES] = self._checked(classes)
        logits, cam, cam_classes, bias, *more = self._run(feed)
        refined = more[0][0] if more else None
        prediction = Prediction(
            frame=frame,
            top=self._top(logits[0]),
            cam=ClassMaps(
                maps=cam[0],
                class_indices=cam_classes[0],
                bias=bias[0],
                cam_range=self.info.cam_range,
                method=self.info.method,
                refined=refined,
                refinement=self.refinement,
                caveat=self._caveat,
            ),
            infer_ms=(time.perf_counter() - started) * 1e3,
            image=image,
            logits=logits[0],
        )
        if self.info.background is None or classes is not None:
            return prediction
        return dataclasses.replace(prediction, views=(decided(prediction, self.info),))

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

    def _add_refinement(self, source: str | bytes, threads: int | None, *, zoomed: bool) -> None:
        """Open the model once more, with the finer maps as one more output."""
        # Imported here: it imports onnx, 0.2 s that nothing else pays.
        from camstream.graph import refine

        if self.info.fine_features is None:
            raise ModelError(
                f"{self.path} has no layer that is twice as fine as its maps, which --refine "
                "needs; export it again if an older camstream made it, else leave --refine out"
            )
        content = refine.with_refinement(source, self.info.fine_features)
        self.session, _, _ = create_session(content, self.device, threads=threads)
        self._outputs.append(refine.REFINED)
        if zoomed:
            self._preferred_hw = refine.zoomed_hw(self.info)
        self.refinement = refine.describe(self.info, zoomed=zoomed)

    def _warm_up(self) -> None:
        try:
            blank = Picture.from_bgr(np.zeros((*self._preferred_hw, 3), np.uint8))
            self.infer(Frame(0, 0.0, 0.0, blank))
        except Exception as error:  # onnxruntime has no common base class of its own
            first_line = str(error).strip().splitlines()[0]
            reason = f"{self.path} does not run on {self.device}: {first_line}; {REMEDY}"
            raise ModelError(reason) from error

    def _run(self, feed: dict[str, NDArray[np.uint8] | NDArray[np.int64]]) -> list[Any]:
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

    def _checked(self, classes: Sequence[int]) -> NDArray[np.int64]:
        count = len(self.info.labels)
        for number in classes:
            if not -count <= number < count:
                raise ModelError(f"{self.info.name} has {count} classes; there is no {number}")
        if not classes:
            raise ModelError("name at least one class to map")
        return np.array(classes, np.int64)

    def _top(self, logits: NDArray[np.float32]) -> tuple[TopClass, ...]:
        scores = softmax(logits)
        count = min(contract.DEFAULT_TOP_K, len(logits))
        best = np.argpartition(-logits, count - 1)[:count]
        best = best[np.argsort(-logits[best], kind="stable")]
        return tuple(
            TopClass(self.info.labels[i], int(i), float(scores[i]), float(logits[i])) for i in best
        )


def read_info(session: ort.InferenceSession, path: str) -> ModelInfo:
    """Read the record of a model file.

    Raises:
        ModelError: The file was not made by camstream, or by another version of the contract.
    """
    text = session.get_modelmeta().custom_metadata_map.get(contract.METADATA_KEY)
    names = {value.name for value in session.get_outputs()}
    if text is None or not names.issuperset(contract.OUTPUTS):
        raise ModelError(
            f"{path} is an ONNX file, but not a camstream model (it has no class activation "
            "maps); make one with: camstream export"
        )
    return ModelInfo.from_json(text, path=path)
