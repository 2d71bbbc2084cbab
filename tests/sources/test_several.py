"""Several sources side by side: which they are, and what they are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from camstream.errors import UsageError
from camstream.sources.several import cameras_in, check_apart, name_of, stem_of

RTSP = "rtsp://user:s3cret@cam.local:554/stream"


def test_several_are_side_by_side_as_soon_as_one_is_live(tmp_path: Path) -> None:
    assert cameras_in(["0", "clip.mp4"]) == ["0", "clip.mp4"]
    assert cameras_in(["clips/", RTSP]) == ["clips/", RTSP]
    assert cameras_in(["0"]) == []
    assert cameras_in(["a.mp4", "b.mp4", "photos/"]) == []  # one after the other, as ever
    listed = tmp_path / "cameras.txt"
    listed.write_text(f"# at the gate\n0\n{RTSP}\nclip.mp4\n")
    assert cameras_in([str(listed)]) == ["0", RTSP, str(tmp_path / "clip.mp4")]


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("0", "0", "camera 0 is looked at already"),
        ("0", "00", "camera 0"),
        ("2", "/dev/video2", "/dev/video2, which is also camera 2, is looked at already"),
        (RTSP, RTSP, "rtsp://cam.local:554/stream is looked at already"),
        ("0", "-", None),
        (RTSP, RTSP.replace("stream", "other"), None),
    ],
)
def test_two_sources_that_are_alike_are_one_clear_line(
    first: str, second: str, said: str | None
) -> None:
    if said is None:
        check_apart(second, [first])
        return
    with pytest.raises(UsageError) as raised:
        cameras_in([first, second])
    assert said in str(raised.value)
    assert "s3cret" not in str(raised.value)


def test_one_file_by_two_names_is_one_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"clip\.mp4"):
        cameras_in(["0", "clip.mp4", str(tmp_path / "clip.mp4")])


def test_too_many_are_refused() -> None:
    with pytest.raises(UsageError, match="up to 64"):
        cameras_in([f"rtsp://cam{n}/" for n in range(65)])


def test_names_are_unlike_and_without_secrets() -> None:
    first = name_of(f"{RTSP}?channel=1")
    second = name_of(f"{RTSP}?channel=2", [first])
    assert first == "rtsp://cam.local:554/stream"
    assert second == "rtsp://cam.local:554/stream (2)"
    assert name_of("clips/gate.mp4") == "gate.mp4"
    assert name_of("0") == "camera 0"


def test_files_are_named_after_their_sources() -> None:
    taken: list[str] = []
    names = [RTSP, f"{RTSP}?x", "0", "clips/Gate.mp4", "gate.mkv", "http://[::1]/", "..mp4", "/"]
    names += ["http://cam.local/gate.mjpg", "rtsp://cam.local"]
    for name in names:
        taken.append(stem_of(name_of(name), taken))
    assert taken == [
        "cam.local-554-stream",
        "cam.local-554-stream-2",
        "camera-0",
        "gate",
        "gate-2",
        "1",
        "camera",
        "camera-2",
        "cam.local-gate",
        "cam.local",
    ]
    assert all(Path(stem).name == stem for stem in taken)
    assert len(stem_of("rtsp://host/" + "long/" * 100)) <= 60
