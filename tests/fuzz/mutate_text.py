"""Damages text that holds values: JSON, CSV, XML, TOML, and its encoding."""

from __future__ import annotations

import csv
import io
import json
import re
from random import Random
from typing import Any

from tests.fuzz import mutate_bytes

# Spelled as they stand in JSON; json.dumps cannot write all of them.
_RAW = (
    *("null", "true", "0", "-1", "1", "0.5", "1e999", "-1e999", "NaN", "Infinity", "-Infinity"),
    *("1e308", "5e-324", "9223372036854775807", "9223372036854775808", "-9223372036854775809"),
    *("9" * 400, "9" * 5000, "[]", "{}", "[[]]", '[""]', "[1, 2]", "[null]", '{"a": 1}', '""'),
    *('"\\ud800"', '"\\u0000"', '"\\u001b[31mred\\u001b[0m"', '"\\u202etxt.exe"', '"a\\nb\\rc"'),
    *('"[/b]"', '"[red]draft"', '"=1+1"', '"@SUM(1)"', '"<script>alert(1)</script>"', '"{{ 7 }}"'),
    *('"]]>"', '"-->"', '"%s%n"', '"../../etc/passwd"', '"1"', '"nan"', '"ä€𝄞"', '"e\\u0301"'),
    '"' + "x" * 5000 + '"',
    "[" * 3000 + "]" * 3000,
    "[" * 100_000,
    '{"a":' * 3000 + "1" + "}" * 3000,
    "[" + "0," * 20_000 + "0]",
)
_CELLS = (
    *(
        "",
        " ",
        "0",
        "-1",
        "1",
        "0.5",
        "nan",
        "inf",
        "-inf",
        "1e308",
        "1e999",
        "9" * 400,
        "9" * 5000,
    ),
    *("9223372036854775808", "1_000", "0x10", "1,5", "x", "None", "null", "[]", "{}", "\x00"),
    *("\x1b[31mred", "=1+1", '"', "a\nb", "a\rb", "<script>alert(1)</script>", "[/b]", "\u202etxt"),
    *("٣", "½", "∞", "e\u0301", "x" * 5000, "x" * 200_000, "../../etc/passwd", "1e-320", "-0"),
)
_PTS = re.compile(r'(?<="pts_s": )[-0-9.e]+')
_MARK = "\ue000{}\ue000"  # stands in a JSON string until the raw spelling takes its place


def mutate_json(text: str, rng: Random) -> str:
    """Replace, remove, repeat or rename values anywhere in a JSON text, if it still is one."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    raw: list[str] = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        value = _change(value, rng, raw)
    changed = json.dumps(value, ensure_ascii=rng.random() < 0.5)
    for number, spelling in enumerate(raw):
        for mark in (_MARK.format(number), json.dumps(_MARK.format(number))[1:-1]):
            changed = changed.replace(f'"{mark}"', spelling)
    return changed


def _change(value: Any, rng: Random, raw: list[str]) -> Any:
    """Change one value somewhere in a tree; returns the tree."""
    places: list[tuple[Any, Any]] = []
    _collect(value, places)
    if not places or rng.random() < 0.03:
        return _hostile(rng, raw)
    inside, key = rng.choice(places)
    act = rng.random()
    if act < 0.7:
        inside[key] = _hostile(rng, raw)
    elif act < 0.8:
        del inside[key]
    elif act < 0.9:  # another value of the same tree, which is of a wrong type or does not fit
        other, place = rng.choice(places)
        if place in other if isinstance(other, dict) else place < len(other):
            inside[key] = json.loads(json.dumps(other[place]))
    elif isinstance(inside, dict):
        inside[str(rng.choice(("", "\x1b[2J", "type", key + " ", key.upper())))] = inside.pop(key)
    else:
        inside += inside[: rng.choice((1, len(inside), len(inside)))]
    return value


def _collect(value: Any, places: list[tuple[Any, Any]]) -> None:
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in keys:
        places.append((value, key))
        _collect(value[key], places)


def _hostile(rng: Random, raw: list[str]) -> str:
    raw.append(rng.choice(_RAW))
    return _MARK.format(len(raw) - 1)


def mutate_json_lines(text: str, rng: Random) -> str:
    """Damage some lines of JSON lines: their values, their order, their ends."""
    lines = text.splitlines(keepends=True)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(lines))
        act = rng.random()
        if act < 0.7:
            lines[at] = mutate_json(lines[at], rng) + "\n" if lines[at].startswith("{") else "\n"
        elif act < 0.74:
            lines[at] = rng.choice(
                ("\n", "null\n", "[]\n", "x\n", "{}\n", '{"index": 0}\n', "\x00\n")
            )
        elif act < 0.78:
            lines.insert(at, rng.choice(lines))
        elif act < 0.82:
            lines[at] = lines[at].rstrip("\n")
        elif act < 0.95:
            # From here on times are far away: an axis over all of them would take all memory.
            far = rng.choice(("1e6", "1e9", "1e15", "1e300", "-1e9", "3600", "1e5"))
            lines[at:] = [_later(line, far) for line in lines[at:]]
        else:
            lines = lines[:at] or lines
    return "".join(lines)


def _later(line: str, by: str) -> str:
    """Move the time of a record, unless it is damaged already."""
    found = _PTS.search(line)
    try:
        time = str(float(found[0]) + float(by)) if found else ""
    except ValueError:
        return line
    return _PTS.sub(time, line, count=1)


def mutate_csv(text: str, rng: Random) -> str:
    """Damage cells, columns, rows and quotes of a CSV text."""
    rows = list(csv.reader(io.StringIO(text)))
    for _ in range(rng.choice((1, 1, 2, 4))):
        row = rng.choice(rows[1:] or rows) if rng.random() < 0.8 else rows[0]
        act = rng.random()
        at = rng.randrange(len(row)) if row else 0
        if act < 0.75 and row:
            row[at] = rng.choice(_CELLS)
        elif act < 0.8 and row:
            del row[at]
        elif act < 0.85:
            row.insert(at, rng.choice(_CELLS))
        elif act < 0.9:
            rows.insert(rng.randrange(len(rows) + 1), list(row))
        else:
            for other in rows:
                del other[at : at + 1]
    out = io.StringIO()
    csv.writer(out, quoting=rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_ALL))).writerows(rows)
    changed = out.getvalue()
    if rng.random() < 0.1:
        at = rng.randrange(len(changed) + 1)
        changed = changed[:at] + '"' + changed[at:]
    return changed


_XML = (
    *(
        "",
        " ",
        "-1",
        "0",
        "1e999",
        "nan",
        "x",
        "&lt;",
        "&#0;",
        "&#27;[31m",
        "&none;",
        "<a/>",
        "<!--",
    ),
    *("<object></object>", "<![CDATA[x]]>", "9" * 5000, "<a>" * 5000, "\x1b[31m"),
)
_LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a0 "ha">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    + "]>"
)


def mutate_xml(text: str, rng: Random) -> str:
    """Damage texts and tags of an XML text; now and then with entities that grow without end."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        spans = [found.span() for found in re.finditer(r"(?<=>)[^<>]*(?=<)|</?\w+>", text)]
        start, end = rng.choice(spans)
        text = text[:start] + rng.choice(_XML) + text[end:]
    if rng.random() < 0.1:
        text = _LAUGHS + text.replace("<filename>", "<filename>&a9;", 1)
    return text


_TOML = (
    *("true", "-1", "0", "1e999", "nan", "inf", '""', '"x"', "[]", "{}", "[1, 2]", '["a", 1]', "x"),
    *('"\\u001b[31m"', "2020-01-01", '"""', "9" * 5000, "[" * 5000, "{a = 1}", "'", '"[/b]"', ""),
)


def mutate_toml(text: str, rng: Random) -> str:
    """Damage keys, values and tables of a TOML text."""
    lines = text.splitlines()
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(lines))
        key, equals, value = lines[at].partition("=")
        act = rng.random()
        if act < 0.6 and equals:
            lines[at] = f"{key}= {rng.choice(_TOML)}"
        elif act < 0.75:
            lines[at] = f"{rng.choice(('', 'no-such', key[:-2], '[/b]', 'a.b', '[[x]]'))} ={value}"
        elif act < 0.85:
            lines.insert(at, rng.choice(lines))
        elif act < 0.95:
            lines[at] = rng.choice(("[annotate", "[]", "[annotate.model]", "[[annotate]]", "x = "))
        else:
            del lines[at]
            lines = lines or [""]
    return "\n".join(lines) + "\n"


def encode(text: str, rng: Random) -> bytes:
    """Encode a text, seldom as a reader of UTF-8 expects it not, seldom damaged."""
    act = rng.random()
    if act < 0.9:
        return text.encode("utf-8", "surrogatepass")
    if act < 0.95:
        return text.encode(rng.choice(("utf-16", "utf-8-sig", "latin-1", "utf-32")), "replace")
    return mutate_bytes.mutate(text.encode("utf-8", "surrogatepass"), rng)
