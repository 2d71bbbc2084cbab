"""How many processors are used in a container, and a model in a process that was forked."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from camstream.errors import ModelError
from camstream.models import cores
from camstream.models.cores import usable_cores
from camstream.models.session import Model


@pytest.fixture
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that may use eight processors."""
    monkeypatch.setattr(os, "process_cpu_count", lambda: 8, raising=False)
    monkeypatch.setattr(cores, "_own_group", lambda: "")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii")


@pytest.mark.usefixtures("eight")
@pytest.mark.parametrize(
    ("text", "count"),
    [("max 100000", 8), ("200000 100000", 2), ("150000 100000", 2), ("10000 100000", 1), ("", 8)],
)
def test_the_time_that_a_container_gets(tmp_path: Path, text: str, count: int) -> None:
    write(tmp_path / "cpu.max", text)
    assert usable_cores(tmp_path) == count


@pytest.mark.usefixtures("eight")
def test_the_least_of_the_groups_above_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cores, "_own_group", lambda: "pod/container")
    write(tmp_path / "pod" / "container" / "cpu.max", "max 100000")
    write(tmp_path / "pod" / "cpu.max", "300000 100000")
    assert usable_cores(tmp_path) == 3


@pytest.mark.usefixtures("eight")
@pytest.mark.parametrize(("quota", "count"), [("-1", 8), ("400000", 4)])
def test_control_groups_of_version_1(tmp_path: Path, quota: str, count: int) -> None:
    write(tmp_path / "cpu" / "cpu.cfs_quota_us", quota)
    write(tmp_path / "cpu" / "cpu.cfs_period_us", "100000")
    assert usable_cores(tmp_path) == count


@pytest.mark.usefixtures("eight")
def test_no_container(tmp_path: Path) -> None:
    assert usable_cores(tmp_path) == 8


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process")
def test_a_process_that_is_bound_to_one_processor() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from camstream.models.cores import usable_cores; print(usable_cores())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout, done.stderr) == ("1\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_model_works_in_a_process_that_was_forked(lite0: Path) -> None:
    model = Model(lite0, device="cpu", threads=2)  # with threads of its own, which a fork loses
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    want = model.predict(image)
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe()

    def child() -> None:
        sender.send([model.predict(image).logits, model.predict(image).cam.maps])

    process = context.Process(target=child)
    process.start()
    try:
        assert receiver.poll(30), "predict hangs after a fork"
        logits, maps = receiver.recv()
        process.join(30)
    finally:
        process.kill()
    assert process.exitcode == 0
    np.testing.assert_allclose(logits, want.logits, atol=1e-5)
    np.testing.assert_allclose(maps, want.cam.maps, atol=1e-4)
    np.testing.assert_array_equal(model.predict(image).logits, want.logits)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_model_on_a_gpu_says_that_it_was_forked(lite0: Path) -> None:
    model = Model(lite0, device="cpu")
    model.device = "cuda"
    model.leave_session_behind()
    with pytest.raises(ModelError, match=r"before this process was forked; .*spawn"):
        model.predict(np.zeros((8, 8, 3), np.uint8))
