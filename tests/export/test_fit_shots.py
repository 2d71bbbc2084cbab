"""Fitting ``person`` on to footage: folds of whole sources, variations, kept features, the fit."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from camstream.commands.demo import sample_clip
from camstream.contract import ModelFile
from camstream.media import read_photo
from camstream.models import shipped_head, zoo
from camstream.models.session import Model
from camstream.sources.file import FileSource
from export.person import fit_on, fit_shots, grids, vary
from export.person import shots as shots_module
from export.person.backgrounds import without_people
from export.person.fit_neck import Net, TwoGrids
from export.person.fit_on import judge, limited, soup
from export.person.fit_shots import fit_all, leave_out, plain
from export.person.grids import Grids
from export.person.shots import FOLDS, Shot, read_shots, spread
from export.person.vary import Varied, Variety

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

NOWHERE = np.zeros((0, 4), np.float32)
FOLDER = zoo.__file__.rpartition("/")[0]


@pytest.fixture
def shots(tmp_path: Path) -> list[Shot]:
    """Ten sources in five folds: in odd ones a bright square stands for a person."""
    random = np.random.default_rng(0)
    found = []
    for number in range(60):
        source, path = number % 10, tmp_path / f"{number}.png"
        image = random.integers(20, 90, (96, 128, 3), np.uint8)
        boxes = NOWHERE
        if source % 2:
            x, y = (int(one) for one in random.integers(0, 60, 2))
            image[y : y + 32, x : x + 32] = 250
            boxes = np.array([[x, y, x + 32, y + 32]], np.float32)
        cv2.imwrite(str(path), image)
        kind = "video" if number < 30 else "photo"
        found.append(Shot(path, source % 2 == 1, f"{kind}{source}", kind, source // 2, boxes))
    return found


@pytest.fixture
def data_like(tmp_path: Path) -> Path:
    """A folder as ``../shared/data`` is, with frames of the project's clip: empty ones first."""
    folder, frames = tmp_path / "data", []
    source = FileSource(sample_clip("people"))
    for number, frame in enumerate(source):
        if number % 6 == 0 and (frame.pts_s < 2 or 4 < frame.pts_s < 7):
            frames.append((frame.pts_s > 3, frame.picture.bgr((160, 96))))
    source.close()
    for name, column in (("person_video", "source"), ("person", "set")):
        (folder / name).mkdir(parents=True)
        rows = []
        for number, (person, image) in enumerate(frames):
            cv2.imwrite(str(folder / name / f"{number}.png"), image)
            photos = ("humanv2", "houses", "pedlab", "roadsign")
            source_name = f"camera{number % 8}" if column == "source" else photos[number % 4]
            label = "yes" if person else "no"
            rows.append({"file": f"{number}.png", column: source_name, "label": label})
        with (folder / name / "manifest.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, ["file", column, "label"])
            writer.writeheader()
            writer.writerows(rows)
    (folder / "person_video" / "boxes.csv").write_text("file,x0,y0,x1,y1,score\n")
    return folder


def test_places_are_spread_as_a_whole_and_evenly() -> None:
    places = [f"place{n % 17}" for n in range(400)]
    person = np.array([n % 17 < 9 for n in range(400)])
    folds = spread(places, person)
    assert set(folds) == set(places)
    of_frame = np.array([folds[place] for place in places])
    for label in (True, False):
        counts = np.bincount(of_frame[person == label], minlength=FOLDS)
        assert counts.min() >= 20, counts
    assert spread(places, person) == folds


def test_one_place_is_in_one_fold(data: Path) -> None:
    shots = read_shots(data, {})
    fold = {shot.source: shot.fold for shot in shots}
    assert fold["restaurant_cctv"] == fold["restaurant_cctv_b"] == fold["shopfront_cctv"]
    assert fold["fall_room"] == fold["fall_room_b"]
    assert {shot.fold for shot in shots if shot.kind == "video"} == set(range(FOLDS))
    assert all(shot.kind == "more" for shot in shots if shot.fold == -1)
    assert sum(len(shot.boxes) for shot in shots if shot.kind == "video") > 1000


def test_people_are_taken_out_where_the_camera_stands_still() -> None:
    random = np.random.default_rng(0)
    room = random.integers(0, 255, (60, 80, 3), np.uint8)
    frames, boxes = [], []
    for number in range(16):
        frame, x = room.copy(), 5 * (number % 12)
        frame[10:50, x : x + 15] = 255
        frames.append(frame)
        boxes.append(np.array([[x, 10, x + 15, 50]], np.float32))
    found = without_people(frames, boxes)
    assert found is not None
    np.testing.assert_array_equal(found, room)
    assert without_people(frames[:1] * 16, boxes[:1] * 16) is None  # a place that is never free
    moving = [np.roll(frame, 3 * number, axis=1) for number, frame in enumerate(frames)]
    assert without_people(moving, boxes) is None
    assert without_people([frames[0], frames[1][:40]], boxes[:2]) is None


def test_cells_in_a_box_show_a_person_and_others_are_not_known() -> None:
    image = np.zeros((64, 96, 3), np.uint8)
    cover = Varied(image, np.array([[16, 0, 64, 64]], np.float32), person=True).cover((4, 6))
    assert (cover[1:3, 2:3] == 1).all()
    assert np.isnan(cover[:, [0, 5]]).all()
    assert np.isnan(Varied(image, NOWHERE, person=True).cover((4, 6))).all()
    assert (Varied(image, NOWHERE, person=False).cover((4, 6)) == 0).all()


def test_a_variation_is_made_of_shots_of_its_fold_only(
    shots: list[Shot], monkeypatch: pytest.MonkeyPatch
) -> None:
    used: set[Path] = set()

    def load(path: Path) -> NDArray[np.uint8]:
        used.add(path)
        return read_photo(path)

    monkeypatch.setattr(vary, "_load", load)
    variety = Variety(shots)
    own = {shot.path for shot in shots if shot.fold == 2}
    put_in = 0
    for seed in range(60):
        shot = next(one for one in shots if one.fold == 2 and one.person == bool(seed % 2))
        found = variety.make(shot, 96, seed)
        assert all(side % 32 == 0 for side in found.image.shape[:2])
        assert found.person >= shot.person
        put_in += found.person > shot.person
        if len(found.boxes):
            assert found.person
            height, width = found.image.shape[:2]
            assert found.boxes.min() >= -1e-3
            assert (found.boxes[:, 2:] <= np.array([width, height]) + 1e-3).all()
        again = variety.make(shot, 96, seed)
        np.testing.assert_array_equal(found.image, again.image)
    assert put_in >= 3
    assert len(used) > 5
    assert used <= own


def made_up_grids(image: NDArray[np.uint8]) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    """Brightness in cells of 16 and of 32 pixels, in place of a network's features."""
    height, width = image.shape[:2]
    grey = image.mean(axis=2) / 100
    fine = grey.reshape(height // 16, 16, width // 16, 16).mean(axis=(1, 3))
    late = grey.reshape(height // 32, 32, width // 32, 32).mean(axis=(1, 3))
    return (
        np.stack([fine, fine**2, 1 - fine]).astype(np.float16),
        np.stack([late, 1 - late]).astype(np.float16),
    )


@pytest.fixture
def passes(shots: list[Shot], tmp_path: Path) -> list[Grids]:
    variety = Variety(shots)

    def varied() -> Iterator[tuple[int, Varied]]:
        for number, shot in enumerate(shots):
            yield number, variety.make(shot, 96, number)

    every = ((number, plain(shot, 96)) for number, shot in enumerate(shots))
    grids.write(tmp_path / "plain", every, made_up_grids)
    grids.write(tmp_path / "varied", varied(), made_up_grids)
    return [Grids(tmp_path / "plain"), Grids(tmp_path / "varied")]


def test_kept_features_are_those_that_were_computed(shots: list[Shot], passes: list[Grids]) -> None:
    one = passes[1]
    variety = Variety(shots)
    batches = one.batches(np.arange(len(shots)), 7, np.random.default_rng(0))
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(shots)))
    assert len(batches) > len(shots) // 7 + 1  # several sizes
    for batch in batches[::3]:
        fine, late, cover = one.read(batch)
        for row, *found in zip(batch, fine, late, cover, strict=True):
            made = variety.make(shots[row], 96, int(row))
            expected = (*made_up_grids(made.image), made.cover(found[0].shape[1:]))
            for got, wanted in zip(found, expected, strict=True):
                np.testing.assert_array_equal(got.numpy(), np.asarray(wanted, np.float32))


def test_no_more_of_a_source_than_may_be(shots: list[Shot]) -> None:
    many = [shots[0]] * 40 + [shots[1]] * 5
    kept = limited(np.arange(45), many)
    assert kept.sum() == 24 + 5
    assert kept[:24].all()
    assert kept[40:].all()


def test_a_fit_finds_people_and_does_not_look_at_the_fold_left_out(
    shots: list[Shot], passes: list[Grids], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_on, "_LR", 0.05)
    torch.manual_seed(0)
    start, fits = Net(3, 2), [passes * 4, passes * 3]
    (logits, again), judged = leave_out(start, fits, [passes[0], passes[0]], shots)
    np.testing.assert_array_equal(logits, again)
    assert judged == shots
    person = np.array([shot.person for shot in judged])
    assert ((logits > np.median(logits)) == person).mean() > 0.9
    rows = np.flatnonzero([shot.fold == 0 for shot in shots])
    before, _ = judge(fit_all(start, fits, shots, 0), passes[0], rows)
    for one in passes:
        one.person[rows] = ~one.person[rows]
    after, _ = judge(fit_all(start, fits, shots, 0), passes[0], rows)
    np.testing.assert_array_equal(before, after)


def test_a_soup_is_half_the_start_and_half_the_average_of_the_fits() -> None:
    start, *nets = (Net(3, 2) for _ in range(4))
    mixed = soup(start, nets)
    for name, value in mixed.state_dict().items():
        every = torch.stack([net.state_dict()[name] for net in nets])
        before = start.state_dict()[name]
        torch.testing.assert_close(value, (every.mean(dim=0) + before) / 2)


def test_a_net_with_a_shipped_heads_weights_says_what_the_model_says(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (224, 352, 3), np.uint8)
    path = tmp_path / "one.png"
    cv2.imwrite(str(path), image)
    shot = Shot(path, False, "one", "video", 0, NOWHERE)
    grids.write(tmp_path / "kept", [(0, plain(shot, 320))], TwoGrids(zoo.find_model().path))
    kept = Grids(tmp_path / "kept")
    net = Net(*kept.channels)
    with np.load(f"{FOLDER}/person.npz") as numbers:
        net.load({name: numbers[name].astype(np.float32) for name in numbers.files})
    (logit,), (highest,) = judge(net, kept, np.arange(1))
    model = Model(zoo.find_model(zoo.PERSON), device="cpu", input_size=320)
    found = model.predict(image, classes=[1])
    assert logit == pytest.approx(found.logits[1] - found.logits[0], abs=0.05)
    assert highest == pytest.approx(found.cam.maps[0].max(), rel=0.02)


def test_it_is_fitted_calibrated_and_written_from_pictures(
    data_like: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few frames of one clip; what is shipped is what was fitted."""
    written, cache = tmp_path / "models", tmp_path / "cache"
    written.mkdir()
    (written / "zoo.py").touch()
    (cache / "backgrounds").mkdir(parents=True)
    np.savez(cache / "photo_boxes.npz")
    (tmp_path / "none.csv").write_text("file,person\n")
    monkeypatch.setattr(shots_module, "_LABELLED", tmp_path / "none.csv")
    monkeypatch.setattr(fit_shots, "_FITS", (((1, 96),), ((2, 128),)))
    monkeypatch.setattr(fit_shots, "SIDE", 128)
    monkeypatch.setattr(fit_shots, "_LARGE", 160)
    app = typer.Typer()
    app.command()(fit_shots.main)
    with monkeypatch.context() as there:
        there.setattr(zoo, "__file__", str(written / "zoo.py"))
        arguments = [str(data_like), f"{FOLDER}/person.npz", "none.onnx", str(cache), "--write"]
        result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "video, left out, 98% of empty frames empty" in result.output
    head = shipped_head.read(written / "person.npz", written / "person.json")
    assert head.linear_head.size_hw == (288, 288)
    assert head.record.parity.identity_error is not None
    assert re.search(r"and \d+ frames of 8 cameras$", head.record.taught_on)
    assert not head.linear_head.weight[0].any()
    content = shipped_head.assemble("person", head, zoo.find_model())
    model = Model(ModelFile(Path("person"), content), device="cpu", input_size=128)
    logits = []
    for path in sorted((data_like / "person_video").glob("*.png"), key=lambda one: int(one.stem)):
        found = model.predict(read_photo(path), classes=[1])
        identity = found.cam.maps[0].mean() + found.cam.bias[0]
        assert identity == pytest.approx(found.logits[1], abs=1e-4)
        logits.append(found.logits[1])
    assert np.median(logits[-8:]) > 1 > np.median(logits[:8])
