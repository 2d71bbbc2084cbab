"""Loads a network of the user's own: ``module:factory`` names a function that returns it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from torch import nn

from camstream.errors import ModelError
from export.networks.spec import IMAGENET_MEAN, IMAGENET_STD, Triple
from export.source import Source, load_strictly
from export.weights import load_file


def is_custom(target: str) -> bool:
    """Whether this names a factory, not a network or a file."""
    module, colon, factory = target.partition(":")
    return bool(colon) and factory.isidentifier() and all(map(str.isidentifier, module.split(".")))


def load_custom(target: str, choice: str | None = None) -> Source:
    """Call the user's factory.

    The network it returns may have the attributes ``labels`` (one name a class), ``mean`` and
    ``std`` (three numbers, of RGB values 0 to 255) and ``size`` (width, height).

    Args:
        target: "module:factory"; the module is looked for in the current folder too.
        choice: A weights file; None: the factory loads them.

    Raises:
        ModelError: There is no such factory, it fails, or it returns no network.
    """
    network = _call(target)
    network.eval()
    said, digest = f"as {target} returns it", ""
    if choice is not None:
        found = load_file(Path(choice))
        load_strictly(network, found.state, name=target, source=found.source)
        said, digest = found.source, found.sha256
    width, height = _numbers(network, target, "size", 2) or (224, 224)
    mean, std = _numbers(network, target, "mean", 3), _numbers(network, target, "std", 3)
    labels = getattr(network, "labels", None)
    if labels is not None and not all(isinstance(label, str) for label in labels):
        raise ModelError(f"{target}: the network's labels are not strings, one a class")
    return Source(
        name=target.partition(":")[2],
        network=network,
        weights=said,
        weights_sha256=digest,
        labels=None if labels is None else tuple(labels),
        size_hw=(int(height), int(width)),
        size_multiple=None,
        mean=_triple(mean) or IMAGENET_MEAN,
        std=_triple(std) or IMAGENET_STD,
        cam_range=None,
    )


def _call(target: str) -> nn.Module:
    """Import what the user named, and nothing else, and call it."""
    module_name, _, factory_name = target.partition(":")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        factory = getattr(importlib.import_module(module_name), factory_name)
        network = factory()
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise ModelError(f"{target}: it needs {error.name}, which is not installed") from error
        raise ModelError(
            f"{target}: there is no module {error.name}, neither installed nor in {here}"
        ) from error
    except Exception as error:  # the user's code may raise anything
        raise ModelError(f"{target}: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(here)
    if not isinstance(network, nn.Module):
        raise ModelError(f"{target}() returned {type(network).__name__}, not a torch.nn.Module")
    return network


def _numbers(network: nn.Module, target: str, name: str, count: int) -> tuple[float, ...] | None:
    """Read an attribute of so many numbers; a method or buffer of that name is not meant."""
    value: Any = getattr(network, name, None)
    if not isinstance(value, (tuple, list)):
        return None
    if len(value) != count or not all(isinstance(number, (int, float)) for number in value):
        raise ModelError(f"{target}: the network's {name} must be {count} numbers, not {value}")
    return tuple(float(number) for number in value)


def _triple(numbers: tuple[float, ...] | None) -> Triple | None:
    return None if numbers is None else (numbers[0], numbers[1], numbers[2])
