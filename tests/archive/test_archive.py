"""``camstream archive`` from end to end, with a tiny model."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from camstream.archive.cuts import Cuts, find_cuts
from camstream.archive.options import Video as VideoOption
from camstream.archive.options import WorkerOptions
from camstream.archive.read import Facts, Span
from camstream.archive.work import ArchiveWork, open_work
from camstream.batch.messages import error_to_json, plain
from camstream.batch.pool import Done, Failed
from camstream.batch.store import Store
from camstream.batch.task import Json
from camstream.commands import app, archiving
from camstream.errors import CamstreamError
from camstream.query.entries import read_video
from camstream.query.folder import find_videos
from camstream.query.video_file import find_file
from camstream.testing import write_tiny_model
from tests.archive import clips, sets
from tests.disks import small_disk


@pytest.fixture(scope="module")
def dark_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a background class."""
    path = tmp_path_factory.mktemp("models") / "dark.onnx"
    return write_tiny_model(path, background="dark", dark_bias=200)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two that can be cut, one that cannot."""
    folder = tmp_path_factory.mktemp("videos")
    clips.write_uneven(folder / "2026-11-28_22-00-00 gate.mkv")
    clips.write(folder / "20261129T001500.mp4", g="15", bf="3", x264_params="open-gop=1")
    clips.write(folder / "20261129T001600.mp4", frames=60, g="500")
    return folder


class Here:
    """An engine in this process: children of a pool take seconds to start."""

    def __init__(self, worker: WorkerOptions, _options: object, calls: Any, **_: bool) -> None:
        self._options, self._calls = plain(worker), calls
        self._waiting: list[tuple[str, Json]] = []

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def submit(self, name: str, message: Json, *, first: bool = False) -> None:
        # The end of the list is next; parts come to the front in turn, and so the last one is done
        # first: they end in any order.
        self._waiting.insert(0 if first else len(self._waiting), (name, message))

    def results(self) -> Iterator[Done | Failed]:
        work = open_work(self._options) if self._waiting else None
        while self._waiting and work is not None:
            # As JSON.
            name, message = json.loads(json.dumps(self._waiting.pop()))
            self._calls.on_begin(name)
            try:
                yield Done(name=name, result=json.loads(json.dumps(work.run(message, Alone()))))
            except CamstreamError as error:
                yield Failed.of(name, error_to_json(error))


class Alone:
    def progress(self, done: int, total: int | None = None, label: str = "") -> None:
        pass

    def is_stopped(self) -> bool:
        return False


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the work be done in this process."""
    monkeypatch.setattr(archiving, "_open_engine", Here)


def archive(*arguments: object, code: int = 0) -> str:
    """Run the command; returns what it printed."""
    result = CliRunner().invoke(app, ["archive", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.usefixtures("here")
def test_parts_are_joined_without_a_seam(videos: Path, dark_path: Path, tmp_path: Path) -> None:
    options = (videos, "--model", dark_path, "--rate-hz", 8, "--maps", "--jobs", 2)
    archive(*options, "-o", tmp_path / "whole", "--part-minutes", 0)
    output = archive(*options, "-o", tmp_path / "parts", "--part-minutes", 0.7 / 60)
    counts = sets.parts(tmp_path / "parts")
    assert counts["20261129T001600.mp4"] == 1
    assert "read in one piece: it has too few key frames" in output
    assert min(counts["2026-11-28_22-00-00 gate.mkv"], counts["20261129T001500.mp4"]) >= 3
    whole, joined = (sets.records(tmp_path / name) for name in ("whole", "parts"))
    assert joined == whole
    assert sets.videos(tmp_path / "parts") == sets.videos(tmp_path / "whole")
    decided = [row["present"] for rows in whole.values() for row in rows]
    assert True in decided
    assert False in decided
    for name in whole:
        first, second = (
            np.load(tmp_path / to / "maps" / f"{name}.npz") for to in ("whole", "parts")
        )
        assert first.files == second.files
        for array in first.files:
            np.testing.assert_array_equal(first[array], second[array])
    assert sets.is_tidy(tmp_path / "parts")


@pytest.mark.usefixtures("here")
def test_parts_that_are_not_what_they_should_be(
    videos: Path, tiny_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as where a decoder gives other frames than the file's packets promise."""
    clip = videos / "20261129T001500.mp4"
    run = (clip, "--model", tiny_path, "--rate-hz", 0, "--part-minutes", 0.7 / 60)
    archive(*run, "-o", tmp_path / "right")
    assert sets.parts(tmp_path / "right")[clip.name] >= 3

    def wrong(path: Path, part_s: float) -> Cuts:
        first, *others = find_cuts(path, part_s).spans
        return Cuts((first, *(dataclasses.replace(one, check=1) for one in others)))

    monkeypatch.setattr("camstream.archive.work.find_cuts", wrong)
    output = archive(*run, "-o", tmp_path / "wrong")
    assert "read in one piece: its parts do not have the frames" in output
    assert sets.parts(tmp_path / "wrong")[clip.name] == 1
    assert sets.records(tmp_path / "wrong") == sets.records(tmp_path / "right")
    assert sets.is_tidy(tmp_path / "wrong")


@pytest.mark.usefixtures("here")
def test_parts_of_a_killed_run_are_not_read_again(
    videos: Path, tiny_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = videos / "20261129T001500.mp4"
    run = (clip, "--model", tiny_path, "--rate-hz", 0, "--part-minutes", 0.7 / 60)
    target = tmp_path / "seen"
    read: list[Span] = []
    real = ArchiveWork._read

    def counted(self: ArchiveWork, path: Path, span: Span, *rest: Any) -> Facts:
        if len(read) == 2:
            raise KeyboardInterrupt  # nothing of ours catches it, as nothing catches a SIGKILL
        read.append(span)
        return real(self, path, span, *rest)

    monkeypatch.setattr(ArchiveWork, "_read", counted)
    assert CliRunner().invoke(app, ["archive", *map(str, run), "-o", str(target)]).exit_code != 0
    assert len(list((target / "work" / "parts").glob("*/*.json"))) == 2
    spans: list[Span] = []

    def noted(self: ArchiveWork, path: Path, span: Span, *rest: Any) -> Facts:
        spans.append(span)
        return real(self, path, span, *rest)

    monkeypatch.setattr(ArchiveWork, "_read", noted)
    archive(*run, "-o", target)
    assert not set(spans) & set(read)
    assert len(spans) + 2 == sets.parts(target)[clip.name]
    archive(*run, "-o", tmp_path / "whole", "--part-minutes", 0)
    assert sets.records(target) == sets.records(tmp_path / "whole")
    assert sets.is_tidy(target)


@pytest.mark.usefixtures("here")
def test_parts_of_which_some_files_are_left_are_read_again(
    videos: Path, tiny_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = videos / "20261129T001500.mp4"
    run = (clip, "--model", tiny_path, "--rate-hz", 2, "--part-minutes", 0.7 / 60)
    target = tmp_path / "seen"

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Store, "done", killed)
        result = CliRunner().invoke(app, ["archive", *map(str, run), "-o", str(target)])
        assert result.exit_code != 0
    tables = sorted((target / "work" / "parts").glob("*/*.parquet"))
    assert len(tables) > 2  # they stay until the video is noted as done
    tables[0].unlink()  # killed while they were removed
    tables[1].write_bytes(b"")  # a power cut
    archive(*run, "-o", target)
    archive(*run, "-o", tmp_path / "whole", "--part-minutes", 0)
    assert sets.records(target) == sets.records(tmp_path / "whole")
    assert sets.is_tidy(target)


@pytest.mark.usefixtures("here")
def test_what_lies_in_an_archive(videos: Path, tiny_path: Path, tmp_path: Path) -> None:
    target = tmp_path / "seen"
    archive(videos, "--model", tiny_path, "-o", target)
    days = {path.parent.name: path for path in target.glob("records/*/*.parquet")}
    assert set(days) == {"day=2026-11-28", "day=2026-11-29"}
    file = pq.ParquetFile(days["day=2026-11-28"])
    rows = file.read().to_pylist()
    assert rows[0]["video"] == str(videos / "2026-11-28_22-00-00 gate.mkv")
    (video,) = pq.read_table(target / "videos" / days["day=2026-11-28"].name).to_pylist()
    assert [video["frames"], video["decoded"]] == [len(rows), 90]
    assert video["start"].isoformat() == "2026-11-28T22:00:00"
    assert [video["start_from"], video["rate_hz"], video["model"]] == ["file name", 2.0, "tiny"]
    assert json.loads(video["options"])["rate_hz"] == 2
    for row in rows:
        passed_s = (row["time"] - video["start"]).total_seconds()
        assert passed_s == pytest.approx(row["pts_s"], abs=0.001)
    metadata = file.metadata.row_group(0)
    columns = {metadata.column(at).path_in_schema: metadata.column(at) for at in range(20)}
    assert columns["pts_s"].compression == "ZSTD"
    assert columns["pts_s"].statistics.min == rows[0]["pts_s"]
    data = pq.ParquetDataset(target / "records").read()
    assert data.num_rows == sum(map(len, sets.records(target).values()))


@pytest.mark.usefixtures("here")
def test_a_second_run_does_only_what_is_new(videos: Path, tiny_path: Path, tmp_path: Path) -> None:
    target, own = tmp_path / "seen", tmp_path / "own"
    own.mkdir()
    for path in videos.iterdir():
        os.link(path, own / path.name)
    run = (own, "--model", tiny_path, "-o", target)
    archive(*run)
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*.parquet")}
    assert "3 of 3 videos are in the archive" in archive(*run)
    assert before == {path: path.stat().st_mtime_ns for path in target.rglob("*.parquet")}
    # Another day: the old records must not stay beside the new ones.
    changed = own / "20261129T001600.mp4"
    content = clips.write(tmp_path / "b.mp4", frames=30).read_bytes()
    changed.unlink()
    changed.write_bytes(content)
    (lost,) = (path for path in before if path.parent.name == "day=2026-11-28")
    lost.unlink()
    output = archive(*run)
    assert "1 of 3 videos are in the archive" in output
    assert len(sets.records(target)) == 3
    assert lost.exists()
    assert "3 of 3 videos" not in archive(*run, "--rate-hz", 4)


@pytest.mark.usefixtures("here")
def test_what_lost_a_file_is_done_again_and_files_of_other_options_go(
    videos: Path, tiny_path: Path, tmp_path: Path
) -> None:
    clip = videos / "2026-11-28_22-00-00 gate.mkv"
    run, more = (clip, "--model", tiny_path, "-o", tmp_path), ("--video", "--maps")
    archive(*run, *more)
    (made,) = tmp_path.glob("records/*/*.parquet")
    (annotated,), (maps,) = tmp_path.glob("annotated/*"), tmp_path.glob("maps/*")
    archive(*run, *more)
    before = maps.stat().st_mtime_ns
    archive(*run, *more)
    assert maps.stat().st_mtime_ns == before
    whole = made.read_bytes()
    made.write_bytes(whole[:100])  # a copy that was cut off
    archive(*run, *more)
    assert len(made.read_bytes()) == len(whole)
    for path in (maps, annotated):
        path.unlink()
        archive(*run, *more)
        assert path.exists()
    archive(*run)
    assert made.exists()
    assert not maps.exists()
    assert not annotated.exists()


@pytest.mark.usefixtures("here")
def test_a_video_of_another_day_leaves_its_old_one(tiny_path: Path, tmp_path: Path) -> None:
    clip, target = clips.write(tmp_path / "a.mp4", frames=30), tmp_path / "seen"
    for time_s, day in ((1_000_000_000, "2001-09-0"), (1_100_000_000, "2004-11-")):
        os.utime(clip, (time_s, time_s))
        archive(clip, "--model", tiny_path, "-o", target)
        (only,) = target.glob("records/*/*.parquet")
        assert only.parent.name.startswith(f"day={day}")
        assert len(sets.videos(target)) == 1


@pytest.mark.usefixtures("here")
def test_a_bad_video_costs_a_line(tiny_path: Path, tmp_path: Path) -> None:
    folder, target = tmp_path / "videos", tmp_path / "seen"
    folder.mkdir()
    good = clips.write(folder / "good.mp4", frames=30)
    (folder / "bad.mp4").write_bytes(b"no video at all")
    output = archive(folder, "--model", tiny_path, "-o", target, code=1)
    assert "bad.mp4 as a video: it is damaged" in output
    assert "1 of 2 inputs failed" in output
    assert [row["path"] for row in sets.videos(target).values()] == [str(good)]
    failed = [json.loads(line) for line in (target / "failed.jsonl").read_text().splitlines()]
    assert str(folder / "bad.mp4") in {line["input"] for line in failed}
    archive(folder, "--model", tiny_path, "-o", target, code=1)
    again = archive(folder, "--model", tiny_path, "-o", target, code=1)
    assert "failed twice before" in again
    assert sets.is_tidy(target)


@pytest.mark.usefixtures("here")
def test_annotated_video_and_photos(tiny_path: Path, tmp_path: Path) -> None:
    clip = clips.write(tmp_path / "a.mp4", frames=30)
    photo = tmp_path / "b.png"
    with av.open(str(clip)) as container:
        cv2.imwrite(str(photo), next(container.decode(video=0)).to_ndarray(format="bgr24"))
    target = tmp_path / "seen"
    archive(clip, photo, "--model", tiny_path, "-o", target, "--video")
    rows = {row["path"]: row for row in sets.videos(target).values()}
    assert rows[str(photo)]["frames"] == 1
    made = target / "annotated" / f"{rows[str(clip)]['video_id']}.mp4"
    with av.open(str(made)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 30


@pytest.mark.usefixtures("here")
def test_a_copy_that_is_known_by_its_content_is_the_file_of_its_row(
    tiny_path: Path, tmp_path: Path
) -> None:
    clip, target = clips.write(tmp_path / "a.mp4", frames=30), tmp_path / "seen"
    run = (clip, "--model", tiny_path, "-o", target, "--verify")
    archive(*run)
    before = sets.videos(target)
    os.utime(clip, (1_000_000_000, 1_000_000_000))
    assert "1 of 1 videos are in the archive" in archive(*run)
    (stored,) = find_videos(target)
    assert find_file(read_video(stored)) == clip
    (row,), (old,) = sets.videos(target).values(), before.values()
    assert row == old | {"mtime_ns": 1_000_000_000 * 10**9}
    times = [path.stat().st_mtime_ns for path in target.rglob("*.parquet")]
    assert "1 of 1 videos are in the archive" in archive(*run)
    assert "1 of 1 videos are in the archive" in archive(*run[:-1])
    assert times == [path.stat().st_mtime_ns for path in target.rglob("*.parquet")]


@pytest.mark.usefixtures("here")
def test_a_disk_that_gets_full_or_read_only_is_said_and_the_next_run_goes_on(
    tiny_path: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in "abc":
        clips.write(folder / f"{name}.mp4", frames=30)
    run = (folder, "--model", tiny_path, "--maps")
    archive(*run, "-o", tmp_path / "whole")
    made = {path: path.stat() for path in (tmp_path / "whole").rglob("*") if path.is_file()}
    pages = sum(-(-status.st_size // 4096) * 4096 for status in made.values()) // 3
    with small_disk(tmp_path / "seen", size=10_000_000) as disk:
        disk.leave(pages * 3 // 2)
        output = archive(*run, "-o", disk.path, code=1)
        assert "No space left on device" in output
        assert "of 3 videos are not done: run it again later" in output
        assert "mistake" not in output
        assert len(sets.videos(disk.path)) == 1
        disk.empty()
        disk.set_read_only(True)
        output = archive(*run, "-o", disk.path, code=1)
        assert "Read-only file system" in output
        assert len(output.splitlines()) == 1
        disk.set_read_only(False)
        assert "1 of 3 videos are in the archive" in archive(*run, "-o", disk.path)
        assert sets.records(disk.path) == sets.records(tmp_path / "whole")
        assert sets.is_tidy(disk.path)


@pytest.mark.usefixtures("here")
def test_an_input_that_vanishes_during_the_run(
    tiny_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, target = tmp_path / "videos", tmp_path / "seen"
    folder.mkdir()
    for name in "abc":
        clips.write(folder / f"{name}.mp4", frames=30)
    hidden = tmp_path / "b.mp4"
    real = archiving._tell

    def tell(video: VideoOption, result: Json) -> None:
        if not hidden.exists():
            (folder / "b.mp4").rename(hidden)
        real(video, result)

    run = (folder, "--model", tiny_path, "-o", target)
    with monkeypatch.context() as patch:
        patch.setattr(archiving, "_tell", tell)
        output = archive(*run, code=1)
    assert "b.mp4: there is no such file" in output
    assert "1 of 3 inputs failed" in output
    assert len(sets.videos(target)) == 2
    hidden.rename(folder / "b.mp4")
    assert "2 of 3 videos are in the archive" in archive(*run)
    assert len(sets.videos(target)) == 3


@pytest.mark.usefixtures("here")
def test_a_full_disk_at_a_parts_note_is_said_as_one(
    videos: Path, tiny_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.write_text

    def write_text(self: Path, *content: Any, **how: Any) -> int:
        if self.name == "note.json":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(self, *content, **how)

    monkeypatch.setattr(Path, "write_text", write_text)
    clip = videos / "20261129T001500.mp4"
    run = (clip, "--model", tiny_path, "-o", tmp_path / "seen", "--part-minutes", 0.7 / 60)
    assert "note.json: No space left on device" in archive(*run, code=1)


@pytest.mark.usefixtures("here")
def test_two_runs_do_not_write_one_archive(tiny_path: Path, tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    target = tmp_path / "seen"
    (target / "work").mkdir(parents=True)
    clip = clips.write(tmp_path / "a.mp4", frames=30)
    with (target / "work" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another run" in archive(clip, "--model", tiny_path, "-o", target, code=1)
    archive(clip, "--model", tiny_path, "-o", target)


@pytest.mark.usefixtures("here")
def test_words_that_are_wrong(tiny_path: Path, tmp_path: Path) -> None:
    clip = clips.write(tmp_path / "a.mp4", frames=30)
    run = (clip, "--model", tiny_path, "-o", tmp_path / "seen")
    assert "give --ray" in archive(*run, "--gpus-per-worker", 1, code=2)
    assert "unicorn" in archive(*run, "--classes", "unicorn", code=2)
    assert "no such file" in archive(tmp_path / "none.mp4", *run[1:], code=1)
    assert "is no file" in archive("rtsp://camera/1", *run[1:], code=2)


def test_without_ray_no_ray_is_imported(tiny_path: Path, tmp_path: Path) -> None:
    clip = clips.write(tmp_path / "a.mp4", frames=30)
    code = (
        "import sys; from camstream.commands import app\n"
        "try: app(sys.argv[1:], prog_name='camstream')\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "assert 'pyarrow' in sys.modules\n"
        "assert not {'ray', 'fsspec', 's3fs'} & set(sys.modules)"
    )
    run = ["archive", clip, "--model", tiny_path, "-o", tmp_path / "seen"]
    command = [sys.executable, "-c", code, *map(str, run)]
    subprocess.run(command, check=True, capture_output=True, timeout=100)
