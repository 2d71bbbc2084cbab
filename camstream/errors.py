"""The errors a caller may catch.

CamstreamError
|-- SourceError (OSError)    a file, camera or stream cannot be read
|-- SinkError   (OSError)    an output cannot be written or shown
|-- ModelError  (ValueError) a file is not a camstream model, or cannot run as asked
`-- SetupError               something is not installed or not there (an extra, a display)

Every message says what was tried, on what, and what to do. Only the command line turns them
into one line on stderr and an exit code.
"""

from __future__ import annotations


class CamstreamError(Exception):
    """Base of every error that camstream raises on purpose."""


class SourceError(CamstreamError, OSError):
    """A video file, camera or stream cannot be opened or read."""


class SinkError(CamstreamError, OSError):
    """An output file cannot be written, or a window cannot be shown."""


class ModelError(CamstreamError, ValueError):
    """A model file breaks the contract, or cannot run on the device asked for."""


class SetupError(CamstreamError, RuntimeError):
    """Something that the command needs is not installed or not present on this machine."""
