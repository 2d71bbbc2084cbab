"""The report's page: the right frame at the right time, whole in itself, one line where it fails."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from camstream.commands import app
from camstream.report import pictures
from camstream.report.pictures import find_frames
from camstream.report.read import read_records
from camstream.report.timeline import (
    build_timeline,
    clock,
    clock_span,
    count_changes,
    curve,
    pieces,
    spans,
    ticks,
)
from camstream.sinks import open_records
from camstream.sinks.records import to_json_line, to_record
from camstream.sources.file import FileSource
from tests.annotated import LABELS, make_annotated
from tests.clips import BITS, Video, make, read_number

FRAMES = 150
WH = (640, 384)
VIDEO = Video(frames=FRAMES, size_wh=WH, options={"g": "12"})


def records_of(path: Path, count: int = FRAMES, step_s: float = 1 / 30, **more: Any) -> Path:
    """Write records: "cat" is best, but for every third second."""
    file = open_records(path, overwrite=True)
    for index in range(count):
        pts_s = index * step_s
        values: dict[str, Any] = {"classes": (1, 0) if int(pts_s) % 3 == 2 else (0, 4)}
        values |= {"size_wh": WH} | more
        file.write(make_annotated(index, pts_s=pts_s, **values))
    file.finish()
    return path


def run(*arguments: str | Path) -> tuple[int, str, list[str]]:
    done = CliRunner().invoke(app, ["report", *map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    printed = [line for line in done.stderr.splitlines() if line.strip()]
    return done.exit_code, done.stdout, printed


def fails(folder: Path, *arguments: str | Path) -> str:
    """Run what must fail in one line and write nothing; returns the line."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code, out, printed = run(*arguments)
    printed = [line for line in printed if not re.match("reading |looking up |writing ", line)]
    is_missing = "there is no such file" in " ".join(printed)
    assert (code, out, len(printed)) == (2 if is_missing else 1, "", 1), printed
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    return printed[0]


class Parsed(HTMLParser):
    """A page, taken apart.

    Attributes:
        opened: Tags that were opened and not closed again.
        links: Whatever an attribute loads.
        tags: How often each tag occurs.
        data: The page's own data.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.links: list[str] = []
        self.tags: dict[str, int] = {}
        self._is_data = False
        self.data: dict[str, Any] = {}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self._is_data = named.get("id") == "timeline"
        self.links += [str(named[name]) for name in ("src", "href", "srcset") if name in named]
        if tag not in ("meta", "img", "br", "input"):
            self.opened.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._is_data:
            self.data = json.loads(data)
            self._is_data = False


def number_in(uri: str) -> int:
    """Read the number that ``clips.make`` drew, from a small picture of the frame."""
    data = np.frombuffer(base64.b64decode(uri.split(",")[1]), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    assert image is not None
    scale = image.shape[1] / WH[0]
    y = int((WH[1] - 4) * scale)
    return sum(int(image[y, int((8 * bit + 4) * scale)] > 128) << bit for bit in range(BITS))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "in.mp4"
    make(path, VIDEO)
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_a_page_shows_each_moment_with_its_own_frame(
    suffix: str, clip: Path, tmp_path: Path
) -> None:
    records = records_of(tmp_path / f"r{suffix}")
    page = tmp_path / "page.html"
    code, out, printed = run(records, "--video", clip, "-o", page)
    assert code == 0, printed
    assert "150 frames, 2 changes of the label, 150 pictures" in out
    parsed = Parsed(page)
    assert parsed.opened == []
    assert parsed.data["times"] == [round(i / 30, 6) for i in range(FRAMES)]
    assert [number_in(uri) for uri in parsed.data["thumbs"]] == list(range(FRAMES))
    assert parsed.data["thumbTimes"] == pytest.approx(parsed.data["times"], abs=1e-5)
    best = [parsed.data["labels"][best[0][0]] for best in parsed.data["best"]]
    assert best == [LABELS[0]] * 60 + [LABELS[1]] * 30 + [LABELS[0]] * 60


def test_a_page_is_whole_in_itself_and_labels_are_only_text(clip: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert run(records_of(tmp_path / "r.jsonl"), "--video", clip, "-o", page)[0] == 0
    parsed, text = Parsed(page), page.read_text(encoding="utf-8")
    assert parsed.links
    (video,) = (link for link in parsed.links if not link.startswith("data:image/jpeg;base64,"))
    assert (tmp_path / video).samefile(clip)  # relative to the page; without it the page works
    assert not re.search(r"https?:|//\w+\.|@import|url\(", text)
    assert parsed.tags["script"] == 2  # the data and the page's own
    named = records_of(tmp_path / "named.jsonl", 2, step_s=2.5, classes=(4, 0))
    assert run(named, "-o", page, "--overwrite")[0] == 0
    text = page.read_text(encoding="utf-8")
    assert LABELS[4] in Parsed(page).data["labels"]
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_pictures_are_bounded_and_belong_to_their_times(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "THUMBS", 20)
    timeline = build_timeline(read_records(records_of(tmp_path / "r.jsonl")))
    in_order = pictures.make_thumbnails(clip, timeline)
    assert len(in_order.thumbs) <= 20
    for thumb in in_order.thumbs:
        uri = f"data:,{base64.b64encode(thumb.jpeg).decode()}"
        assert number_in(uri) == round(thumb.pts_s * 30)
    best = [float(timeline.records.pts_s[segment.best]) for segment in timeline.segments]
    assert [in_order.thumbs[in_order.nearest(time)].pts_s for time in best] == pytest.approx(
        best, abs=1e-5
    )
    monkeypatch.setattr(pictures, "_JUMP_S", 0.0)  # now by key frames, as in a long clip
    assert pictures.make_thumbnails(clip, timeline) == in_order


def test_statistics_never_show_a_password(tmp_path: Path) -> None:
    stats, page = tmp_path / "s.json", tmp_path / "page.html"
    values: dict[str, object] = {"source": "rtsp://me:secret@camera/stream", "device": "cpu"}
    values |= {"frames_in": 9, "frames_out": 8, "frames_dropped": 1, "wall_s": 2, "rate_hz": 4}
    stats.write_text(json.dumps(values | {"stages_ms": {"infer": {"p50": 4.5, "p95": 9}}}))
    assert run(records_of(tmp_path / "r.csv"), "--stats", stats, "-o", page)[0] == 0
    text = page.read_text(encoding="utf-8")
    assert "secret" not in text
    assert "rtsp://camera/stream" in text
    assert "4.5 ms" in text
    stats.write_text("{}")
    assert "no statistics" in fails(tmp_path, tmp_path / "r.csv", "--stats", stats, "-o", "x.html")


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_a_run_that_was_killed_is_told_as_far_as_it_goes(suffix: str, tmp_path: Path) -> None:
    path, page = records_of(tmp_path / f"r{suffix}", 10), tmp_path / "page.html"
    whole = read_records(path)
    path.write_bytes(path.read_bytes()[:-40])
    code, out, printed = run(path, "-o", page)
    assert code == 0
    assert "9 frames" in out
    assert "not finished" in printed[-1]
    assert "not finished" in page.read_text(encoding="utf-8")
    np.testing.assert_array_equal(read_records(path).scores, whole.scores[:9])


@pytest.mark.parametrize(
    ("name", "content", "printed"),
    [
        ("gone.jsonl", None, "no such file"),
        ("r.txt", b"", ".jsonl, .csv, .parquet"),
        ("r.jsonl", b"", "not one record"),
        ("r.csv", b"", "not one record"),
        ("r.jsonl", b"hello\n", "line 1: not a record"),
        ("r.jsonl", b"\xff\xfe\x00\n", "no text"),
        ("r.jsonl", b'{"a": 1}\n', "no records of camstream"),
        ("r.jsonl", b'{"index": 0, "pts_s": 0.0, "top": []}\n', "no records of camstream"),
        ("r.csv", b"a,b\n1,2\n", "no records of camstream"),
        ("r.parquet", b"PAR1", "no whole Parquet file"),
    ],
)
def test_what_holds_no_records_is_said(
    name: str, content: bytes | None, printed: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert printed in fails(tmp_path, tmp_path / name, "-o", tmp_path / "page.html")


def test_two_runs_in_one_file_are_said(tmp_path: Path) -> None:
    line = to_json_line(to_record(make_annotated(3)))
    (tmp_path / "r.jsonl").write_text(line + line, encoding="utf-8")
    printed = fails(tmp_path, tmp_path / "r.jsonl", "-o", tmp_path / "page.html")
    assert "line 2" in printed
    assert "several runs" in printed


def test_a_video_of_another_clip_is_said(clip: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    wide = records_of(tmp_path / "wide.jsonl", size_wh=(640, 200))
    assert "640x200" in fails(tmp_path, wide, "--video", clip, "-o", page)
    late = tmp_path / "late.jsonl"
    late.write_text(to_json_line(to_record(make_annotated(0, pts_s=500, size_wh=WH))))
    assert "another clip" in fails(tmp_path, late, "--video", clip, "-o", page)
    longer = records_of(tmp_path / "longer.jsonl", 200, size_wh=(320, 192))
    code, _, printed = run(longer, "--video", clip, "-o", page)
    assert code == 0
    assert "places are scaled" in " ".join(printed)
    assert "another clip?" in " ".join(printed)
    assert "places are scaled" in page.read_text(encoding="utf-8")


def test_nothing_that_is_there_is_overwritten(clip: Path, tmp_path: Path) -> None:
    records, page = records_of(tmp_path / "r.jsonl"), tmp_path / "page.html"
    page.write_text("precious")
    assert "--overwrite" in fails(tmp_path, records, "-o", page)
    assert "input" in fails(tmp_path, records, "-o", records, "--overwrite")
    assert "input" in fails(tmp_path, records, "--video", clip, "-o", clip, "--overwrite")


def test_one_frame_and_frames_without_evidence_have_a_page(tmp_path: Path) -> None:
    nothing = np.full((1, 3, 4), -1.0, np.float32)
    for count in (1, 2):
        records = records_of(tmp_path / "r.jsonl", count, maps=nothing)
        page = tmp_path / f"{count}.html"
        code, _, printed = run(records, "-o", page, "--overwrite")
        assert code == 0, printed
        assert Parsed(page).data["centres"] == [None] * count


def test_older_records_without_place_and_size_have_a_page(tmp_path: Path) -> None:
    record = to_record(make_annotated(0))
    for key in ("centroid_xy", "area", "size_wh", "displayed"):
        del record[key]
    (tmp_path / "r.jsonl").write_text(to_json_line(record), encoding="utf-8")
    code, _, printed = run(tmp_path / "r.jsonl", "-o", tmp_path / "page.html")
    assert code == 0, printed


def test_a_gap_in_the_frames_is_no_part_of_a_segment(tmp_path: Path) -> None:
    lines = [to_record(make_annotated(i, pts_s=i / 10 + (60 if i > 9 else 0))) for i in range(20)]
    (tmp_path / "r.jsonl").write_text("".join(map(to_json_line, lines)), encoding="utf-8")
    timeline = build_timeline(read_records(tmp_path / "r.jsonl"))
    assert count_changes(timeline) == 0
    spans_s = [(one.start_s, one.end_s) for one in timeline.segments]
    assert spans_s == [pytest.approx((0.0, 1.0)), pytest.approx((61.0, 62.0))]
    assert pieces(timeline, np.ones(20, np.bool_)) == [slice(0, 10), slice(10, 20)]
    assert [one.end_s for one in timeline.presence[0]] == pytest.approx([0.9, 61.9])


def test_long_records_are_drawn_by_their_means(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("camstream.report.timeline.MOMENTS", 100)
    timeline = build_timeline(read_records(records_of(tmp_path / "r.jsonl", 300)))
    values = np.arange(300.0)
    means = curve(timeline, values)
    assert len(means) == len(timeline.moments) == 100
    assert np.abs(means - values[timeline.moments]).max() <= 1.5
    starts, ends = spans(timeline)
    np.testing.assert_array_equal(ends[:-1], starts[1:])


@given(st.floats(0, 1e5), st.floats(0.01, 1e6))
@settings(deadline=None)
def test_ticks_are_few_and_inside(start_s: float, span_s: float) -> None:
    times = ticks(start_s, start_s + span_s)
    assert len(times) <= 16
    assert all(start_s - 1e-3 <= time <= start_s + span_s + 1e-3 for time in times)


def test_times_are_written_as_people_read_them() -> None:
    assert [clock(time) for time in (0, 3.2, 63.24, 3723)] == [
        "0.00 s",
        "3.20 s",
        "1:03.2",
        "1:02:03",
    ]
    assert clock_span(0, 3.5) == "0.00 to 3.50 s"
    assert clock_span(4, 64) == "0:04.0 to 1:04.0"


@pytest.mark.parametrize("starts_s", [(0, 0), (0, 300), (300, 0)], ids=str)
def test_pictures_of_a_clip_whose_clock_jumps_are_those_of_their_times(
    starts_s: tuple[int, int], tmp_path: Path
) -> None:
    video = Video(frames=180, options={"preset": "ultrafast"})
    parts = [
        make(tmp_path / "p.ts", video, options={"output_ts_offset": str(at)}).read_bytes()
        for at in starts_s
    ]
    (tmp_path / "joined.ts").write_bytes(b"".join(parts))
    source = FileSource(tmp_path / "joined.ts")
    wanted = [0.0, 5.0, 11.0]
    found = dict(find_frames(source, wanted))  # later ones replace what was found by jumping
    source.close()
    assert [found[one][0] for one in wanted] == pytest.approx(wanted, abs=0.02)
    assert [read_number(found[one][1].bgr()) for one in wanted] == [0, 150, 150]
