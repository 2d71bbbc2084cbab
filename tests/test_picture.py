"""Pictures of images whose memory ends where nothing more may be read."""

from __future__ import annotations

import subprocess
import sys

import pytest

# The image lies at the end of a page, and the page behind it is closed: one byte read too far
# ends the process.
_AT_A_PAGES_END = """
import ctypes, mmap
import numpy as np
from camstream.picture import Picture

width, height, page = 319, 213, mmap.PAGESIZE
size = width * height * 3
pages = -(-size // page)
memory = mmap.mmap(-1, (pages + 1) * page)
start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
closed = ctypes.CDLL(None).mprotect(ctypes.c_void_p(start + pages * page), page, 0)
assert closed == 0
image = np.frombuffer(memory, np.uint8, size, pages * page - size).reshape(height, width, 3)
image[:] = 7
for size_wh in ((224, 224), (288, 160), (width, height)):
    assert (Picture.from_bgr(image).bgr(size_wh) == 7).all()
Picture.from_bgr(image).yuv420()
print("whole")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="closes a memory page by mprotect")
def test_nothing_is_read_behind_an_image() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _AT_A_PAGES_END], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "whole"), done.stderr
