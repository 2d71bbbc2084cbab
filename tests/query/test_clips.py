"""Clips and contact sheets: what they show is what was asked for, and the source's own packets."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from camstream.errors import SinkError, SourceError
from camstream.query.clips import cut, cut_clips, name_clips
from camstream.query.contact_sheet import MOST_TILES, check_sheet, draw, write_contact_sheet
from camstream.query.intervals import Found, find
from tests.clips import Video, make, read, read_number
from tests.query.made_set import Made, write_video

FROM_S, TO_S = 2.2, 4.0
GOP = {"g": "25", "bf": "2"}


def archived(
    folder: Path, video: Path, *, scores: tuple[float, ...] = (0, 0, 0, 0, 0, 0.9, 0.8, 0.7)
) -> list[Found]:
    """An archive in which a person was in a video from 2.5 s on; returns what a question finds."""
    status = video.stat()
    write_video(
        folder,
        Made(
            video=str(video),
            labels=["person"],
            pts_s=np.arange(len(scores)) / 2,
            classes=np.zeros((len(scores), 1), np.int64),
            scores=np.array(scores, np.float32)[:, None],
            path=str(video),
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
        ),
    )
    return find(folder, "person")


@pytest.mark.parametrize(
    ("name", "video", "sound"),
    [
        ("a.mp4", Video(frames=160, options=GOP), "aac"),
        ("turned.mov", Video(frames=160, options=GOP, matrix=(0, 1, -1, 0)), "aac"),
        ("a.mkv", Video(frames=160, options=GOP), "libopus"),
        ("a.webm", Video(frames=160, codec="libvpx-vp9", options={"g": "25"}), "libopus"),
        ("a.ts", Video(frames=160, time_base=Fraction(1, 90_000), step=3000, options=GOP), "aac"),
        ("open.mkv", Video(frames=160, codec="mpeg2video", options=GOP), "aac"),
        ("old.avi", Video(frames=160, codec="mpeg4", options={"g": "25"}), "mp3"),
    ],
)
def test_a_clip_has_every_frame_and_all_sound_of_its_interval(
    name: str, video: Video, sound: str, tmp_path: Path
) -> None:
    source = make(tmp_path / name, video, audio=[sound])
    target = tmp_path / f"cut{'.mkv' if name.endswith('.avi') else source.suffix}"
    clip = cut(source, target, FROM_S, TO_S)
    whole, part = read(source), read(target)
    times = dict(zip(whole.numbers, map(float, whole.times_s), strict=True))
    wanted = [number for number, at in times.items() if FROM_S <= at < TO_S - 0.04]
    assert set(wanted) <= set(part.numbers)
    first = part.numbers[0]
    assert part.numbers[: wanted[-1] - first + 1] == list(range(first, wanted[-1] + 1))
    # It begins at a key frame, and says how much earlier that is.
    assert 0 <= clip.earlier_s == pytest.approx(FROM_S - times[first], abs=2e-3)
    assert clip.earlier_s < 1
    begins = float(part.times_s[0])
    assert begins < 0.1
    shown = {
        number: float(at) - begins for number, at in zip(part.numbers, part.times_s, strict=True)
    }
    assert [shown[number] for number in wanted] == pytest.approx(
        [times[number] - times[first] for number in wanted], abs=2e-3
    )
    assert part.frames[0].rotation == whole.frames[0].rotation
    # The sound is the source's own packets, at the same distance from the picture.
    (before,), (after,) = whole.packets, part.packets
    spoken = [
        (float(at) - times[first], packet)
        for at, packet in before[2]
        if times[first] - 1e-6 <= at < TO_S - 1e-6
    ]
    own = [(float(at) - begins, packet) for at, packet in after[2]]
    assert [packet for _, packet in own] == [packet for _, packet in spoken]
    assert [at for at, _ in own] == pytest.approx([at for at, _ in spoken], abs=5e-3)


def test_variable_rate_and_a_late_start_are_kept(tmp_path: Path) -> None:
    pts = [int(number**1.2 * 40) + 500 for number in range(120)]
    source = make(
        tmp_path / "in.mkv", Video(time_base=Fraction(1, 1000), pts=pts, options={"g": "10"})
    )
    cut(source, tmp_path / "out.mkv", 5.0, 9.0)
    whole, part = read(source), read(tmp_path / "out.mkv")
    times = dict(zip(whole.numbers, whole.times_s, strict=True))
    steps = np.diff([float(at) for at in part.times_s])
    expected = np.diff([float(times[number]) for number in part.numbers])
    assert steps == pytest.approx(expected, abs=2e-3)
    assert times[part.numbers[0]] <= 5.0


def test_clips_of_an_archive_have_names_that_say_when(tmp_path: Path) -> None:
    video = make(tmp_path / "gate.mp4", Video(frames=130, options=GOP), audio=["aac"])
    found = archived(tmp_path / "a", video)
    told: list[str] = []
    out = tmp_path / "clips"
    cut_clips(
        found, out, on_clip=lambda _, clip: told.append(clip.path.name), on_problem=pytest.fail
    )
    assert told == ["gate.0-00-02.50.mp4"]
    assert [path.name for path in out.iterdir()] == told
    before = (out / told[0]).read_bytes()
    lines: list[str] = []
    cut_clips(found, out, on_clip=lambda *_: pytest.fail("again"), on_problem=lines.append)
    assert lines == [f"{out / told[0]} exists already and is left alone"]
    assert (out / told[0]).read_bytes() == before


def test_videos_of_one_name_get_clips_of_different_names(tmp_path: Path) -> None:
    names = (
        "one/gate.mp4",
        "two/gate.mp4",
        "three/GATE.mp4",
        "../../..",
        "a/.hidden\x1b[31m.mp4",
        "con:x.mp4",
    )
    for video in names:
        write_video(
            tmp_path,
            Made(
                video=video,
                labels=["person"],
                pts_s=np.zeros(1),
                classes=np.zeros((1, 1), np.int64),
                scores=np.ones((1, 1), np.float32),
            ),
        )
    paths = name_clips(find(tmp_path, "person"), tmp_path)
    # Some file systems tell no case.
    assert len({path.name.casefold() for path in paths}) == len(names)
    assert all(path.parent == tmp_path for path in paths)
    assert not any(path.name.startswith(".") or "\x1b" in path.name for path in paths)


def vanish(path: Path) -> None:
    path.unlink()


def change(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


def touch(path: Path) -> None:
    os.utime(path, ns=(10**18, 10**18))


def damage(path: Path) -> None:
    status = path.stat()
    path.write_bytes(bytes(status.st_size))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(
    ("happen", "line"),
    [
        (vanish, "is not there any more"),
        (change, "has changed since it was read"),
        (touch, "has changed since it was read"),
        (damage, "it is damaged"),
    ],
)
def test_a_video_that_vanished_or_changed_is_a_line_and_the_others_go_on(
    happen: Callable[[Path], None], line: str, tmp_path: Path
) -> None:
    for name in ("bad.mp4", "good.mp4"):
        found = archived(tmp_path / "a", make(tmp_path / name, Video(frames=130, options=GOP)))
    happen(tmp_path / "bad.mp4")
    lines: list[str] = []
    made: list[str] = []
    out = tmp_path / "clips"
    cut_clips(
        found, out, on_clip=lambda _, clip: made.append(clip.path.name), on_problem=lines.append
    )
    assert made == ["good.0-00-02.50.mp4"] == [path.name for path in out.iterdir()]
    assert len(lines) == 1
    assert line in lines[0]
    sheet = check_sheet(tmp_path / "sheet.jpg", overwrite=False)
    assert write_contact_sheet(sheet, found, on_problem=lines.append) == 1
    assert len(lines) == 2
    assert line in lines[1]


def test_nothing_is_left_where_nothing_can_be_cut(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mp4", Video(frames=60))
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(SinkError, match="it is the input"):
        cut(source, source, 0, 1)
    (out / "sound.mp4").mkdir()
    with pytest.raises(SinkError, match="it is a folder"):
        cut(source, out / "sound.mp4", 0, 1)
    sound = make(tmp_path / "sound.mp4", None, audio=["aac"])
    with pytest.raises(SourceError, match="there is no video in it"):
        cut(sound, out / "a.mp4", 0, 1)
    assert [path.name for path in out.iterdir()] == ["sound.mp4"]


def test_a_sheet_shows_the_best_frame_of_each_interval(tmp_path: Path) -> None:
    video = make(tmp_path / "gate.mp4", Video(frames=130, size_wh=(256, 144), options=GOP))
    scores = (0.9, 0, 0, 0.6, 0.95, 0, 0, 0.7)
    found = archived(tmp_path / "a", video, scores=scores)
    # 0.0 s is frame 0, 2.0 s frame 60, 3.5 s frame 105; the picture is as wide as a tile.
    numbers = [read_number(draw(one)[0]) for one in found]
    assert numbers == [0, 60, 105]
    path = tmp_path / "sheet.png"
    sheet = check_sheet(path, overwrite=False)
    assert write_contact_sheet(sheet, found, on_problem=pytest.fail) == 3
    image = cv2.imread(str(path))
    assert image is not None
    assert image.shape == (2 * (144 + 40 + 8) + 8, 2 * 264 + 8, 3)
    with pytest.raises(SinkError, match="exists already"):
        check_sheet(path, overwrite=False)
    with pytest.raises(SinkError, match=r"a contact sheet is a \.jpg or \.png picture"):
        check_sheet(tmp_path / "sheet.pdf", overwrite=False)


def test_a_sheet_has_the_best_of_many(tmp_path: Path) -> None:
    video = make(tmp_path / "gate.mp4", Video(frames=130, options=GOP))
    (one,) = archived(tmp_path / "a", video)
    many = [
        Found(one.video, 0.0, 0.5, number / 100, number / 30, 1) for number in range(MOST_TILES + 5)
    ]
    sheet = check_sheet(tmp_path / "sheet.jpg", overwrite=False)
    assert write_contact_sheet(sheet, many, on_problem=pytest.fail) == MOST_TILES


def test_a_clip_plays_alone(tmp_path: Path, data: Path) -> None:
    source = sorted((data / "videos").glob("*.mp4"))[0]
    with av.open(str(source)) as container:
        length_s = (container.duration or 0) / av.time_base
    target = tmp_path / "cut.mp4"
    clip = cut(source, target, length_s / 2, length_s / 2 + 1)
    with av.open(str(target)) as container:
        frames = list(container.decode(video=0))
        assert (container.duration or 0) / av.time_base == pytest.approx(
            1 + clip.earlier_s, abs=0.3
        )
    assert frames[0].key_frame
    assert not any(frame.is_corrupt for frame in frames)
