"""How many children there are, and how much memory each may have."""

from __future__ import annotations

from pathlib import Path

import pytest

from camstream.batch import limits

GB = 1_000_000_000


@pytest.mark.parametrize(
    ("tasks", "cores", "memory", "on_gpu", "jobs"),
    [
        (100, 8, 64 * GB, False, 8),
        (3, 8, 64 * GB, False, 3),
        (100, 8, 2 * GB, False, 2),
        (100, 8, GB // 2, False, 1),
        (0, 8, 64 * GB, False, 1),
        (100, 64, 640 * GB, True, 4),
        (100, 2, 64 * GB, True, 2),
    ],
)
def test_one_child_a_core_as_far_as_memory_and_work_go(
    tasks: int, cores: int, memory: int, on_gpu: bool, jobs: int
) -> None:
    assert limits.default_jobs(tasks, cores=cores, memory=memory, on_gpu=on_gpu) == jobs


def test_the_model_of_each_child_has_its_part_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "usable_cores", lambda: 8)
    assert [limits.threads_for(jobs) for jobs in (1, 2, 3, 8, 20)] == [None, 4, 2, 1, 1]


@pytest.mark.parametrize(("free", "most"), [(100 * GB, 8 * GB), (5 * GB, 4 * GB), (0, GB)])
def test_a_file_may_have_most_of_the_memory(free: int, most: int) -> None:
    assert limits.default_file_memory(free) == most


def test_a_container_has_less_memory_than_the_machine(tmp_path: Path) -> None:
    machine = limits.free_memory(tmp_path)
    assert machine > 0
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("5\n")
    assert limits.free_memory(tmp_path) > 0
    (tmp_path / "memory.max").write_text("105\n")
    assert limits.free_memory(tmp_path) == 100
    (tmp_path / "memory.max").write_text("3\n")
    assert limits.free_memory(tmp_path) == 0
