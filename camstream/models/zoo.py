"""Models by name or by path; one that was never exported is exported on first use."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import platformdirs

from camstream.contract import CONTRACT_VERSION
from camstream.errors import ModelError, SetupError
from camstream.models.session import Model

DEFAULT_MODEL = "efficientnet_lite0"
_REVISION = 2  # of what an export holds; the first had no features for --sharp

_log = logging.getLogger(__name__)


def load_model(
    name_or_path: str | Path = DEFAULT_MODEL,
    *,
    device: str = "auto",
    input_size: int | None = None,
    sharp: bool = False,
    say: Callable[[str], None] = _log.info,
) -> Model:
    """Open a model, exporting it first where it is a name that was never exported here.

    Args:
        name_or_path: A network that ``camstream export`` knows, or an .onnx file.
        device: "auto", "cpu", "cuda" and others; see ``camstream.models.device``.
        input_size: How large a picture the network gets, see ``Model``; None: its own size.
        sharp: Finer maps that follow outlines, see ``camstream.graph.refine``.
        say: Is told what takes long.

    Raises:
        ModelError: There is no such file or network, or the device cannot run it, or not so.
        SetupError: It has to be exported, and torch is not installed.
    """
    path = model_path(name_or_path, say=say)
    return Model(path, device=device, input_size=input_size, sharp=sharp)


def model_path(
    name_or_path: str | Path = DEFAULT_MODEL, *, say: Callable[[str], None] = _log.info
) -> Path:
    """Find a model's file, exporting it first where it is a name that was never exported here.

    Args:
        name_or_path: A network that ``camstream export`` knows, or an .onnx file, which need
            not be there.
        say: Is told what takes long.

    Raises:
        ModelError: There is no such network.
        SetupError: It has to be exported, and torch is not installed.
    """
    path = Path(name_or_path)
    if path.suffix.lower() == ".onnx" or path.is_file():
        return path
    name = str(name_or_path)
    if not name.isidentifier():
        raise ModelError(f"no model file {name}; make one with: camstream export -o {name}")
    path = cached_path(name)
    if not path.exists():
        say(f"{name} is used for the first time here: exporting it (about half a minute)")
        _export(name, path, say)
    return path


def cached_path(name: str) -> Path:
    """Where the export of a network lies in the user's cache folder.

    A model whose last layer comes with the project has that layer's digest in its file's name:
    another layer, such as that of a newer release, is another file.
    """
    folder = platformdirs.user_cache_path("camstream") / "models"
    return folder / f"{name}-contract{CONTRACT_VERSION}-{_REVISION}{_digest_of_head(name)}.onnx"


def _digest_of_head(name: str) -> str:
    """Give "-" and eight digits for a last layer that comes with the project, else nothing."""
    spec = importlib.util.find_spec("export")  # its data, not its code
    if spec is None or spec.origin is None:
        return ""
    parts = [Path(spec.origin).parent / "heads" / f"{name}.{kind}" for kind in ("json", "npz")]
    if not all(part.is_file() for part in parts):
        return ""
    return "-" + hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()[:8]


def export_command(arguments: list[str]) -> list[str]:
    """The command that runs the export package; camstream itself never imports torch."""
    return module_command("export", arguments)


def module_command(module: str, arguments: list[str]) -> list[str]:
    """The command that runs a module in a process of its own."""
    # -P: a file export.py in the user's folder must not be taken for the package.
    return [sys.executable, "-P", "-m", module, *arguments]


def _export(name: str, path: Path, say: Callable[[str], None]) -> None:
    """Run the export and pass on each step that it tells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    command = export_command([name, "-o", str(path), "--overwrite"])
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    last = f"exporting {name} was stopped"
    with subprocess.Popen(command, stderr=pipe, stdout=nothing, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.strip():
                last = line.strip().removeprefix("export: ")
                say(last)
    if process.returncode != 0:
        kind = SetupError if "pip install" in last else ModelError
        raise kind(last)
