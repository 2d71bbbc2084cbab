"""A task: one input, what is made of it, and how to know that this was done already."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from camstream.errors import reading

# Raise it where the same options give other results than before.
FORMAT = 1

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What tells that a file's content is the one that it was.

    Attributes:
        size: Bytes.
        mtime_ns: When it was written last, nanoseconds; 0 where the file system does not say.
        sha256: Of the content, hexadecimal; empty: it was not read for this.
    """

    size: int
    mtime_ns: int
    sha256: str = ""

    @classmethod
    def of(cls, path: Path, *, verify: bool = False) -> Stamp:
        """Look at a file.

        Args:
            path: The file.
            verify: Read it whole for its SHA-256.

        Raises:
            NotFoundError: It is not there.
            SourceError: It cannot be read.
        """
        with reading(path):
            status = os.stat(path)  # noqa: PTH116 (of thousands)
            digest = ""
            if verify:
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
            return cls(size=status.st_size, mtime_ns=status.st_mtime_ns, sha256=digest)

    def agrees(self, noted: Stamp) -> bool:
        """Whether a file is the one that was noted: by content where both know it, else by time."""
        if self.size != noted.size:
            return False
        if self.sha256 and noted.sha256:
            return self.sha256 == noted.sha256
        return self.mtime_ns == noted.mtime_ns


@dataclass(frozen=True, kw_only=True)
class Task:
    """One input, and what is made of it.

    Attributes:
        source: The input: an absolute path, or an address.
        outputs: Every file that is made of it, the main one first.
        stamp: Of the input, from before the work.
        model_sha256: Of the model's file.
        options: Those that change the result, as JSON has them.
    """

    source: str
    outputs: tuple[Path, ...]
    stamp: Stamp
    model_sha256: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @functools.cached_property
    def id(self) -> str:
        """Which task it is, whatever its input holds and its options are: 32 hexadecimal digits.

        Input and first output tell it: the others come and go with the options.
        """
        return digest_of([self.source, *map(os.path.abspath, self.outputs[:1])])[:32]

    @functools.cached_property
    def recipe(self) -> str:
        """Model and options: whatever but the input's content changes the result."""
        return _recipe_of(self)

    @property
    def key(self) -> str:
        """Task, input, model and options in one: the same key means the same result."""
        stamp = self.stamp
        content = stamp.sha256 or str(stamp.mtime_ns)
        return digest_of([self.id, stamp.size, content, self.recipe])


_latest: tuple[Mapping[str, Any] | None, str, str] = (None, "", "")


def _recipe_of(task: Task) -> str:
    """Return the recipe; that of the latest task is kept, since thousands share their options."""
    global _latest
    options, model, recipe = _latest
    if options is not task.options or model != task.model_sha256:
        recipe = digest_of([FORMAT, task.model_sha256, task.options])
        _latest = task.options, task.model_sha256, recipe
    return recipe


def digest_of(value: Any) -> str:
    """Return the SHA-256 of a value of JSON, hexadecimal; the order of keys does not matter."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
