"""Every stage raises, ends or blocks, under both policies: nothing hangs, nothing stays open."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import traceback
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from camstream import pipeline as pipeline_module
from camstream.errors import SourceError
from camstream.frame import Frame, Prediction
from camstream.pipeline import Pipeline
from camstream.testing import FakeSource, counted, endless, fake_infer, make_frame

BOTH = pytest.mark.parametrize("is_live", [False, True], ids=["every", "latest"])


class BrokenError(Exception):
    """What the stages of these tests raise."""


class _Tracked(Frame):
    __slots__ = ("__weakref__",)


def _breaks_at_3(frame: Frame) -> Prediction:
    if frame.index >= 3:
        raise BrokenError(f"infer at {frame.index}")
    return fake_infer(frame)


def _traceback_of(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def test_every_gives_all_frames_in_order() -> None:
    source = FakeSource(counted(100))
    with Pipeline(source, fake_infer) as predictions:
        indices = [prediction.frame.index for prediction in predictions]
    assert indices == list(range(100))
    assert predictions.captured == predictions.inferred == 100
    assert source.closed == 1


def test_latest_gives_the_newest_in_order_and_the_last_of_all() -> None:
    release = threading.Event()

    def infer(frame: Frame) -> Prediction:
        assert release.wait(10)  # whichever frame comes first is held until the source has ended
        return fake_infer(frame)

    def frames(source: FakeSource) -> Iterator[Frame]:
        yield from counted(50)(source)
        release.set()

    with Pipeline(FakeSource(frames, is_live=True), infer) as predictions:
        indices = [prediction.frame.index for prediction in predictions]
    assert indices == sorted(set(indices))
    assert indices[-1] == 49
    assert predictions.captured == 50
    # The model held one while all others but the last were replaced by newer ones.
    assert predictions.inferred + predictions._run.waiting.dropped == 50
    assert predictions.inferred <= 2


@BOTH
def test_source_raises(is_live: bool) -> None:
    def frames(_: FakeSource) -> Iterator[Frame]:
        yield make_frame(0)
        raise SourceError("the cable is out")

    source = FakeSource(frames, is_live=is_live)
    with (
        pytest.raises(SourceError, match="the cable is out") as caught,
        Pipeline(source, fake_infer) as predictions,
    ):
        list(predictions)
    assert "in frames" in _traceback_of(caught.value)
    assert source.closed == 1


@BOTH
def test_source_raises_before_the_first_frame(is_live: bool) -> None:
    def frames(_: FakeSource) -> Iterator[Frame]:
        raise SourceError("nothing there")

    source = FakeSource(frames, is_live=is_live)
    with pytest.raises(SourceError), Pipeline(source, fake_infer) as predictions:
        list(predictions)
    assert source.closed == 1


@BOTH
def test_source_ends(is_live: bool) -> None:
    source = FakeSource(counted(0), is_live=is_live)
    with Pipeline(source, fake_infer) as predictions:
        assert list(predictions) == []
    assert source.closed == 1


@BOTH
def test_source_blocks_until_it_is_stopped(is_live: bool) -> None:
    def frames(source: FakeSource) -> Iterator[Frame]:
        yield make_frame(0)
        assert source.stopped.wait(20)

    source = FakeSource(frames, is_live=is_live)
    with Pipeline(source, fake_infer) as predictions:
        assert next(iter(predictions)).frame.index == 0
    assert source.closed == 1


@BOTH
def test_infer_raises(is_live: bool) -> None:
    source = FakeSource(endless, is_live=is_live)
    with pytest.raises(BrokenError) as caught, Pipeline(source, _breaks_at_3) as predictions:
        for _ in predictions:
            pass
    assert "in _breaks_at_3" in _traceback_of(caught.value)
    assert source.closed == 1


@BOTH
def test_infer_raises_while_nobody_takes_predictions(is_live: bool) -> None:
    """The error is raised at the end of the ``with`` statement at the latest."""
    source = FakeSource(endless, is_live=is_live)
    with pytest.raises(BrokenError), Pipeline(source, _breaks_at_3):
        assert source.stopped.wait(10)
    assert source.closed == 1


@BOTH
def test_infer_blocks_while_the_source_goes_on(is_live: bool) -> None:
    release = threading.Event()

    def infer(frame: Frame) -> Prediction:
        assert release.wait(20)
        return fake_infer(frame)

    source = FakeSource(endless, is_live=is_live)
    with Pipeline(source, infer) as running:
        with pytest.raises(TimeoutError):
            running.predictions.get(timeout_s=0.1)
        waiting = len(running._run.waiting._items)
        assert waiting <= (1 if is_live else pipeline_module._WAITING_FRAMES)
        release.set()
    assert source.closed == 1


@BOTH
def test_caller_stops_early(is_live: bool) -> None:
    source = FakeSource(endless, is_live=is_live)
    with Pipeline(source, fake_infer) as predictions:
        for prediction in predictions:
            if prediction.frame.index >= 5:
                break
    assert source.stopped.is_set()
    assert source.closed == 1


@BOTH
def test_caller_raises(is_live: bool) -> None:
    source = FakeSource(endless, is_live=is_live)

    def use() -> None:
        with Pipeline(source, fake_infer) as predictions:
            for _ in predictions:
                raise BrokenError("caller")

    with pytest.raises(BrokenError, match="caller"):
        use()
    assert source.closed == 1


@BOTH
def test_the_callers_own_error_wins(is_live: bool) -> None:
    source = FakeSource(endless, is_live=is_live)

    def use() -> None:
        with Pipeline(source, _breaks_at_3):
            assert source.stopped.wait(10)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()


@BOTH
def test_caller_blocks_and_memory_is_bounded(is_live: bool) -> None:
    """While nobody takes anything, no more frames live than fit into the hand-overs."""
    alive: weakref.WeakSet[Frame] = weakref.WeakSet()
    full = threading.Event()
    waiting = pipeline_module._WAITING_FRAMES
    last = 199 if is_live else waiting  # with "every" the frame after the eighth has to wait

    def frames(_: FakeSource) -> Iterator[Frame]:
        for index in range(200):
            frame = _Tracked(index, 0.0, 0.0, make_frame(index).picture)
            alive.add(frame)
            if index == last:
                full.set()
            yield frame

    source = FakeSource(frames, is_live=is_live)
    with Pipeline(source, fake_infer, show_frames=True) as running:
        assert full.wait(10)
        gc.collect()
        room = 3 if is_live else 3 * waiting
        assert 1 <= len(alive) <= room + 3  # and one in the hands of each thread
        assert running.captured <= (200 if is_live else waiting + 1)
        assert running.frames.dropped >= (197 if is_live else 0)


def test_iterating_without_with_says_so() -> None:
    source = FakeSource(counted(3))
    with pytest.raises(RuntimeError, match="with camstream"):
        list(Pipeline(source, fake_infer))


def test_a_reader_that_never_returns_does_not_keep_its_caller(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pipeline_module, "_JOIN_S", 0.1)
    release = threading.Event()

    def frames(_: FakeSource) -> Iterator[Frame]:
        yield make_frame(0)
        release.wait(20)  # deaf to stop

    source = FakeSource(frames, is_live=True)
    with Pipeline(source, fake_infer) as predictions:
        next(iter(predictions))
    assert source.closed == 0  # closing a device under its reader would crash
    assert "camstream-capture does not end" in caplog.text
    release.set()


def test_a_reader_that_never_returns_does_not_keep_the_program(tmp_path: Path) -> None:
    """As a blocked driver would: the program says so, and ends with the error that it had."""
    script = tmp_path / "program.py"
    script.write_text(
        "import threading\n"
        "from camstream import pipeline\n"
        "from camstream.testing import FakeSource, fake_infer, make_frame\n"
        "pipeline._JOIN_S = 0.1\n"
        "def frames(source):\n"
        "    yield make_frame(0)\n"
        "    threading.Event().wait()\n"
        "with pipeline.Pipeline(FakeSource(frames, is_live=True), fake_infer) as predictions:\n"
        "    for prediction in predictions:\n"
        "        raise SystemExit(7)\n"
    )
    code = f"import runpy, sys; sys.path.insert(0, {str(Path.cwd())!r}); runpy.run_path({str(script)!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 7, done.stderr
    assert "camstream-capture does not end" in done.stderr


@BOTH
@pytest.mark.parametrize("taken", [0, 3])
def test_a_pipeline_that_is_left_without_its_end_keeps_no_threads(
    taken: int, is_live: bool
) -> None:
    source = FakeSource(endless, is_live=is_live)
    running = Pipeline(source, fake_infer).__enter__()
    predictions = iter(running)
    for _ in range(taken):
        next(predictions)
    threads = list(running._run.threads)
    assert all(thread.is_alive() for thread in threads)
    del running, predictions
    gc.collect()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert source.closed == 1


def test_a_pipeline_that_never_ran_closes_its_source() -> None:
    source = FakeSource(endless)
    running = Pipeline(source, fake_infer)
    del running
    gc.collect()
    assert source.closed == 1
