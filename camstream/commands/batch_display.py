"""Progress of many files: one bar for all of them, and a line for each that is worked on."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from datetime import timedelta

from rich.progress import BarColumn, Progress, TaskID, TextColumn

from camstream.batch import pool
from camstream.console import console
from camstream.safe_text import safe_text

_NAME_WIDTH = 40


class BatchDisplay:
    """What is shown while files are worked on; where there is no terminal, nothing."""

    def __init__(self, progress: Progress, files: int, skipped: int) -> None:
        """Show the bar of all files.

        Args:
            progress: Of rich.
            files: How many there are in all.
            skipped: How many of them were done before.
        """
        self._progress = progress
        self._files, self._skipped, self._done = files, skipped, 0
        self._frames = 0  # of files that are done
        self._rows: dict[str, tuple[TaskID, int, int | None]] = {}  # row, frames, total
        self._started_s = time.monotonic()
        self._all = progress.add_task("", total=files, completed=skipped, label="")
        self._show()

    def begin(self, task: str, name: str) -> None:
        """Add the line of a file.

        Args:
            task: Its task.
            name: What it is called.
        """
        text = safe_text(name)
        short = text if len(text) <= _NAME_WIDTH else "…" + text[1 - _NAME_WIDTH :]
        row = self._progress.add_task(f"  {short}", total=None, label="")
        self._rows[task] = (row, 0, None)

    def update(self, told: pool.Progress) -> None:
        """Show how far a file is."""
        if told.name not in self._rows:
            return
        row = self._rows[told.name][0]
        self._rows[told.name] = (row, told.done, told.total)
        of_all = "" if told.total is None else f"/{told.total}"
        self._progress.update(
            row,
            completed=told.done,
            total=told.total,
            label=f"{told.done}{of_all} {safe_text(told.label)}",
        )
        self._show()

    def end(self, task: str, frames: int = 0) -> None:
        """Remove the line of a file that is done or has failed.

        Args:
            task: Its task.
            frames: How many it has.
        """
        if task in self._rows:
            self._progress.remove_task(self._rows.pop(task)[0])
        self._done += 1
        self._frames += frames
        self._show()

    def again(self, task: str) -> None:
        """Remove the line of a file that is done later."""
        if task in self._rows:
            self._progress.remove_task(self._rows.pop(task)[0])

    def _show(self) -> None:
        passed_s = time.monotonic() - self._started_s
        frames = self._frames + sum(done for _, done, _ in self._rows.values())
        begun = sum(done / total for _, done, total in self._rows.values() if total)
        words = f"{self._skipped + self._done}/{self._files} files, {frames:,} frames"
        if passed_s > 1:
            words += f", {frames / passed_s:.1f} fps"
            if worth := self._done + begun:
                left = self._files - self._skipped - worth
                left_s = max(0, round(left * passed_s / worth))
                words += f", {timedelta(seconds=left_s)} left"
        completed = self._skipped + self._done + begun
        self._progress.update(self._all, completed=completed, description=words)


@contextlib.contextmanager
def batch_display(files: int, *, skipped: int) -> Iterator[BatchDisplay]:
    """Show progress while the body runs, if there is a terminal.

    Args:
        files: How many there are in all.
        skipped: How many of them were done before.
    """
    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[label]}", markup=False),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        # Results in a file must not become lines on the terminal.
        redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
    )
    with progress:
        yield BatchDisplay(progress, files, skipped)
