"""What a command says at its end: which inputs failed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from camstream.console import report_error

_MAX_FAILURES = 20


def report_failures(failed: Sequence[tuple[Path, str]], total: int) -> None:
    """Print which inputs of many failed, and why, a line each.

    Args:
        failed: The inputs and what went wrong with each.
        total: Number of all inputs.
    """
    report_error(f"{len(failed)} of {total} inputs failed:")
    for path, reason in failed[:_MAX_FAILURES]:
        report_error(f"{path}: {reason}")
    if (more := len(failed) - _MAX_FAILURES) > 0:
        report_error(f"and {more} more")
