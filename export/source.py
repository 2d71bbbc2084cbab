"""A torch network with its weights and all that an exported file must say of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from camstream.errors import ModelError
from camstream.graph.add_cam import read_labels
from export import networks, weights
from export.networks.layers import Pool
from export.networks.spec import NetworkSpec, Triple
from export.weights import RANDOM, Weights

# What --weights takes besides a file.
PACKAGED, IMAGENET, UNTRAINED = "packaged", "imagenet", "random"
IMAGENET_TRUNK = f"{IMAGENET}+{UNTRAINED}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is exported.

    Attributes:
        name: The network's name.
        network: In inference mode, weights loaded.
        weights: Where the weights came from, in words.
        weights_sha256: SHA-256 of the file they were read from; empty where there is none.
        labels: One name a class; None: not known.
        size_hw: Preferred input height and width, pixels.
        size_multiple: Other sizes that it is known to take, as in ``NetworkSpec``; None: not
            known.
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
    """Build one of ``export.networks.NETWORKS`` and give it weights.

    Args:
        name: The network's name.
        choice: "packaged", "imagenet", "random", "imagenet+random" (a published trunk and
            untrained new layers), or a file; None: packaged where there are such.
        pool: Global average or maximum pooling.
        progress: Is told the progress.
        base_url: Where the publisher's files are.
        cache: Where downloaded files are kept; None: the user's cache folder.

    Raises:
        ModelError: There is no such network, it has no such weights, or they do not fit.
        SetupError: The weights cannot be had on this machine.
    """
    spec = networks.find(name)
    if pool != "avg" and not spec.poolable:
        raise ModelError(f"--pool {pool}: {name} ends in fully connected layers, not in a pooling")
    progress(f"loading the weights of {name}")

    def publishers() -> Weights:
        assert spec.published is not None
        return weights.published(spec.published, progress=progress, base_url=base_url, folder=cache)

    if choice is None and spec.packaged is not None:
        choice = PACKAGED
    if choice == UNTRAINED:
        network, found = _untrained(spec, pool), Weights({}, RANDOM, "")
    elif choice == IMAGENET_TRUNK and spec.new:
        network, found = _with_trunk(spec, pool, publishers())
    elif choice == PACKAGED and spec.packaged is not None:
        network, found = _trained(name, spec, pool, spec.packaged())
    elif choice == IMAGENET and spec.published is not None and not spec.new:
        network, found = _trained(name, spec, pool, publishers())
    elif choice is None or not Path(choice).is_file():
        raise ModelError(_no_weights(name, spec, choice))
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


def _no_weights(name: str, spec: NetworkSpec, choice: str | None) -> str:
    """Say which weights there are."""
    choices = [f"{PACKAGED} (installed with camstream)"] if spec.packaged is not None else []
    if spec.published is not None and spec.new:
        choices.append(f"{IMAGENET_TRUNK} (the published trunk; {', '.join(spec.new)} untrained)")
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


def _with_trunk(spec: NetworkSpec, pool: Pool, found: Weights) -> tuple[nn.Module, Weights]:
    """Load a published file's part of a network; the new layers stay random."""
    network = _untrained(spec, pool)
    backbone = {name for name in network.state_dict() if name.split(".")[0] not in spec.new}
    state = {name: tensor for name, tensor in spec.adapt(found.state).items() if name in backbone}
    missing = network.load_state_dict(state, strict=False).missing_keys
    lost = [name for name in missing if name in backbone]
    if lost:
        raise ModelError(f"{found.source} lacks {_some(lost)}; it is not this network's trunk")
    return network, Weights(state, f"{RANDOM} behind the trunk of {found.source}", found.sha256)


def _trained(name: str, spec: NetworkSpec, pool: Pool, found: Weights) -> tuple[nn.Module, Weights]:
    """Build a network with as many classes as the weights have, and load them strictly."""
    state = dict(spec.adapt(found.state))
    bias = state.get(f"{spec.last}.bias")
    network = spec.build(networks.IMAGENET_CLASSES if bias is None else bias.numel(), pool)
    load_strictly(network, state, name=name, source=found.source)
    return network, found


def load_strictly(
    network: nn.Module, state: dict[str, torch.Tensor], *, name: str, source: str
) -> None:
    """Load a state dict that must have exactly the network's names and shapes.

    Raises:
        ModelError: It has not; the message counts and names the differences.
    """
    own = network.state_dict()
    # Files older than torch 0.4.1 lack these counters, which inference does not use.
    missing = [key for key in own.keys() - state if not key.endswith("num_batches_tracked")]
    shapes = [key for key in own.keys() & state if own[key].shape != state[key].shape]
    faults = {"missing": missing, "unknown": state.keys() - own, "of another shape": shapes}
    if any(faults.values()):
        reported = "; ".join(f"{len(k)} {what} ({_some(k)})" for what, k in faults.items() if k)
        raise ModelError(f"the weights of {source} are not {name}'s: {reported}")
    network.load_state_dict(state, strict=False)


def _some(names: object) -> str:
    ordered = sorted(names)  # type: ignore[call-overload]
    return ", ".join(ordered[:3]) + (", ..." if len(ordered) > 3 else "")
