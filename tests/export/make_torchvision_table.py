"""Writes torchvision_table.json: facts about torchvision's own networks to test ours against.

    pip download --no-deps torchvision -d FOLDER && unzip FOLDER/*.whl -d FOLDER
    python -m tests.export.make_torchvision_table FOLDER

torchvision is not imported as a package (the wheel fits only its own torch): the modules that
define the networks are loaded alone, with stand-ins for what they import and never use here.
Only facts are written, no code: the digest of the names and shapes of the parameters, their
count, and some outputs with weights that are a function of the names.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import torch

from tests.export.known_weights import (
    PROBE_LOGITS,
    PROBE_SIZES_HW,
    known_state,
    names_digest,
    probe,
)

# Our name: torchvision's module and function.
NETWORKS = {
    "alexnet": ("alexnet", "alexnet"),
    "vgg16": ("vgg", "vgg16"),
    "googlenet": ("googlenet", "googlenet"),
    "squeezenet1_1": ("squeezenet", "squeezenet1_1"),
    "resnet18": ("resnet", "resnet18"),
    "resnet34": ("resnet", "resnet34"),
    "resnet50": ("resnet", "resnet50"),
    "densenet121": ("densenet", "densenet121"),
    "mobilenet_v2": ("mobilenetv2", "mobilenet_v2"),
}
FIXED_SIZE = ("alexnet", "vgg16")


def main(folder: Path) -> None:
    """Load every network's definition and write its facts beside this script."""
    warnings.simplefilter("ignore")
    _stand_ins(folder / "torchvision")
    version = re.search(r"__version__ = '([\d.]+)", (folder / "torchvision/version.py").read_text())
    assert version is not None
    table: dict[str, Any] = {"torchvision": version[1], "networks": {}}
    for name, (module, function) in NETWORKS.items():
        definition = importlib.import_module(f"torchvision.models.{module}")
        table["networks"][name] = _facts(name, getattr(definition, function))
        weights = next(
            value
            for key, value in vars(definition).items()
            if key.lower().replace("_", "") == f"{function}_weights".replace("_", "")
        )
        table["networks"][name]["published"] = weights.IMAGENET1K_V1.url
        print(name, table["networks"][name]["parameters"], file=sys.stderr)
    target = Path(__file__).with_name("torchvision_table.json")
    target.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def _facts(name: str, build: Any) -> dict[str, Any]:
    arguments = {"init_weights": False} if name in ("vgg16", "googlenet") else {}
    if name == "googlenet":
        arguments["aux_logits"] = False  # heads for training only; the published file has them
    network = build(weights=None, **arguments)
    state = network.state_dict()
    network.load_state_dict(known_state(state))
    network.eval()
    facts: dict[str, Any] = {
        "names_sha256": names_digest(state),
        "tensors": len(state),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "outputs": {},
    }
    for size_hw in PROBE_SIZES_HW[:1] if name in FIXED_SIZE else PROBE_SIZES_HW:
        with torch.inference_mode():
            logits = network(probe(size_hw))
        facts["outputs"]["x".join(map(str, size_hw))] = {
            "largest": round(float(logits.abs().max()), 6),
            "first": " ".join(f"{v:.6f}" for v in logits[:, :PROBE_LOGITS].flatten()),
        }
    return facts


def _stand_ins(package: Path) -> None:
    """Let ``torchvision.models.NAME`` be imported without running any package's __init__."""
    for name in ("torchvision", "torchvision.models", "torchvision.ops", "torchvision.transforms"):
        module = types.ModuleType(name)
        module.__path__ = [str(package.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = module
    presets = types.ModuleType("torchvision.transforms._presets")
    presets.ImageClassification = object  # type: ignore[attr-defined]
    sys.modules[presets.__name__] = presets
    utils = types.ModuleType("torchvision.utils")
    utils._log_api_usage_once = lambda _: None  # type: ignore[attr-defined]
    utils._make_ntuple = lambda x, n: (x,) * n  # type: ignore[attr-defined]
    sys.modules[utils.__name__] = utils


if __name__ == "__main__":
    main(Path(sys.argv[1]))
