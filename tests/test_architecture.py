"""The rooms have an order: a module imports only from its own room and from rooms before it."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Each line may import from itself and from the lines above; what shares a line is one room.
ORDER = (
    "camstream.starting",
    "camstream.address",
    "camstream.errors",
    "camstream.safe_text",
    "camstream.picture",
    "camstream.contract",
    "camstream.frame",
    "camstream.channel",
    "camstream.stats",
    "camstream.stages",
    "camstream.pipeline",
    "camstream.media",
    "camstream.maps",
    "camstream.graph",
    "camstream.models",
    "camstream.sources",
    "camstream.drawing",
    "camstream.sinks",
    "camstream.teach",
    "camstream.annotation",
    "camstream.notebook",
    "camstream.api",
    "camstream.batch",
    "camstream.archive",
    "camstream.live",
    "camstream.evaluate",
    "camstream.report",
    "camstream.query",
    "camstream",
    "camstream.web",
    "camstream.crash",
    "camstream.console",
    "camstream.commands",
    "camstream.__main__",
    "camstream.testing",
    "export",
)


def modules() -> dict[str, Path]:
    """Every module of the two packages, by name."""
    found = {}
    for package in ("camstream", "export"):
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: set[str], *, at_load: bool = False) -> set[str]:
    """The modules of ours that a file imports, also for types only or inside a function."""
    found = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if at_load else ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.module, f"{path}: imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in known else node.module for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.split(".")[0] in ("camstream", "export")}


def room(module: str) -> int:
    """The place of a module in the order: that of its longest prefix there."""
    prefixes = [name for name in ORDER if module == name or module.startswith(f"{name}.")]
    if module != "camstream" and prefixes == ["camstream"]:
        raise AssertionError(f"{module} lies flat in camstream: put it into a room, or into ORDER")
    return ORDER.index(max(prefixes, key=len))


# Prediction.draw() is worth one way back.
EXCEPTION = ("camstream.frame", "camstream.drawing.overlay")


def test_each_module_imports_only_from_its_own_room_and_from_rooms_before_it() -> None:
    known = modules()
    wrong = [
        f"{module} imports {other}"
        for module, path in sorted(known.items())
        for other in sorted(imports(path, set(known)))
        if room(other) > room(module) and (module, other) != EXCEPTION
    ]
    assert not wrong, "\n".join(wrong)


def test_no_module_imports_itself_by_way_of_others() -> None:
    known = modules()
    graph = {module: imports(path, set(known)) - {module} for module, path in known.items()}
    graph[EXCEPTION[0]].discard(EXCEPTION[1])
    tuple(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError
