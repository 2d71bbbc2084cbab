"""What a live session writes: a file that fails costs neither the run nor the other files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av
import pytest
from typer.testing import CliRunner

from camstream.commands import app
from camstream.errors import SinkError, SourceError
from camstream.frame import Annotated, TopClass
from camstream.live.outputs import OutputPaths, Outputs
from camstream.picture import Picture
from camstream.sinks.recorder import Recorder
from camstream.sinks.records import RecordsFile
from camstream.testing import fake_infer, make_frame, make_prediction

SAMPLE = Path(__file__).parents[2] / "videos" / "sample.mp4"


def annotated(index: int) -> Annotated:
    frame = make_frame(index)
    return Annotated(prediction=fake_infer(frame), picture=frame.picture)


def write(outputs: Outputs, frames: range) -> list[str]:
    """Write frames; returns the messages."""
    return [said for n in frames if (said := outputs.write(annotated(n), 100 + n / 30))]


def make(folder: Path, **paths: Any) -> Outputs:
    return Outputs(OutputPaths(**paths), folder, labels=("thing", "other"), rate_hz=30.0)


def pictures(video: Path) -> int:
    with av.open(str(video)) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.fixture
def full_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full for video from frame 20 on."""
    write_picture, count = Recorder.write, [0]

    def fails(self: Recorder, picture: Picture, captured_s: float) -> None:
        count[0] += 1
        if count[0] > 20:
            raise SinkError(f"cannot write {self.target}: No space left on device")
        write_picture(self, picture, captured_s)

    monkeypatch.setattr(Recorder, "write", fails)


@pytest.mark.usefixtures("full_at")
def test_a_recording_that_fails_is_kept_and_the_records_go_on(tmp_path: Path) -> None:
    record, records = tmp_path / "r.mp4", tmp_path / "r.jsonl"
    outputs = make(tmp_path, record=record, records=records)
    (message,) = write(outputs, range(30))
    assert message.startswith("the recording has ended: cannot write")
    assert "kept: r.mp4" in message
    assert outputs.recording == ""
    assert outputs.recorded_s == 0
    with pytest.raises(SinkError, match="No space left"):  # the run ends with an exit code
        outputs.finish()
    assert pictures(record) == 20
    assert len(records.read_text().splitlines()) == 30


@pytest.mark.usefixtures("full_at")
def test_a_recording_of_a_key_that_fails_is_only_told(tmp_path: Path) -> None:
    outputs = make(tmp_path)
    outputs.record()
    assert len(write(outputs, range(30))) == 1
    assert outputs.recording == ""
    outputs.finish()  # no error
    (video,) = tmp_path.glob("camstream-*.mp4")
    assert pictures(video) == 20


@pytest.mark.usefixtures("full_at")
def test_the_only_file_that_fails_ends_the_run(tmp_path: Path) -> None:
    outputs = make(tmp_path, record=tmp_path / "r.mp4")
    with pytest.raises(SinkError, match=r"No space left on device; .*kept: r\.mp4"):
        write(outputs, range(30))


def test_records_that_fail_do_not_cost_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: object, annotated: Annotated) -> None:
        if annotated.prediction.frame.index >= 10:
            raise SinkError("cannot write r.jsonl: No space left on device")

    monkeypatch.setattr(RecordsFile, "write", fails)
    record = tmp_path / "r.mp4"
    outputs = make(tmp_path, record=record, records=tmp_path / "r.jsonl")
    (message,) = write(outputs, range(30))
    assert message.startswith("cannot write r.jsonl: No space left on device")
    with pytest.raises(SinkError, match=r"r\.jsonl"):
        outputs.finish()
    assert pictures(record) == 30
    outputs = make(tmp_path, records=tmp_path / "again.jsonl")
    with pytest.raises(SinkError, match=r"r\.jsonl") as raised:
        write(outputs, range(30))
    outputs.keep(raised.value)


class Bell:
    """A receiver that takes everything."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def fresh(self) -> Bell:
        return self

    def deliver(self, event: Mapping[str, object]) -> None:
        self.told.append(event["event"])

    def abort(self) -> None:
        """Nothing is under way for long."""


@pytest.mark.parametrize("fails_by", [RecordsFile, Recorder])
def test_a_file_that_fails_costs_neither_news_nor_visits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_by: type
) -> None:
    def fails(*_: object) -> None:
        raise SinkError("cannot write it: No space left on device")

    bell = Bell()
    output, name = ("records", "r.jsonl") if fails_by is RecordsFile else ("record", "r.mp4")
    outputs = make(tmp_path, on_presence=bell, **{output: tmp_path / name})
    monkeypatch.setattr(fails_by, "write", fails)
    messages = []
    for index in range(60):
        seen = TopClass("thing", 0, 0.9 if index > 20 else 0.0, 1.0)  # after the failure
        made = make_prediction(make_frame(index), top=(seen,))
        messages.append(
            outputs.write(Annotated(prediction=made, picture=made.frame.picture), index / 30)
        )
    assert [bool(message) for message in messages] == [True] + [False] * 59
    with pytest.raises(SinkError, match="No space left"):
        outputs.finish()
    assert bell.told == ["begin", "end"]


def test_an_error_of_the_run_keeps_all_and_says_so(tmp_path: Path) -> None:
    record, records = tmp_path / "r.mp4", tmp_path / "r.jsonl"
    outputs = make(tmp_path, record=record, records=records)
    write(outputs, range(12))
    error = SourceError("unplugged")
    outputs.keep(error)
    assert str(error).startswith("unplugged; what was made before is kept: r.mp4")
    assert pictures(record) == 12
    assert [json.loads(line)["index"] for line in records.read_text().splitlines()] == [*range(12)]


def test_a_video_of_each_visit_has_the_time_before_it(tmp_path: Path) -> None:
    """Nothing for 2 s, something for 1 s, nothing for 4 s, something for 1 s; 30 frames a second."""
    outputs = make(tmp_path, visits=tmp_path, pre_roll_s=0.5)
    states, messages = list[tuple[str, float]](), list[str]()
    for n in range(240):
        is_there = 60 <= n < 90 or n >= 210
        frame = make_frame(n)
        top = (TopClass("thing", 0, 0.9 if is_there else 0.1, 1.0),)
        seen = Annotated(prediction=make_prediction(frame, top=top), picture=frame.picture)
        messages.append(outputs.write(seen, 100 + n / 30))
        states.append((outputs.recording, outputs.recorded_s))
    assert outputs.needs_picture
    assert states[59] == ("", 0)
    assert states[75][0].startswith("visit-")
    assert states[75][1] == pytest.approx(0.5, abs=0.05)  # since the visit began
    assert states[180] == ("", 0)
    assert [said.split()[0] for said in messages if said] == ["recording", "saved", "recording"]
    outputs.finish()
    first, second = (tmp_path / states[n][0] for n in (75, 230))
    assert pictures(first) == pytest.approx(15 + 30 + 60, abs=3)  # before, there, gone for 2 s
    assert pictures(second) == pytest.approx(15 + 30, abs=3)


def test_visits_need_a_model_that_knows_when_nothing_is_there(tmp_path: Path, lite0: Path) -> None:
    arguments = ["live", "x.mp4", "--no-window", "--model", str(lite0)]
    result = CliRunner().invoke(app, [*arguments, "--record-on-presence", str(tmp_path)])
    assert result.exit_code == 2
    assert "--classes" in result.stderr


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("-o", "model.mp4"),
        ("--records", "model.jsonl"),
        ("--stats", "model.json"),
        ("--presence", "model.csv"),
        ("--maps", "model.npz"),
        ("--teach-output", "model.onnx"),
    ],
)
def test_no_output_of_a_live_run_replaces_the_model(
    option: str, name: str, tiny_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(tiny_path.read_bytes())
    arguments = [
        "live",
        str(SAMPLE),
        "--no-window",
        "--seconds",
        "1",
        "-m",
        str(path),
        "--overwrite",
    ]
    taught = ["--web", "127.0.0.1:0", "--teach", "cup"] if option == "--teach-output" else []
    result = CliRunner().invoke(app, [*arguments, *taught, option, str(path)])
    assert result.exit_code != 0, result.output
    assert isinstance(result.exception, SystemExit)
    assert "input" in result.stderr
    assert path.read_bytes() == tiny_path.read_bytes()
