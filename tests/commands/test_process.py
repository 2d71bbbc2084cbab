"""The program as a process: signals, closed and full streams, other encodings, hostile names."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import av
import pytest
from typer.testing import CliRunner

from camstream.commands import app
from tests import clips

PROGRAM = [sys.executable, "-P", "-m", "camstream"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and pipes of Unix")


def run(*arguments: str | Path, cwd: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the program to its end; texts that are no UTF-8 get through."""
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        cwd=cwd,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=60,
        check=False,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options,
    )


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return clips.make(tmp_path / "clip.mp4", clips.Video(frames=5))


@pytest.fixture(scope="session")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip that takes some seconds."""
    size = clips.Video(frames=900, size_wh=(640, 360), options={"preset": "ultrafast"})
    return clips.make(tmp_path_factory.mktemp("long") / "long.mp4", size)


def _one_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.startswith("camstream: ")]
    assert "Traceback" not in text
    assert len(lines) == 1, text
    return lines[0]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("library", ["numpy", "cv2", "av", "onnxruntime"])
def test_ctrl_c_while_it_starts_is_quiet(tmp_path: Path, library: str) -> None:
    with subprocess.Popen(
        [*PROGRAM, "info"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        loaded = Path(f"/proc/{process.pid}/maps")
        _wait_for(lambda: f"/{library}" in loaded.read_text())
        process.send_signal(signal.SIGINT)
        printed, said = process.communicate(timeout=30)
    assert (process.returncode, printed, said) == (130, "", "")


def test_a_program_that_imports_camstream_keeps_its_own_ctrl_c() -> None:
    code = (
        "import signal, camstream, camstream.commands\n"
        "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_keeps_what_was_made(
    tmp_path: Path, long_clip: Path, tiny_path: Path, number: signal.Signals
) -> None:
    command = [*PROGRAM, "annotate", str(long_clip), "-o", "out.mp4", "-m", str(tiny_path)]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        _wait_for(lambda: any(tmp_path.glob("out.partial*")))
        time.sleep(0.3)
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert "out.mp4 plays up to there" in said
    with av.open(str(tmp_path / "out.mp4")) as video:
        assert 0 < sum(1 for _ in video.decode(video=0)) < 900
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_a_run_under_nohup_outlives_its_terminal(
    tmp_path: Path, long_clip: Path, tiny_path: Path
) -> None:
    arguments = ["live", str(long_clip), "--no-window", "--seconds", "2.5", "-m", str(tiny_path)]
    with subprocess.Popen(
        ["nohup", *PROGRAM, *arguments],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        time.sleep(2)
        process.send_signal(signal.SIGHUP)
        printed, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert "frames shown" in printed


def test_ctrl_c_while_a_stream_is_opened(tmp_path: Path, tiny_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/never"
        command = [*PROGRAM, "live", address, "--no-window", "-m", str(tiny_path)]
        with subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            connection, _ = server.accept()
            with connection:
                time.sleep(0.3)
                asked = time.monotonic()
                process.send_signal(signal.SIGINT)
                _, said = process.communicate(timeout=30)
                assert time.monotonic() - asked < 2
    assert process.returncode == 130
    assert "Traceback" not in said


def test_opening_that_takes_long_is_told(tmp_path: Path, tiny_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://user:secret@127.0.0.1:{server.getsockname()[1]}/never"
        done = run("live", address, "--no-window", "-m", tiny_path, cwd=tmp_path)
    assert done.returncode == 1
    assert "still opening" in done.stderr
    assert "secret" not in done.stderr
    _one_line(done.stderr)


def test_a_reader_that_leaves_is_a_quiet_end(clip: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        for arguments in (["info"], ["--help"], ["annotate", "--help"]):
            done = run(*arguments, cwd=clip.parent, stdout=writer)
            assert done.returncode in (1, 141)
            lines = [line for line in done.stderr.splitlines() if " on cpu" not in line]
            assert lines == []
    finally:
        os.close(writer)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(clip: Path, tiny_path: Path, closed: str) -> None:
    command = f'exec "$@" {closed}'
    arguments = ["annotate", clip.name, "-o", "out.mp4", "-m", str(tiny_path)]
    done = subprocess.run(
        ["sh", "-c", command, "sh", *PROGRAM, *arguments],
        cwd=clip.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stderr
    with av.open(str(clip.parent / "out.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == 5


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_stdout_is_one_line_and_the_others_go_on(clip: Path, tiny_path: Path) -> None:
    second = clips.make(clip.parent / "second.mp4", clips.Video(frames=5))
    with Path("/dev/full").open("w") as full:
        done = run("annotate", clip, second, "-m", tiny_path, cwd=clip.parent, stdout=full)
        assert done.returncode == 1
        lines = done.stderr.splitlines()
        assert lines.count("camstream: cannot print the results: No space left on device") == 1
        assert "Traceback" not in done.stderr
        assert (clip.parent / "clip.cam.mp4").stat().st_size > 0
        assert (clip.parent / "second.cam.mp4").stat().st_size > 0
        for arguments in (["info", str(tiny_path)], ["--version"], ["info", "--help"]):
            done = run(*arguments, cwd=clip.parent, stdout=full)
            assert done.returncode == 1
            assert "No space left on device" in _one_line(done.stderr)


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=["latin-1", "C"],
)
def test_names_that_the_terminal_cannot_write(
    tmp_path: Path, tiny_path: Path, environment: dict[str, str]
) -> None:
    name = "猫 ünï [draft] [red]a :cat:.mp4"
    clips.make(tmp_path / name, clips.Video(frames=5))
    done = run(
        "annotate",
        name,
        "-o",
        "out.mp4",
        "-m",
        tiny_path,
        cwd=tmp_path,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    assert "[draft] [red]a :cat:.mp4 -> out.mp4: 5 frames" in done.stdout
    done = run("annotate", "猫.mp4", cwd=tmp_path, env={**os.environ, **environment})
    assert "猫" not in _one_line(done.stderr)


@pytest.mark.parametrize("kind", ["file", "read-only"])
def test_a_cache_that_cannot_be_written(tmp_path: Path, tiny_path: Path, kind: str) -> None:
    clips.make(tmp_path / "clip.mp4", clips.Video(frames=5))
    for name in ("cup", "no cup"):
        for number in range(5):
            clips.make_photo(tmp_path / "photos" / name / f"{number}.png", number + 10 * len(name))
    cache = tmp_path / "cache"
    if kind == "file":
        cache.write_text("no folder")
    elif os.geteuid() == 0 and sys.platform == "linux":
        cache = Path("/proc/cache")  # where not even root may make a folder
    else:
        cache.mkdir(mode=0o500)
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    for words in (["annotate", "clip.mp4"], ["teach", "photos", "-o", "cups.onnx"]):
        done = run(*words, "-m", tiny_path, cwd=tmp_path, env=environment)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr


_SECRET = "hunter2"
_ADDRESSES = (
    f"rtsp://user:{_SECRET}@127.0.0.1:1/stream.onnx",
    f"rtsp//user:{_SECRET}@127.0.0.1:1/stream.mp4",
    f"user:{_SECRET}@127.0.0.1/clip.mp4",
    f"rtmp://127.0.0.1:1/app/{_SECRET}.mp4",
    f"http://127.0.0.1:1/x.mp4?token={_SECRET}",
)


@pytest.mark.parametrize(
    "words",
    [
        "annotate ADDRESS",
        "annotate clip.mp4 -o ADDRESS",
        "annotate clip.mp4 --model ADDRESS",
        "annotate clip.mp4 --records ADDRESS",
        "annotate clip.mp4 --maps ADDRESS",
        "annotate clip.mp4 --stats ADDRESS",
        "annotate clip.mp4 --presence ADDRESS",
        "annotate clip.mp4 --classes ADDRESS",
        "annotate clip.mp4 --preset ADDRESS",
        "annotate clip.mp4 --codec ADDRESS",
        "live ADDRESS --no-window",
        "live clip.mp4 --no-window -o ADDRESS",
        "live clip.mp4 --no-window --model ADDRESS",
        "live clip.mp4 --teach-output ADDRESS",
        "live clip.mp4 --camera-size ADDRESS",
        "report ADDRESS",
        "report clip.mp4 --video ADDRESS --stats ADDRESS",
        "teach ADDRESS -o x.onnx",
        "teach . -o ADDRESS",
        "evaluate ADDRESS --labels-from-folders",
        "evaluate . --true-boxes ADDRESS",
        "info ADDRESS",
        "export ADDRESS",
        "export theirs.onnx -o ADDRESS",
        "export theirs.onnx --labels ADDRESS",
        "demo ADDRESS",
        "demo -o ADDRESS",
        "ADDRESS",
        "--ADDRESS",
    ],
)
def test_no_error_shows_a_password(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips.make(tmp_path / "clip.mp4", clips.Video(frames=2))
    monkeypatch.chdir(tmp_path)
    for address in _ADDRESSES:
        done = CliRunner().invoke(app, [word.replace("ADDRESS", address) for word in words.split()])
        assert done.exit_code in (1, 2), done.output
        assert _SECRET not in done.output, done.output
        assert "Traceback" not in done.output
        assert isinstance(done.exception, SystemExit)


def _can_unshare() -> bool:
    try:
        return subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_a_run_calls_nobody_and_writes_only_its_outputs(tmp_path: Path) -> None:
    """Watched by strace, in a network of its own where that can be had: a clip, with children."""
    clip = tmp_path / "work" / "clip.mp4"
    clip.parent.mkdir()
    clips.make(clip, clips.Video(frames=3))
    home, log = tmp_path / "home", tmp_path / "log"
    home.mkdir()
    environment = {**os.environ, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "ORT_DISABLE_TELEMETRY"):
        environment.pop(name, None)
    watch = [
        "strace",
        "-f",
        "-o",
        str(log),
        "-e",
        "trace=connect,sendto,openat,mkdir,rename,unlink",
    ]
    alone = ["unshare", "-rn"] if _can_unshare() else []
    done = subprocess.run(
        [*alone, *watch, *PROGRAM, "annotate", "clip.mp4", "--device", "cpu"],
        cwd=clip.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if "PTRACE" in done.stderr or not log.exists():
        pytest.skip("strace may not watch here")
    assert done.returncode == 0, done.stderr
    calls = log.read_text(errors="replace").splitlines()
    assert not [line for line in calls if re.search(r"connect\(|AF_INET", line)]
    assert not [line for line in calls if "resolv.conf" in line or "nsswitch" in line]
    written = {
        found[1]
        for line in calls
        if (found := re.search(r'openat\([^"]*"([^"]+)", [^)]*O_(?:CREAT|WRONLY|RDWR)', line))
        and " = -1 " not in line
    }
    foreign = {
        path
        for path in written
        if not path.startswith(("clip.cam", "/dev/", "/proc/", str(clip.parent)))
        and not path.startswith(str(home / ".cache" / "camstream"))
        and (path.startswith(str(home)) or not path.startswith("/tmp/"))  # of libraries; not kept
    }
    assert not foreign
    left = {path.relative_to(home).parts[:2] for path in home.rglob("*") if path.is_file()}
    assert left <= {(".cache", "camstream")}
    assert {path.name for path in clip.parent.iterdir()} == {"clip.mp4", "clip.cam.mp4"}


def _wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
