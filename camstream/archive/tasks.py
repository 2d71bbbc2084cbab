"""The videos of an archive as tasks, and whose turn it is to write into its folder."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from camstream.address import file_of, is_address
from camstream.archive import layout
from camstream.archive.locks import lock
from camstream.archive.options import LookOptions, Video
from camstream.archive.storage import expand_address, look_up, open_folder
from camstream.archive.tables import write_changed
from camstream.batch.messages import plain
from camstream.batch.run import Plan, plan
from camstream.batch.store import Store, Verdict
from camstream.batch.task import Json, Stamp, Task
from camstream.errors import SinkError, SourceError
from camstream.media import VIDEO_SUFFIXES
from camstream.sinks.atomic_file import is_partial, plain_reasons
from camstream.sources.inputs import expand

_OLD_S = 86_400.0


def find_videos(texts: Sequence[str]) -> list[Video]:
    """Turn what was named into videos, in order and each once.

    Args:
        texts: Files, folders, globs, .txt lists, and addresses of files, folders or globs.

    Raises:
        UsageError: A live source is named.
        SourceError: Something cannot be read.
    """
    found: dict[str, Video] = {}
    for text in texts:
        if _is_live(text):
            names: list[str] = expand_address(text, VIDEO_SUFFIXES)
        else:
            names = [str(path) for path in expand([text], leave_out=is_partial)]
        for name in names:
            video = _video_of(name)
            found.setdefault(video.id, video)
    return list(found.values())


def _is_live(text: str) -> bool:
    """Whether a text is an address of a file system, and not of a camera or stream."""
    return is_address(text) and text.partition(":")[0].lower() not in _STREAMS


_STREAMS = ("rtsp", "rtsps", "rtmp", "rtmps", "udp", "rtp", "srt", "screen", "screens", "camera")


def _video_of(name: str) -> Video:
    if is_address(name):
        size, mtime_ns = look_up(name)
        return Video(
            id=layout.video_id(name), given=name, source=name, size=size, mtime_ns=mtime_ns
        )
    source = os.path.abspath(name)  # noqa: PTH100 (links stay, ".." does not)
    try:
        stamp = Stamp.of(Path(source))
    except SourceError:  # whoever opens it says why
        stamp = Stamp(size=0, mtime_ns=0)
    return Video(
        id=layout.video_id(source),
        given=name,
        source=source,
        size=stamp.size,
        mtime_ns=stamp.mtime_ns,
    )


def task_of(
    video: Video, target: str, look: LookOptions, model_sha256: str, *, verify: bool = False
) -> Task:
    """Make the task of a video.

    Args:
        video: The video.
        target: The archive's folder or address.
        look: What changes the result.
        model_sha256: Of the model's file.
        verify: Know the video by its content.
    """
    stamp = Stamp(size=video.size, mtime_ns=video.mtime_ns)
    if verify and not is_address(video.source):
        with contextlib.suppress(SourceError):
            stamp = Stamp.of(Path(video.source), verify=True)
    row = [] if is_address(target) else [file_of(target) / layout.videos_name(video.id)]
    return Task(
        source=video.source,
        outputs=tuple(row),
        stamp=stamp,
        model_sha256=model_sha256,
        options=plain(look),
    )


def message_of(task: Task, video: Video) -> Json:
    """Return what a worker is told of a video."""
    return {"video": plain(video), "key": task.key}


def plan_archive(
    tasks: Sequence[Task], store: Store, target: str, *, retry_failed: bool, anew: bool
) -> Plan:
    """Look up every task; what was done and has lost a file, or a part of one, is done again."""
    planned = plan(tasks, store, retry_failed=retry_failed, anew=anew)
    folder = open_folder(target)
    if is_address(target):  # one question more a video would take longer than all others
        return planned
    for task in planned.of("skip"):
        note = planned.verdicts[task.id].note
        files = note.result.get("files", {}) if note is not None else {}
        if not files or any(folder.size(name) != size for name, size in files.items()):
            planned.verdicts[task.id] = Verdict(action="do", may_replace=True)
    return planned


def note_new_times(planned: Plan, store: Store, target: str) -> None:
    """Note the new time of what is the same by its content: else its row would tell of another file.

    Raises:
        SinkError: That cannot be written.
        SourceError: A row cannot be read.
    """
    folder = open_folder(target)
    for task in planned.of("skip"):
        note = planned.verdicts[task.id].note
        if note is None or note.stamp.mtime_ns == task.stamp.mtime_ns:
            continue
        name = layout.videos_name(layout.video_id(task.source))
        with folder.scratch() as scratch:
            changed = scratch / "video.parquet"
            write_changed(folder.fetch(name, scratch), changed, mtime_ns=task.stamp.mtime_ns)
            files = note.result["files"] | {name: changed.stat().st_size}
            folder.publish(changed, name)
        store.done(task, note.result | {"files": files}, problem=note.problem)


@contextlib.contextmanager
def own_folder(target: str) -> Iterator[bool]:
    """Have the folder of an archive for this run alone.

    Args:
        target: The archive's folder. At an address nobody is kept out.

    Yields:
        Whether others are kept out: also not on a file system without locks.

    Raises:
        SinkError: Another run writes there, or it cannot be written.
    """
    if is_address(target):
        yield False
        return
    work = file_of(target) / layout.WORK
    with plain_reasons(work):
        work.mkdir(parents=True, exist_ok=True)
        fd = os.open(work / "lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        is_locked = lock(fd)
        if is_locked is False:
            raise SinkError(
                f"cannot write into {target}: another run is writing this archive; wait for it"
            )
        yield is_locked is True
    finally:
        os.close(fd)


def tidy(target: str, tasks: Sequence[Task], *, is_alone: bool) -> None:
    """Remove what killed workers and runs left; no worker of this run may be at work.

    The folder may have been somebody's before it was an archive: what is not called as an archive
    calls its own stays, whatever it is.

    Args:
        target: The archive's folder; nothing is done at an address.
        tasks: Those whose parts are still wanted.
        is_alone: Whether other runs are kept out; else what is not a day old may be theirs.

    Raises:
        SinkError: That is impossible.
    """
    if is_address(target):
        return
    folder = open_folder(target)
    work = file_of(target) / layout.WORK
    wanted = {Path(layout.parts_name(task.key)).name for task in tasks}
    for path in work.iterdir():
        if layout.is_scratch(path.name) and path.is_dir() and (is_alone or _is_old(path)):
            folder.remove(f"{layout.WORK}/{path.name}")
    with contextlib.suppress(FileNotFoundError):
        for path in (work / "parts").iterdir():
            is_left = layout.is_parts(path.name) and path.name not in wanted
            if is_left and (is_alone or _is_old(path)):
                folder.remove(f"{layout.WORK}/parts/{path.name}")


def _is_old(folder: Path) -> bool:
    """Whether nothing has been written in a folder for a day."""
    try:
        latest_s = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    except OSError:
        return False
    return time.time() - latest_s > _OLD_S
