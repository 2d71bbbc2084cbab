"""Progress of many files: one bar for all of them, and a line for each that is worked on."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from rich.progress import BarColumn, Progress, TaskID, TextColumn

from camstream.batch import pool
from camstream.console import console
from camstream.safe_text import safe_text

_NAME_WIDTH = 40


@dataclass(slots=True)
class _Row:
    """What is worked on: a file, or a part of one; ``share`` says how much of it."""

    id: TaskID
    file: str
    share: float
    done: int = 0
    total: int | None = None

    @property
    def worth(self) -> float:
        """How much of the file is done here, 0 to 1."""
        return self.share * self.done / self.total if self.total else 0.0


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
        self._rows: dict[str, _Row] = {}
        # Of files that are begun: how much of each its parts are that are done, and their frames.
        self._parts: dict[str, tuple[float, int]] = {}
        self._started_s = time.monotonic()
        self._all = progress.add_task("", total=files, completed=skipped, label="")
        self._show()

    @property
    def worth(self) -> float:
        """How many files are done; what is begun counts as far as it is done."""
        begun = {file: share for file, (share, _) in self._parts.items()}
        for row in self._rows.values():
            begun[row.file] = begun.get(row.file, 0.0) + row.worth
        return self._done + sum(min(1.0, share) for share in begun.values())

    def begin(self, task: str, name: str, *, file: str = "", share: float = 1.0) -> None:
        """Add the line of a file, or of a part of one.

        Args:
            task: Its task.
            name: What it is called.
            file: The task of the file that it is a part of; empty: it is a whole one.
            share: How much of the file it is, 0 to 1.
        """
        text = safe_text(name)
        short = text if len(text) <= _NAME_WIDTH else "…" + text[1 - _NAME_WIDTH :]
        row = self._progress.add_task(f"  {short}", total=None, label="")
        self._rows[task] = _Row(row, file or task, share)

    def update(self, told: pool.Progress) -> None:
        """Show how far a file is."""
        row = self._rows.get(told.name)
        if row is None:
            return
        row.done, row.total = told.done, told.total
        of_all = "" if told.total is None else f"/{told.total}"
        self._progress.update(
            row.id,
            completed=told.done,
            total=told.total,
            label=f"{told.done}{of_all} {safe_text(told.label)}",
        )
        self._show()

    def end(self, file: str, frames: int = 0) -> None:
        """Count a file that is done or has failed, and remove its line.

        Args:
            file: Its task.
            frames: How many it has.
        """
        self.again(file)
        self._done += 1
        self._frames += frames
        self._show()

    def end_part(self, task: str) -> None:
        """Remove the line of a part that has ended; its file is not done yet."""
        row = self._remove(task)
        if row is not None and row.share < 1:
            share, frames = self._parts.get(row.file, (0.0, 0))
            self._parts[row.file] = share + row.share, frames + row.done

    def again(self, file: str) -> None:
        """Remove the line of a file that is done later, and forget its parts."""
        self._remove(file)
        self._parts.pop(file, None)

    def _remove(self, task: str) -> _Row | None:
        row = self._rows.pop(task, None)
        if row is not None:
            self._progress.remove_task(row.id)
        return row

    def _show(self) -> None:
        passed_s = time.monotonic() - self._started_s
        frames = self._frames + sum(row.done for row in self._rows.values())
        frames += sum(frames for _, frames in self._parts.values())
        words = f"{self._skipped + self._done}/{self._files} files, {frames:,} frames"
        worth = self.worth
        if passed_s > 1:
            words += f", {frames / passed_s:.1f} fps"
            if worth:
                left = self._files - self._skipped - worth
                left_s = max(0, round(left * passed_s / worth))
                words += f", {timedelta(seconds=left_s)} left"
        self._progress.update(self._all, completed=self._skipped + worth, description=words)


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
