"""``camstream archive --ray``: the same archive as by a pool; S3 by a server on this machine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

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


def run(*arguments: object, code: int = 0, more: Mapping[str, str] | None = None) -> str:
    with start(*arguments, **(more or {})) as process:
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
    for address in ("127.0.0.1:1", "ray://127.0.0.1:1"):
        output = run(*options, "--ray", address, code=1)
        assert f"no Ray cluster at {address}" in output
        assert len(output.splitlines()) == 1


def test_a_gpu_that_is_not_there_is_said(videos: Path, tiny_path: Path, tmp_path: Path) -> None:
    options = (videos / "a.mkv", "--model", tiny_path, "-o", tmp_path / "seen", "--ray", "local")
    output = run(*options, "--gpus-per-worker", 999 / 16, code=1)
    assert "--gpus-per-worker 62.4375 is more than the cluster has: " in output
    assert "Traceback" not in output


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    """An S3 server; yields the environment for it."""
    pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        server.kill()


@pytest.mark.filterwarnings("ignore::DeprecationWarning:botocore")
@pytest.mark.parametrize("engine", [(), ("--ray", "local")])
def test_videos_and_archive_on_s3(
    videos: Path, tiny_path: Path, tmp_path: Path, s3: dict[str, str], engine: tuple[str, ...]
) -> None:
    bucket = f"bucket{len(engine)}"
    client = _client(s3)
    client.create_bucket(Bucket=bucket)
    for path in videos.glob("c*.mp4"):
        client.upload_file(str(path), bucket, f"clips/{path.name}")
    options = (f"s3://{bucket}/clips", "--model", tiny_path, "-o", f"s3://{bucket}/seen")
    run(*options, *engine, "--jobs", 2, more=s3)
    for found in client.list_objects_v2(Bucket=bucket, Prefix="seen/")["Contents"]:
        (tmp_path / found["Key"]).parent.mkdir(parents=True, exist_ok=True)
        client.download_file(bucket, found["Key"], str(tmp_path / found["Key"]))
    rows = sets.records(tmp_path / "seen")
    assert sorted(len(found) for found in rows.values()) == [2, 2, 2, 2]
    assert {row["path"] for row in sets.videos(tmp_path / "seen").values()} == {
        f"s3://{bucket}/clips/c{number}.mp4" for number in range(4)
    }
    assert "4 of 4 videos are in the archive" in run(*options, *engine, more=s3)


def _client(s3: dict[str, str]) -> Any:
    """Connect, as soon as the server answers."""
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=s3["AWS_ENDPOINT_URL"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
    )
    for _ in range(100):
        try:
            client.list_buckets()
        except client.exceptions.ClientError:
            raise
        except Exception:  # it is not there yet
            time.sleep(0.3)
        else:
            break
    return client
