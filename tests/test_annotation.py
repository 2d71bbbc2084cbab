"""Annotating a file: whatever fails late costs itself, and what was made is kept and plays."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import pytest
from av import Packet

from camstream.annotation import AnnotationJob, run
from camstream.errors import CamstreamError, ModelError, SinkError, SourceError
from camstream.frame import Annotated, Frame, Prediction
from camstream.models.session import Model
from camstream.picture import Picture
from camstream.sinks.records import RecordsFile
from camstream.sinks.stream_copy import StreamCopy
from camstream.sinks.video import VideoFile
from camstream.sources.file import FileSource
from tests.clips import Video, make, read

FRAMES, LATE = 90, 60


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("clips") / "in.mp4", Video(frames=FRAMES), audio=["aac"])


def job_of(clip: Path, folder: Path, *, overwrite: bool = False) -> AnnotationJob:
    return AnnotationJob(
        source=clip,
        output=folder / "o.mp4",
        records=folder / "r.jsonl",
        presence=folder / "p.csv",
        maps=folder / "m.npz",
        overwrite=overwrite,
    )


def indices(path: Path) -> list[int]:
    return [json.loads(line)["index"] for line in path.read_text().splitlines()]


def break_infer(patch: pytest.MonkeyPatch, model: Model, error: Exception) -> None:
    infer = model.infer

    def breaking(frame: Frame, *, classes: Sequence[int] | None = None) -> Prediction:
        if frame.index == LATE:
            raise error
        return infer(frame, classes=classes)

    patch.setattr(model, "infer", breaking)


def break_source(patch: pytest.MonkeyPatch, _: Model, error: Exception) -> None:
    uniform = FileSource._uniform
    seen = itertools.count()

    def breaking(self: FileSource, picture: Picture) -> Picture:
        if next(seen) == LATE:
            raise error
        return uniform(self, picture)

    patch.setattr(FileSource, "_uniform", breaking)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("break_it", "error"),
    [
        (break_infer, ModelError("the model failed")),
        (break_infer, RuntimeError("the model failed")),
        (break_source, SourceError("the disk was pulled out")),
    ],
    ids=["model", "bug", "source"],
)
def test_an_error_late_in_a_run_keeps_what_was_made(
    break_it: Callable[[pytest.MonkeyPatch, Model, Exception], None],
    error: Exception,
    overwrite: bool,
    clip: Path,
    tiny_model: Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    break_it(monkeypatch, tiny_model, type(error)(str(error)))
    if overwrite:
        (tmp_path / "o.mp4").write_bytes(b"precious")
    with pytest.raises(type(error), match=str(error)) as caught:
        run(job_of(clip, tmp_path, overwrite=overwrite), tiny_model)
    name = "o.interrupted.mp4" if overwrite else "o.mp4"
    said = [str(caught.value), *getattr(caught.value, "__notes__", [])]
    assert any(f"what was made before is kept: {name}" in line for line in said)
    seen = read(tmp_path / name)
    # The frames that were read ahead when the error came are not written any more.
    assert LATE - 20 <= len(seen.numbers) <= LATE
    assert seen.numbers == list(range(len(seen.numbers)))
    assert seen.packets[0][2]  # the sound up to there
    assert indices(tmp_path / "r.jsonl") == seen.numbers
    kept = {name, "r.jsonl", "p.csv", "m.npz"} | ({"o.mp4"} if overwrite else set())
    assert {path.name for path in tmp_path.iterdir()} == kept
    if overwrite:
        assert (tmp_path / "o.mp4").read_bytes() == b"precious"


def test_an_error_before_the_first_frame_leaves_nothing(
    clip: Path, tiny_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> Prediction:
        raise ModelError("the model failed")

    monkeypatch.setattr(tiny_model, "infer", failing)
    with pytest.raises(ModelError, match=r"^the model failed$"):
        run(job_of(clip, tmp_path), tiny_model)
    assert list(tmp_path.iterdir()) == []


def test_a_side_file_that_fails_does_not_cost_the_video(
    clip: Path, tiny_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = RecordsFile.write

    def breaking(self: RecordsFile, annotated: Annotated) -> None:
        if annotated.prediction.frame.index == LATE:
            raise SinkError("cannot write r.jsonl: no space left")
        write(self, annotated)

    monkeypatch.setattr(RecordsFile, "write", breaking)
    with pytest.raises(SinkError, match=r"no space left; .* kept: r\.jsonl; the other .* complete"):
        run(job_of(clip, tmp_path), tiny_model)
    assert read(tmp_path / "o.mp4").numbers == list(range(FRAMES))
    assert indices(tmp_path / "r.jsonl") == list(range(LATE))


def test_a_video_that_fails_does_not_cost_the_side_files(
    clip: Path, tiny_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = VideoFile.write_picture

    def breaking(self: VideoFile, picture: Picture) -> None:
        if self.frames == LATE:
            raise SinkError("cannot write o.mp4: no space left")
        write(self, picture)

    monkeypatch.setattr(VideoFile, "write_picture", breaking)
    with pytest.raises(SinkError, match=r"no space left; .* kept: o\.mp4; the other .* complete"):
        run(job_of(clip, tmp_path), tiny_model)
    assert read(tmp_path / "o.mp4").numbers == list(range(LATE))
    assert indices(tmp_path / "r.jsonl") == list(range(FRAMES))


def test_a_run_ends_where_its_last_output_fails(
    clip: Path, tiny_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaking(*_: object) -> None:
        raise SinkError("cannot write o.mp4: no space left")

    seen = []
    monkeypatch.setattr(VideoFile, "write_picture", breaking)
    with pytest.raises(SinkError, match=r"^cannot write o\.mp4: no space left$"):
        run(
            AnnotationJob(source=clip, output=tmp_path / "o.mp4"),
            tiny_model,
            on_frame=lambda prediction, _: seen.append(prediction),
        )
    assert seen == []
    assert list(tmp_path.iterdir()) == []


def test_sound_that_the_container_refuses_costs_itself_and_not_the_picture(
    clip: Path, tiny_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demux = StreamCopy._demux

    def shown_before_it_is_decoded(self: StreamCopy) -> Generator[Packet[Any]]:
        for number, packet in enumerate(demux(self)):
            if number in (5, 6):
                packet.pts = (packet.dts or 0) - 100
            yield packet

    monkeypatch.setattr(StreamCopy, "_demux", shown_before_it_is_decoded)
    result = run(AnnotationJob(source=clip, output=tmp_path / "o.mp4"), tiny_model)
    assert result.warnings == ("audio stream 1: a part of it could not be copied",)
    seen = read(tmp_path / "o.mp4")
    assert seen.numbers == list(range(FRAMES))
    assert len(seen.packets[0][2]) == len(read(clip).packets[0][2]) - 2


@pytest.mark.parametrize("option", ["output", "records", "stats", "presence", "maps"])
def test_no_output_replaces_the_model(
    option: str, clip: Path, tiny_path: Path, tmp_path: Path
) -> None:
    suffixes = {"records": ".jsonl", "stats": ".json", "presence": ".csv", "maps": ".npz"}
    path = tmp_path / f"model{suffixes.get(option, '.mp4')}"
    path.write_bytes(tiny_path.read_bytes())
    model = Model(path, device="cpu")
    paths = {"output": tmp_path / "o.mp4"} | {option: path}
    with pytest.raises(CamstreamError, match="it is an input"):
        run(AnnotationJob(source=clip, overwrite=True, **paths), model)  # type: ignore[arg-type]
    assert path.read_bytes() == tiny_path.read_bytes()
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
