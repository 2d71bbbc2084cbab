"""The model ``person`` as it is shipped: its record, the CAM identity, real frames where there are any."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from camstream.errors import ModelError
from camstream.graph.backbone import Backbone
from camstream.graph.new_head import save
from camstream.media import read_photo
from camstream.models import shipped, shipped_head, zoo
from camstream.models.session import Model
from camstream.models.shipped_head import ShippedHead
from camstream.picture import Picture
from export.person import judge_person
from export.person.judge_person import (
    crop_persons,
    judge_clips,
    judge_presence,
    paste,
    read_presence,
)
from export.person.person_photos import LABELS, photos

FOLDER = Path(zoo.__file__).parent
ROOM = "intel_one_by_one_person.mp4"


@pytest.fixture(scope="module")
def person() -> Model:
    return zoo.load_model(zoo.PERSON, device="cpu")


@pytest.fixture(scope="module")
def head() -> ShippedHead:
    return shipped_head.read(FOLDER / "person.npz", FOLDER / "person.json")


def test_the_head_is_the_one_that_its_record_describes(head: ShippedHead, lite0: Path) -> None:
    linear_head, record = head.linear_head, head.record
    assert record.labels == LABELS
    assert record.background == LABELS[0]
    assert linear_head.weight.shape == (len(record.labels), head.neck.channels)
    assert np.count_nonzero(linear_head.weight[0]) == 0  # so that an empty scene is dark
    assert linear_head.bias[0] == 0
    assert 0 < record.cam_range[0] < record.cam_range[1]
    backbone = Backbone(lite0)
    assert record.network == backbone.info.name
    assert record.weights_sha256 == backbone.info.weights_sha256


def test_what_is_written_is_what_is_read(head: ShippedHead, tmp_path: Path) -> None:
    numbers_file, record_file = tmp_path / "again.npz", tmp_path / "again.json"
    shipped_head.write(numbers_file, record_file, head)
    again = shipped_head.read(numbers_file, record_file)
    assert again.record == head.record
    for part in ("fine", "coarse", "bias", "attention", "attention_bias"):
        np.testing.assert_array_equal(getattr(again.neck, part), getattr(head.neck, part))
    np.testing.assert_array_equal(again.linear_head.weight, head.linear_head.weight)
    np.testing.assert_array_equal(again.linear_head.bias, head.linear_head.bias)


def test_the_model_has_labels_a_background_and_a_size(head: ShippedHead, person: Model) -> None:
    record = head.record
    assert person.info.labels == LABELS
    assert person.info.background == LABELS[0]
    assert person.info.size_hw == (288, 288)
    assert person.info.cam_range == record.cam_range
    found = person.predict(np.zeros((720, 1280, 3), np.uint8))
    assert found.image.shape == (224, 384, 3)  # as many pixels, in its shape
    assert found.cam.maps.shape[1:] == (14, 24)  # twice as fine as the network's own


def test_the_cam_identity_holds(person: Model) -> None:
    random = np.random.default_rng(3)
    for shape in ((360, 640, 3), (300, 300, 3), (640, 200, 3)):
        found = person.predict(random.integers(0, 255, shape, np.uint8), classes=[0, 1])
        sums = found.cam.maps.mean(axis=(1, 2)) + found.cam.bias
        np.testing.assert_allclose(sums, found.logits[found.cam.class_indices], atol=2e-5)
        assert np.abs(found.cam.maps[0]).max() < 1e-6


def test_every_extra_photo_is_listed_once_with_one_of_two_labels() -> None:
    with (Path(judge_person.__file__).parent / "person_boxes.csv").open(
        newline="", encoding="utf-8"
    ) as file:
        rows = list(csv.DictReader(file))
    assert len({row["file"] for row in rows}) == len(rows) > 300
    assert {row["person"] for row in rows} == {"yes", "no"}


def test_the_extra_photos_are_there_under_their_own_sources(data: Path) -> None:
    dataset = photos(data)
    assert dataset.labels == LABELS
    assert all(sample.path.is_file() for sample in dataset.samples)
    assert {"imagenette_val", "fruit", "imagenet1k"} < {sample.source for sample in dataset.samples}


def test_frames_with_a_person_and_without_are_told_apart(person: Model, data: Path) -> None:
    ranges = read_presence(data / "videos")[ROOM]
    assert {one.person for one in ranges} == {True, False}
    right, count = judge_presence(person, data / "videos", step=30)[ROOM]
    assert count > 35
    assert right == count


def test_a_larger_input_sees_smaller_people(person: Model, data: Path) -> None:
    random = np.random.default_rng(0)
    (image, mask), *_ = crop_persons(data / "videos" / ROOM)
    usual, larger = (Model(person.file, device="cpu", input_size=side) for side in (224, 448))
    found_count = {"usual": 0, "larger": 0, "nobody": 0}
    houses = [sample for sample in photos(data).samples if sample.source == "houses"][::16]
    for sample in houses:
        empty = Picture.from_bgr(read_photo(sample.path)).bgr((1280, 720))
        small = paste(empty, image, mask, 1 / 6, random)
        for name, model, scene in (
            ("usual", usual, small),
            ("larger", larger, small),
            ("nobody", larger, empty),
        ):
            found_count[name] += model.predict(scene).top[0].label == LABELS[1]
    assert found_count["larger"] >= 0.5 * len(houses)
    assert found_count["larger"] > 1.5 * found_count["usual"]
    assert found_count["nobody"] <= 1


@pytest.mark.slow
def test_the_figures_of_the_clips_in_the_model_card(person: Model, data: Path) -> None:
    right, count = judge_presence(person, data / "videos")[ROOM]
    assert count == 1290
    assert right >= 1285
    found_share = judge_clips(person, data / "videos", step=10)
    for clip in ("people_crowd.mp4", "walker_forest_road.mp4", "intel_asl_walk.mkv"):
        assert found_share[clip] == 1, clip
    assert found_share["dog_corgi_puppy.mp4"] == 0
    assert found_share["cat_white_persian.mp4"] < 0.1  # a hand feeds it


def test_it_is_assembled_to_the_very_file_that_is_compared_with_its_source(
    head: ShippedHead, tmp_path: Path
) -> None:
    path = tmp_path / "person.onnx"
    save(Backbone(zoo.find_model(), neck=head.neck), head.linear_head, path)
    one, other = zoo.load_model(zoo.PERSON, device="cpu"), Model(path, device="cpu")
    image = np.random.default_rng(0).integers(0, 255, (360, 640, 3), np.uint8)
    np.testing.assert_array_equal(one.predict(image).logits, other.predict(image).logits)
    np.testing.assert_array_equal(one.predict(image).cam.maps, other.predict(image).cam.maps)
    assert one.info.parity == other.info.parity


def test_a_damaged_file_of_the_package_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "_FOLDER", tmp_path)
    shipped.intact.cache_clear()
    with pytest.raises(ModelError, match="missing"):
        zoo.find_model()
    (tmp_path / "efficientnet_lite0.onnx").write_bytes(b"another")
    with pytest.raises(ModelError, match="damaged"):
        zoo.find_model()
