"""Computes in numpy what a camstream file must return; ONNX Runtime runs the source's own nodes.

``verify`` compares a new file with this. The two share nothing but the ``Head``: the maps of the
file come from nodes that ``camstream.graph.assemble`` wrote.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper, numpy_helper

from camstream.errors import ModelError, first_line
from camstream.graph.find_head import find_head
from camstream.graph.head import head_in_float32
from camstream.graph.onnx_file import PictureInput
from camstream.graph.verify import open_quietly

if TYPE_CHECKING:
    import onnxruntime as ort
    from numpy.typing import NDArray

    from camstream.contract import ModelInfo
    from camstream.graph.head import Head, Linear
    from camstream.graph.verify import Outputs

_FLOAT16_TOLERANCE = 2e-2  # of the source's output: eleven bits, through many layers


class NumpyReference:
    """Computes what a camstream model must return, from the tensors of its source.

    Attributes:
        head: The source's head.
    """

    def __init__(self, source: onnx.ModelProto, info: ModelInfo, *, name: str) -> None:
        """Open the source.

        Args:
            source: The classifier as read, without camstream's own nodes.
            info: The metadata; mean, std and color are used.
            name: The source's name, for errors' messages.

        Raises:
            ModelError: The source has no head, or ONNX Runtime cannot open it.
        """
        self._name, self._info = name, info
        self._own = find_head(source)
        self._picture = PictureInput.of(source, self._own.image)
        tapped = onnx.ModelProto()
        tapped.CopyFrom(source)
        self.head = head_in_float32(tapped, self._own)
        self._weights = {
            tensor.name: numpy_helper.to_array(tensor)
            for tensor in tapped.graph.initializer
            if tensor.name in _weights(self.head)
        }
        wanted = [self.head.output, self.head.logits, self.head.features]
        wanted += [layer.active for layer in self.head.layers if layer.active]
        wanted += [weight for weight in _weights(self.head) if weight not in self._weights]
        self._wanted = list(dict.fromkeys(wanted))
        del tapped.graph.output[:]
        tapped.graph.output.extend(onnx.ValueInfoProto(name=tensor) for tensor in self._wanted)
        self._tapped = _session(tapped, name)
        # The unchanged source, where the head above was cast to float32.
        self._whole = self._tapped if self.head == self._own else _session(source, name)

    def runs(self, shape_nhw: tuple[int, int, int]) -> str | None:
        """Run a batch of this shape; return the error's first line, or None where it runs."""
        try:
            self._whole.run(
                [self._own.output],
                {self._own.image: self.prepared(np.zeros((*shape_nhw, 3), np.uint8))},
            )
        except Exception as error:  # onnxruntime has no common base class of its own
            return first_line(error)
        return None

    def prepared(self, frames: NDArray[np.uint8]) -> NDArray[np.generic]:
        """Turn (N, H, W, 3) BGR frames into the source's input."""
        pixels = frames[..., ::-1] if self._info.color == "RGB" else frames
        mean, std = np.array(self._info.mean, np.float32), np.array(self._info.std, np.float32)
        values = (pixels.astype(np.float32) - mean) / std
        if self._picture.channels_first:
            values = np.ascontiguousarray(values.transpose(0, 3, 1, 2))
        return values.astype(helper.tensor_dtype_to_np_dtype(self._picture.element_type))

    def __call__(self, frames: NDArray[np.uint8], classes: NDArray[np.int64]) -> Outputs:
        """Compute logits, cam, cam_classes and cam_bias as ``camstream.contract`` says.

        Raises:
            ModelError: The source's output does not follow from the tensor taken for the logits.
        """
        feed = {self._own.image: self.prepared(frames)}
        tensors = dict(zip(self._wanted, self._tapped.run(None, feed), strict=True))
        tensors |= self._weights
        logits = tensors[self.head.logits].reshape(len(frames), -1)
        self._explain(self._whole.run([self._own.output], feed)[0], logits)
        chosen = chosen_classes(logits, classes)
        cam = np.stack([self._maps(tensors, n, chosen[n]) for n in range(len(frames))])
        last = self.head.layers[-1] if self.head.layers else None
        bias = np.zeros(chosen.shape, np.float32)
        if last is not None and last.bias is not None:
            bias = tensors[last.bias].reshape(-1)[chosen]
        return logits, cam, chosen, bias

    def _explain(self, output: NDArray[np.generic], logits: NDArray[np.float32]) -> None:
        """Raise where the source's own output does not follow from the logits."""
        values = logits.astype(np.float64)
        if self._own.final in ("Softmax", "LogSoftmax"):
            values = values - values.max(axis=1, keepdims=True)
            values = values - np.log(np.exp(values).sum(axis=1, keepdims=True))
            values = np.exp(values) if self._own.final == "Softmax" else values
        elif self._own.final == "Sigmoid":
            values = 1 / (1 + np.exp(-values))
        got = output.reshape(values.shape).astype(np.float64)
        tolerance = 1e-4 if output.dtype == np.float32 else _FLOAT16_TOLERANCE
        difference = float(np.abs(got - values).max())
        if not difference <= tolerance * max(1.0, float(np.abs(values).max())):
            raise ModelError(
                f"{self._name}: its output {self._own.output!r} is not what {self._own.logits!r} "
                f"makes it, by {difference:.3g}; a map of that tensor would explain nothing"
            )

    def _maps(
        self, tensors: dict[str, NDArray[np.float32]], n: int, chosen: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Compute one frame's maps, (K, h, w)."""
        head, features = self.head, tensors[self.head.features][n]  # (D, h, w)
        if not head.layers:
            own: NDArray[np.float32] = features[chosen]
            return own
        gradient = _matrix(tensors, head.layers[-1])[chosen]  # (K, inputs)
        for layer in reversed(head.layers[:-1]):
            assert layer.active is not None
            active = tensors[layer.active][n].reshape(-1)
            mask = (active > 0) & (active < (np.inf if layer.ceiling is None else layer.ceiling))
            gradient = (gradient * mask) @ _matrix(tensors, layer)
        if head.pool is None:
            parts = (-1, head.channels) if head.channels_last else (head.channels, -1)
            gradient = gradient.reshape(len(chosen), *parts)
            gradient = gradient.swapaxes(1, 2) if head.channels_last else gradient  # (K, D, h * w)
            if len(head.layers) == 1:
                product = gradient.reshape(len(chosen), *features.shape) * features
                maps: NDArray[np.float32] = product.sum(axis=1) * np.float32(features[0].size)
                return maps
            gradient = gradient.sum(axis=2)
        return np.tensordot(gradient, features, 1)


def chosen_classes(logits: NDArray[np.floating], classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the (N, K) class indices that (K,) ``classes`` mean for (N, C) logits.

    A value c >= 0 is class c; -r is the class ranked r-th in that frame.
    """
    order = np.argsort(-logits, axis=1, kind="stable")
    return np.where(classes < 0, order[:, np.maximum(-classes - 1, 0)], classes)


def _weights(head: Head) -> list[str]:
    return [name for layer in head.layers for name in (layer.weight, layer.bias) if name]


def _matrix(tensors: dict[str, NDArray[np.float32]], layer: Linear) -> NDArray[np.float32]:
    """Return a layer's weights as (outputs, inputs)."""
    weight = tensors[layer.weight]
    return weight.reshape(layer.outputs, -1) if layer.outputs_first else weight.T


def _session(model: onnx.ModelProto, name: str) -> ort.InferenceSession:
    try:
        return open_quietly(model.SerializeToString())
    except Exception as error:  # onnxruntime has no common base class of its own
        raise ModelError(f"onnxruntime cannot open {name}: {first_line(error)}") from error
