"""``camstream evaluate CLIP --boxes BOXES.csv``: what it reads, finds, refuses and writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from av import VideoFrame
from typer.testing import CliRunner

from camstream.commands import app
from camstream.commands.demo import sample_clip
from camstream.errors import SinkError, SourceError, UsageError
from camstream.evaluate import Request, evaluate_clip
from camstream.evaluate.annotations import read_track
from camstream.evaluate.clip import measure_clip, to_table
from camstream.maps.smoothing import SMOOTHING_LEVELS
from camstream.models.classes import ClassNames
from camstream.models.session import Model
from camstream.picture import ImageU8
from camstream.testing import make_frame
from tests import clips

_HEADER = "index,pts_s,class_index,label,x0,y0,x1,y1,accepted\n"
_NAMES = ClassNames(["light", "dark"])
_SIZE_WH = (224, 224)


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def _lamp(cell: int) -> ImageU8:
    """A dark picture with a white square of 3 x 3 of the tiny model's cells."""
    image = np.full((224, 224, 3), 16, np.uint8)
    image[64:160, 32 * cell : 32 * cell + 96] = 255
    return image


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A lamp at the left for ten frames, then four cells further right for ten."""
    pictures = [_lamp(0 if index < 10 else 4) for index in range(20)]
    frames = [
        VideoFrame.from_ndarray(picture, "bgr24").reformat(format="yuv420p") for picture in pictures
    ]
    video = clips.Video(frames=20, size_wh=_SIZE_WH)
    return clips.make(tmp_path / "clip.mp4", video, pictures=frames)


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    """The lamp's boxes, one a frame; nothing to find in frame 3."""
    rows = [
        f"{i},{i / 30},0,light,{0 if i < 10 else 128},64,{96 if i < 10 else 224},160,\n"
        if i != 3
        else "3,0.1,,,,,,,\n"
        for i in range(20)
    ]
    return _write(tmp_path / "boxes.csv", _HEADER + "".join(rows))


def test_track(tmp_path: Path) -> None:
    text = (
        "0,0,1,dark,1,2,3,4,1 0\n0,0,1,dark,5,6,7.5,8,1 0\n1,0,,,,,,,\n2,0,,LIGHT,0,0,9,9,\n"
        "4,0,,zebra,0,0,9,9,\n"
    )
    frame_truths, unknown = read_track(_write(tmp_path / "b.csv", _HEADER + text), _NAMES)
    assert sorted(frame_truths) == [0, 2]
    assert frame_truths[0][0].truth.tolist() == [[1, 2, 3, 4], [5, 6, 7.5, 8]]
    assert frame_truths[0][0].accepted == {0, 1}
    assert frame_truths[2][0].class_index == 0
    assert frame_truths[2][0].accepted == {0}
    assert unknown == 1


def test_track_with_frames_and_labels_only(tmp_path: Path) -> None:
    text = "frame,label,x0,y0,x1,y1\n7,dark,1,2,3,4\n"
    frame_truths, _ = read_track(_write(tmp_path / "b.csv", text), _NAMES)
    assert frame_truths[7][0].class_index == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,x0,y0,x1,y1\na.png,0,0,1,1\n", "lacks the columns index"),
        (_HEADER + "0,0,0,light,9,0,1,1,\n", "line 2 is malformed .no box"),
        (_HEADER + "0,0,0,light,nan,0,1,1,\n", "no box"),
        (_HEADER + "0,0,0,light,a,0,1,1,\n", "line 2 is malformed"),
        (_HEADER + "-1,0,0,light,0,0,1,1,\n", "counted from 0"),
        (_HEADER + "0,0,,,0,0,1,1,\n", "no class_index and no label"),
        (_HEADER + "0,0,0,light,,,,,\n", "line 2 is malformed"),
        (_HEADER + "0,0\n", "line 2 is malformed"),
        (_HEADER + "0,0,5,x,0,0,1,1,\n", "no box of a class that the model knows"),
        (_HEADER, "no box of a class"),
    ],
)
def test_bad_tracks(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read_track(_write(tmp_path / "b.csv", text), _NAMES)


def test_unreadable_tracks(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    for name, message in (
        ("b.csv", "UTF-8"),
        ("gone.csv", "cannot read"),
        ("b.json", "a .csv file"),
    ):
        with pytest.raises(SourceError, match=message):
            read_track(tmp_path / name, _NAMES)


def test_figures_of_a_lamp(clip: Path, boxes: Path, tiny_model: Model, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    report = evaluate_clip(Request(photos=clip, boxes=boxes, json=out), tiny_model)
    assert (report.frames, report.ground_truths, report.unknown_boxes) == (20, 19, 0)
    assert report.smoothing == "default"
    off, strong = (
        evaluate_clip(Request(photos=clip, boxes=boxes, smoothing=level), tiny_model).figures
        for level in ("off", "strong")
    )
    assert (off.corloc, off.pointing) == (1.0, 1.0)
    assert off.labels_per_min == 0
    # The lamp jumps, which is no new scene: a smoothed map is late.
    assert strong.pointing <= report.figures.pointing <= off.pointing
    assert json.loads(out.read_text())["figures"]["corloc"] == report.figures.corloc
    assert to_table(report).row_count == 5
    # The box in the middle has half the area, 158 x 158 px; the lamp is 96 x 96 at the side.
    assert report.centre.corloc == 0
    assert report.centre.pointing == 0
    assert json.loads(out.read_text())["centre"] == {"corloc": 0.0, "pointing": 0.0}


def test_a_lamp_in_the_middle_is_found_by_looking_at_nothing(
    clip: Path, tiny_model: Model, tmp_path: Path
) -> None:
    rows = "".join(f"{i},0,0,light,40,40,180,180,\n" for i in range(20))
    report = evaluate_clip(
        Request(photos=clip, boxes=_write(tmp_path / "m.csv", _HEADER + rows)), tiny_model
    )
    assert (report.centre.corloc, report.centre.pointing) == (1.0, 1.0)


def test_threshold_of_a_clip(clip: Path, boxes: Path, tiny_model: Model) -> None:
    report = evaluate_clip(Request(photos=clip, boxes=boxes, box_threshold=0.35), tiny_model)
    assert report.box_threshold == 0.35
    assert "CorLoc, 35 % rule" in list(to_table(report).columns[0].cells)


def test_a_box_beyond_the_end(tiny_model: Model, boxes: Path) -> None:
    frame_truths = {3: read_track(boxes, _NAMES)[0][0]}
    with pytest.raises(SourceError, match="has 2 frames, but a box is of frame 3"):
        measure_clip([make_frame(0), make_frame(1)], frame_truths, tiny_model, clip="short")


def test_boxes_of_another_size(clip: Path, tiny_model: Model, tmp_path: Path) -> None:
    far = _write(tmp_path / "far.csv", _HEADER + "0,0,0,light,900,0,999,50,\n")
    with pytest.raises(SourceError, match="224x224, but a box of frame 0 lies outside"):
        evaluate_clip(Request(photos=clip, boxes=far), tiny_model)


def test_outputs_are_whole_or_not_there(
    clip: Path, boxes: Path, tiny_model: Model, tmp_path: Path
) -> None:
    before = boxes.read_bytes()
    with pytest.raises(SinkError):
        evaluate_clip(Request(photos=clip, boxes=boxes, json=boxes, overwrite=True), tiny_model)
    assert boxes.read_bytes() == before
    late = _write(tmp_path / "late.csv", _HEADER + "500,0,0,light,0,0,9,9,\n")
    with pytest.raises(SourceError, match="a box is of frame 500"):
        evaluate_clip(Request(photos=clip, boxes=late, json=tmp_path / "o.json"), tiny_model)
    assert not list(tmp_path.glob("o*"))


def test_a_clip_takes_no_contact_sheet(clip: Path, boxes: Path, tmp_path: Path) -> None:
    sentence = r"is a clip: it takes --true-boxes FILE\.csv"
    with pytest.raises(UsageError, match=sentence):
        Request(photos=clip)
    with pytest.raises(UsageError, match=sentence):
        Request(photos=clip, boxes=boxes, contact_sheet=tmp_path / "s.jpg")
    with pytest.raises(UsageError, match=sentence):
        Request(photos=clip, boxes=boxes, masks=tmp_path)
    with pytest.raises(UsageError, match=sentence):
        Request(photos=clip, from_folders=True)


def test_the_command(clip: Path, boxes: Path, tiny_path: Path) -> None:
    network = ["--model", str(tiny_path), "--device", "cpu"]
    done = CliRunner().invoke(app, ["evaluate", str(clip), "--true-boxes", str(boxes), *network])
    assert done.exit_code == 0, done.output
    assert "19 things in 20 frames" in done.output
    assert "smoothing default" in done.output
    gone = str(boxes.with_name("gone.csv"))
    done = CliRunner().invoke(app, ["evaluate", str(clip), "--true-boxes", gone, *network])
    assert done.exit_code == 2
    assert "Traceback" not in done.output
    assert "gone.csv" in done.output


@pytest.mark.timeout(600)
def test_the_sample(model: Model) -> None:
    """The project's own clip: the label is right, and smoothing makes it steady at its three cuts."""
    clip = sample_clip()
    truth = clip.with_suffix(".csv")
    reports = [
        evaluate_clip(Request(photos=clip, boxes=truth, smoothing=level), model)
        for level in SMOOTHING_LEVELS
    ]
    assert {report.cuts for report in reports} == {(111, 219, 276)}
    assert {report.ground_truths for report in reports} == {333}
    off, default, strong = (report.figures for report in reports)
    assert off.top1_accuracy > 0.9
    assert default.top1_accuracy >= off.top1_accuracy - 0.01
    assert off.heat_per_s > 2 * default.heat_per_s > 2 * strong.heat_per_s
    assert default.labels_per_min < off.labels_per_min / 2
    assert default.pointing > 0.9
