"""Traces a torch network into a plain ONNX classifier, and finds which layer a tensor is of."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from camstream.errors import ModelError

if TYPE_CHECKING:
    import onnx
    from torch.export import ExportedProgram

OPSET = 18
IMAGE = "image"


def trace(
    network: nn.Module, size_hw: tuple[int, int], *, name: str
) -> tuple[onnx.ModelProto, ExportedProgram]:
    """Trace a network at one picture size and any batch.

    Sizes are traced as numbers, not as symbols: what depends on them shows when the file is
    compared with the network at other sizes, and deep networks trace in half the time.

    Args:
        network: In inference mode, (N, 3, H, W) to (N, C).
        size_hw: Height and width, pixels.
        name: What to call it in errors.

    Returns:
        The ONNX classifier and the traced program; a tensor has the same name in both.

    Raises:
        ModelError: The network does not run at that size, is no classifier, or defeats tracing.
    """
    # A batch of 1 would be frozen into the graph.
    example = torch.zeros(2, 3, *size_hw)
    _try(network, example, name)
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        # The exporter prints its own progress and torch's deprecation warnings; camstream's
        # steps say what a user needs.
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                network,
                (example,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[IMAGE],
                output_names=["logits"],
                dynamic_shapes=({0: torch.export.Dim("n")},),
                external_data=False,
                verbose=False,
            )
    except (torch.onnx.OnnxExporterError, RuntimeError) as error:
        cause = error.__cause__ or error
        raise ModelError(
            f"torch.onnx.export cannot trace {name}: {type(cause).__name__}: {_first_line(cause)}"
        ) from error
    finally:
        logger.setLevel(level)
    if program is None or program.exported_program is None:
        raise ModelError(f"torch.onnx.export returned no model of {name}")
    return program.model_proto, program.exported_program


def _try(network: nn.Module, example: Tensor, name: str) -> None:
    size = "x".join(map(str, example.shape[:1:-1]))
    try:
        with torch.inference_mode():
            logits = network(example)
    except Exception as error:  # the user's code may raise anything
        raise ModelError(f"{name} does not run on {size} pictures: {_first_line(error)}") from error
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(example):
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ModelError(
            f"{name} is no classifier: for {len(example)} pictures it gives {shape}, not one row "
            "of scores for each"
        )


def layer_of(program: ExportedProgram, tensor: str) -> str:
    """Name the innermost module whose output a tensor is; a bare function's is named by it."""
    stack = _modules(program, tensor)
    return stack[-1] if stack and stack[-1] else tensor


def is_in_layer(program: ExportedProgram, tensor: str, layer: str) -> bool:
    """Whether a module, or one inside it, makes a tensor."""
    return layer in _modules(program, tensor)


def map_size_hw(program: ExportedProgram, tensor: str) -> tuple[int, int]:
    """Give the height and width of feature maps at the size that was traced."""
    height, width = _node(program, tensor).meta["val"].shape[2:]
    return int(height), int(width)


def _modules(program: ExportedProgram, tensor: str) -> list[str]:
    """The modules that a tensor was made in, outermost first."""
    return [path for path, _ in _node(program, tensor).meta.get("nn_module_stack", {}).values()]


def _node(program: ExportedProgram, tensor: str) -> torch.fx.Node:
    node: torch.fx.Node
    for node in program.graph.nodes:
        if node.name == tensor:
            return node
    raise ModelError(f"the exported graph renamed the feature maps to {tensor!r}")


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
