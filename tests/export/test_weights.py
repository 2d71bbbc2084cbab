"""Reading weights files without running any code that may be in them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from camstream.errors import ModelError, NotFoundError
from export.weights import load_file


def tiny_state() -> dict[str, Tensor]:
    return {"layer.weight": torch.arange(6.0).reshape(2, 3), "layer.bias": torch.ones(2)}


@pytest.mark.parametrize("wrapped", [None, "state_dict", "model"])
def test_reads_pth(tmp_path: Path, wrapped: str | None) -> None:
    path = tmp_path / "own.pth"
    torch.save({wrapped: tiny_state(), "epoch": 3} if wrapped else tiny_state(), path)
    found = load_file(path)
    assert found.source == "file own.pth"
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.state.keys() == tiny_state().keys()
    assert torch.equal(found.state["layer.weight"], tiny_state()["layer.weight"])


def test_reads_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    save_file(tiny_state(), path)
    found = load_file(path)
    assert torch.equal(found.state["layer.weight"], tiny_state()["layer.weight"])


def test_drops_the_prefix_of_data_parallel(tmp_path: Path) -> None:
    path = tmp_path / "own.pth"
    torch.save({f"module.{name}": tensor for name, tensor in tiny_state().items()}, path)
    assert load_file(path).state.keys() == tiny_state().keys()


class _Trap:
    """Would run code if it were unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return pytest.fail, ("code in a weights file was run",)


@pytest.mark.parametrize("name", ["own.pth", "own.safetensors"])
def test_never_runs_code(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    torch.save({"layer.bias": torch.ones(2), "trap": _Trap()}, path)
    with pytest.raises(ModelError, match=rf"{name}") as caught:
        load_file(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not weights at all"])
@pytest.mark.parametrize("name", ["own.pth", "own.safetensors"])
def test_damaged_files_are_one_clear_line(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ModelError, match=rf"{name}") as caught:
        load_file(path)
    assert "\n" not in str(caught.value)


def test_other_than_a_state_dict_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.pth"
    torch.save({"accuracy": 0.9}, path)
    with pytest.raises(ModelError, match="is not a state dict"):
        load_file(path)
    with pytest.raises(NotFoundError, match="there is no weights file"):
        load_file(tmp_path / "none.pth")
