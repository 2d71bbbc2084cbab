"""The backbone of a camstream model: everything before its pooling; frames in, features out."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import threading
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from camstream import contract
from camstream.contract import ModelFile, fit_size
from camstream.errors import ModelError
from camstream.graph import neck as necks
from camstream.graph.assemble import remove_cam
from camstream.graph.find_head import find_head
from camstream.graph.onnx_file import read_model
from camstream.graph.onnx_graph import NodeBuilder, prune
from camstream.graph.trial import ensure_tried

if TYPE_CHECKING:
    from pathlib import Path

    from camstream.contract import ModelInfo
    from camstream.graph.neck import Neck
    from camstream.picture import ImageU8, MapF32, Picture

F32 = NDArray[np.float32]

# The prefix of the names of a new head's tensors. Files keep it: it must never change.
TAUGHT = "taught"
POOLED, LOGITS = f"{TAUGHT}.pooled", f"{TAUGHT}.logits"


class Backbone:
    """Computes the features of frames with the model's own nodes.

    Safe to call from several threads.

    Attributes:
        file: The model file.
        info: The model's metadata; the labels are those of the old head.
        sha256: SHA-256 of the model's file, hexadecimal.
        core: The classifier up to its features, without camstream's own nodes; not to be changed.
        features: Tensor of the feature maps, (N, D, h, w) float32.
        channels: D.
        has_new_neck: Whether ``neck`` was given.
    """

    def __init__(
        self, file: Path | ModelFile, *, neck: Neck | None = None, threads: int = 1
    ) -> None:
        """Take the backbone out of a model file.

        Args:
            file: A file that ``camstream export`` or ``camstream teach`` wrote.
            neck: A neck to add, whose features replace the backbone's; None: no neck.
            threads: Cores that one call uses; calls from several threads run in parallel.

        Raises:
            ModelError: The file is no camstream model, or its method is not CAM.
        """
        file = ModelFile.of(file)
        path = file.path
        if file.content is None:
            ensure_tried(path, kind="source")
        model = read_model(file)
        classifier, info = remove_cam(model, path)
        if info is None:
            raise ModelError(
                f"{path} has no class activation maps; put them in first: "
                f"camstream export {path} -o {path.stem}.cam.onnx"
            )
        head = find_head(classifier)
        if head.features_last:
            raise ModelError(
                f"{path} has feature maps with the channels last, which cannot be taught yet; "
                "teach another model, such as the default one"
            )
        if head.method != "CAM":
            raise ModelError(
                f"{path} has {head.method} maps: its classes are no weighted sums of averaged "
                "feature maps, so a linear layer on those would not be its network; teach a model "
                "with global average pooling, such as the default one"
            )
        self.file = file
        self.info: ModelInfo = info
        self.sha256 = hashlib.sha256(file.read()).hexdigest()
        self.features, self.channels = head.features, head.channels
        self.has_new_neck = neck is not None
        if neck is not None:
            reads = necks.inputs(classifier, info.fine_features, head.features)
            for part in (model, classifier):
                neck.add_to(part, *reads)
            self.features, self.channels = necks.FEATURES, neck.channels
            self.info = dataclasses.replace(info, layer=necks.FEATURES)
        self.core = _up_to(classifier, self.features)
        self._tapped = _up_to(model, self.features)  # without the pooling of an earlier new head
        self._threads = threads
        self._opening = threading.Lock()

    def size_wh(
        self, picture: Picture, preferred_hw: tuple[int, int] | None = None
    ) -> tuple[int, int]:
        """Return the width and height that a model with this backbone resizes a picture to.

        Args:
            picture: Of any size.
            preferred_hw: Preferred height and width of the new model; None: those of the old one.
        """
        return fit_size(
            picture.size_wh,
            preferred_hw=preferred_hw or self.info.size_hw,
            multiple=self.info.size_multiple,
        )

    def pooled(self, image: ImageU8) -> F32:
        """Return the global average of every feature map of one image.

        Args:
            image: (H, W, 3) uint8 BGR, of a size that the network takes.

        Returns:
            (D,) float32.
        """
        (averages,) = self._run([POOLED], image[np.newaxis])
        return averages.reshape(self.channels)

    def pooled_and_maps(self, image: ImageU8) -> tuple[F32, MapF32]:
        """Return the (D,) averages and the (D, h, w) feature maps of one image, from one pass."""
        averages, (maps,) = self._run([POOLED, self.features], image[np.newaxis])
        return averages.reshape(self.channels), maps

    def rows(self) -> F32:
        """Return what each feature map counts for each class in the model's own linear layer.

        Returns:
            (C, D) float32: a logit is its class's row times the averages, plus a bias.

        Raises:
            ModelError: There is no such layer (a new neck, or class maps that are averaged as they are).
        """
        classifier, _ = remove_cam(read_model(self.file), self.file.path)
        head = find_head(classifier)
        stored = {tensor.name: tensor for tensor in classifier.graph.initializer}
        if self.has_new_neck or not head.layers or head.layers[-1].weight not in stored:
            raise ModelError(
                f"{self.file.path} has no linear layer between its pooling and its logits"
            )
        layer = head.layers[-1]
        weight = numpy_helper.to_array(stored[layer.weight]).astype(np.float32)
        return weight.reshape(layer.outputs, -1) if layer.outputs_first else weight.T

    def maps(self, frames: NDArray[np.uint8]) -> F32:
        """Return the feature maps of (N, H, W, 3) frames, (N, D, h, w) float32."""
        return self._run([self.features], frames)[0]

    def _run(self, outputs: list[str], frames: NDArray[np.uint8]) -> list[F32]:
        with self._opening:
            session = self._session
        return list(session.run(outputs, {contract.FRAMES: frames}))

    @functools.cached_property
    def _session(self) -> ort.InferenceSession:
        """The ONNX Runtime session, opened with the first frame: a new head can do without it."""
        nodes = NodeBuilder(TAUGHT)
        nodes.add("GlobalAveragePool", self.features, name="pooled", output=POOLED)
        self._tapped.graph.node.extend(nodes.nodes)
        return open_up_to(self._tapped, self.features, POOLED, threads=self._threads)


def _up_to(classifier: onnx.ModelProto, *tensors: str) -> onnx.ModelProto:
    """Copy a classifier up to the named tensors, without outputs."""
    core = onnx.ModelProto()
    core.CopyFrom(classifier)
    prune(core, *tensors)
    del core.graph.output[:], core.graph.value_info[:]
    return core


def open_up_to(model: onnx.ModelProto, *tensors: str, threads: int) -> ort.InferenceSession:
    """Open a camstream model up to some of its float tensors; they are the session's outputs."""
    tapped = _up_to(model, *tensors)
    inputs = [value for value in tapped.graph.input if value.name == contract.FRAMES]
    del tapped.graph.input[:]
    tapped.graph.input.extend(inputs)
    tapped.graph.output.extend(
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in tensors
    )
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(
        tapped.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
