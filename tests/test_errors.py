"""What is said of an error of a library: one line, never an empty one."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from camstream.errors import SourceError, first_line, reading

SECRET = "s3cret"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (RuntimeError("one\ntwo"), "one"),
        (RuntimeError("\n\n  late\n"), "late"),
        (RuntimeError(""), "RuntimeError"),
        (RuntimeError(" \n "), "RuntimeError"),
        (FileNotFoundError(errno.ENOENT, "No such file", "/a/secret/name"), "No such file"),
        (OSError("plain"), "plain"),
        (OSError(), "OSError"),
        (OSError(errno.EIO, "", "/a/secret/name"), "OSError"),
    ],
)
def test_the_first_line_of_an_error_is_never_empty(error: Exception, line: str) -> None:
    assert first_line(error) == line


def test_a_file_that_cannot_be_read_is_named_without_a_password() -> None:
    path = Path(f"rtsp://user:{SECRET}@host/x.csv")
    with (
        pytest.raises(SourceError, match=r"cannot read rtsp:/host/x\.csv: ") as caught,
        reading(path),
    ):
        path.read_text()
    assert SECRET not in str(caught.value)


def test_no_module_takes_the_first_line_of_an_empty_text() -> None:
    """``"".splitlines()[0]`` is an IndexError: ``first_line`` is the one way."""
    root = Path(__file__).parents[1]
    found = [
        os.fspath(path.relative_to(root))
        for package in ("camstream", "export")
        for path in (root / package).rglob("*.py")
        if "splitlines()[0]" in path.read_text(encoding="utf-8")
    ]
    assert found == []
