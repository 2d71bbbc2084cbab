"""Copy-paste scenes: the label of every pixel, and that each scene is always the same."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from camstream.errors import SourceError
from camstream.models.session import Model
from camstream.teach.dataset import ImageFolder, Sample
from export.person.copy_paste import (
    MAPPED,
    SQUARE,
    WIDE,
    Scenes,
    all_scenes,
    crop_components,
    crop_objects,
    crop_people,
    find_foreground,
    grid_cover,
)
from export.person.person_photos import LABELS

if TYPE_CHECKING:
    from numpy.typing import NDArray

GREEN, BLUE, RED = (0, 200, 0), (200, 0, 0), (0, 0, 200)
SIZE_HW = (80, 100)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    """Two green or blue photos of nobody; a red "person" on green; one cut off by the edge."""
    folder = tmp_path_factory.mktemp("photos")
    inside, at_edge = np.zeros((2, *SIZE_HW), np.uint8)
    inside[20:70, 40:60] = at_edge[20:70, 80:] = 255
    photos = {"a": plain(GREEN), "b": plain(BLUE)}
    for name, mask in (("c", inside), ("d", at_edge)):
        photos[name] = plain(GREEN)
        photos[name][mask > 0] = RED
    items = []
    for number, (name, image) in enumerate(photos.items()):
        cv2.imwrite(str(folder / f"{name}.png"), image)
        items.append(Sample(folder / f"{name}.png", name, int(number > 1), "made"))
    dataset, masks = ImageFolder(folder, LABELS, tuple(items)), folder / "masks.npz"
    np.savez(masks, allow_pickle=False, c=cv2.GaussianBlur(inside, (0, 0), 4), d=at_edge)
    return Scenes(
        dataset,
        crop_people(dataset, masks, lambda: None),
        list(crop_components(1, photos["b"], inside > 0, 0.04)),
    )


def plain(color: tuple[int, int, int]) -> NDArray[np.uint8]:
    return np.full((*SIZE_HW, 3), color, np.uint8)


def test_people_are_cut_out_where_they_are_whole(made: Scenes) -> None:
    (one,) = made.people
    assert (one.photo, one.image.shape) == (2, (50, 20, 3))
    assert (one.image == RED).all()
    assert (one.mask == 255).all()


def test_each_whole_component_is_cropped() -> None:
    mask = np.zeros(SIZE_HW, np.bool_)
    mask[20:40, 10:40] = mask[50:, 50:60] = mask[60:, 90:] = mask[10:12, 10:12] = True
    parts = list(crop_components(0, plain(RED), mask, 0.02))
    assert [one.mask.shape for one in parts] == [(20, 30), (30, 10)]  # on the lower edge: whole


def test_the_foreground_is_found_from_a_rough_mask() -> None:
    image, truth = plain(GREEN), np.zeros(SIZE_HW, np.bool_)
    truth[20:70, 40:60] = True
    image[truth] = RED
    blurred = cv2.GaussianBlur(truth.astype(np.float32), (0, 0), 4)
    rough = np.asarray(blurred, np.float32)
    np.testing.assert_array_equal(find_foreground(image, rough, MAPPED), truth)
    for nothing in (np.zeros(SIZE_HW, np.float32), np.ones(SIZE_HW, np.float32)):
        assert not find_foreground(image, nothing, MAPPED).any()


def test_objects_are_cropped_where_their_boxes_are(lite0: Path, data: Path) -> None:
    folder = data / "boxes" / "imagenette_val"
    truth: dict[str, dict[str, str]] = {}
    with (folder / "boxes.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            truth.setdefault(row["file"], row)  # the first of several
    names = sorted(truth)[::10]
    items = tuple(Sample(folder / "images" / name, name, 0, "made") for name in names)
    objects = crop_objects(
        ImageFolder(folder, LABELS, items), Model(lite0, device="cpu", refine=True), lambda: None
    )
    assert len(objects) > 10
    covered = []
    for crop in objects:
        row = truth[names[crop.photo]]
        width, height = float(row["x1"]) - float(row["x0"]), float(row["y1"]) - float(row["y0"])
        covered.append(crop.mask.size / (width * height))
    assert 0.6 < float(np.median(covered)) < 1.2


def test_whole_photos_have_only_known_labels(made: Scenes) -> None:
    nobody, somebody = made.whole(0, SQUARE), made.whole(2, WIDE)
    assert nobody.image.shape == (224, 224, 3)
    assert somebody.image.shape == (160, 288, 3)
    assert (nobody.person, somebody.person) == (False, True)
    assert (nobody.cover == 0).all()
    assert np.isnan(somebody.cover).all()
    mirrored = made.whole(3, WIDE, mirrored=True)
    assert (mirrored.image[80, 10] == RED).all()


def test_the_cover_is_where_people_are_visible(made: Scenes) -> None:
    with_person = 0
    for seed in range(40):
        scene = made.with_crops(seed, WIDE)
        assert scene.person == (seed % 2 == 1) == bool((scene.cover > 0.5).any())
        assert not scene.person or 2 in scene.photos  # its outline may be elsewhere too
        red = scene.image.astype(int)[..., 2] > 60  # darker light included
        np.testing.assert_array_equal(red, scene.cover > 0.5)
        with_person += scene.person
    assert with_person == 20


def test_pasted_photos_mark_where_people_may_be(made: Scenes) -> None:
    for seed in range(20):
        scene = made.with_photos(seed, SQUARE)
        assert scene.person == bool(np.isnan(scene.cover).any()) == (seed % 2 == 1)
        assert not (scene.cover > 0).any()
        grid = grid_cover(scene, (14, 14))
        assert np.isnan(grid).any() == scene.person


def test_a_scene_is_always_the_same(made: Scenes) -> None:
    plans = all_scenes(made)
    assert len({one().image.shape for one in plans[0]}) == 1
    for plan in plans:
        first, again = plan[-1](), plan[-1]()
        np.testing.assert_array_equal(first.image, again.image)
        np.testing.assert_array_equal(first.cover, again.cover)


def test_an_outline_counts_as_a_part_of_its_photo(made: Scenes) -> None:
    empty = [made.with_crops(seed, WIDE) for seed in range(0, 40, 2)]
    assert not any(scene.person for scene in empty)
    assert {2 in scene.photos for scene in empty} == {True, False}


def test_missing_masks_are_one_line() -> None:
    with pytest.raises(SourceError, match=r"no masks .*person_photos"):
        crop_people(ImageFolder(Path("x"), LABELS, ()), Path("x/none.npz"), lambda: None)


def test_crops_are_of_photos_without_people(made: Scenes) -> None:
    scene = made.cropped(1, 5, SQUARE)
    assert not scene.person
    assert (scene.cover == 0).all()
    assert scene.image[..., 0].mean() > 4 * scene.image[..., 2].mean()
