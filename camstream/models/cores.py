"""How many processors this process may really use."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def usable_cores(cgroup: Path = _CGROUP) -> int:
    """Return the number of processors for this process, at least 1.

    It is the least of what the machine has, what the process is bound to (affinity), and what the
    container may use: the time that it gets in each period, version 2 or 1 of control groups.

    Args:
        cgroup: Where the control groups are mounted.
    """
    # os.process_cpu_count came with Python 3.13; it knows affinity and PYTHON_CPU_COUNT.
    counted = getattr(os, "process_cpu_count", None)
    if counted is not None:
        count = counted() or 1
    elif hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    quota = _quota_v2(cgroup) or _quota_v1(cgroup)
    return max(1, count if quota is None else min(count, math.ceil(quota)))


def _quota_v2(cgroup: Path) -> float | None:
    """Return the processors of version 2, the least of our own group's and of those above it."""
    own = _own_group()
    folders = [cgroup / own, *(cgroup / own).parents] if own else [cgroup]
    found = []
    for folder in folders:
        numbers = _read(folder / "cpu.max").split()
        if len(numbers) == 2 and all(number.isdecimal() for number in numbers):
            found.append(int(numbers[0]) / max(1, int(numbers[1])))
        if folder == cgroup:
            break
    return min(found, default=None)


def _quota_v1(cgroup: Path) -> float | None:
    quota = _read(cgroup / "cpu" / "cpu.cfs_quota_us").strip()
    period = _read(cgroup / "cpu" / "cpu.cfs_period_us").strip()
    if not quota.isdecimal() or not period.isdecimal():  # -1 is no limit
        return None
    return int(quota) / max(1, int(period))


def _own_group() -> str:
    """Return the path of this process's group of version 2; empty for the topmost or none."""
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        number, _, path = line.split(":", 2) if line.count(":") >= 2 else ("", "", "")
        if number == "0" and ".." not in path:
            return path.strip("/")
    return ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""
