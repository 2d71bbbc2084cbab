"""``camstream export``: networks to ONNX with their class activation maps."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from camstream.commands.options import parse_size
from camstream.console import steps
from camstream.errors import CamstreamError, ModelError, SetupError, SinkError
from camstream.graph.add_cam import USUAL_MEAN, Overrides, add_cam_to_file
from camstream.graph.quantize import Precision
from camstream.models import zoo
from camstream.models.session import Model
from camstream.sinks.atomic_file import AtomicFile
from export.options import one_of, report

if TYPE_CHECKING:
    from collections.abc import Callable

    from camstream.contract import ModelInfo
    from export.networks.layers import Pool

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class InTorch:
    """What only a network in torch can be asked for; see ``export.source`` and ``to_onnx``."""

    weights: str | None = None
    pool: str = "avg"
    map_stride: int | None = None
    layer: str | None = None


def export(
    network: Annotated[
        str,
        typer.Argument(
            help="A network's name, person, module:factory of your own, or an ONNX classifier (.onnx)."
        ),
    ] = "efficientnet_lite0",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write.  [default: NETWORK.onnx]"),
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace an existing file.")] = False,
    weights: Annotated[
        str | None,
        typer.Option(help="packaged, imagenet, random, or a .pth or .safetensors file."),
    ] = None,
    pool: Annotated[str, typer.Option(help="Global pooling: avg or max.")] = "avg",
    map_stride: Annotated[
        int | None, typer.Option(help="Finer maps: pixels a cell, 16 or 8, by dilation.")
    ] = None,
    layer: Annotated[str | None, typer.Option(help="The layer to map.  [default: found]")] = None,
    labels: Annotated[
        str | None,
        typer.Option(help='Names of the classes: .txt (one a line), .csv ("name"), or "imagenet".'),
    ] = None,
    mean: Annotated[
        Triple | None, typer.Option(help="Subtracted from each channel, 0 to 255.")
    ] = None,
    std: Annotated[Triple | None, typer.Option(help="Then divided by this.")] = None,
    color: Annotated[str | None, typer.Option(help="Channel order: RGB or BGR.")] = None,
    layout: Annotated[str | None, typer.Option(help="Of the input: NCHW or NHWC.")] = None,
    size: Annotated[str | None, typer.Option(help="Preferred input size, as 224x224.")] = None,
    heat: Annotated[
        tuple[float, float] | None,
        typer.Option("--range", help="Map values where heat begins and where it is full."),
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="8-bit weights, faster on CPUs.")] = False,
    fp16: Annotated[bool, typer.Option("--fp16", help="16-bit weights, for GPUs.")] = False,
    calibrate: Annotated[
        Path | None, typer.Option(help="Your own clip or folder of photos, for --int8.")
    ] = None,
) -> None:
    """Write a network to ONNX with its class activation maps, and prove that they are right.

    The options from --weights to --layer are for networks in torch. Those from --labels to
    --range say what the network or the ONNX file does not.
    """
    console = Console(stderr=True, highlight=False)
    path = output or Path(network.rpartition(":")[2]).with_suffix(".onnx")
    try:
        if path.exists() and not overwrite:
            raise SinkError(f"{path} exists already; give another -o, or --overwrite to replace it")
        overrides = Overrides(
            labels=labels,
            mean=mean,
            std=std,
            color=color and one_of("--color", color, "RGB", "BGR"),
            layout=layout and one_of("--layout", layout, "NCHW", "NHWC"),
            size_wh=parse_size(size),
            cam_range=heat,
        )
        precision = Precision.of(int8=int8, fp16=fp16, calibrate=calibrate)
        in_torch = InTorch(weights, one_of("--pool", pool, "avg", "max"), map_stride, layer)
        with steps(console, "starting") as progress:
            info = _export(network, path, in_torch, overrides, precision, progress)
    except CamstreamError as error:
        console.print(f"export: {error}", style="red", soft_wrap=True, markup=False)
        raise typer.Exit(1) from error
    report(path, info)
    if overrides.mean is None and overrides.std is None and info.mean == USUAL_MEAN:
        console.print("  assumed torchvision's --mean and --std; say if it was trained otherwise")


def _export(
    network: str,
    path: Path,
    in_torch: InTorch,
    overrides: Overrides,
    precision: Precision | None,
    progress: Callable[[str], None],
) -> ModelInfo:
    """Export a network in torch, build a shipped model, or graft a file.

    What is to be smaller is grafted from the export.
    """
    if network.lower().endswith(".onnx"):
        if in_torch != InTorch():
            raise ModelError(
                f"{network}: --weights, --pool, --map-stride and --layer are for networks in "
                "torch; an ONNX file has its weights and its one layer before the pooling"
            )
        return add_cam_to_file(
            Path(network), path, overrides, precision=precision, progress=progress
        )
    if overrides.layout is not None:
        raise ModelError("--layout is for ONNX files; networks in torch take NCHW")
    make = _from_head if network == zoo.PERSON else _from_torch
    if precision is None:
        return make(network, path, in_torch, overrides, progress)
    with tempfile.TemporaryDirectory(prefix="camstream-") as folder:
        full = Path(folder) / "full.onnx"
        make(network, full, in_torch, overrides, progress)
        return add_cam_to_file(full, path, Overrides(), precision=precision, progress=progress)


def _from_head(
    name: str, path: Path, in_torch: InTorch, overrides: Overrides, progress: Callable[[str], None]
) -> ModelInfo:
    if in_torch != InTorch() or overrides != Overrides():
        raise ModelError(
            f"{name} comes with the project, and all is known of it; leave out the options from "
            "--weights to --range"
        )
    progress(f"assembling {name}")
    file = zoo.find_model(name)
    atomic_file = AtomicFile(path, overwrite=True)
    atomic_file.path.write_bytes(file.read())
    atomic_file.commit()
    return Model(file, device="cpu").info


def _from_torch(
    network: str,
    path: Path,
    in_torch: InTorch,
    overrides: Overrides,
    progress: Callable[[str], None],
) -> ModelInfo:
    try:
        from export.source import is_custom, load_custom, load_named
        from export.to_onnx import export as to_onnx
    except ModuleNotFoundError as error:
        raise SetupError(
            f"exporting a network needs {error.name}, which is not installed; "
            'run: pip install "camstream[export]"'
        ) from error
    if is_custom(network):
        if in_torch.pool != "avg":
            raise ModelError(f"--pool {in_torch.pool}: {network} decides its pooling itself")
        source = load_custom(network, in_torch.weights)
    else:
        pool: Pool = "max" if in_torch.pool == "max" else "avg"
        source = load_named(network, in_torch.weights, pool=pool, progress=progress)
    return to_onnx(
        source,
        path,
        overrides=overrides,
        layer=in_torch.layer,
        map_stride=in_torch.map_stride,
        progress=progress,
    )
