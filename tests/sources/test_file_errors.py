"""The annotate command where something is wrong: one line that says what, nothing lost."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner

from camstream.commands import app
from tests.clips import Video, make, numbered, read


@dataclass
class Workspace:
    """A folder to work in, and the command."""

    folder: Path
    model: Path

    def run(self, *arguments: str | Path) -> tuple[int, str, str]:
        """Exit code, stdout and the error lines of stderr; fails on a traceback."""
        command = ["annotate", *map(str, arguments), "-m", str(self.model), "--device", "cpu"]
        done = CliRunner().invoke(app, command)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        printed = [line for line in done.stderr.splitlines() if line.strip()]
        printed = [line for line in printed if not line.startswith("tiny on cpu")]
        return done.exit_code, done.stdout, "\n".join(printed)

    def fails(self, *arguments: str | Path, exit_code: int = 1) -> str:
        """Run what must fail in one line and write nothing; returns the line."""
        before = {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}
        code, out, printed = self.run(*arguments)
        after = {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}
        assert code == exit_code
        assert out == ""
        assert printed.startswith("camstream: ")
        assert "\n" not in printed
        assert after == before
        return printed


@pytest.fixture
def workspace(tmp_path: Path, tiny_path: Path) -> Workspace:
    make(tmp_path / "in.mp4", audio=["aac"])
    return Workspace(tmp_path, tiny_path)


def test_an_existing_output_is_left_alone(workspace: Workspace) -> None:
    (workspace.folder / "out.mp4").write_bytes(b"precious")
    printed = workspace.fails(workspace.folder / "in.mp4", "-o", workspace.folder / "out.mp4")
    assert "--overwrite" in printed
    code, _, _ = workspace.run(
        workspace.folder / "in.mp4", "-o", workspace.folder / "out.mp4", "--overwrite"
    )
    assert code == 0
    assert read(workspace.folder / "out.mp4").numbers == list(range(20))


@pytest.mark.parametrize("how", ["itself", "symlink", "hard link"])
@pytest.mark.parametrize("option", ["-o", "--records", "--stats"])
def test_an_input_is_never_overwritten(workspace: Workspace, how: str, option: str) -> None:
    source, name = workspace.folder / "in.mp4", workspace.folder / "in.mp4"
    if how == "symlink":
        name = workspace.folder / "link.mp4"
        name.symlink_to(source)
    if how == "hard link":
        name = workspace.folder / "hard.mp4"
        name.hardlink_to(source)
    options: list[str | Path] = [option, name, "--overwrite"]
    if option != "-o":
        options += ["-o", workspace.folder / "out.mp4"]
    assert "input" in workspace.fails(source, *options)
    assert "input" in workspace.fails(name, *options[2:], option, source)


def test_an_input_of_another_job_is_never_overwritten(workspace: Workspace) -> None:
    make(workspace.folder / "in.cam.mp4")
    both = workspace.folder / "in.mp4", workspace.folder / "in.cam.mp4"
    assert "is an input" in workspace.fails(*both, "-o", workspace.folder, "--overwrite")


@pytest.mark.parametrize("inputs", ["", "*.m*"])
def test_outputs_of_an_earlier_run_are_no_inputs(workspace: Workspace, inputs: str) -> None:
    """Whether the folder holds one clip, or two of one stem and one that is only named so."""
    here = workspace.folder
    again: list[str | Path] = [here / inputs, "-o", here]
    assert workspace.run(*again)[0] == 0
    code, out, printed = workspace.run(*again)
    assert (code, out) == (0, "")
    assert printed.splitlines() == [
        "  note: skipped, since they have names of outputs: in.cam.mp4",
        "1 of 1 files were done before (--overwrite does them anew)",
    ]
    code, out, printed = workspace.run(*again, "--overwrite")
    assert (code, len(out.splitlines())) == (0, 1)
    assert printed == "  note: skipped, since they have names of outputs: in.cam.mp4"

    (here / "in.cam.mp4").rename(here / "old.cam.mp4")
    make(here / "in.mkv", Video(frames=5))
    for _ in range(2):
        code, out, printed = workspace.run(*again, "--overwrite")
        assert (code, len(out.splitlines())) == (0, 3)
    assert printed.endswith(": in.mkv.cam.mp4, in.mp4.cam.mp4, old.cam.cam.mp4")


@pytest.mark.parametrize("inputs", [".", "*.mp4"])
def test_what_a_killed_run_left_is_no_input(workspace: Workspace, inputs: str) -> None:
    left = workspace.folder / "in.cam.partial-123.mp4"
    left.write_bytes(b"half a file")
    kept = workspace.folder / "in.partial-view.mp4"
    kept.write_bytes((workspace.folder / "in.mp4").read_bytes())
    output = workspace.folder / "out"
    code, _, _ = workspace.run(workspace.folder / inputs, "-o", output)
    assert code == 0
    made = {path.name for path in output.iterdir() if path.is_file()}
    assert made == {"in.cam.mp4", "in.partial-view.cam.mp4"}


@pytest.mark.parametrize("pair", [("-o", "--records"), ("-o", "--stats"), ("--records", "--stats")])
def test_two_outputs_are_never_one_file(workspace: Workspace, pair: tuple[str, str]) -> None:
    names = {"-o": "out.mp4", "--records": "r.jsonl", "--stats": "s.json"}
    names[pair[1]] = names[pair[0]]
    options = [part for option, name in names.items() for part in (option, workspace.folder / name)]
    assert "several outputs" in workspace.fails(workspace.folder / "in.mp4", *options)


def test_what_is_not_a_video_is_reported(workspace: Workspace) -> None:
    here = workspace.folder
    (here / "text.mp4").write_text("hello\n" * 100)
    (here / "empty.mp4").touch()
    (here / "none").mkdir()
    make(here / "sound.mp4", None, audio=["aac"])
    whole = (here / "in.mp4").read_bytes()
    (here / "headless.mp4").write_bytes(whole[: len(whole) // 2])
    for name, words in {
        "missing.mp4": "there is no such file",
        "text.mp4": "as a video",
        "empty.mp4": "as a video",
        "none": "no video file in the folder",
        "sound.mp4": "there is no video in it",
        "headless.mp4": "as a video",
        "no*.mp4": "no file matches",
    }.items():
        is_absent = name in ("missing.mp4", "none", "no*.mp4")
        exit_code = 2 if is_absent else 1
        printed = workspace.fails(here / name, "-o", here / "out.mp4", exit_code=exit_code)
        assert words in printed
        assert name in printed


def test_outputs_that_cannot_be_are_reported(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = workspace.folder
    for name, words in {
        "out.xyz": "suffix",
        "out": "suffix",
        "out.wav": "hold no h264 video",
        "gone/out.mp4": "there is no folder",
        "in.mp4/out.mp4": "there is no folder",
    }.items():
        assert words in workspace.fails(here / "in.mp4", "-o", here / name)
    out = here / "out.mp4"
    assert "no folder" in workspace.fails(
        here / "in.mp4", "-o", out, "--records", here / "gone/r.jsonl"
    )
    assert "no folder" in workspace.fails(
        here / "in.mp4", "-o", out, "--stats", here / "gone/s.json"
    )
    assert "webm files hold no" in workspace.fails(
        here / "in.mp4", "-o", here / "out.webm", "--codec", "h264"
    )
    assert "preset 'warp'" in workspace.fails(
        here / "in.mp4", "-o", out, "--encoder-preset", "warp"
    )
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "permission" in workspace.fails(here / "in.mp4", "-o", out)


def test_a_device_is_never_replaced_by_a_file(workspace: Workspace) -> None:
    printed = workspace.fails(
        workspace.folder / "in.mp4",
        "-o",
        workspace.folder / "o.mp4",
        "--stats",
        "/dev/null",
        "--overwrite",
    )
    assert "no ordinary file" in printed
    assert not Path("/dev/null").is_file()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_truncated_file_is_annotated_up_to_there(workspace: Workspace, suffix: str) -> None:
    whole = workspace.folder / f"whole{suffix}"
    options = {"movflags": "faststart"} if suffix == ".mp4" else {}
    make(whole, Video(frames=90, options={"g": "10"}), audio=["aac"], options=options)
    short = workspace.folder / f"short{suffix}"
    data = whole.read_bytes()
    short.write_bytes(data[: len(data) * 6 // 10])
    code, out, printed = workspace.run(short, "-o", workspace.folder / "out.mp4")
    assert code == 1
    assert "damaged input" in printed
    seen = read(workspace.folder / "out.mp4")
    assert 20 < len(seen.frames) < 90
    assert seen.numbers == list(range(len(seen.frames)))
    assert f"{len(seen.frames)} frames" in out


def test_one_bad_file_does_not_stop_the_others(workspace: Workspace) -> None:
    (workspace.folder / "bad.mp4").write_text("hello")
    make(workspace.folder / "z.mkv")
    code, out, printed = workspace.run(workspace.folder, "-o", workspace.folder / "out")
    assert code == 1
    errors = [line for line in printed.splitlines() if line.startswith("camstream: cannot read")]
    assert len(errors) == 1
    assert "bad.mp4" in errors[0]
    assert len(out.splitlines()) == 2
    done = sorted(path.name for path in (workspace.folder / "out").iterdir() if path.is_file())
    assert done == ["in.cam.mp4", "z.cam.mp4"]


def test_a_list_names_clips_and_photos(workspace: Workspace) -> None:
    here = workspace.folder
    cv2.imwrite(str(here / "photo.png"), numbered(3))
    (here / "list.txt").write_text("# two\nin.mp4\nphoto.png\n")
    code, out, printed = workspace.run(here / "list.txt", "-o", here / "out")
    assert (code, printed) == (0, "")
    assert ["in.mp4" in out, "photo.png" in out] == [True, True]
    assert len([path for path in (here / "out").iterdir() if path.is_file()]) == 2


@pytest.mark.parametrize(
    "given", ["rtsp://user:s3cret@host/x", "user:s3cret@host", "-", "screen:1"]
)
def test_what_is_no_file_is_refused_before_anything_is_done(
    given: str, workspace: Workspace
) -> None:
    printed = workspace.fails(given, "-o", workspace.folder / "out.mp4", exit_code=2)
    assert "s3cret" not in printed


def test_globs_and_files_of_one_stem(workspace: Workspace) -> None:
    make(workspace.folder / "in.mkv", Video(frames=5))
    out = workspace.folder / "out"
    code, _, printed = workspace.run(
        workspace.folder / "in.m*", "-o", out, "--records", out, "--stats", out
    )
    assert (code, printed) == (0, "")
    assert len(read(out / "in.mkv.cam.mp4").frames) == 5
    assert len(read(out / "in.mp4.cam.mp4").frames) == 20
    assert len((out / "in.mkv.jsonl").read_text().splitlines()) == 5
    assert json.loads((out / "in.mp4.json").read_text())["frames_out"] == 20
    assert "need a folder" in workspace.fails(
        workspace.folder / "in.m*", "-o", workspace.folder / "one.mp4"
    )


def test_records_and_stats_hold_what_is_documented(workspace: Workspace) -> None:
    records, stats = workspace.folder / "r.jsonl", workspace.folder / "s.json"
    sides: list[str | Path] = ["--records", records, "--stats", stats]
    code, _, _ = workspace.run(
        workspace.folder / "in.mp4", "-o", workspace.folder / "o.mp4", *sides
    )
    assert code == 0
    lines = [json.loads(line) for line in records.read_text().splitlines()]
    times = [round(float(time), 6) for time in read(workspace.folder / "o.mp4").times_s]
    assert [line["pts_s"] for line in lines] == times
    for index, line in enumerate(lines):
        places = ["peak_xy", "peak", "centroid_xy", "area", "size_wh", "input_wh"]
        assert list(line) == ["index", "pts_s", "top", "displayed", *places, "method", "boxes"]
        assert line["index"] == index
        assert line["input_wh"] == [288, 160]
        best, second = line["top"]
        assert list(best) == ["label", "class_index", "score", "logit"]
        assert (best["label"], best["class_index"]) == ("light", 0)
        assert best["score"] + second["score"] == pytest.approx(1, abs=1e-5)
        assert best["logit"] + second["logit"] == pytest.approx(128, abs=0.01)
        x, y = line["peak_xy"]
        assert 0 <= x <= 160
        assert 0 <= y <= 96
        assert best["logit"] <= line["peak"] <= 255
    values = json.loads(stats.read_text())
    assert (values["frames_in"], values["frames_out"], values["frames_dropped"]) == (20, 20, 0)
    assert (values["device"], values["provider"]) == ("cpu", "CPUExecutionProvider")
    wall_s = values["wall_s"]  # rounded to a millisecond, of a run of a few hundredths of a second
    assert 20 / (wall_s + 6e-4) - 0.01 <= values["rate_hz"] <= 20 / (wall_s - 6e-4) + 0.01
    assert set(values["stages_ms"]) == {"capture", "infer", "annotate", "write"}
    for stage in values["stages_ms"].values():
        assert 0 < stage["p50"] <= stage["p95"]
