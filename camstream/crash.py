"""One line where a library crashes the whole process, such as a decoder on a damaged file.

After such a crash nothing of Python runs here any more. So a second process, forked before anything
large is imported, waits at the other end of a pipe into which Python's ``faulthandler`` writes what
happened. It does nothing else, holds no file of the run, and ends when the pipe does. Where there is
no ``fork`` (Windows) the system's own words are all there is.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal

from camstream.safe_text import safe_text

_WORK = b"work "
_CRASH = b"Fatal Python error: "
_KEPT_BYTES = 65_536
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGPIPE", "SIGTSTP")

_pipe: int | None = None


def watch() -> None:
    """Have the crash of this process told in one line on stderr; what it ends with stays the same.

    Is called once, before there are threads. Whoever switched ``faulthandler`` on gets its words.
    """
    global _pipe
    if not hasattr(os, "fork") or faulthandler.is_enabled():
        return
    try:
        reading, writing = os.pipe()
        if os.fork() == 0:
            _wait(reading, writing)
    except OSError:  # no process or file to be had: a line less is no reason not to run
        return
    os.close(reading)
    faulthandler.enable(writing, all_threads=False)
    _pipe = writing


def working_on(work: str) -> None:
    """Remember what to name where the process crashes, such as a file's name; without secrets."""
    if _pipe is not None:
        with contextlib.suppress(OSError):
            os.write(_pipe, _WORK + safe_text(work).encode() + b"\n")


def _wait(reading: int, writing: int) -> None:
    """Be the second process; never returns."""
    try:
        for name in _SIGNALS:  # a terminal sends them to both
            signal.signal(getattr(signal, name), signal.SIG_IGN)
        for other in (0, 1, writing):  # nobody shall wait for this process at the end of a pipe
            with contextlib.suppress(OSError):
                os.close(other)
        told = b""
        while more := os.read(reading, _KEPT_BYTES):
            told += more
            if _CRASH not in told:  # only the latest work is of interest
                told = told[told.rfind(_WORK) :] if _WORK in told else told[-_KEPT_BYTES:]
        if line := line_of(told):
            os.write(2, line.encode())
    finally:
        os._exit(0)


def line_of(told: bytes) -> str:
    """Say in one line what the pipe told; nothing where it tells of no crash.

    Args:
        told: Lines of ``working_on``, then what ``faulthandler`` wrote.
    """
    before, crash, after = told.rpartition(_CRASH)
    if not crash:
        return ""
    kind = safe_text(after.split(b"\n", 1)[0])
    work = [line for line in before.split(b"\n") if line.startswith(_WORK)]
    name = safe_text(work[-1].removeprefix(_WORK)) if work else "its start"
    return (
        f"camstream: a library crashed at {name} ({kind}), most likely because the file is "
        "damaged; leave it out. What was written so far is in the partial file beside the output\n"
    )
