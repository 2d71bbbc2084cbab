"""The part of a camstream model before its pooling: a frame in, features out."""

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
from onnx import helper

from camstream import contract
from camstream.contract import ModelFile, fit_size
from camstream.errors import ModelError
from camstream.graph import neck as necks
from camstream.graph.find_head import find_head
from camstream.graph.graph_index import Graph
from camstream.graph.nodes import NodeBuilder
from camstream.graph.onnx_file import plain, read_model

if TYPE_CHECKING:
    from pathlib import Path

    from camstream.contract import ModelInfo
    from camstream.graph.neck import Neck
    from camstream.picture import ImageU8, MapF32, Picture

F32 = NDArray[np.float32]

# What the names of the tensors of a taught head begin with.
TAUGHT = "taught"
POOLED, LOGITS = f"{TAUGHT}.pooled", f"{TAUGHT}.logits"


class Backbone:
    """Computes the pooled features of frames, by the very nodes that the model has.

    Safe to call from several threads.

    Attributes:
        info: What the model says of itself; its labels are those of the old head.
        sha256: Of the model's file, hexadecimal.
        core: The classifier up to its features, without camstream's own parts; not to be changed.
        features: Tensor of the feature maps, (N, D, h, w) float32.
        channels: D.
        has_new_neck: Whether a neck was put on it, see there.
    """

    def __init__(
        self, file: Path | ModelFile, *, neck: Neck | None = None, threads: int = 1
    ) -> None:
        """Take the trunk out of a model file.

        Args:
            file: Made by ``camstream export`` or ``camstream teach``.
            neck: Is put on it, and makes the features in its place; None: nothing is.
            threads: Cores that one call uses; calls from several threads run side by side.

        Raises:
            ModelError: It is not a camstream model, or its maps are no weighted sums of feature
                maps that are averaged.
        """
        file = ModelFile.of(file)
        path = file.path
        model = read_model(file)
        classifier, info = plain(model, path)
        if info is None:
            raise ModelError(
                f"{path} has no class activation maps; put them in first: "
                f"camstream export {path} -o {path.stem}.cam.onnx"
            )
        head = find_head(classifier)
        if head.method != "CAM":
            raise ModelError(
                f"{path} has {head.method} maps: its classes are no weighted sums of averaged "
                "feature maps, so a linear layer on those would not be its network; teach a model "
                "with global average pooling, such as the default one"
            )
        self.info: ModelInfo = info
        self.sha256 = hashlib.sha256(file.read()).hexdigest()
        self.features, self.channels = head.features, head.channels
        self.has_new_neck = neck is not None
        if neck is not None:
            reads = necks.inputs(classifier, info.fine_features, head.features)
            for part in (model, classifier):
                neck.put_on(part, *reads)
            self.features, self.channels = necks.FEATURES, neck.channels
            self.info = dataclasses.replace(info, layer=necks.FEATURES)
        self.core = _up_to(classifier, self.features)
        self._tapped = _up_to(model, self.features)  # without the pooling of a head taught before
        self._threads = threads
        self._opening = threading.Lock()

    def size_wh(
        self, picture: Picture, preferred_hw: tuple[int, int] | None = None
    ) -> tuple[int, int]:
        """Width and height that a model on this trunk resizes a picture to.

        Args:
            picture: Of any size.
            preferred_hw: The height and width that the new model prefers; None: as the old one.
        """
        return fit_size(
            picture.size_wh,
            preferred_hw=preferred_hw or self.info.size_hw,
            multiple=self.info.size_multiple,
        )

    def pooled(self, image: ImageU8) -> F32:
        """Give the global average of every feature map of one image.

        Args:
            image: (H, W, 3) uint8 BGR, already of the network's size.

        Returns:
            (D,) float32.
        """
        (averages,) = self._run([POOLED], image[np.newaxis])
        return averages.reshape(self.channels)

    def both(self, image: ImageU8) -> tuple[F32, MapF32]:
        """Give the averages and the feature maps, (D, h, w), of one image in one pass."""
        averages, (maps,) = self._run([POOLED, self.features], image[np.newaxis])
        return averages.reshape(self.channels), maps

    def batch(self, frames: NDArray[np.uint8]) -> F32:
        """Give the feature maps of (N, H, W, 3) frames, (N, D, h, w) float32."""
        return self._run([self.features], frames)[0]

    def _run(self, outputs: list[str], frames: NDArray[np.uint8]) -> list[F32]:
        with self._opening:
            session = self._session
        return list(session.run(outputs, {contract.FRAMES: frames}))

    @functools.cached_property
    def _session(self) -> ort.InferenceSession:
        """Is opened with the first frame: a head can be put on without one."""
        nodes = NodeBuilder(TAUGHT)
        nodes.add("GlobalAveragePool", self.features, name="pooled", output=POOLED)
        self._tapped.graph.node.extend(nodes.nodes)
        return open_up_to(self._tapped, self.features, POOLED, threads=self._threads)


def _up_to(classifier: onnx.ModelProto, *tensors: str) -> onnx.ModelProto:
    """Copy a classifier without what its named tensors do not need, and without outputs."""
    needed = Graph(classifier).needed(*tensors)
    core = onnx.ModelProto()
    core.CopyFrom(classifier)
    graph = core.graph
    nodes = [node for node in graph.node if needed.intersection(node.output)]
    weights = [tensor for tensor in graph.initializer if tensor.name in needed]
    del graph.node[:], graph.initializer[:], graph.output[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend(weights)
    return core


def open_up_to(model: onnx.ModelProto, *tensors: str, threads: int) -> ort.InferenceSession:
    """Open a camstream model up to some of its float tensors, which it gives in their order."""
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
