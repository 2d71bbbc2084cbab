"""Where a training starts: a network with old weights as far as they go, and a new last layer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from camstream.errors import ModelError
from export import networks, weights
from export.source import IMAGENET, IMAGENET_TRUNK, PACKAGED, UNTRAINED
from export.weights import Weights

if TYPE_CHECKING:
    from collections.abc import Callable

    from export.networks.layers import Pool
    from export.networks.spec import NetworkSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A network before it is trained.

    Attributes:
        name: Its name in ``export.networks``.
        spec: What is known of it.
        network: It, its last layer for the new classes.
        origin: Where its weights came from, in words.
        fresh: Its modules that have no old weights; empty where none has: all is new then.
    """

    name: str
    spec: NetworkSpec
    network: nn.Module
    origin: str
    fresh: tuple[str, ...]

    def groups(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """Give the parameters of the trunk and of the head, that is of all that is new."""
        backbone: list[nn.Parameter] = []
        head: list[nn.Parameter] = []
        for name, parameter in self.network.named_parameters():
            is_new = any(name.startswith(f"{module}.") for module in self.fresh)
            (head if is_new else backbone).append(parameter)
        return backbone, head


def start(
    name: str,
    classes: int,
    *,
    choice: str | None = None,
    pool: Pool = "avg",
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
) -> Start:
    """Build a network for so many classes.

    Args:
        name: One of ``export.networks.NETWORKS`` that ends in a global pooling.
        classes: How many.
        choice: Old weights: "packaged", "imagenet", "random" or a file; the last layer of these,
            and what the network has more than they, is new. None: packaged or published ones
            where there are such.
        pool: Global average or maximum pooling.
        seed: Of what is new.
        progress: Is told the progress.

    Raises:
        ModelError: There is no such network, it has fully connected layers, or the weights are
            another network's.
        SetupError: The weights cannot be had on this machine.
    """
    spec = networks.find(name)
    if not spec.poolable:
        gap = f"{name}_gap"
        remedy = f"train {gap}" if gap in networks.NETWORKS else "choose another network"
        raise ModelError(f"{name} ends in fully connected layers and has no class map; {remedy}")
    found = _old_weights(name, spec, choice, progress)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = spec.build(classes, pool)
    if found is None:
        return Start(name=name, spec=spec, network=network, origin="nothing", fresh=())
    fresh = _load(network, spec, found, name)
    return Start(name=name, spec=spec, network=network, origin=found.source, fresh=fresh)


def _old_weights(
    name: str, spec: NetworkSpec, choice: str | None, progress: Callable[[str], None]
) -> Weights | None:
    """Find the weights to start from; None: there are none."""
    if choice is None:
        choice = UNTRAINED
        if spec.published is not None:
            choice = IMAGENET
        if spec.packaged is not None:
            choice = PACKAGED
    if choice == UNTRAINED:
        return None
    progress(f"loading the weights of {name}")
    if choice == PACKAGED and spec.packaged is not None:
        return spec.packaged()
    if choice in (IMAGENET, IMAGENET_TRUNK) and spec.published is not None:
        return weights.published(spec.published, progress=progress)
    if not Path(choice).is_file():
        raise ModelError(
            f"{name} has no weights {choice}; give --weights FILE (a .pth or .safetensors) "
            f"or {UNTRAINED}"
        )
    return weights.load_file(Path(choice))


def _load(network: nn.Module, spec: NetworkSpec, found: Weights, name: str) -> tuple[str, ...]:
    """Load what fits, and give the modules that stay new; the trunk must be there whole."""
    old = spec.adapt(found.state)
    own = network.state_dict()
    new = (*spec.new, spec.last)
    fits = {
        key: old[key]
        for key, tensor in own.items()
        if not key.startswith(f"{spec.last}.") and key in old and old[key].shape == tensor.shape
    }
    fresh = tuple(module for module in new if not any(key.startswith(f"{module}.") for key in fits))
    lost = [
        key
        for key in own
        if key not in fits
        and not key.endswith("num_batches_tracked")
        and not any(key.startswith(f"{module}.") for module in fresh)
    ]
    if lost:
        raise ModelError(
            f"the weights of {found.source} are not {name}'s: {lost[0]} is missing or has another "
            f"shape, and {len(lost) - 1} more; choose the --network that they are of"
        )
    network.load_state_dict(fits, strict=False)
    return fresh
