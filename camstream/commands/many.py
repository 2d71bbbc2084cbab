"""Annotates many files in a pool, and goes on where an earlier run ended."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from camstream.annotation import AnnotationJob
from camstream.batch import limits
from camstream.batch.annotating import WORK, Opening, Summary, options_of, sha256_of_model
from camstream.batch.messages import plain, record
from camstream.batch.pool import Failed, Pool
from camstream.batch.run import Batch, plan
from camstream.batch.store import Store
from camstream.batch.task import Json, Stamp, Task
from camstream.commands.batch_display import batch_display
from camstream.commands.options import say_device
from camstream.commands.summary import report_outcome
from camstream.console import Stop, note, remark, report_error, say
from camstream.drawing.overlay import Style
from camstream.errors import SinkError, SourceError
from camstream.models.device import has_nvidia_driver
from camstream.sinks import temporary
from camstream.sinks.encoding import Encoding

STATE = ".camstream"  # the folder of the notes, in the one of the outputs
_DAMAGED = "it is damaged; what can be read is annotated"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """How many files are worked on.

    Attributes:
        jobs: So many side by side; None: by processors and memory.
        timeout_s: A file that takes longer is given up; None: never.
        memory_gb: Likewise of memory; None: see ``default_file_memory``.
        verify: Know inputs by their content.
        retry_failed: Try again what failed often enough.
    """

    jobs: int | None = None
    timeout_s: float | None = None
    memory_gb: float | None = None
    verify: bool = False
    retry_failed: bool = False


def tell(source: Path | str, summary: Summary) -> None:
    """Print the result of one file."""
    many = f"{summary.frames} frames, {summary.rate_hz:.1f} fps; " * (summary.frames != 1)
    say(f"{source} -> {summary.output}: {many}{summary.seen}")
    for warning in summary.warnings:
        note(warning)
    if summary.is_stopped:
        note(f"stopped at {summary.end_s:.1f} s; {summary.output} plays up to there")


def annotate_many(
    jobs: Sequence[AnnotationJob],
    folder: Path,
    opening: Opening,
    options: BatchOptions,
    *,
    overwrite: bool,
    stop: Stop,
    debug: bool,
) -> None:
    """Annotate files, each in a child, and print what became of each.

    Args:
        jobs: One a file, whose outputs all have names.
        folder: Of the outputs; the notes are in there.
        opening: What a child opens.
        options: How.
        overwrite: Whether whatever there is may be replaced; then nothing is skipped.
        stop: Ends the run.
        debug: Show what children write on stderr.

    Raises:
        CamstreamError: The model cannot be opened, or no child can work.
        Exit: A file failed.
    """
    store = Store(folder / STATE)
    digest = sha256_of_model(opening.model)
    by_id: dict[str, AnnotationJob] = {}
    tasks: list[Task] = []
    asked: dict[tuple[Style, Encoding], Json] = {}  # as a rule one of all files
    for job in jobs:
        how = job.style, job.encoding
        if how not in asked:
            asked[how] = options_of(opening, job)
        task = _task_of(job, digest, asked[how], verify=options.verify)
        tasks.append(task)
        by_id[task.id] = job
    planned = plan(tasks, store, retry_failed=options.retry_failed, anew=overwrite)
    wanted, skipped, left = (len(planned.of(action)) for action in ("do", "skip", "leave"))
    if skipped:
        remark(f"{skipped} of {len(jobs)} files were done before (--overwrite does them anew)")
    if left:
        remark(f"{left} of {len(jobs)} failed twice before (--retry-failed tries them again)")
    on_gpu = opening.device not in ("auto", "cpu") or (
        opening.device == "auto" and has_nvidia_driver()
    )
    at_once = options.jobs or limits.default_jobs(wanted, on_gpu=on_gpu)
    opening = dataclasses.replace(opening, threads=limits.threads_for(at_once))
    memory_gb = options.memory_gb
    unread: list[SinkError] = []
    with batch_display(len(jobs), skipped=skipped + left) as display:

        def on_begin(name: str) -> None:
            batch.begin(name)
            display.begin(name, by_id[name].source.name)

        def on_done(task: Task, result: Json) -> None:
            summary = record(result, Summary)
            display.end(task.id, summary.frames)
            try:
                tell(by_id[task.id].source, summary)
            except SinkError as error:  # nobody reads the results, but the work is wanted
                unread.append(error)
                report_error(error.for_command_line())

        def on_failed(task: Task, failed: Failed) -> None:
            display.end(task.id)
            is_own = failed.kind in ("died", "timeout", "memory", "mistake")
            report_error(f"{by_id[task.id].source}: {failed.line}" if is_own else failed.line)

        def on_again(task: Task, failed: Failed) -> None:
            display.again(task.id)
            note(f"{by_id[task.id].source}: {failed.line}; it is tried once more")

        batch = Batch(
            planned,
            store,
            message_of=lambda task, own: plain(
                dataclasses.replace(by_id[task.id], overwrite=overwrite or own)
            ),
            problem_of=lambda result: _DAMAGED if result["is_damaged"] else "",
            is_whole=lambda result: not result["is_stopped"],
            on_done=on_done,
            on_failed=on_failed,
            on_again=on_again,
        )
        with Pool(
            WORK,
            options=plain(opening),
            jobs=min(at_once, max(1, wanted)),
            timeout_s=options.timeout_s,
            memory_bytes=limits.default_file_memory()
            if memory_gb is None
            else int(memory_gb * 1e9),
            on_ready=lambda about: say_device(
                about["model"],
                about["device"],
                about["gpu_problem"] if opening.device == "auto" else "",
            ),
            on_begin=on_begin,
            on_progress=display.update,
            stop=stop,
            debug=debug,
        ) as pool:
            outcome = batch.run(pool)
    _tidy(jobs)
    report_outcome(
        outcome, len(by_id), "files", name_of=lambda task: by_id[task.id].source, stop=stop
    )
    if unread:
        raise typer.Exit(1)


def _task_of(job: AnnotationJob, digest: str, options: Json, *, verify: bool) -> Task:
    source = job.source.absolute()
    try:
        stamp = Stamp.of(source, verify=verify)
    except SourceError:  # whoever opens it says why
        stamp = Stamp(size=0, mtime_ns=0)
    return Task(
        source=str(source),
        outputs=tuple(job.outputs),
        stamp=stamp,
        model_sha256=digest,
        options=options,
    )


def _tidy(jobs: Sequence[AnnotationJob]) -> None:
    """Remove what children left that were killed."""
    for folder in {path.parent for job in jobs for path in job.outputs}:
        with contextlib.suppress(OSError):
            temporary.tidy(folder)
