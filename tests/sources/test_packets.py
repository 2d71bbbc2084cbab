"""Packets of files in which a stream begins late."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
from av.container import InputContainer

from camstream.errors import SourceError
from camstream.sources.container import demux


class Late:
    """A container as PyAV's is where streams begin in the middle: each ends the reading once."""

    name = "late.flv"

    def __init__(self, late: int) -> None:
        self._left = late
        self._packets = iter(range(10))

    def demux(self, *_: object) -> Iterator[int]:
        for packet in self._packets:
            yield packet
            if packet % 3 == 0 and self._left:
                self._left -= 1
                raise IndexError("list index out of range")


def packets(container: Late) -> list[Any]:
    return list(demux(cast("InputContainer", container)))


def test_reading_goes_on_behind_a_stream_that_begins_late() -> None:
    assert packets(Late(3)) == [*range(10)]


def test_new_streams_without_end_are_said() -> None:
    class Endless(Late):
        def demux(self, *_: object) -> Iterator[int]:
            raise IndexError("list index out of range")
            yield

    with pytest.raises(SourceError, match=r"late\.flv on: new streams begin without end"):
        packets(Endless(0))
