"""The expected outputs of an exported file: the network's own logits, and maps by autograd.

The exported graph contains a hand-written gradient; here torch computes the gradient, so that the
two have nothing in common but the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.export.graph_signature import InputKind

from camstream.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch.export import ExportedProgram

    from camstream.contract import ModelInfo
    from camstream.graph.head import Head
    from camstream.graph.verify import Outputs

# Relative; the traced program does the same operations.
_TOLERANCE = 1e-4


class TorchReference:
    """Computes the contract's outputs with the network, not with the exported graph."""

    def __init__(
        self, network: nn.Module, program: ExportedProgram, head: Head, info: ModelInfo
    ) -> None:
        """Prepare the reference.

        Args:
            network: In inference mode.
            program: The traced network; it exposes the feature maps, whether or not they are the
                output of a module.
            head: The tensor that the maps are made of, and the method.
            info: Its mean, std and color are used.
        """
        self._network, self._program, self._head = network, program, head
        self._is_rgb = info.color == "RGB"
        self._mean = torch.tensor(info.mean).view(3, 1, 1)
        self._std = torch.tensor(info.std).view(3, 1, 1)

    def image(self, frames: NDArray[np.uint8]) -> Tensor:
        """Normalise (N, H, W, 3) uint8 BGR frames to the network's input, (N, 3, H, W) float32."""
        pixels = torch.from_numpy(frames)
        pixels = (pixels.flip(-1) if self._is_rgb else pixels).permute(0, 3, 1, 2)
        return ((pixels.float() - self._mean) / self._std).contiguous()

    def logits(self, image: Tensor) -> Tensor:
        """Run the network itself, (N, C)."""
        with torch.inference_mode():
            found: Tensor = self._network(image)
        return found

    def __call__(self, frames: NDArray[np.uint8], classes: NDArray[np.int64]) -> Outputs:
        """Compute logits, cam, cam_classes and cam_bias as ``camstream.contract`` defines them.

        Raises:
            ModelError: The traced program computes other logits than the network.
        """
        image = self.image(frames)
        logits = self.logits(image)
        asked = torch.from_numpy(classes)
        order = logits.argsort(dim=1, descending=True, stable=True)
        chosen = torch.where(asked < 0, order[:, (-asked - 1).clamp(min=0)], asked)  # (N, K)
        cam = self._maps(image, logits, chosen)
        bias = self._bias()[chosen]
        return logits.numpy(), cam.numpy(), chosen.numpy(), bias.numpy()

    def _maps(self, image: Tensor, logits: Tensor, chosen: Tensor) -> Tensor:
        """Compute (N, K, h, w): each class's gradient with respect to the features, times these."""
        tapped = _Tapped(self._program, self._head.features)
        again = tapped.logits(image)
        if not bool(torch.isfinite(logits).all()):
            raise ModelError(
                "the network gives scores that are no numbers: its weights are damaged, or --mean "
                "and --std are wrong"
            )
        if not torch.allclose(again, logits, rtol=0, atol=_TOLERANCE * float(logits.abs().max())):
            raise ModelError(
                "the traced network differs from the original: a branch or loop that depends on the "
                "picture cannot be exported"
            )
        features = tapped.tapped
        assert features is not None
        maps = []
        for column in range(chosen.shape[1]):
            score = again.gather(1, chosen[:, column : column + 1]).sum()
            (gradient,) = torch.autograd.grad(score, features, retain_graph=True)
            if self._head.method == "HiResCAM":  # (N, D, h, w), position by position
                weights = gradient * features[0, 0].numel()
            else:
                sides = (1, 2) if self._head.features_last else (2, 3)
                weights = gradient.sum(dim=sides, keepdim=True)
            maps.append((weights * features).sum(dim=3 if self._head.features_last else 1))
        return torch.stack(maps, dim=1).detach()

    def _bias(self) -> Tensor:
        """Return the last layer's bias, (C,)."""
        last = self._head.layers[-1] if self._head.layers else None
        if last is None or last.bias is None:
            return torch.zeros(self._head.classes)
        parameters = dict(self._network.named_parameters())
        if last.bias not in parameters:
            raise ModelError(f"the network has no parameter {last.bias}, the bias of its classes")
        return parameters[last.bias].detach()


class _Tapped(fx.Interpreter):
    """Runs a traced program and makes one of its inner tensors a leaf for autograd."""

    def __init__(self, program: ExportedProgram, name: str) -> None:
        super().__init__(program.graph_module)
        self._program, self._name = program, name
        self.tapped: Tensor | None = None

    def logits(self, image: Tensor) -> Tensor:
        """Run the program; the returned logits have a gradient with respect to ``tapped``."""
        held = self._program.state_dict | self._program.constants
        inputs = [
            image if spec.kind is InputKind.USER_INPUT else held[str(spec.target)].detach()
            for spec in self._program.graph_signature.input_specs
        ]
        found: Tensor = self.run(*inputs)[0]
        return found

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if n.name == self._name:
            self.tapped = value = value.detach().requires_grad_()
        return value
