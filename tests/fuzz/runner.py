"""Runs many cases in warm children, within limits on time and memory, and counts what happened."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz import corpus, verdict
from tests.fuzz.cases import GROUPS, Case
from tests.fuzz.verdict import BAD, TOLD, UNTIDY, Verdict

_POLL_S = 0.05
_CASES_A_CHILD = 400  # then a fresh one, so that nothing adds up
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a case may take.

    Attributes:
        seconds: Then it is said to hang, and is ended.
        size_bytes: Resident memory, with that of all processes that it started.
    """

    seconds: float = 20.0
    size_bytes: float = 2e9


@dataclass(frozen=True, slots=True)
class Result:
    """A case, how it ended, in how long, and what was run."""

    case: Case
    verdict: Verdict
    seconds: float
    arguments: tuple[str, ...] = ()


@dataclass(slots=True)
class Totals:
    """What happened in all cases of each group."""

    seconds: float = 0.0
    kinds: dict[str, Counter[str]] = field(default_factory=dict)
    findings: list[Result] = field(default_factory=list)
    slowest: Result | None = None

    def add(self, result: Result) -> None:
        """Count a result."""
        self.kinds.setdefault(result.case.group, Counter())[result.verdict.kind] += 1
        if result.verdict.kind in BAD + UNTIDY:
            self.findings.append(result)
        if self.slowest is None or result.seconds > self.slowest.seconds:
            self.slowest = result

    def __str__(self) -> str:
        """The table that is printed at the end."""
        columns = ("worked", "refused", TOLD, *BAD, *UNTIDY)
        lines = [f"{'group':12}{'cases':>7}" + "".join(f"{name:>13}" for name in columns)]
        rows = [*self.kinds.items(), ("all", sum(self.kinds.values(), Counter()))]
        for name, kinds in rows:
            counts = "".join(f"{kinds[column]:>13}" for column in columns)
            lines.append(f"{name:12}{kinds.total():>7}{counts}")
        slowest = (
            f"; slowest {self.slowest.case}, {self.slowest.seconds:.1f} s" if self.slowest else ""
        )
        return "\n".join(lines) + f"\nin {self.seconds:.0f} s{slowest}"


class _Child:
    """A warm child, started when it is first needed and again after it died."""

    def __init__(self, module: str, corpus_folder: Path, work: Path, limits: Limits) -> None:
        self._module, self._corpus, self._work, self._limits = module, corpus_folder, work, limits
        self._process: subprocess.Popen[bytes] | None = None
        self._done = 0

    def run(self, case: Case) -> Result:
        process = self._alive()
        assert process.stdin is not None
        assert process.stdout is not None
        started = time.monotonic()
        process.stdin.write(f"{case}\n".encode())
        process.stdin.flush()
        line = b""
        while True:
            if select.select([process.stdout], [], [], _POLL_S)[0]:
                line = process.stdout.readline()
                break
            seconds = time.monotonic() - started
            if (held := tree_bytes(process.pid)) > self._limits.size_bytes:
                return self._end(case, Verdict("memory", f"{held / 1e9:.1f} GB"), seconds)
            if seconds > self._limits.seconds:
                return self._end(
                    case, Verdict("hang", verdict.shorten(self._read("stack"))), seconds
                )
        seconds = time.monotonic() - started
        if not line:
            code = process.wait()
            name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            what = f"{name}\n{verdict.shorten(self._read('stack'))}\n{self._read('output')[-500:]}"
            return self._end(case, Verdict(self._crash_alone(case), what), seconds)
        self._done += 1
        told = json.loads(line)
        found = Verdict(told["kind"], told["detail"], told["fault"])
        return Result(case, found, told["s"], tuple(told["arguments"]))

    def _crash_alone(self, case: Case) -> str:
        """Run a case that crashed as a user does; returns what to call it."""
        if case.group not in GROUPS:
            return "crash"
        with tempfile.TemporaryDirectory(dir=self._work) as name:
            command = case.prepare(self._corpus, Path(name))
            try:
                done = subprocess.run(
                    [sys.executable, "-m", "camstream", *command],
                    cwd=name,
                    capture_output=True,
                    env={**os.environ, "PYTHONPATH": str(_ROOT)},
                    timeout=self._limits.seconds,
                )
            except subprocess.TimeoutExpired:
                return "hang"
        return verdict.judge_crash(done.stderr.decode("utf-8", "replace"))

    def close(self) -> None:
        """End the child, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _alive(self) -> subprocess.Popen[bytes]:
        if self._done >= _CASES_A_CHILD:
            self.close()
        if self._process is None:
            self._work.mkdir(exist_ok=True)
            self._done = 0
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module, str(self._corpus), str(self._work)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=_ROOT,
                env={
                    **os.environ,
                    "COLUMNS": "200",
                    "PYTHONPATH": str(_ROOT),
                    "OMP_NUM_THREADS": "1",
                    "STACK_AFTER_S": str(0.75 * self._limits.seconds),
                },
            )
            assert self._process.stdout is not None
            self._process.stdout.readline()  # the imports are done: from here on time counts
        return self._process

    def _end(self, case: Case, found: Verdict, seconds: float) -> Result:
        self.close()
        return Result(case, found, seconds)

    def _read(self, name: str) -> str:
        return (self._work / name).read_bytes().decode("utf-8", "replace")


def tree_bytes(pid: int) -> int:
    """Resident memory of a process and of all that it started (Linux), bytes; 0 once it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        tasks = [task / "children" for task in Path(f"/proc/{pid}/task").iterdir()]
        children = [int(child) for task in tasks for child in task.read_text().split()]
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(map(tree_bytes, children))


def run(
    cases: Iterable[Case],
    *,
    jobs: int = 1,
    limits: Limits = Limits(),
    module: str = "tests.fuzz.child",
    build: Callable[..., None] = corpus.build,
    on_result: Callable[[Result], None] = lambda _: None,
) -> Totals:
    """Run cases.

    Args:
        cases: The cases; weights are made, with torch, only if a case is of them.
        jobs: How many children at a time.
        limits: Of each case.
        module: What a child runs.
        build: Makes the corpus.
        on_result: Called with each result.

    Ctrl-C ends it early, with the totals so far.
    """
    waiting = list(cases)
    totals, lock = Totals(), threading.Lock()
    todo: queue.SimpleQueue[Case] = queue.SimpleQueue()
    for case in waiting:
        todo.put(case)

    def work(child: _Child) -> None:
        try:
            while True:
                result = child.run(todo.get_nowait())
                with lock:
                    totals.add(result)
                    on_result(result)
        except queue.Empty:
            pass
        finally:
            child.close()

    with tempfile.TemporaryDirectory(prefix="camstream-fuzz-") as name:
        folder = Path(name)
        (folder / "corpus").mkdir()
        build(folder / "corpus", weights=any(case.group == "weights" for case in waiting))
        started = time.perf_counter()
        children = [
            _Child(module, folder / "corpus", folder / f"child{n}", limits) for n in range(jobs)
        ]
        threads = [threading.Thread(target=work, args=[child]) for child in children]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:  # Ctrl-C: what was begun is finished and counted
            with contextlib.suppress(queue.Empty):
                while True:
                    todo.get_nowait()
            for thread in threads:
                thread.join()
        totals.seconds = time.perf_counter() - started
    return totals
