"""``camstream info``: what a model is for, where it is, how fast it is here, and its classes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from camstream.commands import app


def info(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["info", *arguments])
    assert done.exit_code == 0, done.stderr
    return done.stdout


def fails(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["info", *arguments])
    assert done.exit_code == 2
    assert done.stdout == ""
    return done.stderr


def test_file_size_speed_and_purpose(tiny_path: Path, lite0: Path) -> None:
    tiny = info(str(tiny_path))
    assert f"{tiny_path}(0.0MB)" in "".join(tiny.split())  # long paths are folded
    assert "to tell 2 classes apart" in tiny
    assert re.search(r"speed here +\d+\.\d ms a picture, \d+ a second on cpu", tiny)
    default = info()
    assert str(lite0) in "".join(default.split())
    assert "1,000 kinds of things of ImageNet" in default
    person = info("person")
    assert 'whether there is person or "no person"' in person
    assert "comes with camstream" in person


def test_classes_are_listed_and_searched() -> None:
    everything = info("efficientnet_lite0", "--classes").splitlines()
    assert len(everything) == 1000
    assert everything[283] == "  283  Persian cat"
    cats = info("efficientnet_lite0", "--classes", "PERSIAN").splitlines()
    assert cats == ["  283  Persian cat"]
    dogs = info("efficientnet_lite0", "--classes", "dog").splitlines()
    assert len(dogs) >= 118  # the group, and what has the word in its name
    assert "  263  Pembroke" in dogs or any("Pembroke" in line for line in dogs)
    assert info("person", "--classes").count("\n") == 2


def test_a_word_that_no_class_has() -> None:
    assert "the model has no class 'persan cat'; did you mean" in fails(
        "efficientnet_lite0", "--classes", "persan cat"
    )
    assert "add --classes" in fails("person", "cat")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("persn", "no model 'persn': person and efficientnet_lite0 come with camstream; did you"),
        ("nowhere.onnx", "no model file nowhere.onnx; make one with"),
    ],
)
def test_a_wrong_name_and_a_missing_file_have_one_exit_code(name: str, words: str) -> None:
    assert words in fails(name)


def test_a_missing_file_that_is_spelt_wrong(
    tiny_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cups.onnx").write_bytes(tiny_path.read_bytes())
    assert "no model file cup.onnx; did you mean cups.onnx?" in fails("cup.onnx")


def test_a_word_alone_is_looked_for_in_the_default_model() -> None:
    of_the_model = info("efficientnet_lite0", "--classes", "persian")
    assert info("--classes", "persian") == of_the_model == "  283  Persian cat\n"
    assert info("--classes", "persian", "efficientnet_lite0") == of_the_model


def test_a_difference_is_told_as_a_part_of_the_largest_value() -> None:
    said = " ".join(info("person").split())
    assert re.search(r"parity logits within \d\.\de-\d\d of the largest value \(\d", said)
    assert re.search(r"= logit within \d\.\de-\d\d of the largest value \(\d", said)
