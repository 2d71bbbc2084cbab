"""Memory that is free goes back to the system."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import pytest

from camstream.live import spare_memory
from camstream.live.spare_memory import SpareMemory

# Holes: every other of many blocks is freed, of a size that the C library does not map by itself.
_HOLES = """
from camstream.live import spare_memory

def resident_mb():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6

blocks = [b"x" * 100_000 for _ in range(1000)]
del blocks[::2]
before = resident_mb()
spare_memory._EVERY_S = 0.0
assert spare_memory.SpareMemory().give_back()
print(before - resident_mb())
"""


def test_it_is_given_back_each_half_minute() -> None:
    times_s = iter((5.0, 6.0, 34.9, 35.1, 35.1, 36.0, 65.0, 65.2, 65.2, 300.0, 300.0))
    spare = SpareMemory(lambda: next(times_s))
    given = [spare.give_back() for _ in range(7)]
    assert given == [False, False, True, False, False, True, True]


@pytest.mark.skipif(spare_memory._trim() is None, reason="another C library than glibc")
def test_holes_are_given_back() -> None:
    told = subprocess.run(
        [sys.executable, "-c", _HOLES], capture_output=True, text=True, check=True
    )
    assert float(told.stdout) > 30


def test_circles_are_found() -> None:
    class Circle:
        """Refers to itself, as a closed stream of PyAV does."""

        def __init__(self) -> None:
            self.itself = self

    gone = weakref.ref(Circle())
    times_s = iter((0.0, 100.0, 100.0))
    spare = SpareMemory(lambda: next(times_s))
    gc.disable()
    try:
        assert spare.give_back()
    finally:
        gc.enable()
    assert gone() is None
