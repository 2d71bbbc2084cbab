"""The training loop: it learns, an interruption changes nothing, and its errors are clear."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from camstream.errors import ModelError, SinkError
from export.train.examples import VALIDATION, loader
from export.train.network import Start
from export.train.recipe import Recipe
from export.train.training import Checkpoint, Training
from tests.export.photos import Blobs, drops_start

RECIPE = Recipe(epochs=3, batch=8, head_lr=1e-2, seed=3)


def made(recipe: Recipe = RECIPE, start: Start | None = None) -> Training:
    return Training(start or drops_start(), Blobs(30), Blobs(12), recipe)


def stop_after(batches: int) -> Any:
    count = itertools.count()
    return lambda: next(count) >= batches


@pytest.mark.parametrize("batches", [0, 1, 3, 4, 6, 11])
def test_interrupted_and_resumed_is_bit_identical(tmp_path: Path, batches: int) -> None:
    whole = made()
    assert whole.run()
    checkpoint = Checkpoint.of(tmp_path / "net.onnx", {"seed": 3})
    first = made()
    assert not first.run(stop=stop_after(batches))
    checkpoint.save(first)
    torch.manual_seed(12345)  # a new process has other random numbers
    second = made()
    torch.rand(7)
    checkpoint.restore(second)
    assert second.run()
    assert second.history == whole.history
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, second.network.state_dict()[name]), name
        assert torch.equal(whole.best[name], second.best[name]), name


def test_seed_decides_everything() -> None:
    one, same, other = made(), made(), made(Recipe(epochs=3, batch=8, head_lr=1e-2, seed=4))
    assert one.run()
    assert same.run()
    assert other.run()
    assert one.history == same.history != other.history


def test_an_epoch_can_be_entered_in_its_middle() -> None:
    whole = list(loader(Blobs(20), epoch=2, batch=6, seed=1))
    rest = list(loader(Blobs(20), epoch=2, batch=6, seed=1, first=2))
    assert [len(frames) for frames, _ in whole] == [6, 6, 6, 2]
    assert all(torch.equal(a, b) for a, b in zip(whole[2][0], rest[0][0], strict=True))
    other = next(iter(loader(Blobs(20), epoch=3, batch=6, seed=1)))
    assert not torch.equal(whole[0][0], other[0])
    ordered = next(iter(loader(Blobs(20), epoch=VALIDATION, batch=6, seed=1)))
    assert ordered[1].tolist() == [0, 1, 0, 1, 0, 1]


def test_learning_rates_of_backbone_and_head() -> None:
    training = made(
        Recipe(epochs=2, batch=8, head_lr=1e-2, backbone_lr=0, weight_decay=0),
        drops_start(new=("fc",)),
    )
    before = {name: tensor.clone() for name, tensor in training.network.named_parameters()}
    assert training.run()
    moved = {
        name
        for name, tensor in training.network.named_parameters()
        if not torch.equal(tensor, before[name])
    }
    assert moved == {"fc.weight", "fc.bias"}


def test_learning_rates_rise_and_fall() -> None:
    training = made(Recipe(epochs=4, batch=8, head_lr=1e-2), drops_start(new=("fc",)))
    assert training.run()
    heads = [epoch.head_lr for epoch in training.history]
    assert heads == sorted(heads, reverse=True)
    assert heads[-1] < 1e-4 < heads[0] <= 1e-2
    assert all(e.backbone_lr == pytest.approx(0.1 * e.head_lr) for e in training.history)


def test_ends_early_with_the_best_weights() -> None:
    class Forgetful(Blobs):
        """Validation images with swapped classes: learning makes the loss worse."""

        def __init__(self, count: int) -> None:
            super().__init__(count)
            self.classes = [1 - number for number in self.classes]

        def image(self, index: int, random: np.random.Generator) -> Any:
            return Blobs(len(self.classes)).image(index, random)

    recipe = Recipe(epochs=50, batch=8, head_lr=3e-2, patience=2)
    training = Training(drops_start(), Blobs(60), Forgetful(20), recipe)
    assert training.run()
    assert len(training.history) == training.best_epoch.epoch + 2 < 50
    assert any(
        not torch.equal(training.best[name], tensor)
        for name, tensor in training.network.state_dict().items()
    )


def test_rare_classes_count_as_much() -> None:
    class Rare(Blobs):
        def __init__(self) -> None:
            super().__init__(40)
            self.classes = [0] * 36 + [1] * 4

    weights = [
        Training(drops_start(), Rare(), Blobs(4), Recipe(balance=balance))._criterion.weight
        for balance in (True, False)
    ]
    assert weights[0] is not None
    assert weights[0].tolist() == pytest.approx([40 / 72, 5.0])
    assert weights[1] is None


def test_a_loss_that_is_not_finite_is_an_error() -> None:
    start = drops_start()
    with torch.no_grad():
        start.network.get_parameter("fc.weight").fill_(float("nan"))
    with pytest.raises(ModelError, match=r"the loss is nan in epoch 1, batch 1: .*--head-lr"):
        made(start=start).run()


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
)
def test_too_little_memory_is_an_error(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise error

    training = made()
    monkeypatch.setattr(training.network, "forward", fail)
    with pytest.raises(ModelError, match=r"batches of 8; give a smaller --batch or --model-size"):
        training.run()


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("shapes differ"),
        NotImplementedError("allocate nothing"),
        RecursionError("too deep to allocate"),
    ],
)
def test_other_errors_are_not_taken_for_memory(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    training = made()
    monkeypatch.setattr(training.network, "forward", fail)
    with pytest.raises(type(error), match=str(error)):
        training.run()


def test_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    output = tmp_path / "net.onnx"
    Checkpoint.of(output, {"batch": 8, "seed": 3}).save(made())
    with pytest.raises(ModelError, match=r"its batch was 8, now it is 16; .*--overwrite"):
        Checkpoint.of(output, {"batch": 16, "seed": 3}).restore(made())


def test_checkpoint_of_another_version_says_what_to_do(tmp_path: Path) -> None:
    output = tmp_path / "net.onnx"
    Checkpoint.of(output, {"head_rate": 1e-3, "seed": 3}).save(made())
    with pytest.raises(ModelError, match=r"another version .*head_lr, head_rate.*--overwrite") as e:
        Checkpoint.of(output, {"head_lr": 1e-3, "seed": 3}).restore(made())
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("part", "key", "value", "words"),
    [
        ("network", "fc.weight", torch.zeros(2, 5), r"fc\.weight was \(2, 5\), now it is \(2, "),
        ("network", "old.bias", torch.zeros(3), r"old\.bias was \(3,\), now it is missing"),
        ("network", "fc.bias", None, r"fc\.bias was missing, now it is \(2,\)"),
        ("optimizer", "param_groups", [], "parameter groups"),
        ("position", "done", None, "done"),
    ],
)
def test_checkpoint_of_a_network_that_was_built_otherwise_is_refused(
    tmp_path: Path, part: str, key: str, value: object, words: str
) -> None:
    checkpoint = Checkpoint.of(tmp_path / "net.onnx", {})
    checkpoint.save(made())
    stored = torch.load(checkpoint.path, weights_only=True)
    stored["training"][part][key] = value
    if value is None:
        del stored["training"][part][key]
    torch.save(stored, checkpoint.path)
    before = checkpoint.path.read_bytes()
    with pytest.raises(ModelError, match=rf"cannot go on from .*{words}.*--overwrite"):
        checkpoint.restore(made())
    assert checkpoint.path.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"no zip", None])
def test_damaged_checkpoint_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    checkpoint = Checkpoint.of(tmp_path / "net.onnx", {})
    checkpoint.save(made())
    whole = checkpoint.path.read_bytes()
    checkpoint.path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(ModelError, match="cannot go on from"):
        checkpoint.restore(made())


def test_checkpoint_runs_no_code(tmp_path: Path) -> None:
    checkpoint = Checkpoint.of(tmp_path / "net.onnx", {})
    torch.save({"settings": {}, "training": nn.Linear(1, 1)}, checkpoint.path)
    with pytest.raises(ModelError, match="cannot go on from"):
        checkpoint.restore(made())


def test_failing_to_save_keeps_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = Checkpoint.of(tmp_path / "net.onnx", {})
    checkpoint.save(made())
    before = checkpoint.path.read_bytes()

    def full(_: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(SinkError, match="No space left"):
        checkpoint.save(made())
    assert checkpoint.path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [checkpoint.path.name]
