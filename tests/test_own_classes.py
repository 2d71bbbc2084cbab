"""A user's own source and sink, each in under 30 lines, in ``stream`` and ``annotate``."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import camstream
from camstream.models.session import Model
from camstream.stages import SourceStatus, status_of
from tests.clips import Video, make, read


class Slides:
    """A source: still images, each for one second."""

    is_live = False

    def __init__(self, images: list[np.ndarray[Any, Any]]) -> None:
        self.name = f"{len(images)} slides"
        self._images = images
        self._stopped = False

    def __iter__(self) -> Iterator[camstream.Frame]:
        for index, image in enumerate(self._images):
            if self._stopped:
                return
            picture = camstream.Picture.from_bgr(image)
            yield camstream.Frame(index, float(index), 0.0, picture)

    def stop(self) -> None:
        self._stopped = True

    def close(self) -> None:
        self._stopped = True


class LabelCount:
    """A sink: writes how often each label was the best."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = Counter[str]()

    def write(self, annotated: camstream.Annotated) -> None:
        self._count[annotated.prediction.top[0].label] += 1

    def finish(self) -> None:
        self._path.write_text("".join(f"{label} {n}\n" for label, n in self._count.items()))

    def discard(self) -> None:
        self._count.clear()


LEVELS = (10, 200, 30)


@pytest.mark.parametrize("own", [Slides, LabelCount])
def test_an_own_class_is_short(own: type) -> None:
    assert len(inspect.getsource(own).splitlines()) < 30


def test_a_stream_of_an_own_source(tiny_model: Model) -> None:
    source: camstream.Source = Slides([np.full((64, 96, 3), v, np.uint8) for v in LEVELS])
    with camstream.stream(source, tiny_model, smoothing="off") as predictions:
        seen = [(one.frame.pts_s, one.top[0].label) for one in predictions]
    assert seen == [(0.0, "dark"), (1.0, "light"), (2.0, "dark")]
    assert status_of(source) == SourceStatus(rate_hz=None, state="", reconnects=0)


def test_annotate_into_an_own_sink(tiny_model: Model, tmp_path: Path) -> None:
    clip, output = make(tmp_path / "in.mp4", Video(frames=7)), tmp_path / "out.mp4"
    sink: camstream.Sink = LabelCount(tmp_path / "labels.txt")
    camstream.annotate(clip, output, model=tiny_model, sinks=[sink])
    assert (tmp_path / "labels.txt").read_text() == "light 7\n"
    assert read(output).numbers == list(range(7))


def test_an_own_sink_that_fails_does_not_cost_the_video(tiny_model: Model, tmp_path: Path) -> None:
    class Full(LabelCount):
        discarded = 0

        def write(self, annotated: camstream.Annotated) -> None:
            if annotated.prediction.frame.index == 3:
                raise camstream.SinkError("cannot write: the disk is full")

        def discard(self) -> None:
            self.discarded += 1

    clip, sink = make(tmp_path / "in.mp4", Video(frames=7)), Full(tmp_path / "labels.txt")
    with pytest.raises(camstream.SinkError, match="full"):
        camstream.annotate(clip, tmp_path / "out.mp4", model=tiny_model, sinks=[sink])
    assert sink.discarded == 1
    assert read(tmp_path / "out.mp4").numbers == list(range(7))
