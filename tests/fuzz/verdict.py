"""What a case shows: that camstream worked or refused in words, or what went wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

# In the order of the table; those of BAD are never right. A crash is of a library that is written in C;
# where camstream tells it in one line it is "told", which is all that can be had.
TOLD = "crash, told"
BAD = ("traceback", "hang", "memory", "crash")
UNTIDY = ("silent", "escapes", "leftover", "not a number", "markup", "threads")

_OUT_OF_MEMORY = re.compile(r"MemoryError|bad_alloc|Unable to allocate")
# What a terminal would obey: all but tabs and ends of lines.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f]")
_LINE = re.compile(r"^camstream: \S.*\w", re.MULTILINE)
_OUR_FRAME = re.compile(r'File ".*?((?:camstream|export)/\S+\.py", line \d+, in \w+)')
_USAGE = re.compile(r"^Usage: ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a case ended.

    Attributes:
        kind: "worked", "refused", ``TOLD``, or one of ``BAD`` and ``UNTIDY``.
        detail: One line or a few, for whoever mends it.
        fault: What is the same for cases that show the same fault, as far as can be told.
    """

    kind: str
    detail: str = ""
    fault: str = ""


def shorten(stack: str) -> str:
    """Give the first line of what ``faulthandler`` wrote, and the latest places in our code."""
    lines = stack.splitlines()
    ours = [line.strip() for line in lines if re.search(r"/(camstream|export|tests)/\S+\.py", line)]
    return "\n".join([*lines[:1], *ours[:6]])


def judge_crash(stderr: str) -> str:
    """Give the kind of a crash of the program in a process of its own, by what it printed."""
    lines = [
        line for line in stderr.splitlines() if line.startswith("camstream: a library crashed")
    ]
    is_clear = len(lines) == 1 and "Current thread" not in stderr and "Traceback" not in stderr
    return TOLD if is_clear else "crash"


def judge(code: object, output: str, work: Path, threads: list[str]) -> Verdict:
    """Judge a case that came to an end.

    Args:
        code: What the process would have exited with.
        output: All that it printed.
        work: The folder in which it ran, with what it wrote.
        threads: Names of threads that it left running.
    """
    if "Traceback (most recent call last)" in output or "Exception ignored" in output:
        kind = "memory" if _OUT_OF_MEMORY.search(output) else "traceback"
        ours = _OUR_FRAME.findall(output)
        last = output.strip().splitlines()[-1]
        fault = f"{last.partition(':')[0]} at {ours[-1]}" if ours else last[:100]
        return Verdict(kind, "\n".join([*ours[-4:], last[:500]]), fault)
    if code not in (0, 1, 2) or isinstance(code, bool):
        return Verdict("traceback", f"exit code {code!r}: {output[-500:]}")
    if code and not (_LINE.search(output) or (code == 2 and _USAGE.search(output))):
        damaged = code == 1 and "note: " in output  # made as far as it goes, and said so
        if not damaged:
            return Verdict("silent", f"exit code {code}: {output[-500:]!r}")
    if re.search(r"^camstream: .*: *$", output, re.MULTILINE):
        return Verdict("silent", output[-500:])
    if found := _CONTROL.search(output):
        return Verdict("escapes", repr(output[max(found.start() - 200, 0) : found.end() + 50]))
    if left := [path.name for path in work.rglob("*") if "partial-" in path.name]:
        return Verdict("leftover", ", ".join(left))
    if threads:
        return Verdict("threads", ", ".join(threads))
    return _judge_outputs(work) or Verdict("refused" if code else "worked")


def _judge_outputs(work: Path) -> Verdict | None:
    for name in ("r.jsonl", "f.json"):
        path = work / name
        if path.is_file() and re.search(
            r"[ \[](NaN|-?Infinity)\b", path.read_text(encoding="utf-8")
        ):
            return Verdict("not a number", f"{name} holds NaN or Infinity, which is no JSON")
    page = work / "r.html"
    if page.is_file() and "<script>alert(1)" in page.read_text(encoding="utf-8"):
        return Verdict("markup", "the page holds a script of its input")
    return None
