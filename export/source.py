"""The input of an export: a torch network with its weights and everything its file must record."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from camstream.errors import ModelError, UsageError
from camstream.graph.add_cam import read_labels
from export import networks, weights
from export.networks import IMAGENET_MEAN, IMAGENET_STD, NetworkSpec, Triple
from export.networks.layers import Pool
from export.weights import RANDOM, Weights

# The values of --weights beside a file's name.
PACKAGED, IMAGENET, UNTRAINED = "packaged", "imagenet", "random"
IMAGENET_BACKBONE = f"{IMAGENET}+{UNTRAINED}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A network to export.

    Attributes:
        name: The network's name.
        network: In inference mode, weights loaded.
        weights: The origin of the weights, in words.
        weights_sha256: SHA-256 of the file they were read from; empty where there is none.
        labels: One name per class; None: not known.
        size_hw: Preferred input height and width, pixels.
        size_multiple: Other sizes that the network takes, as in ``NetworkSpec``; None: not known.
        mean: Subtracted from each RGB channel (0 to 255).
        std: Each channel is then divided by this.
        cam_range: As in ``NetworkSpec``.
    """

    name: str
    network: nn.Module
    weights: str
    weights_sha256: str
    labels: tuple[str, ...] | None
    size_hw: tuple[int, int]
    size_multiple: int | None
    mean: Triple
    std: Triple
    cam_range: tuple[float, float] | None


def load_named(
    name: str,
    choice: str | None = None,
    *,
    pool: Pool = "avg",
    progress: Callable[[str], None] = lambda _: None,
    base_url: str = weights.PUBLISHER,
    cache: Path | None = None,
) -> Source:
    """Build one of ``export.networks.NETWORKS`` and load its weights.

    Args:
        name: The network's name.
        choice: "packaged", "imagenet", "random", "imagenet+random" (a published backbone and
            untrained new layers), or a file; None: packaged where the network has them.
        pool: Global average or maximum pooling.
        progress: Called with one line per step.
        base_url: The folder of the published files.
        cache: Where downloaded files are kept; None: the user's cache folder.

    Raises:
        ModelError: The weights do not fit.
        UsageError: There is no such network, or it has no such weights or pooling.
        SetupError: The weights are not on this machine and cannot be downloaded.
    """
    spec = networks.find(name)
    if pool != "avg" and not spec.poolable:
        raise UsageError(f"--pool {pool}: {name} ends in fully connected layers, not in a pooling")
    progress(f"loading the weights of {name}")

    def published() -> Weights:
        assert spec.published is not None
        return weights.published(spec.published, progress=progress, base_url=base_url, folder=cache)

    if choice is None and spec.packaged is not None:
        choice = PACKAGED
    if choice == UNTRAINED:
        network, found = _untrained(spec, pool), Weights({}, RANDOM, "")
    elif choice == IMAGENET_BACKBONE and spec.new:
        network, found = _with_backbone(spec, pool, published())
    elif choice == PACKAGED and spec.packaged is not None:
        network, found = _trained(name, spec, pool, spec.packaged())
    elif choice == IMAGENET and spec.published is not None and not spec.new:
        network, found = _trained(name, spec, pool, published())
    elif choice is None or not Path(choice).is_file():
        raise UsageError(_no_weights(name, spec, choice))
    else:
        network, found = _trained(name, spec, pool, weights.load_file(Path(choice)))
    classes = network.get_parameter(f"{spec.last}.bias").numel()
    return Source(
        name=name,
        network=network.eval(),
        weights=found.source,
        weights_sha256=found.sha256,
        labels=read_labels(IMAGENET) if classes == networks.IMAGENET_CLASSES else None,
        size_hw=spec.size_hw,
        size_multiple=spec.size_multiple,
        mean=spec.mean,
        std=spec.std,
        cam_range=spec.cam_range,
    )


def is_custom(target: str) -> bool:
    """Whether this names a factory, not a network or a file."""
    module, colon, factory = target.partition(":")
    return bool(colon) and factory.isidentifier() and all(map(str.isidentifier, module.split(".")))


def load_custom(target: str, choice: str | None = None) -> Source:
    """Call a user's own function that returns a network.

    The network may have the attributes ``labels`` (one name per class), ``mean`` and ``std``
    (three numbers each, for RGB values 0 to 255) and ``size`` (width, height).

    Args:
        target: "module:factory"; the module may also be in the current folder.
        choice: A weights file; None: the factory loads them.

    Raises:
        ModelError: There is no such factory, it fails, or it returns no network.
    """
    network = _call(target)
    network.eval()
    origin, digest = f"as {target} returns it", ""
    if choice is not None:
        found = weights.load_file(Path(choice))
        load_strictly(network, found.state, name=target, source=found.source)
        origin, digest = found.source, found.sha256
    width, height = _numbers(network, target, "size", 2) or (224, 224)
    mean, std = _numbers(network, target, "mean", 3), _numbers(network, target, "std", 3)
    labels = getattr(network, "labels", None)
    if labels is not None and not all(isinstance(label, str) for label in labels):
        raise ModelError(f"{target}: the network's labels are not strings, one a class")
    return Source(
        name=target.partition(":")[2],
        network=network,
        weights=origin,
        weights_sha256=digest,
        labels=None if labels is None else tuple(labels),
        size_hw=(int(height), int(width)),
        size_multiple=None,
        mean=_triple(mean) or IMAGENET_MEAN,
        std=_triple(std) or IMAGENET_STD,
        cam_range=None,
    )


def load_strictly(
    network: nn.Module, state: dict[str, torch.Tensor], *, name: str, source: str
) -> None:
    """Load a state dict that must have exactly the network's names and shapes.

    Raises:
        ModelError: Names or shapes differ; the message counts and names the differences.
    """
    own = network.state_dict()
    # Files older than torch 0.4.1 lack these counters, which inference does not use.
    missing = [key for key in own.keys() - state if not key.endswith("num_batches_tracked")]
    shapes = [key for key in own.keys() & state if own[key].shape != state[key].shape]
    faults = {"missing": missing, "unknown": state.keys() - own, "of another shape": shapes}
    if any(faults.values()):
        counted = "; ".join(f"{len(k)} {what} ({_some(k)})" for what, k in faults.items() if k)
        raise ModelError(f"the weights of {source} are not {name}'s: {counted}")
    network.load_state_dict(state, strict=False)


def _no_weights(name: str, spec: NetworkSpec, choice: str | None) -> str:
    """List the weights that a network has."""
    choices = [f"{PACKAGED} (installed with camstream)"] if spec.packaged is not None else []
    if spec.published is not None and spec.new:
        new = ", ".join(spec.new)
        choices.append(f"{IMAGENET_BACKBONE} (the published backbone; {new} untrained)")
    elif spec.published is not None:
        choices.append(f"{IMAGENET} (downloads {spec.published})")
    choices += ["FILE (a .pth or .safetensors of yours)", f"{UNTRAINED} (an untrained network)"]
    asked = f"no weights {choice}" if choice else "no weights of its own"
    return f"{name} has {asked}; give --weights " + ", or ".join(choices)


def _untrained(spec: NetworkSpec, pool: Pool) -> nn.Module:
    with torch.random.fork_rng(devices=[]):  # the layers' own initial values, overwritten next
        network = spec.build(networks.IMAGENET_CLASSES, pool)
    weights.randomize(network)
    return network


def _with_backbone(spec: NetworkSpec, pool: Pool, found: Weights) -> tuple[nn.Module, Weights]:
    """Load a published file's part of a network; the new layers stay random."""
    network = _untrained(spec, pool)
    backbone = {name for name in network.state_dict() if name.split(".")[0] not in spec.new}
    state = {name: tensor for name, tensor in spec.adapt(found.state).items() if name in backbone}
    missing = network.load_state_dict(state, strict=False).missing_keys
    lost = [name for name in missing if name in backbone]
    if lost:
        raise ModelError(f"{found.source} lacks {_some(lost)}; it is not this network's backbone")
    return network, Weights(state, f"{RANDOM} behind the backbone of {found.source}", found.sha256)


def _trained(name: str, spec: NetworkSpec, pool: Pool, found: Weights) -> tuple[nn.Module, Weights]:
    """Build a network with as many classes as the weights have, and load them strictly."""
    state = dict(spec.adapt(found.state))
    bias = state.get(f"{spec.last}.bias")
    network = spec.build(networks.IMAGENET_CLASSES if bias is None else bias.numel(), pool)
    load_strictly(network, state, name=name, source=found.source)
    return network, found


def _call(target: str) -> nn.Module:
    """Import the named module, and no other, and call the factory."""
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
    """Read an attribute of so many numbers; a method or buffer of that name is ignored."""
    value: Any = getattr(network, name, None)
    if not isinstance(value, (tuple, list)):
        return None
    if len(value) != count or not all(isinstance(number, (int, float)) for number in value):
        raise ModelError(f"{target}: the network's {name} must be {count} numbers, not {value}")
    return tuple(float(number) for number in value)


def _triple(numbers: tuple[float, ...] | None) -> Triple | None:
    return None if numbers is None else (numbers[0], numbers[1], numbers[2])


def _some(names: object) -> str:
    ordered = sorted(names)  # type: ignore[call-overload]
    return ", ".join(ordered[:3]) + (", ..." if len(ordered) > 3 else "")
