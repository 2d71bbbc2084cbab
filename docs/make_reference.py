"""Writes docs/reference/: the command line and the file formats, from the code.

python docs/make_reference.py
"""

from __future__ import annotations

import inspect
import re
import typing
from pathlib import Path
from typing import Any

from typer.main import get_command

from camstream import contract, stats
from camstream.commands import app
from camstream.evaluate import annotations
from camstream.sinks import arrays, presence, records, tables

FOLDER = Path(__file__).parent / "reference"
NOTE = "<!-- Made from the code by docs/make_reference.py; do not edit. -->\n"
_PANELS = (
    "Input",
    "Model",
    "What to show",
    "Teaching with the keys",
    "Training",
    "Output",
    "Many files",
)


def pages() -> dict[str, str]:
    """Return the text of every page by its file name."""
    return {"cli.md": command_line(), "formats.md": formats()}


def command_line() -> str:
    """Describe every command: what it is for, examples, options by panel."""
    group: Any = get_command(app)
    context = group.make_context("camstream", ["info"], resilient_parsing=True)
    parts = [
        NOTE,
        "# Command line\n",
        "`camstream COMMAND --help` prints the same. Exit codes: 0 done, 1 an error, 2 a wrong "
        "option or name, or a file that is not there, 128 + N stopped by signal N (130: Ctrl-C).\n",
    ]
    parts += [
        _command(name, group.get_command(context, name)) for name in group.list_commands(context)
    ]
    return "\n".join(parts)


def _command(name: str, command: Any) -> str:
    lines = inspect.cleandoc(command.help).splitlines()
    text = "\n".join(line for line in lines if not line.startswith("$ ")).strip()
    examples = [line for line in lines if line.startswith("$ ")]
    parts = [f"## camstream {name}\n", f"{text}\n"]
    if examples:
        parts.append("\n".join(["```console", *examples, "```\n"]))
    hints = typing.get_type_hints(command.callback)
    shown = [param for param in command.params if not param.hidden]
    if arguments := [param for param in shown if param.param_type_name == "argument"]:
        parts.append(_table("argument", [_row(param, hints) for param in arguments]))
    options = [param for param in shown if param.param_type_name == "option"]
    panels = {param.rich_help_panel for param in options}
    if unknown := panels - {None, *_PANELS}:
        raise ValueError(f"the order of these panels is not known: {unknown}")
    by_panel = {
        panel or "Other": [
            _row(param, hints) for param in options if param.rich_help_panel == panel
        ]
        for panel in (*_PANELS, None)
    }
    parts += [_table(panel, rows) for panel, rows in by_panel.items() if rows]
    return "\n".join(parts)


def _row(param: Any, hints: dict[str, Any]) -> tuple[str, str, str]:
    if param.param_type_name == "argument":
        name = f"`{(param.metavar or param.name).strip('[]{}')}`"
    else:
        names = "`, `".join([*param.opts, *param.secondary_opts])
        name = f"`{names}`" + (
            "" if param.is_flag else f" `{param.metavar or _choices(param, hints)}`"
        )
    return name, param.help or "", _default(param)


def _choices(param: Any, hints: dict[str, Any]) -> str:
    """Return the values of a parameter whose type is a Literal, or a Literal or None."""
    hint = hints[param.name]
    literals = [hint, *typing.get_args(hint)]
    return "|".join(
        value
        for literal in literals
        if typing.get_origin(literal) is typing.Literal
        for value in typing.get_args(literal)
    )


def _default(param: Any) -> str:
    if param.required:
        return "required"
    if isinstance(param.show_default, str):
        return param.show_default
    default = param.default
    if param.show_default is False or default is None or callable(default) or default in ([], ()):
        return ""
    if getattr(param, "is_flag", False):
        on, off = param.opts[0], (param.secondary_opts or [""])[0]
        return f"`{on}`" if default else f"`{off}`" if off else ""
    return " ".join(
        f"`{value}`" for value in (default if isinstance(default, tuple) else (default,))
    )


def formats() -> str:
    """Describe the files that camstream reads and writes, from the docstrings of their writers."""
    return "\n".join(
        [
            NOTE,
            "# File formats\n",
            _from_docstring("Records: `--records FILE.jsonl`", records),
            _from_docstring("Tables: `--records FILE.csv` or `FILE.parquet`", tables),
            _from_docstring("Raw maps: `--maps FILE.npz`", arrays),
            _from_docstring("Presence: `--presence FILE.csv`", presence),
            "## Statistics: `--stats FILE.json`\n",
            _fields(stats.RunStats),
            _from_docstring("Model file: `NAME.onnx`", contract),
            f'### The metadata under the key "{contract.METADATA_KEY}"\n',
            _fields(contract.ModelInfo),
            "### `parity`\n",
            _fields(contract.ParityReport),
            "### `quantization`\n",
            _fields(contract.Quantization),
            _from_docstring("Ground truth: `camstream evaluate --true-boxes FILE`", annotations),
        ]
    )


def _from_docstring(title: str, module: Any) -> str:
    summary, _, rest = inspect.getdoc(module).partition("\n\n")
    link = f"[{module.__name__}](../../{module.__name__.replace('.', '/')}.py)"
    text = f"## {title}\n\n{summary} Source: {link}\n"
    return f"{text}\n```text\n{rest.strip(chr(10))}\n```\n" if rest else text


def _fields(record: type) -> str:
    """Return a table of a dataclass's fields, from the section "Attributes" of its docstring."""
    section = inspect.getdoc(record).partition("Attributes:\n")[2]  # type: ignore[union-attr]
    described = dict(re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", section, flags=re.MULTILINE))
    hints = typing.get_type_hints(record)
    rows = [
        (f"`{name}`", re.sub(r"\s+", " ", described[name]), f"`{inspect.formatannotation(kind)}`")
        for name, kind in hints.items()
        if name in described
    ]
    return _table("field", rows, "type")


def _table(title: str, rows: list[tuple[str, str, str]], last: str = "default") -> str:
    head = [f"| {title} | | {last} |", "|---|---|---|"]
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in cells)]) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for file_name, page in pages().items():
        (FOLDER / file_name).write_text(page, encoding="utf-8", newline="\n")
        print(f"wrote {FOLDER / file_name}")
