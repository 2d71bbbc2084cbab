"""Several sources one after the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from camstream.errors import SourceError
from camstream.sources.sequence import SequenceSource
from camstream.stages import Source
from camstream.testing import FakeSource, counted

OPENED: list[FakeSource] = []


def open_one(source: str | Path) -> Source:
    if source == "bad":
        raise SourceError("cannot read bad: it is damaged")
    OPENED.append(FakeSource(counted(int(str(source)))))
    OPENED[-1].name = str(source)
    return OPENED[-1]


def test_frames_and_times_go_on_from_one_to_the_next() -> None:
    OPENED.clear()
    source = SequenceSource(["3", "2"], open_one)
    assert source.name == "3"
    assert source.rate_hz == 30.0
    frames = list(source)
    assert [frame.index for frame in frames] == list(range(5))
    times = [frame.pts_s for frame in frames]
    assert times == sorted(set(times))
    assert source.name == "2"
    source.close()
    assert all(one.closed for one in OPENED)


def test_one_that_cannot_be_read_is_told_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    source = SequenceSource(["bad", "2", "bad", "1"], open_one)
    assert len(list(source)) == 3
    source.close()
    assert source.failed == 2
    assert "cannot read bad: it is damaged" in caplog.text


def test_when_none_can_be_opened_the_error_is_the_last_one_s() -> None:
    with pytest.raises(SourceError, match="cannot read bad"):
        SequenceSource(["bad", "bad"], open_one)
    with pytest.raises(SourceError, match="no source"):
        SequenceSource([], open_one)


def test_stop_ends_all_of_them() -> None:
    source = SequenceSource(["5", "5"], open_one)
    taken = []
    for frame in source:
        taken.append(frame.index)
        if frame.index == 2:
            source.stop()
    assert taken == [0, 1, 2]
    source.close()
