"""Model files of every age: the shipped one is what ``camstream export`` writes; old ones open."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from camstream import contract
from camstream.commands import app
from camstream.contract import ModelInfo, ParityReport
from camstream.graph.verify import open_quietly, sample_frames
from camstream.models.session import Model

OLD_KEYS = {"parity": "proof", "identity_error": "law_residual", "fine_features": "early"}
PARITY = ParityReport(
    shapes_nhw=((1, 64, 96),), logits_max_diff=1e-6, cam_max_diff=2e-6, identity_error=3e-6
)


def with_old_keys(values: Any) -> Any:
    """Return the same JSON with the keys of camstream 0.1."""
    if isinstance(values, dict):
        return {OLD_KEYS.get(key, key): with_old_keys(value) for key, value in values.items()}
    return values


@pytest.mark.parametrize("parity", [PARITY, None], ids=["parity", "none"])
def test_a_file_of_camstream_0_1_opens(
    tiny_path: Path, tmp_path: Path, parity: ParityReport | None
) -> None:
    tiny = Model(tiny_path, device="cpu")
    # Any name will do: the tensor is used with refine=True only.
    info = dataclasses.replace(tiny.info, parity=parity, fine_features="blocks")
    model = onnx.load(tiny_path)
    (entry,) = (one for one in model.metadata_props if one.key == contract.METADATA_KEY)
    entry.value = json.dumps(with_old_keys(json.loads(info.to_json())))
    assert '"proof"' in entry.value
    assert '"early"' in entry.value
    assert ('"law_residual"' in entry.value) == (parity is not None)
    path = tmp_path / "old.onnx"
    onnx.save(model, path)

    old = Model(path, device="cpu")
    assert old.info == info
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    np.testing.assert_array_equal(old.predict(image).logits, tiny.predict(image).logits)


@pytest.mark.slow
def test_the_shipped_file_is_what_export_writes(lite0: Path, tmp_path: Path) -> None:
    path = tmp_path / "again.onnx"
    done = CliRunner().invoke(app, ["export", "efficientnet_lite0", "-o", str(path)])
    assert done.exit_code == 0, done.output
    sessions = [open_quietly(one.read_bytes()) for one in (lite0, path)]
    assert [one.name for one in sessions[1].get_outputs()] == list(contract.OUTPUTS)
    for seed, shape in enumerate(((1, 224, 224), (2, 160, 288), (1, 448, 448))):
        feeds = {contract.FRAMES: sample_frames(shape, np.random.default_rng(seed))}
        shipped, again = (one.run(list(contract.OUTPUTS), feeds) for one in sessions)
        for name, want, got in zip(contract.OUTPUTS, shipped, again, strict=True):
            np.testing.assert_allclose(got, want, rtol=0, atol=1e-6, err_msg=name)

    shipped_info, again_info = (_comparable(one) for one in (lite0, path))
    assert again_info == shipped_info


def _comparable(path: Path) -> ModelInfo:
    """The metadata without the versions that exported the file, and what older files lack."""
    info = Model(path, device="cpu").info
    assert info.parity is not None
    parity = dataclasses.replace(info.parity, logits_max=None, cam_max=None)
    return dataclasses.replace(info, versions={}, parity=parity)
