"""How many children work side by side, and how much memory each may have."""

from __future__ import annotations

from pathlib import Path

import psutil

from camstream.models.cores import usable_cores

# A child that annotates 1080p has half of it (tests/benchmarks/memory.py).
_CHILD_BYTES = 1_000_000_000
_FILE_BYTES = 8_000_000_000
_CGROUP = Path("/sys/fs/cgroup")


def default_jobs(tasks: int, *, cores: int | None = None, memory: int | None = None) -> int:
    """Return how many children are best: one a core, as far as there is memory and work for them.

    Args:
        tasks: How many there are to do.
        cores: Of this process; None: counts them.
        memory: Bytes that are free; None: asks.
    """
    cores = usable_cores() if cores is None else cores
    memory = free_memory() if memory is None else memory
    return max(1, min(tasks, cores, memory // _CHILD_BYTES))


def threads_for(jobs: int) -> int | None:
    """Return how many threads each of so many children runs the model with; None: as one alone."""
    return None if jobs == 1 else max(1, usable_cores() // jobs)


def default_file_memory(memory: int | None = None) -> int:
    """Return how much memory a file may take, bytes: 8 GB, or most of what is free.

    Args:
        memory: Bytes that are free; None: asks.
    """
    memory = free_memory() if memory is None else memory
    return max(_CHILD_BYTES, min(_FILE_BYTES, memory * 8 // 10))


def free_memory(cgroup: Path = _CGROUP) -> int:
    """Return how much memory this process and its children may still take, bytes.

    Args:
        cgroup: Where the control groups (version 2) are mounted.
    """
    free = int(psutil.virtual_memory().available)
    try:
        limit = int((cgroup / "memory.max").read_text(encoding="ascii"))
        used = int((cgroup / "memory.current").read_text(encoding="ascii"))
    except (OSError, ValueError):  # no group, or "max"
        return free
    return max(0, min(free, limit - used))
