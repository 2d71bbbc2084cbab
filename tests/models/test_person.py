"""The model ``person`` as it is shipped: its record, its law, real frames where there are any."""

from __future__ import annotations

import csv
import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest

from camstream.graph.backbone import Trunk
from camstream.graph.new_head import save
from camstream.models import shipped_heads as shipped
from camstream.models import zoo as catalog
from camstream.models.session import Model
from camstream.teach.dataset import read_photo
from export.person.judge_person import (
    cut_persons,
    judge_clips,
    judge_presence,
    paste,
    read_presence,
)
from export.person.person_photos import LABELS, photos
from export.person.scenes import SQUARE

ROOM = "intel_one_by_one_person.mp4"


@pytest.fixture(scope="module")
def person_path(lite0: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped head on the default network."""
    path = tmp_path_factory.mktemp("person") / "person.onnx"
    head = shipped.load("person")
    save(Trunk(lite0, neck=head.neck), head.lesson, path)
    return path


@pytest.fixture(scope="module")
def person(person_path: Path) -> Model:
    return Model(person_path, device="cpu")


def test_the_head_is_the_one_that_its_record_describes(lite0: Path) -> None:
    head = shipped.load("person")
    lesson, record = head.lesson, head.record
    assert record.labels == LABELS
    assert record.background == LABELS[0]
    assert lesson.weight.shape == (len(record.labels), head.neck.channels)
    assert np.count_nonzero(lesson.weight[0]) == 0  # so that an empty scene is dark
    assert lesson.bias[0] == 0
    assert 0 < record.cam_range[0] < record.cam_range[1]
    trunk = Trunk(lite0)
    assert record.network == trunk.info.name
    assert record.weights_sha256 == trunk.info.weights_sha256


def test_what_is_written_is_what_is_read(lite0: Path, tmp_path: Path) -> None:
    head = shipped.load("person")
    shipped.write("again", Trunk(lite0), head.neck, head.lesson, tmp_path)
    again = shipped.load("again", tmp_path)
    assert again.record == head.record
    for part in ("fine", "coarse", "bias", "attention", "attention_bias"):
        np.testing.assert_array_equal(getattr(again.neck, part), getattr(head.neck, part))
    np.testing.assert_array_equal(again.lesson.weight, head.lesson.weight)
    np.testing.assert_array_equal(again.lesson.bias, head.lesson.bias)


def test_the_model_tells_its_labels_its_background_and_its_size(person: Model) -> None:
    record = shipped.load("person").record
    assert person.info.labels == LABELS
    assert person.info.background == LABELS[0]
    assert person.info.size_hw == SQUARE[::-1]
    assert person.info.cam_range == record.cam_range
    found = person.predict(np.zeros((720, 1280, 3), np.uint8))
    assert found.image.shape == (160, 288, 3)  # as many pixels, in its shape
    assert found.cam.maps.shape[1:] == (10, 18)  # twice as fine as the network's own


def test_the_law_holds(person: Model) -> None:
    random = np.random.default_rng(3)
    for shape in ((360, 640, 3), (300, 300, 3), (640, 200, 3)):
        found = person.predict(random.integers(0, 255, shape, np.uint8), classes=[0, 1])
        sums = found.cam.maps.mean(axis=(1, 2)) + found.cam.bias
        np.testing.assert_allclose(sums, found.logits[found.cam.class_indices], atol=2e-5)
        assert np.abs(found.cam.maps[0]).max() < 1e-6


def test_another_layer_is_another_file_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec("export")
    assert found is not None
    heads = tmp_path / "export" / "heads"
    heads.mkdir(parents=True)
    for part in ("person.json", "person.npz"):
        shutil.copy(shipped.FOLDER / part, heads)
    monkeypatch.setattr(found, "origin", str(heads.parent / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: found)
    before = catalog.cached_path("person")
    default = catalog.cached_path("efficientnet_lite0")
    assert before == catalog.cached_path("person")
    record = heads / "person.json"
    record.write_text(record.read_text().replace('"person"', '"somebody"'))
    assert catalog.cached_path("person") != before
    assert catalog.cached_path("efficientnet_lite0") == default


def test_every_extra_photo_is_listed_once_with_one_of_two_labels() -> None:
    with (shipped.FOLDER / "person_boxes.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len({row["file"] for row in rows}) == len(rows) > 300
    assert {row["person"] for row in rows} == {"yes", "no"}


def test_the_extra_photos_are_there_under_their_own_sources(data: Path) -> None:
    album = photos(data)
    assert album.labels == LABELS
    assert all(item.path.is_file() for item in album.items)
    assert {"imagenette_val", "fruit", "imagenet1k"} < {item.source for item in album.items}


def test_frames_with_a_person_and_without_are_told_apart(person: Model, data: Path) -> None:
    ranges = read_presence(data / "videos")[ROOM]
    assert {one.person for one in ranges} == {True, False}
    right, count = judge_presence(person, data / "videos", step=30)[ROOM]
    assert count > 35
    assert right == count


def test_a_larger_input_sees_smaller_people(person_path: Path, data: Path) -> None:
    random = np.random.default_rng(0)
    (image, mask), *_ = cut_persons(data / "videos" / ROOM)
    usual, larger = (Model(person_path, device="cpu", input_size=side) for side in (224, 448))
    seen = {"usual": 0, "larger": 0, "nobody": 0}
    houses = [item for item in photos(data).items if item.source == "houses"][::16]
    for item in houses:
        empty = read_photo(item.path).bgr((1280, 720))
        small = paste(empty, image, mask, 1 / 6, random)
        for name, model, scene in (
            ("usual", usual, small),
            ("larger", larger, small),
            ("nobody", larger, empty),
        ):
            seen[name] += model.predict(scene).top[0].label == LABELS[1]
    assert seen["larger"] >= 0.5 * len(houses)
    assert seen["larger"] > 1.5 * seen["usual"]
    assert seen["nobody"] <= 1


@pytest.mark.slow
def test_the_figures_of_the_clips_in_the_model_card(person: Model, data: Path) -> None:
    right, count = judge_presence(person, data / "videos")[ROOM]
    assert count == 1290
    assert right >= 1285
    seen = judge_clips(person, data / "videos", step=10)
    for clip in ("people_crowd.mp4", "walker_forest_road.mp4", "intel_asl_walk.mkv"):
        assert seen[clip] == 1, clip
    assert seen["dog_corgi_puppy.mp4"] == 0
    assert seen["cat_white_persian.mp4"] < 0.1  # a hand feeds it
