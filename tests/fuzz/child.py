"""Runs cases in one process that stays warm: ``python -m tests.fuzz.child CORPUS WORK``.

A case's name comes on each line of stdin, a JSON line with its verdict goes to stdout. What the
case itself prints, libraries in C included, goes to the file ``output`` in WORK; where a case hangs,
or a decoder crashes, the stack is in the file ``stack``.
"""

from __future__ import annotations

import dataclasses
import faulthandler
import io
import json
import os
import resource
import shutil
import sys
import threading
import time
from pathlib import Path

from tests.fuzz import verdict
from tests.fuzz.cases import Case
from tests.fuzz.corpus import WEIGHTS

STACK_AFTER_S = float(os.environ.get("STACK_AFTER_S", "15"))  # before the runner's limit
# Only so that one case does not take the machine: the runner's own limit is lower.
_GUARD_BYTES = 5 * 10**9


def main() -> None:
    """Run cases until stdin ends."""
    corpus, work = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    resource.setrlimit(resource.RLIMIT_DATA, (_GUARD_BYTES, _GUARD_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    stack = (work / "stack").open("w", encoding="utf-8")
    faulthandler.enable(stack)
    folder = work / "case"
    import camstream.commands
    import camstream.teach.run  # noqa: F401  (scikit-learn: seconds on a machine that is busy)

    if (corpus / WEIGHTS[0]).exists():  # with torch: it imports much at the first export only
        os.chdir(work)
        whole = ["--weights", str(corpus / WEIGHTS[0]), "-o", "whole.onnx", "--overwrite"]
        assert run(["export", "tests.fuzz.tiny_network:make", *whole], work / "output")[0] == 0
    print("ready", file=results, flush=True)
    for line in sys.stdin:
        stack.seek(0)
        stack.truncate()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        os.chdir(folder)
        started = time.perf_counter()
        arguments = Case.parse(line.strip()).prepare(corpus, folder)
        faulthandler.dump_traceback_later(STACK_AFTER_S, file=stack)
        code, output, threads = run(arguments, work / "output")
        faulthandler.cancel_dump_traceback_later()
        found = verdict.judge(code, output, folder, threads)
        seconds = time.perf_counter() - started
        told = {**dataclasses.asdict(found), "s": seconds, "arguments": arguments}
        print(json.dumps(told), file=results, flush=True)


def run(arguments: list[str], capture: Path) -> tuple[object, str, list[str]]:
    """Run ``camstream`` in this process, as its own process would.

    Returns:
        The exit code, all that was printed, and the names of threads that were left.
    """
    from camstream import crash
    from camstream.commands import main as camstream_main

    crash.watch = lambda: None  # the runner waits for crashes itself
    before = set(threading.enumerate())
    kept = sys.argv, sys.stdout, sys.stderr
    numbers = os.dup(1), os.dup(2)
    with capture.open("wb") as file:
        sys.argv = ["camstream", *arguments]
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        # As Python sets them up for a terminal.
        sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb", closefd=False), encoding="utf-8")
        sys.stderr = io.TextIOWrapper(
            os.fdopen(2, "wb", closefd=False), encoding="utf-8", errors="backslashreplace"
        )
        code: object = 0
        try:
            camstream_main()
        except SystemExit as error:
            code = error.code or 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
            code = 1
        deadline = time.monotonic() + 2
        left = [thread for thread in threading.enumerate() if thread not in before]
        for thread in left:
            thread.join(max(0.0, deadline - time.monotonic()))
        sys.stdout.flush()
        sys.stderr.flush()
        sys.argv, sys.stdout, sys.stderr = kept
        for number, before_it in zip((1, 2), numbers, strict=True):
            os.dup2(before_it, number)
            os.close(before_it)
    alive = [thread.name for thread in left if thread.is_alive()]
    return code, capture.read_bytes().decode("utf-8", "replace"), alive


if __name__ == "__main__":
    main()
