"""``camstream archive --ray``: the same archive as by a pool; S3 by a server on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.archive import clips, sets

pytest.importorskip("ray")
# Ray takes ten seconds to start and to end.
pytestmark = pytest.mark.slow


def start(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "camstream", "archive", *map(str, arguments)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
        start_new_session=True,
    )


def run(*arguments: object, code: int = 0, **environment: str) -> str:
    with start(*arguments, **environment) as process:
        output, _ = process.communicate(timeout=240)
    assert process.returncode == code, output
    return output


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    clips.write_uneven(folder / "a.mkv")
    clips.write(folder / "b.mp4", g="15", bf="3", x264_params="open-gop=1")
    for number in range(4):
        clips.write(folder / f"c{number}.mp4", frames=30)
    (folder / "bad.mp4").write_bytes(b"no video at all")
    return folder


def test_a_cluster_makes_what_a_pool_makes(videos: Path, tiny_path: Path, tmp_path: Path) -> None:
    options = (videos, "--model", tiny_path, "--part-minutes", 0.7 / 60, "--jobs", 2)
    pool, cluster = tmp_path / "pool", tmp_path / "cluster"
    run(*options, "-o", pool, code=1)
    output = run(*options, "-o", cluster, "--ray", "local", code=1)
    assert "bad.mp4 as a video" in output
    assert "Traceback" not in output
    assert sets.parts(cluster)["a.mkv"] >= 3
    assert sets.records(cluster) == sets.records(pool)
    assert sets.videos(cluster) == sets.videos(pool)
    assert sets.is_tidy(cluster)
    again = run(*options, "-o", cluster, "--ray", "local", "--rate-hz", 2, code=1)
    assert "6 of 7 videos are in the archive" in again


def test_a_worker_that_dies_costs_nothing(videos: Path, tiny_path: Path, tmp_path: Path) -> None:
    options = (videos / "a.mkv", videos / "b.mp4", "--model", tiny_path, "--rate-hz", 0)
    run(*options, "-o", tmp_path / "whole")
    target = tmp_path / "seen"
    with start(*options, "-o", target, "--ray", "local", "--jobs", 1) as process:
        killed = False
        while process.poll() is None and not killed:
            time.sleep(0.01)
            if not any((target / "work").glob("*/records.parquet")):
                continue
            for child in psutil.process_iter(["name", "cmdline"]):
                if "ray::Worker" in " ".join(child.info["cmdline"] or []) and _is_of(
                    child, process.pid
                ):
                    child.send_signal(signal.SIGKILL)
                    killed = True
        output, _ = process.communicate(timeout=240)
    assert killed
    assert process.returncode == 0, output
    assert "it is tried once more" in output
    assert sets.records(target) == sets.records(tmp_path / "whole")


def _is_of(child: psutil.Process, pid: int) -> bool:
    """Whether a process is of the cluster that a command has started."""
    try:
        return pid in [parent.pid for parent in child.parents()]
    except psutil.Error:
        return False


def test_there_is_no_such_cluster(videos: Path, tiny_path: Path, tmp_path: Path) -> None:
    options = (videos / "a.mkv", "--model", tiny_path, "-o", tmp_path / "seen")
    output = run(
        *options, "--ray", "127.0.0.1:1", code=1, RAY_gcs_rpc_server_reconnect_timeout_s="1"
    )
    assert "no Ray cluster at 127.0.0.1:1" in output
    assert "Traceback" not in output


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    """An S3 server; yields the environment for it."""
    server = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    running = server.ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    running.stop()


@pytest.mark.parametrize("engine", [(), ("--ray", "local")])
def test_videos_and_archive_on_s3(
    videos: Path,
    tiny_path: Path,
    tmp_path: Path,
    s3: dict[str, str],
    engine: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    import s3fs

    bucket = f"bucket{len(engine)}"
    system = s3fs.S3FileSystem(skip_instance_cache=True)
    system.mkdir(bucket)
    for path in videos.glob("c*.mp4"):
        system.put(str(path), f"{bucket}/clips/{path.name}")
    options = (f"s3://{bucket}/clips", "--model", tiny_path, "-o", f"s3://{bucket}/seen")
    run(*options, *engine, "--jobs", 2)
    system.invalidate_cache()
    system.get(f"{bucket}/seen/", f"{tmp_path}/seen/", recursive=True)
    rows = sets.records(tmp_path / "seen")
    assert sorted(len(found) for found in rows.values()) == [2, 2, 2, 2]
    assert {row["path"] for row in sets.videos(tmp_path / "seen").values()} == {
        f"s3://{bucket}/clips/c{number}.mp4" for number in range(4)
    }
    assert "4 of 4 videos are in the archive" in run(*options, *engine)
