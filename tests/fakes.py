"""Sources, models and windows that tests steer: no device, no network, no time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from camstream.contract import ModelInfo
from camstream.frame import ClassMaps, Frame, Prediction, TopClass
from camstream.picture import ImageU8, Picture

INFO = ModelInfo(
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


def make_frame(index: int, size_wh: tuple[int, int] = (352, 96)) -> Frame:
    image = np.full((size_wh[1], size_wh[0], 3), index % 256, np.uint8)
    return Frame(index, index / 30, time.perf_counter(), Picture.from_bgr(image))


def predict(frame: Frame, *, classes: Sequence[int] | None = None) -> Prediction:
    """Say "thing" of every frame, with some evidence in its upper left cell."""
    asked = [max(0, index) for index in classes or [-1]]
    maps = np.zeros((len(asked), 4, 4), np.float32)
    maps[:, 0, 0] = 8.0
    cam = ClassMaps(
        maps=maps,
        class_indices=np.array(asked),
        bias=np.full(len(asked), 0.5, np.float32),
        cam_range=INFO.cam_range,
    )
    top = (TopClass("thing", 0, 0.9, 1.0),)
    return prediction_of(frame, top, cam)


def prediction_of(
    frame: Frame, top: tuple[TopClass, ...], cam: ClassMaps, *, infer_ms: float = 1.0
) -> Prediction:
    """Make a prediction from what a test cares for."""
    logits = np.array([1.0, -1.2], np.float32)
    return Prediction(
        frame=frame,
        top=top,
        cam=cam,
        infer_ms=infer_ms,
        image=frame.picture.bgr((32, 32)),
        logits=logits,
    )


class FakeSource:
    """Gives the frames of a function; knows whether it was stopped and closed.

    Attributes:
        stopped: Set by ``stop``.
        closed: How often it was closed.
    """

    name = "fake"
    rate_hz = 30.0
    state = ""
    reconnects = 0

    def __init__(
        self, frames: Callable[[FakeSource], Iterator[Frame]], *, is_live: bool = False
    ) -> None:
        self.is_live = is_live
        self.frame_count: int | None = None
        self.stopped = threading.Event()
        self.closed = 0
        self._frames = frames

    def __iter__(self) -> Iterator[Frame]:
        return self._frames(self)

    def stop(self) -> None:
        self.stopped.set()

    def close(self) -> None:
        self.closed += 1


def counted(count: int) -> Callable[[FakeSource], Iterator[Frame]]:
    """Make so many frames, as fast as they are taken."""

    def frames(source: FakeSource) -> Iterator[Frame]:
        for index in range(count):
            if source.stopped.is_set():
                return
            yield make_frame(index)

    return frames


def endless(source: FakeSource) -> Iterator[Frame]:
    """Make frames at a camera's pace until the source is stopped."""
    index = 0
    while not source.stopped.wait(0.002):
        yield make_frame(index)
        index += 1


class FakeDisplay:
    """A window that remembers what it shows and presses the keys that a test wants.

    Attributes:
        images: What was shown; kept only with ``keep_images``.
        keys: Keys that will be pressed, in this order.
        on_show: Called with each image that is shown; it may add keys or close the window.
        is_open: False once the user has closed it.
        closed: How often it was closed by the program.
    """

    def __init__(self, *keys: str, keep_images: bool = False) -> None:
        self.images: list[ImageU8] = []
        self.keys = list(keys)
        self.on_show: Callable[[ImageU8], None] = lambda _: None
        self.is_open = True
        self.closed = 0
        self._keep_images = keep_images

    def show(self, image: ImageU8) -> None:
        if self._keep_images:
            self.images.append(image)
        self.on_show(image)

    def key(self) -> str | None:
        return self.keys.pop(0) if self.keys else None

    def close(self) -> None:
        self.closed += 1
