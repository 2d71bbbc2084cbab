"""What every sink keeps: a file is complete under its name, or not there at all."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as parquet
import pytest

from camstream.errors import SinkError
from camstream.frame import Annotated
from camstream.sinks import SideFiles, SidePaths, open_records
from camstream.sinks.arrays import MapsFile
from camstream.sinks.encoding import Encoding
from camstream.sinks.gif import GifFile
from camstream.sinks.presence import PresenceFile
from camstream.sinks.recorder import Recorder
from camstream.sinks.records import write_json
from camstream.sinks.video import VideoFile
from camstream.stages import Sink
from tests.annotated import LABELS, make_annotated
from tests.test_own_classes import LabelCount

Open = Callable[..., Sink]


@dataclass(frozen=True)
class Case:
    """A sink.

    Attributes:
        open: Takes a folder, whether to overwrite, and inputs.
        names: The files that it writes.
        count: Reads back how many frames are in its first file; None where that is not told.
        size_wh: Of the frames to write.
    """

    open: Open
    names: tuple[str, ...]
    count: Callable[[Path], int] | None
    size_wh: tuple[int, int] = (64, 48)


class Recording:
    """A recorder as a sink."""

    def __init__(self, target: Path, *, overwrite: bool) -> None:
        self._recorder = Recorder(target, overwrite=overwrite, rate_hz=30.0)
        self.finish, self.discard = self._recorder.finish, self._recorder.discard
        self.keep = self._recorder.keep

    def write(self, annotated: Annotated) -> None:
        self._recorder.write(annotated.picture, annotated.prediction.frame.pts_s)


def _file(make: Open, name: str) -> Open:
    """Let a sink that takes a path take a folder, and how long the name shall be."""

    def opened(folder: Path, *, length: int = 0, **options: object) -> Sink:
        return make(folder / name.rjust(length, "x"), **options)

    return opened


def _video(name: str, size_wh: tuple[int, int] = (64, 48), **encoding: object) -> Case:
    def opened(path: Path, *, overwrite: bool, inputs: Sequence[Path]) -> Sink:
        assert not inputs
        return VideoFile(path, overwrite=overwrite, encoding=Encoding(**encoding))  # type: ignore[arg-type]

    return Case(_file(opened, name), (name,), _count_pictures, size_wh)


def _recording(path: Path, *, overwrite: bool, inputs: Sequence[Path]) -> Sink:
    assert not inputs
    return Recording(path, overwrite=overwrite)


def _gif(path: Path, *, overwrite: bool, inputs: Sequence[Path]) -> Sink:
    return GifFile(path, overwrite=overwrite, inputs=inputs)


def _maps(path: Path, *, overwrite: bool, inputs: Sequence[Path]) -> Sink:
    return MapsFile(path, LABELS, overwrite=overwrite, inputs=inputs)


def _presence(path: Path, *, overwrite: bool, inputs: Sequence[Path]) -> Sink:
    return PresenceFile(path, overwrite=overwrite, inputs=inputs)


def _group(folder: Path, *, overwrite: bool, inputs: Sequence[Path]) -> Sink:
    paths = SidePaths(
        records=folder / "r.csv", maps=folder / "m.npz", presence=folder / "present.csv"
    )
    return SideFiles(paths, LABELS, overwrite=overwrite, inputs=inputs)


def _count_pictures(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def _count_rows(path: Path) -> int:
    with path.open(encoding="utf-8", newline="") as file:
        return len(list(csv.DictReader(file)))


def _count_lines(path: Path) -> int:
    return len([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()])


def _count_maps(path: Path) -> int:
    with np.load(path, allow_pickle=False) as arrays:
        return len(arrays["index"])


CASES = {
    "mp4": _video("o.mp4"),
    "mkv": _video("o.mkv"),
    "webm": _video("o.webm"),
    "hevc": _video("o.mp4", codec="hevc"),
    "odd mp4": _video("o.mp4", (65, 49)),
    "recording": Case(_file(_recording, "o.mp4"), ("o.mp4",), _count_pictures, (65, 48)),
    "gif": Case(_file(_gif, "o.gif"), ("o.gif",), _count_pictures),
    "jsonl": Case(_file(open_records, "r.jsonl"), ("r.jsonl",), _count_lines),
    "csv": Case(_file(open_records, "r.csv"), ("r.csv",), _count_rows),
    "parquet": Case(
        _file(open_records, "r.parquet"),
        ("r.parquet",),
        lambda path: int(parquet.read_table(path).num_rows),
    ),
    "maps": Case(_file(_maps, "m.npz"), ("m.npz",), _count_maps),
    "presence": Case(_file(_presence, "p.csv"), ("p.csv",), None),
    "group": Case(_group, ("r.csv", "m.npz", "present.csv"), _count_rows),
}
INPUTS = {name: case for name, case in CASES.items() if case.names[0][0] != "o"}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def annotated(case: Case, index: int) -> Annotated:
    """A frame of noise with its time."""
    made = make_annotated(index, size_wh=case.size_wh, boxes=True)
    frame = made.picture.video_frame
    for plane in made.picture.planes():
        plane[:] = np.random.default_rng(index).integers(0, 256, plane.shape)
    frame.pts, frame.time_base = index, Fraction(1, 30)
    return made


def write(case: Case, sink: Sink, frames: int) -> None:
    for index in range(frames):
        sink.write(annotated(case, index))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_finish_gives_the_file_its_name_and_not_before(case: Case, tmp_path: Path) -> None:
    sink = case.open(tmp_path, overwrite=False, inputs=[])
    write(case, sink, 4)
    assert not set(case.names) & set(files(tmp_path))
    sink.finish()
    assert set(files(tmp_path)) == set(case.names)
    if case.count:
        assert case.count(tmp_path / case.names[0]) == 4


def test_what_is_finished_stays_when_the_run_is_discarded(case: Case, tmp_path: Path) -> None:
    """As it happens where another sink of the run cannot be finished."""
    sink = case.open(tmp_path, overwrite=False, inputs=[])
    write(case, sink, 2)
    sink.finish()
    before = files(tmp_path)
    sink.discard()
    assert files(tmp_path) == before


@pytest.mark.parametrize("frames", [0, 1, 30])
def test_discard_leaves_nothing_and_may_be_called_twice(
    frames: int, case: Case, tmp_path: Path
) -> None:
    sink = case.open(tmp_path, overwrite=False, inputs=[])
    write(case, sink, frames)
    sink.discard()
    sink.discard()
    assert files(tmp_path) == {}


def test_without_a_frame_there_is_an_empty_file_or_an_error(case: Case, tmp_path: Path) -> None:
    sink = case.open(tmp_path, overwrite=False, inputs=[])
    try:
        sink.finish()
    except SinkError:
        sink.discard()
        assert files(tmp_path) == {}
    else:
        assert set(files(tmp_path)) == set(case.names)
        assert case.count is None or case.count(tmp_path / case.names[0]) == 0


def test_an_existing_file_is_replaced_only_where_that_is_allowed(
    case: Case, tmp_path: Path
) -> None:
    for name in case.names:
        (tmp_path / name).write_bytes(b"precious")
    with pytest.raises(SinkError, match="or replace it: overwrite=True"):
        case.open(tmp_path, overwrite=False, inputs=[])
    precious = dict.fromkeys(case.names, b"precious")
    assert files(tmp_path) == precious
    sink = case.open(tmp_path, overwrite=True, inputs=[])
    write(case, sink, 2)
    sink.discard()
    assert files(tmp_path) == precious
    sink = case.open(tmp_path, overwrite=True, inputs=[])
    write(case, sink, 2)
    sink.finish()
    after = files(tmp_path)
    assert set(after) == set(case.names)
    assert b"precious" not in after.values()


@pytest.mark.parametrize("name", INPUTS)
def test_an_input_is_never_replaced(name: str, tmp_path: Path) -> None:
    case = INPUTS[name]
    for target in case.names:
        path = tmp_path / target
        path.write_bytes(b"input")
        (tmp_path / "link").hardlink_to(path)
        with pytest.raises(SinkError, match="it is the input"):
            case.open(tmp_path, overwrite=True, inputs=[tmp_path / "link"])
        assert files(tmp_path) == {target: b"input", "link": b"input"}
        path.unlink()
        (tmp_path / "link").unlink()


def test_a_folder_that_cannot_be_written_is_an_error_before_the_first_frame(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SinkError, match="there is no folder"):
        case.open(tmp_path / "gone", overwrite=False, inputs=[])
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(SinkError, match="no permission"):
        case.open(tmp_path, overwrite=False, inputs=[])
    assert files(tmp_path) == {}


def test_a_name_that_is_a_folder_is_an_error(case: Case, tmp_path: Path) -> None:
    (tmp_path / case.names[-1]).mkdir()
    with pytest.raises(SinkError, match="folder"):
        case.open(tmp_path, overwrite=True, inputs=[])
    assert [path.name for path in tmp_path.iterdir()] == [case.names[-1]]


@contextlib.contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files by setrlimit")
@pytest.mark.parametrize("limit", [0, 200])
def test_a_full_disk_is_an_error_and_discard_leaves_nothing(
    limit: int, case: Case, tmp_path: Path
) -> None:
    with full_disk(limit):
        try:
            sink = case.open(tmp_path, overwrite=False, inputs=[])
        except SinkError:
            assert files(tmp_path) == {}
            return
        with contextlib.suppress(SinkError):
            write(case, sink, 60)
        sink.discard()
    assert files(tmp_path) == {}


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files by setrlimit")
@pytest.mark.parametrize("limit", [0, 200, 3_000, 60_000])
def test_what_was_written_before_the_disk_was_full_is_kept(
    limit: int, case: Case, tmp_path: Path
) -> None:
    """Each file has whole frames from the first on and its own name, or is not there."""
    frames = 400 if case.count in (_count_lines, _count_rows) else 60
    try:
        with full_disk(limit):
            sink = case.open(tmp_path, overwrite=False, inputs=[])
            try:
                write(case, sink, frames)
                sink.finish()
                is_whole = True
            except SinkError:
                sink.keep()  # type: ignore[attr-defined]
                is_whole = False
    except SinkError:  # it could not even be opened
        assert files(tmp_path) == {}
        return
    left = set(files(tmp_path))
    assert left <= set(case.names)
    if is_whole:
        assert left == set(case.names)
    elif case.count and case.names[0] in left:
        assert 0 < case.count(tmp_path / case.names[0]) <= frames
    if limit == 60_000 and case.count in (_count_pictures, _count_lines, _count_rows):
        assert case.names[0] in left
    sink.discard()
    assert set(files(tmp_path)) == left


def test_keeping_completes_what_an_error_elsewhere_ended(case: Case, tmp_path: Path) -> None:
    sink = case.open(tmp_path, overwrite=False, inputs=[])
    write(case, sink, 4)
    sink.keep()  # type: ignore[attr-defined]
    assert set(files(tmp_path)) == set(case.names)
    if case.count:
        assert case.count(tmp_path / case.names[0]) == 4


def test_keeping_replaces_nothing(case: Case, tmp_path: Path) -> None:
    """A file that is cut short is no reason to lose a whole one, with --overwrite neither."""
    for name in case.names:
        (tmp_path / name).write_bytes(b"precious")
    sink = case.open(tmp_path, overwrite=True, inputs=[])
    write(case, sink, 4)
    sink.keep()  # type: ignore[attr-defined]
    after = files(tmp_path)
    assert {after.pop(name) for name in case.names} == {b"precious"}
    assert set(after) == {name.replace(".", ".interrupted.") for name in case.names}
    if case.count:
        assert case.count(tmp_path / case.names[0].replace(".", ".interrupted.")) == 4


def test_two_runs_never_replace_each_others_file(case: Case, tmp_path: Path) -> None:
    first, second = (case.open(tmp_path, overwrite=False, inputs=[]) for _ in range(2))
    write(case, first, 2)
    write(case, second, 3)
    first.finish()
    before = files(tmp_path)
    with pytest.raises(SinkError, match="another run"):
        second.finish()
    after = files(tmp_path)
    assert {name: after[name] for name in case.names} == {name: before[name] for name in case.names}
    kept = {name.replace(".", ".interrupted.") for name in case.names}
    assert set(after) == {*case.names, *kept}
    if case.count:
        assert case.count(tmp_path / case.names[0].replace(".", ".interrupted.")) == 3


@pytest.mark.parametrize("length", [250, 255])
def test_a_name_as_long_as_the_file_system_takes(length: int, case: Case, tmp_path: Path) -> None:
    if len(case.names) > 1:
        pytest.skip("a group has files of its own")
    sink = case.open(tmp_path, overwrite=False, inputs=[], length=length)
    write(case, sink, 2)
    sink.finish()
    (path,) = tmp_path.iterdir()
    assert len(path.name) == length
    assert not case.count or case.count(path) == 2


@pytest.mark.parametrize("name", ["x" * 256, "x" * 4000, "\ud800", "d/" * 2000 + "x"])
def test_a_name_that_no_file_can_have_is_one_line(name: str, case: Case, tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="cannot write") as caught:
        case.open(tmp_path / name, overwrite=False, inputs=[])
    assert "\n" not in str(caught.value)


def test_a_frame_that_is_refused_leaves_nothing(tmp_path: Path) -> None:
    """A picture without a time cannot be encoded."""
    video = VideoFile(tmp_path / "o.mp4")
    with pytest.raises(SinkError, match=r"cannot write .*o\.mp4: .* has no time"):
        video.write(make_annotated(0))
    video.discard()
    assert files(tmp_path) == {}


def test_a_group_finishes_the_others_where_one_fails(tmp_path: Path) -> None:
    sides = _group(tmp_path, overwrite=False, inputs=[])
    sides.write(make_annotated(0))
    (tmp_path / "m.npz").mkdir()  # in the meantime, so that the name is taken
    with pytest.raises(SinkError, match=r"m\.npz"):
        sides.finish()
    sides.discard()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "m.interrupted.npz",
        "m.npz",
        "present.csv",
        "r.csv",
    ]


def test_json_is_complete_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    write_json(path, {"a": 1}, overwrite=False)
    with pytest.raises(SinkError, match="or replace it: overwrite=True"):
        write_json(path, {"a": 2}, overwrite=False)
    with full_disk(0), pytest.raises(SinkError, match="cannot write"):
        write_json(path, {"a": 2}, overwrite=True)
    assert {name: json.loads(text) for name, text in files(tmp_path).items()} == {
        "s.json": {"a": 1}
    }


def test_a_users_own_sink_meets_the_protocol(tmp_path: Path) -> None:
    sink: Sink = LabelCount(tmp_path / "labels.txt")
    sink.write(make_annotated(0))
    assert files(tmp_path) == {}
    sink.finish()
    assert files(tmp_path) == {"labels.txt": b"cat 1\n"}
    sink.discard()
    assert set(files(tmp_path)) == {"labels.txt"}
