"""For tests of programs that use camstream: a tiny model, a fake source, model and display.

    from camstream.testing import FakeSource, counted, write_tiny_model

    model = camstream.load_model(write_tiny_model(tmp_path / "tiny.onnx"))
    with camstream.stream(FakeSource(counted(3)), model) as predictions:
        assert [prediction.frame.index for prediction in predictions] == [0, 1, 2]

No device, no network connection and no waiting is needed. Nothing else in camstream imports this.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from camstream.contract import ModelInfo
from camstream.frame import ClassMaps, Frame, Prediction, TopClass
from camstream.graph.assemble import assemble
from camstream.graph.find_head import find_head
from camstream.picture import ImageU8, Picture

TINY_STRIDE = 32
TINY_CAM_RANGE = (20.0, 200.0)
_LUMA = np.array([[0.299, 0.587, 0.114], [-0.299, -0.587, -0.114]], np.float32)  # of R, G, B

FAKE_INFO = ModelInfo(
    name="fake",
    labels=("thing", "other"),
    size_hw=(32, 32),
    size_multiple=32,
    color="RGB",
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
    method="CAM",
    layer="features",
    cam_range=(0.0, 10.0),
    weights="none",
    weights_sha256="0" * 64,
    versions={},
)


def make_frame(index: int = 0, size_wh: tuple[int, int] = (352, 96)) -> Frame:
    """Make a grey frame at 30 Hz; its grey level is the index, so that it can be recognised."""
    image = np.full((size_wh[1], size_wh[0], 3), index % 256, np.uint8)
    return Frame(index, index / 30, time.perf_counter(), Picture.from_bgr(image))


def make_prediction(
    frame: Frame,
    *,
    top: tuple[TopClass, ...] = (TopClass("thing", 0, 0.9, 1.0),),
    cam: ClassMaps | None = None,
    infer_ms: float = 1.0,
) -> Prediction:
    """Make a prediction of a frame without a model.

    Args:
        frame: Any frame.
        top: The best classes, best first.
        cam: Their maps; None is one map of 4 x 4 cells with evidence in the upper left one.
        infer_ms: The time of inference that is reported.
    """
    return Prediction(
        frame=frame,
        top=top,
        cam=_corner_maps([0]) if cam is None else cam,
        infer_ms=infer_ms,
        image=frame.picture.bgr((32, 32)),
        logits=np.array([1.0, -1.2], np.float32),
    )


def fake_infer(frame: Frame, *, classes: Sequence[int] | None = None) -> Prediction:
    """Find "thing" in the upper left corner of every frame: an ``Infer`` for ``FAKE_INFO``."""
    asked = [max(0, index) for index in classes or [-1]]
    return make_prediction(frame, cam=_corner_maps(asked))


def _corner_maps(class_indices: Sequence[int]) -> ClassMaps:
    maps = np.zeros((len(class_indices), 4, 4), np.float32)
    maps[:, 0, 0] = 8.0
    return ClassMaps(
        maps=maps,
        class_indices=np.array(class_indices),
        bias=np.full(len(class_indices), 0.5, np.float32),
        cam_range=FAKE_INFO.cam_range,
    )


class FakeSource:
    """A source whose frames a function makes.

    Attributes:
        is_live: As it was given.
        stopped: Set by ``stop``; the function should then end.
        closed: How often the source was closed.
        rate_hz: 30.
        state: Empty; a test may change it.
        reconnects: 0; a test may change it.
    """

    name = "fake"

    def __init__(
        self, frames: Callable[[FakeSource], Iterator[Frame]], *, is_live: bool = False
    ) -> None:
        """Make a source.

        Args:
            frames: Gets the source and yields its frames: ``counted(3)``, ``endless`` or another.
            is_live: Whether frames may be dropped.
        """
        self.is_live = is_live
        self.stopped = threading.Event()
        self.closed = 0
        self.rate_hz: float | None = 30.0
        self.state = ""
        self.reconnects = 0
        self._frames = frames

    def __iter__(self) -> Iterator[Frame]:
        """Call the function."""
        return self._frames(self)

    def stop(self) -> None:
        """Set ``stopped``."""
        self.stopped.set()

    def close(self) -> None:
        """Stop, and count the call."""
        self.stop()
        self.closed += 1


def counted(count: int) -> Callable[[FakeSource], Iterator[Frame]]:
    """Return a function for ``FakeSource`` that makes so many frames without waiting."""

    def frames(source: FakeSource) -> Iterator[Frame]:
        for index in range(count):
            if source.stopped.is_set():
                return
            yield make_frame(index)

    return frames


def endless(source: FakeSource) -> Iterator[Frame]:
    """Make a frame every 2 ms until the source is stopped; for ``FakeSource``."""
    index = 0
    while not source.stopped.wait(0.002):
        yield make_frame(index)
        index += 1


class FakeDisplay:
    """A display without a window, which returns the keys and clicks of lists.

    Attributes:
        images: The images that were shown; kept only with ``keep_images``.
        keys: Keys that will be returned, in this order.
        clicks: Clicks that will be returned, parts of the image's width and height.
        room_wh: The size of the window; None: as large as the picture that comes.
        on_show: Called with each image that is shown; it may add keys or close the display.
        is_fullscreen: As it was set.
        is_open: False once the user has closed it.
        closed: How often the program closed it.
        title: What its title bar says.
    """

    def __init__(
        self, *keys: str, keep_images: bool = False, room_wh: tuple[int, int] | None = None
    ) -> None:
        self.images: list[ImageU8] = []
        self.keys = list(keys)
        self.clicks: list[tuple[float, float]] = []
        self.room_wh = room_wh
        self.on_show: Callable[[ImageU8], None] = lambda _: None
        self.is_fullscreen = False
        self.is_open = True
        self.closed = 0
        self.title = ""
        self._keep_images = keep_images

    def size_wh(self, picture_wh: tuple[int, int]) -> tuple[int, int]:
        """Return ``room_wh``."""
        return self.room_wh or picture_wh

    def show(self, image: ImageU8) -> None:
        """Keep the image where that is wanted, and call ``on_show``."""
        if self._keep_images:
            self.images.append(image)
        self.on_show(image)

    def key(self) -> str | None:
        """Return the next key."""
        return self.keys.pop(0) if self.keys else None

    def click(self) -> tuple[float, float] | None:
        """Return the next click."""
        return self.clicks.pop(0) if self.clicks else None

    def set_fullscreen(self, on: bool) -> None:
        """Remember it."""
        self.is_fullscreen = on

    def close(self) -> None:
        """Count the call."""
        self.closed += 1


def write_tiny_model(
    path: Path,
    *,
    cam_range: tuple[float, float] = TINY_CAM_RANGE,
    dark_bias: float = 128.0,
    background: str | None = None,
    size_multiple: int | None = TINY_STRIDE,
) -> Path:
    """Write a model of one layer, whose maps are the mean brightness of blocks of 32 x 32 pixels.

    Its classes are "light" and "dark"; "dark" is the best one where the brightness of the picture
    (0 to 255) is under half of ``dark_bias``.

    Args:
        path: The .onnx file to write.
        cam_range: Map values where heat begins and where it is full.
        dark_bias: The bias of "dark", logit units.
        background: The label of the class that means that nothing is there, None for none.
        size_multiple: What the sides of an input are multiples of, None for a fixed size.

    Returns:
        The path.
    """
    info = ModelInfo(
        name="tiny",
        labels=("light", "dark"),
        size_hw=(224, 224),
        size_multiple=size_multiple,
        color="RGB",
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        method="CAM",
        layer="features",
        cam_range=cam_range,
        weights="none",
        weights_sha256="",
        versions={"camstream": "0"},
        background=background,
    )
    core = _tiny_core(dark_bias)
    onnx.save(assemble(core, find_head(core), info), path)
    return path


def _tiny_core(dark_bias: float) -> onnx.ModelProto:
    # A convolution that averages each colour over a block: maps need a convolutional layer.
    blocks = np.zeros((3, 3, TINY_STRIDE, TINY_STRIDE), np.float32)
    blocks[range(3), range(3)] = 1 / TINY_STRIDE**2
    node = helper.make_node
    nodes = [
        node("Conv", ["image", "blocks"], ["features"], strides=[TINY_STRIDE, TINY_STRIDE]),
        node("GlobalAveragePool", ["features"], ["pooled"]),
        node("Flatten", ["pooled"], ["flat"]),
        node("Gemm", ["flat", "weight", "bias"], ["logits"], transB=1),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "tiny",
        [value("image", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [value("logits", TensorProto.FLOAT, ["n", 2])],
        [
            numpy_helper.from_array(blocks, "blocks"),
            numpy_helper.from_array(_LUMA, "weight"),
            numpy_helper.from_array(np.array([0.0, dark_bias], np.float32), "bias"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
