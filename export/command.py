"""``camstream export``: networks to ONNX with their class activation maps."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from camstream.commands.demo import sample_clip
from camstream.commands.options import (
    DebugOption,
    ModelSizeOption,
    OverwriteOption,
    input_option,
    model_option,
    output_option,
)
from camstream.commands.plugins import missing
from camstream.commands.settings import PresetOption
from camstream.console import console, note, plain_errors, say, steps
from camstream.contract import MAX_TEMPERATURE, MIN_TEMPERATURE
from camstream.errors import SetupError, SinkError, UsageError
from camstream.graph.add_cam import USUAL_MEAN, Overrides, add_cam_to_file, default_cam_range
from camstream.graph.quantize import Precision
from camstream.models import zoo
from camstream.models.session import Model
from camstream.sinks.atomic_file import AtomicFile
from export.options import PoolName, PoolOption, WeightsOption, report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from camstream.contract import ModelInfo
    from camstream.evaluate.calibration import Calibration

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class InTorch:
    """Options of networks in torch only; see ``export.source`` and ``to_onnx``."""

    weights: str | None = None
    pool: PoolName = "avg"
    map_stride: int | None = None
    layer: str | None = None


def export(
    network: Annotated[
        str,
        typer.Argument(
            metavar="NETWORK",
            help="A network's name, person, module:factory, or an .onnx classifier.",
        ),
    ] = "efficientnet_lite0",
    labels: Annotated[
        str | None,
        input_option(
            metavar="FILE|NAME",
            help='Names of the classes: .txt (one per line), .csv ("name"), or "imagenet".',
        ),
    ] = None,
    mean: Annotated[
        Triple | None,
        input_option(metavar="R G B", help="What is subtracted from each color, 0 to 255."),
    ] = None,
    std: Annotated[
        Triple | None, input_option(metavar="R G B", help="What each color is then divided by.")
    ] = None,
    color: Annotated[
        Literal["RGB", "BGR"] | None,
        input_option(help="Order of the colors that the network wants.", case_sensitive=False),
    ] = None,
    layout: Annotated[
        Literal["NCHW", "NHWC"] | None,
        input_option(help="Order of the input: colors first or last.", case_sensitive=False),
    ] = None,
    cam_range: Annotated[
        tuple[float, float] | None,
        input_option(
            "--range",
            metavar="LOW HIGH",
            help="Values of the map (logit units) where heat begins and is full.",
            show_default="measured",
        ),
    ] = None,
    weights: WeightsOption = None,
    pool: PoolOption = "avg",
    map_stride: Annotated[
        int | None,
        model_option(metavar="16|8", help="Finer maps, slower: one cell for so many pixels."),
    ] = None,
    layer: Annotated[
        str | None,
        model_option(metavar="NAME", help="The layer whose maps are shown.", show_default="found"),
    ] = None,
    model_size: ModelSizeOption = None,
    int8: Annotated[bool, output_option("--int8", help="8-bit weights, faster on CPUs.")] = False,
    fp16: Annotated[bool, output_option("--fp16", help="16-bit weights, for GPUs.")] = False,
    calibrate: Annotated[
        Path | None,
        output_option(
            metavar="FILE|FOLDER",
            help="Your own clip or photos: measures the range of heat; --int8 needs them.",
        ),
    ] = None,
    calibrate_scores: Annotated[
        Path | None,
        output_option(
            metavar="FOLDER",
            help="Photos in one folder per class: makes scores probabilities.",
        ),
    ] = None,
    temperature: Annotated[
        float | None,
        output_option(
            min=MIN_TEMPERATURE,
            max=MAX_TEMPERATURE,
            metavar="T",
            help="The same, by a number that is known: what logits are divided by.",
            show_default="1",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        output_option(
            "--output", "-o", metavar="FILE", help="The model: .onnx.", show_default="NETWORK.onnx"
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    _preset: PresetOption = None,
    debug: DebugOption = False,
) -> None:
    """Write a network to ONNX with its class activation maps, and verify every output.

    --weights, --pool, --map-stride and --layer are for networks in torch (extra "export").
    The options of the panel "Input" state what the network or the ONNX file does not.

    $ camstream export resnet18 --weights resnet18.pth -o resnet18.onnx
    $ camstream export theirs.onnx --labels names.txt --mean 124 116 104 --std 58 57 57 -o own.onnx
    """
    path = output or Path(network.rpartition(":")[2]).with_suffix(".onnx")
    with plain_errors(debug):
        if path.exists() and not overwrite:
            raise SinkError(f"{path} exists already; give another -o, or --overwrite to replace it")
        if temperature is not None and calibrate_scores is not None:
            raise UsageError("--temperature and --calibrate-scores exclude each other; choose one")
        overrides = Overrides(
            labels=labels,
            mean=mean,
            std=std,
            color=color,
            layout=layout,
            size_wh=model_size,
            cam_range=cam_range,
            temperature=temperature,
        )
        precision = Precision.of(int8=int8, fp16=fp16, calibrate=calibrate)
        pictures = own_clips() if calibrate is None else (calibrate,)
        in_torch = InTorch(weights=weights, pool=pool, map_stride=map_stride, layer=layer)
        scores: Calibration | None = None
        with steps(console) as progress:

            def make(path: Path) -> ModelInfo:
                return _export(network, path, in_torch, overrides, precision, pictures, progress)

            if calibrate_scores is None:
                info = make(path)
            else:
                # scipy takes half a second to import.
                from export.scores import with_calibrated_scores

                info, scores = with_calibrated_scores(
                    make, path, calibrate_scores, progress=progress
                )
        report(path, info)
        if scores is not None:
            say(
                f"  scores: temperature {info.temperature:g}; on {scores.photos} photos their "
                f"calibration error was {scores.error_before:.1%}, and is {scores.error_after:.1%} "
                "on halves not fitted to"
            )
        _note_on_heat(info, overrides, is_measured=calibrate is not None)
        if overrides.mean is None and overrides.std is None and info.mean == USUAL_MEAN:
            note("torchvision's --mean and --std are assumed; give others if they are wrong")


def own_clips() -> tuple[Path, ...]:
    """Return the clips that come with camstream, as far as they are there."""
    try:
        return sample_clip("sample"), sample_clip("people")
    except SetupError:
        return ()


def _note_on_heat(info: ModelInfo, overrides: Overrides, *, is_measured: bool) -> None:
    """Say where the range of heat comes from, unless it was stated or measured as asked."""
    if overrides.cam_range is not None or info.is_random:
        return
    begin, full = info.cam_range
    if info.cam_range == default_cam_range(len(info.labels)):
        note(
            f"heat from {begin:g} to {full:g} is a guess from the number of classes; measure it: "
            "--calibrate FOLDER with photos of yours"
        )
    elif not is_measured and info.weights.startswith(("the file", "as ")):
        note(
            f"heat from {begin:g} to {full:g} was measured on camstream's own clips; better: "
            "--calibrate FOLDER with photos of yours"
        )


def _export(
    network: str,
    path: Path,
    in_torch: InTorch,
    overrides: Overrides,
    precision: Precision | None,
    pictures: Sequence[Path],
    progress: Callable[[str], None],
) -> ModelInfo:
    """Export a network in torch, write a shipped model, or add maps to an ONNX file.

    A lower precision is made from an export in float32.
    """
    if network.lower().endswith(".onnx"):
        if in_torch != InTorch():
            raise UsageError(
                f"{network}: --weights, --pool, --map-stride and --layer are for networks in "
                "torch; an ONNX file has its weights and its one layer before the pooling"
            )
        return add_cam_to_file(
            Path(network),
            path,
            overrides,
            precision=precision,
            calibrate=pictures,
            progress=progress,
        )
    if overrides.layout is not None:
        raise UsageError("--layout is for ONNX files; networks in torch take NCHW")

    def make(path: Path) -> ModelInfo:
        if network == zoo.PERSON:
            return _from_head(network, path, in_torch, overrides, progress)
        return _from_torch(network, path, in_torch, overrides, pictures, progress)

    if precision is None:
        return make(path)
    with tempfile.TemporaryDirectory(prefix="camstream-") as folder:
        full = Path(folder) / "full.onnx"
        make(full)
        return add_cam_to_file(full, path, Overrides(), precision=precision, progress=progress)


def _from_head(
    name: str, path: Path, in_torch: InTorch, overrides: Overrides, progress: Callable[[str], None]
) -> ModelInfo:
    if in_torch != InTorch() or overrides != Overrides():
        raise UsageError(
            f"{name} comes with camstream as it is; leave out all options but --int8, --fp16 and "
            "those of the output"
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
    pictures: Sequence[Path],
    progress: Callable[[str], None],
) -> ModelInfo:
    try:
        from export.source import is_custom, load_custom, load_named
        from export.to_onnx import export as to_onnx
    except ModuleNotFoundError as error:
        raise missing(f"exporting {network}", error) from error
    if is_custom(network):
        if in_torch.pool != "avg":
            raise UsageError(f"--pool {in_torch.pool}: {network} decides its pooling itself")
        source = load_custom(network, in_torch.weights)
    else:
        source = load_named(network, in_torch.weights, pool=in_torch.pool, progress=progress)
    return to_onnx(
        source,
        path,
        overrides=overrides,
        layer=in_torch.layer,
        map_stride=in_torch.map_stride,
        calibrate=pictures,
        progress=progress,
    )
