"""The first moments of the program: Ctrl-C is quiet while slow imports run, standard streams exist.

Nothing slow is imported here, and nothing of camstream: the package imports this first, and that
calls ``begin``.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn


def begin() -> None:
    """End the program at once on Ctrl-C: nothing has been done yet that could be lost.

    A KeyboardInterrupt would not do: raised within the import of a compiled module it becomes a
    traceback, or an ImportError. Where camstream is imported by another program nothing happens.
    """
    if is_program() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _die)


def end() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is _die:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def finish() -> None:
    """Let a late Ctrl-C be nothing: all is done, and Python only tidies up."""
    if is_program():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def is_program() -> bool:
    """Whether camstream was started as a program: ``camstream`` or ``python -m camstream``."""
    name = sys.argv[0] if sys.argv else ""
    if name == "-m":  # Python puts this here while it imports the package that it was asked to run
        return any(argument in ("camstream", "-mcamstream") for argument in sys.orig_argv)
    path = Path(name)
    return path.stem == "camstream" or path.parts[-2:] == ("camstream", "__main__.py")


def stop_cleanly() -> None:
    """Let SIGTERM and SIGHUP unwind the program as Ctrl-C does, so that nothing half-done stays.

    A signal that is ignored stays so: ``nohup`` ignores SIGHUP on purpose.
    """
    for number in ending_signals():
        if number != signal.SIGINT and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _exit)


def ending_signals() -> list[signal.Signals]:
    """Return the signals that ask a program to end, on this system."""
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # the last one is Windows' Ctrl-Break
    return [getattr(signal, name) for name in names if hasattr(signal, name)]


def open_streams() -> None:
    """Make sure that the three standard streams exist, and can write every character.

    Where a shell closed one (``>&-``), the next file that is opened would take its number, and what
    libraries print would end up in it. A character that the stream's encoding does not have is
    written as "?".
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            while os.open(os.devnull, os.O_RDWR) < number:
                pass
            setattr(sys, name, None)
    for stream, errors in ((sys.stdout, "replace"), (sys.stderr, "backslashreplace")):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=errors)


def forget_stdout() -> None:
    """Send to nowhere what was or will be printed, after it could not be written."""
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, sys.stdout.fileno())
    except (OSError, ValueError):  # a stream of a program that called us, without a file
        pass
    finally:
        os.close(null)


def _die(number: int, _: FrameType | None) -> NoReturn:
    os._exit(128 + number)


def _exit(number: int, _: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


begin()
