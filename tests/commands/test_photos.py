"""Photos in, photos out; animated GIFs; folders of both."""

from __future__ import annotations

import os
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from camstream import annotate
from camstream.commands import app
from camstream.errors import SinkError
from camstream.models.session import Model
from tests.clips import Video, make


def run(*arguments: str | Path) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["annotate", *map(str, arguments), "--device", "cpu"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def write_photo(path: Path) -> Path:
    image = np.full((97, 161, 3), 30, np.uint8)
    image[:48, :80] = (60, 120, 240)
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    return path


def read_photo(path: Path) -> np.ndarray:
    image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tiff", ".bmp", ".JPG"])
def test_a_photo_becomes_a_photo_of_its_kind(suffix: str, here: Path, tiny_path: Path) -> None:
    write_photo(here / f"cat{suffix}")
    code, out, _ = run(f"cat{suffix}", "-m", tiny_path, "--records", "r.jsonl")
    assert code == 0
    assert out.startswith(f"cat{suffix} -> cat.cam{suffix}: ")
    assert "1 frame" not in out
    assert "fps" not in out
    assert read_photo(here / f"cat.cam{suffix}").shape == (97, 161, 3)  # odd sizes stay
    assert {path.name for path in here.iterdir()} == {f"cat{suffix}", f"cat.cam{suffix}", "r.jsonl"}


def test_a_photo_is_drawn_as_predict_draws_it(here: Path, tiny_model: Model) -> None:
    photo = write_photo(here / "cat.png")
    annotate(photo, here / "o.png", model=tiny_model, smoothing="off")
    np.testing.assert_array_equal(read_photo(here / "o.png"), tiny_model.predict(photo).draw())


def test_a_photo_becomes_a_clip_or_an_animation_where_that_is_asked_for(
    here: Path, tiny_path: Path
) -> None:
    write_photo(here / "cat.jpg")
    for name in ("o.png", "o.gif", "o.mp4"):
        assert run("cat.jpg", "-o", name, "-m", tiny_path)[0] == 0
        with av.open(str(here / name)) as container:
            assert sum(1 for _ in container.decode(video=0)) == 1


def test_a_clip_becomes_an_animation(here: Path, tiny_path: Path) -> None:
    make(here / "in.mp4", Video(frames=20), audio=["aac"])
    assert run("in.mp4", "-o", "o.gif", "-m", tiny_path)[0] == 0
    with av.open(str(here / "o.gif")) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert times == pytest.approx([index / 30 for index in range(20)], abs=0.0051)


def test_a_clip_does_not_fit_into_a_photo(here: Path, tiny_path: Path) -> None:
    make(here / "in.mp4", Video(frames=5))
    code, _, printed = run("in.mp4", "-o", "o.png", "-m", tiny_path)
    assert code == 1
    assert "a photo holds one picture" in printed
    assert [path.name for path in here.iterdir()] == ["in.mp4"]


def test_a_folder_becomes_a_folder_of_photos_and_clips(here: Path, tiny_path: Path) -> None:
    (folder := here / "in").mkdir()
    write_photo(folder / "a.jpg")
    make(folder / "b.mp4", Video(frames=5))
    assert run("in", "-o", "out", "-m", tiny_path, "--records", "rec")[0] == 0
    made = {path.name for path in (here / "out").iterdir()}
    assert made == {"a.cam.jpg", "b.cam.mp4", ".camstream"}
    assert {path.name for path in (here / "rec").iterdir()} == {"a.jsonl", "b.jsonl"}
    (folder / "b.mp4").unlink()
    assert run("in", "-o", "one", "-m", tiny_path)[0] == 0
    assert {path.name for path in (here / "one").iterdir()} == {"a.cam.jpg", ".camstream"}
    code, _, printed = run("in", "-o", "x.jpg", "-m", tiny_path)
    assert code == 1
    assert "need a folder" in printed
    assert not (here / "x.jpg").exists()


@pytest.mark.parametrize("name", [b"\xff\xfe.jpg", b"rec-12:30:05.jpg", b"[draft] a[b].jpg"])
def test_names_of_every_kind(name: bytes, here: Path, tiny_path: Path) -> None:
    path = write_photo(here / os.fsdecode(name))
    code, _, _ = run(path.name, "-m", tiny_path)
    assert code == 0
    assert (here / f"{path.stem}.cam.jpg").exists()


def test_in_a_batch_the_others_go_on_after_a_name_too_long(here: Path, tiny_path: Path) -> None:
    write_photo(here / f"{'x' * 251}.jpg")  # ".cam" more is too long
    write_photo(here / "y.jpg")
    code, out, printed = run(".", "-m", tiny_path)
    assert code == 1
    assert "File name too long" in printed
    assert "y.jpg -> y.cam.jpg" in out


def test_a_photo_file_takes_one_picture(here: Path) -> None:
    from camstream.sinks.photo import PhotoFile
    from tests.annotated import make_annotated

    file = PhotoFile(here / "o.jpg")
    file.write(make_annotated(0))
    with pytest.raises(SinkError, match="one picture"):
        file.write(make_annotated(1))
    assert file.keep() == here / "o.jpg"
    assert read_photo(here / "o.jpg").shape == (48, 64, 3)
