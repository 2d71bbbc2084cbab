"""The errors a caller may catch.

CamstreamError
|-- UsageError  (ValueError) an option or a name that was given is wrong
|   `-- NotFoundError (also a SourceError) a file or folder that was named is not there
|-- SourceError (OSError)    a file, camera or stream cannot be read
|-- SinkError   (OSError)    an output cannot be written or shown
|-- ModelError  (ValueError) a file is not a camstream model, or cannot run as asked
`-- SetupError               something is not installed or not there (an extra, a display)

Every message says what was tried, on what, and what to do. Only the command line turns them
into one line on stderr and an exit code.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from camstream.address import shown


class CamstreamError(Exception):
    """Base of every error that camstream raises on purpose."""


class UsageError(CamstreamError, ValueError):
    """An option, or the name of a class or a model, is wrong; the command line exits with 2."""


class SourceError(CamstreamError, OSError):
    """A video file, camera or stream cannot be opened or read."""


class NotFoundError(UsageError, SourceError):
    """A file or folder that was named is not there; the command line exits with 2."""


class SinkError(CamstreamError, OSError):
    """An output file cannot be written, or a window cannot be shown."""


class ModelError(CamstreamError, ValueError):
    """A model file breaks the contract, or cannot run on the device asked for."""


class SetupError(CamstreamError, RuntimeError):
    """Something that the command needs is not installed or not present on this machine."""


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Tell what keeps a file, or the text in it, from being read.

    Raises:
        SourceError: The body could not read it.
    """
    try:
        yield
    except SourceError:
        raise
    except UnicodeDecodeError as error:
        raise SourceError(f"cannot read {shown(path)}: it is no text in UTF-8") from error
    except FileNotFoundError as error:
        raise NotFoundError(f"cannot read {shown(path)}: there is no such file") from error
    except OSError as error:
        raise SourceError(f"cannot read {shown(path)}: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, without file names; never an empty one."""
    text = str(getattr(error, "strerror", None) or "")
    if not text and getattr(error, "filename", None) is None:
        text = str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
