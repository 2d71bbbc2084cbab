"""Archives many videos in a pool or a cluster, and says what became of each."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from camstream.address import is_address, shown
from camstream.archive import layout
from camstream.archive.head import LOCAL
from camstream.archive.notes import open_store
from camstream.archive.options import Video, WorkerOptions
from camstream.archive.steps import Steps
from camstream.archive.storage import open_folder
from camstream.archive.tasks import (
    message_of,
    note_new_times,
    own_folder,
    plan_archive,
    task_of,
    tidy,
)
from camstream.batch import limits
from camstream.batch.annotating import sha256_of_model
from camstream.batch.messages import plain
from camstream.batch.pool import Engine, Failed, Pool, Progress
from camstream.batch.run import Batch
from camstream.batch.task import Json, Task
from camstream.commands.batch_display import batch_display
from camstream.commands.options import say_device
from camstream.commands.summary import report_outcome
from camstream.console import Stop, note, remark, report_error, say
from camstream.errors import SinkError
from camstream.models.cores import usable_cores
from camstream.models.device import has_nvidia_driver

WORK = "camstream.archive.work:open_work"
_DAMAGED = "it is damaged; what can be read is in the archive"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How the work is done.

    Attributes:
        jobs: So many workers; None: by processors and memory.
        timeout_s: A step that takes longer is given up; None: never.
        memory_gb: Likewise of memory; None: see ``default_file_memory``.
        verify: Know inputs by their content.
        retry_failed: Try again what failed often enough.
        anew: Do what is done again.
        ray: The address of a cluster, "local" for one on this machine; None: a pool of processes.
        gpus_per_worker: Part of a GPU that each worker of the cluster has.
    """

    jobs: int | None = None
    timeout_s: float | None = None
    memory_gb: float | None = None
    verify: bool = False
    retry_failed: bool = False
    anew: bool = False
    ray: str | None = None
    gpus_per_worker: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Calls:
    """What an engine calls."""

    on_ready: Callable[[Json], None]
    on_begin: Callable[[str], None]
    on_progress: Callable[[Progress], None]
    stop: Callable[[], bool]


def archive_many(
    videos: Sequence[Video],
    worker: WorkerOptions,
    options: RunOptions,
    *,
    stop: Stop,
    debug: bool,
) -> None:
    """Put videos into an archive, and print what became of each.

    Args:
        videos: The inputs.
        worker: What each worker is started with.
        options: How.
        stop: Ends the run.
        debug: Show what workers write on stderr.

    Raises:
        CamstreamError: The model cannot be opened, or no worker can work.
        Exit: A video failed.
    """
    target = worker.target
    digest = sha256_of_model(worker.model)
    tasks = [task_of(video, target, worker.look, digest, verify=options.verify) for video in videos]
    by_id = {task.id: video for task, video in zip(tasks, videos, strict=True)}
    folder = open_folder(target)
    with own_folder(target) as is_alone, open_store(target) as store:
        if not is_alone and not is_address(target):
            note("this file system has no locks: let no other run write this archive meanwhile")
        planned = plan_archive(
            tasks, store, target, retry_failed=options.retry_failed, anew=options.anew
        )
        note_new_times(planned, store, target)
        tidy(target, planned.of("do"), is_alone=is_alone)
        skipped, left = (len(planned.of(action)) for action in ("skip", "leave"))
        if skipped:
            remark(f"{skipped} of {len(videos)} videos are in the archive (--overwrite: anew)")
        if left:
            remark(f"{left} of {len(videos)} failed twice before (--retry-failed tries again)")
        with batch_display(len(videos), skipped=skipped + left) as display:
            begun: set[str] = set()

            def on_begin(step: str) -> None:
                name, _, what = step.split("/")
                if name not in begun:
                    begun.add(name)
                    batch.begin(name)
                shown_name = by_id[name].given.replace("\\", "/").rpartition("/")[2]
                called = f"{shown_name} {what if what != 'video' else ''}".strip()
                share = 1 / int(what.split()[-1]) if what.startswith("part") else 1.0
                display.begin(step, called, file=name, share=share)

            def on_done(task: Task, result: Json) -> None:
                display.end(task.id, result.get("decoded", 0))
                if result.get("parts", 1) > 1:  # only now: a kill before the note finds them there
                    with contextlib.suppress(SinkError):  # then they only lie about
                        folder.remove(layout.parts_name(task.key))
                _tell(by_id[task.id], result)

            def on_failed(task: Task, failed: Failed) -> None:
                display.end(task.id)
                report_error(_about(by_id[task.id], failed.line))

            def on_again(task: Task, failed: Failed) -> None:
                begun.discard(task.id)
                display.again(task.id)
                note(f"{_about(by_id[task.id], failed.line)}; it is tried once more")

            batch = Batch(
                planned,
                store,
                message_of=lambda task, _: message_of(task, by_id[task.id]),
                problem_of=lambda result: _DAMAGED if result["is_damaged"] else "",
                is_whole=lambda result: not result.get("stopped"),
                on_done=on_done,
                on_failed=on_failed,
                on_again=on_again,
            )
            calls = _Calls(
                on_ready=lambda about: say_device(
                    about["model"],
                    about["device"],
                    about["gpu_problem"] if worker.device == "auto" else "",
                ),
                on_begin=on_begin,
                on_progress=display.update,
                stop=stop,
            )
            with _open_engine(worker, options, calls, debug=debug) as engine:
                outcome = batch.run(Steps(engine, on_end=display.end_part))
        tidy(target, outcome.unfinished, is_alone=is_alone)
    report_outcome(
        outcome,
        len(by_id),
        "videos",
        name_of=lambda task: Path(by_id[task.id].given),
        stop=stop,
    )


def _open_engine(
    worker: WorkerOptions, options: RunOptions, calls: _Calls, *, debug: bool
) -> contextlib.AbstractContextManager[Engine]:
    """Open what does the work."""
    if options.ray is not None:
        from camstream.archive.cluster import Cluster  # imports Ray

        is_here = options.ray == LOCAL
        jobs = options.jobs or (limits.default_jobs(1024) if is_here else None)
        return Cluster(
            options.ray,
            plain(worker),
            jobs=jobs,
            threads=(limits.threads_for(jobs) or usable_cores()) if is_here and jobs else 1,
            gpus=options.gpus_per_worker,
            timeout_s=options.timeout_s,
            on_ready=calls.on_ready,
            on_begin=calls.on_begin,
            stop=calls.stop,
            debug=debug,
        )
    # A long video has work for several, so the number of videos is no limit.
    on_gpu = worker.device not in ("auto", "cpu") or (
        worker.device == "auto" and has_nvidia_driver()
    )
    jobs = options.jobs or limits.default_jobs(1024, on_gpu=on_gpu)
    worker = dataclasses.replace(worker, threads=limits.threads_for(jobs))
    memory_gb = options.memory_gb
    return Pool(
        WORK,
        options=plain(worker),
        jobs=jobs,
        timeout_s=options.timeout_s,
        memory_bytes=limits.default_file_memory() if memory_gb is None else int(memory_gb * 1e9),
        on_ready=calls.on_ready,
        on_begin=calls.on_begin,
        on_progress=calls.on_progress,
        stop=calls.stop,
        debug=debug,
    )


def _about(video: Video, line: str) -> str:
    """Say which video a line is about, unless it says that itself."""
    return line if video.given in line or video.source in line else f"{shown(video.given)}: {line}"


def _tell(video: Video, result: Json) -> None:
    if result.get("stopped"):
        return
    parts = f", read in {result['parts']} parts" if result["parts"] > 1 else ""
    say(
        f"{shown(video.given)}: {result['frames']} rows of {result['decoded']} frames, "
        f"{result['duration_s']:.1f} s{parts}"
    )
    for warning in result["warnings"]:
        note(warning)
    if result["not_cut"]:
        note(f"read in one piece: {result['not_cut']}")
