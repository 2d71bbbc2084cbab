"""Runs many damaged files: python -m tests.fuzz --clips 5000 --models 5000 --jobs 2

Prints what was found, one case after another, then a table. One case again, with all that it prints:
python -m tests.fuzz --case clip:17
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import signal
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from tests.fuzz import child, corpus, verdict
from tests.fuzz.cases import GROUPS, Case
from tests.fuzz.runner import Limits, Result, run

# Option -> its groups, which take turns.
_OPTIONS = {
    "clips": ("clip",),
    "truncations": ("truncation",),
    "models": ("model", "network"),
    "records": ("record",),
    "stats": ("stats",),
    "annotations": ("annotation",),
    "settings": ("settings",),
    "weights": ("weights",),
}
_SEEDS_A_RUN = 1_000_000  # another --seed has no case in common


def main() -> int:
    """Run what the command line asks for; 1 where something is wrong."""
    assert {name for groups in _OPTIONS.values() for name in groups} == set(GROUPS)
    parser = argparse.ArgumentParser(description="Run camstream on damaged files.")
    for option in _OPTIONS:
        parser.add_argument(
            f"--{option}", type=int, default=0, metavar="N", help=f"so many {option}"
        )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="another S, other cases")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="so many at a time")
    parser.add_argument(
        "--limit",
        type=float,
        default=20,
        metavar="S",
        help="longer is a hang; more where it is busy",
    )
    parser.add_argument("--case", metavar="GROUP:SEED", help="one case, in this process")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where --case leaves its files")
    arguments = parser.parse_args()
    if arguments.case:
        return _run_one(Case.parse(arguments.case), arguments.keep)
    first = arguments.seed * _SEEDS_A_RUN
    cases = [
        Case(groups[number % len(groups)], first + number)
        for option, groups in _OPTIONS.items()
        for number in range(getattr(arguments, option))
    ]
    if not cases:
        parser.error("say how many, such as --clips 500")

    seen: set[tuple[str, str]] = set()
    tried = itertools.count(1)

    def show(result: Result) -> None:
        found = result.verdict
        if (number := next(tried)) % 100 == 0:
            print(f"{number} of {len(cases)}", file=sys.stderr, flush=True)
        if found.kind in ("worked", "refused"):
            return
        print(f"{result.case} {found.kind}: camstream {' '.join(result.arguments)}")
        if found.fault and (found.kind, found.fault) in seen:
            print(f"    again {found.fault}", flush=True)
        else:
            seen.add((found.kind, found.fault))
            print("    " + found.detail.strip().replace("\n", "\n    "), flush=True)

    signal.signal(signal.SIGTERM, _end_early)
    limits = Limits(seconds=arguments.limit)
    totals = run(cases, jobs=arguments.jobs, limits=limits, on_result=show)
    print(totals)
    return 1 if totals.findings else 0


def _end_early(*_: object) -> NoReturn:
    """End a run as Ctrl-C does, once: a timeout's signal comes to the process and to its group."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _run_one(case: Case, keep: Path | None) -> int:
    with tempfile.TemporaryDirectory(prefix="camstream-fuzz-") as name:
        folder = Path(name)
        corpus.build(folder, weights=case.group == "weights")
        work = keep or folder / "work"
        work.mkdir(parents=True, exist_ok=True)
        command = case.prepare(folder, work)
        print(f"in {work}: camstream {' '.join(command)}")
        with contextlib.chdir(work):
            code, output, threads = child.run(command, folder / "output")
        print(output)
        found = verdict.judge(code, output, work, threads)
        print(f"exit code {code}: {found.kind}")
        return 0 if found.kind in ("worked", "refused") else 1


if __name__ == "__main__":
    sys.exit(main())
