"""``camstream.graph.refine``: refined maps of features made by hand, and of a real model."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import helper
from typer.testing import CliRunner

from camstream.commands import app
from camstream.drawing.overlay import annotate
from camstream.errors import ModelError
from camstream.evaluate.metrics import iou
from camstream.graph.refine import AFFINITY_POWER, GAMMA, STEPS, describe, refine_graph, zoomed_hw
from camstream.graph.verify import open_quietly
from camstream.maps import cam as cams
from camstream.maps.boxes import boxes_of, largest_box
from camstream.maps.select import MapSelector, Selection
from camstream.models import zoo
from camstream.models.session import Model
from camstream.picture import MapF32, Picture
from camstream.sinks.records import to_record
from tests import clips

_SIZE_WH = (140, 140)


@functools.cache
def _session(opset: int) -> ort.InferenceSession:
    opsets = [helper.make_opsetid("", opset)]
    return open_quietly(
        helper.make_model(refine_graph(), ir_version=8, opset_imports=opsets).SerializeToString()
    )


def _refine(maps: MapF32, fine_features: MapF32, *, opset: int = 18) -> MapF32:
    """Run the graph on one frame: (K, h, w) and (D, h', w') to (K, h', w')."""
    feed = {"cam": maps[np.newaxis], "fine_features": fine_features[np.newaxis]}
    return np.asarray(_session(opset).run(None, feed)[0][0], np.float32)


def _by_hand(maps: MapF32, fine_features: MapF32) -> NDArray[np.float64]:
    """The formula of the module's docstring in numpy."""
    side = fine_features.shape[2], fine_features.shape[1]
    refined = np.stack([cv2.resize(one, side, interpolation=cv2.INTER_CUBIC) for one in maps])
    most = np.maximum(maps.max(axis=(1, 2)), 0)[:, None, None].astype(np.float64)
    least = np.maximum(maps.min(axis=(1, 2)), 0)[:, None, None].astype(np.float64)
    places = fine_features.reshape(len(fine_features), -1).astype(np.float64)
    places = places / np.linalg.norm(places, axis=0)
    alike = np.maximum(places.T @ places, 0) ** AFFINITY_POWER
    walk = np.linalg.matrix_power(alike / alike.sum(axis=1, keepdims=True), STEPS)
    evidence = np.clip(refined, 0, most).reshape(len(maps), -1)
    spread = (evidence @ walk.T).reshape(refined.shape)
    low, high = (f(spread, axis=(1, 2), keepdims=True) for f in (np.min, np.max))
    floor = least**2 / np.maximum(most, 1e-12)
    return np.asarray(floor + (most - floor) * ((spread - low) / (high - low)) ** GAMMA)


def _two_kinds(side: int = 14, radius: float = 4.0) -> MapF32:
    """Features of two kinds: those of a disc, and those of its surroundings."""
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    inside = rows**2 + columns**2 < radius**2
    return np.stack([inside, ~inside]).astype(np.float32)


def _blob(width: float = 2.5) -> MapF32:
    rows, columns = np.mgrid[:7, :7] - 3.0
    return np.asarray(20 * np.exp(-(rows**2 + columns**2) / (2 * width**2)), np.float32)


def _random(seed: int) -> tuple[MapF32, MapF32]:
    random = np.random.default_rng(seed)
    maps, fine_features = random.normal(0, 10, (3, 5, 7)), random.normal(0.5, 1, (8, 10, 14))
    return maps.astype(np.float32), fine_features.astype(np.float32)


@pytest.mark.parametrize("opset", [15, 18, 21])
def test_graph_is_the_formula(opset: int) -> None:
    maps, fine_features = _random(0)
    np.testing.assert_allclose(
        _refine(maps, fine_features, opset=opset),
        _by_hand(maps, fine_features),
        rtol=1e-3,
        atol=1e-3,
    )


@settings(deadline=None)
@given(st.integers(0, 1000))
def test_range_is_the_raw_maps(seed: int) -> None:
    maps, fine_features = _random(seed)
    refined = _refine(maps, fine_features)
    assert refined.shape == (3, 10, 14)
    np.testing.assert_allclose(refined.max(axis=(1, 2)), maps.max(axis=(1, 2)), rtol=1e-4)
    assert (refined >= 0).all()
    assert (np.ptp(refined, axis=(1, 2)) <= 2 * np.ptp(maps, axis=(1, 2)) + 1e-3).all()


@settings(deadline=None)
@given(st.integers(0, 1000))
def test_map_of_a_flipped_picture_is_flipped(seed: int) -> None:
    maps, fine_features = _random(seed)
    flipped = _refine(maps[..., ::-1].copy(), fine_features[..., ::-1].copy())
    np.testing.assert_allclose(flipped[..., ::-1], _refine(maps, fine_features), atol=1e-2)


@pytest.mark.parametrize("value", [-3.0, 0.0, 30.0, np.nan, np.inf])
def test_constant_map_stays_without_heat(value: float) -> None:
    refined = _refine(np.full((1, 7, 7), value, np.float32), _two_kinds())[0]
    assert not cams.heat(cams.enlarge(refined), (5, 20)).any()


def test_nearly_constant_map_is_not_stretched() -> None:
    maps = np.random.default_rng(0).uniform(18, 18.5, (1, 7, 7)).astype(np.float32)
    assert np.ptp(_refine(maps, _two_kinds())) <= 1.0


@pytest.mark.parametrize("fine_features", [np.zeros((4, 14, 14)), np.full((4, 14, 14), np.nan)])
def test_features_without_information_make_no_heat(fine_features: NDArray[np.float64]) -> None:
    refined = _refine(_blob()[np.newaxis], fine_features.astype(np.float32))[0]
    assert not cams.heat(cams.enlarge(refined), (5, 20)).any()


def test_map_without_evidence_stays_without() -> None:
    maps, fine_features = _random(1)
    assert _refine(-np.abs(maps), fine_features).max() <= 0


def test_box_follows_the_outline() -> None:
    true = np.array([30, 30, 110, 110], np.float64)
    plain = largest_box(_blob(), _SIZE_WH)
    refined = largest_box(_refine(_blob()[np.newaxis], _two_kinds())[0], _SIZE_WH)
    assert plain is not None
    assert refined is not None
    plain_iou, refined_iou = (float(iou(np.array(box.xyxy), true)) for box in (plain, refined))
    assert refined_iou > plain_iou + 0.1
    assert refined_iou > 0.8


@pytest.fixture(scope="module")
def refining_model(lite0: Path) -> Model:
    return Model(lite0, device="cpu", refine=True)


@pytest.fixture(scope="module")
def photo() -> NDArray[np.uint8]:
    """A bright ball before a dark ground, wide."""
    image = np.random.default_rng(3).integers(0, 60, (180, 320, 3), np.uint8)
    cv2.circle(image, (200, 90), 50, (30, 120, 230), -1)
    return image


@pytest.fixture(scope="module")
def plain_model(lite0: Path, refining_model: Model, photo: NDArray[np.uint8]) -> Model:
    """The model without refining, at the input size that the other chooses for the photo."""
    size_wh = refining_model.input_size_wh(Picture.from_bgr(photo))
    return Model(lite0, device="cpu", size_wh=size_wh)


def test_input_is_larger(model: Model, refining_model: Model) -> None:
    square, wide = (Picture.from_bgr(np.zeros((h, w, 3), np.uint8)) for w, h in ((9, 9), (16, 9)))
    assert model.input_size_wh(square) == (224, 224)
    assert refining_model.input_size_wh(square) == (256, 256)
    for picture in (square, wide):
        areas = [np.prod(one.input_size_wh(picture)) for one in (refining_model, model)]
        assert 1.2 < areas[0] / areas[1] < 1.6  # so that it stays under twice the work


def test_input_keeps_its_size_where_it_must(refining_model: Model) -> None:
    info = refining_model.info
    assert zoomed_hw(info) == (256, 256)
    assert "input 1.14 times" in describe(info)
    for changed in (
        dataclasses.replace(info, size_multiple=None),
        dataclasses.replace(info, background="no cup"),
    ):
        assert zoomed_hw(changed) == (224, 224)
        assert "input" not in describe(changed)


def test_model_returns_both_maps(
    plain_model: Model, refining_model: Model, photo: NDArray[np.uint8]
) -> None:
    plain, both = plain_model.predict(photo), refining_model.predict(photo)
    np.testing.assert_allclose(both.cam.maps, plain.cam.maps, atol=1e-4)
    assert both.top == plain.top
    assert both.cam.refined is not None
    assert both.cam.refined.shape == (5, *(2 * side for side in plain.cam.maps.shape[1:]))
    assert both.cam.displayed is both.cam.refined
    assert np.array_equal(both.displayed[0].cam, both.cam.refined[0])
    assert plain.cam.refined is None
    assert plain.cam.displayed is plain.cam.maps


def test_maps_of_any_classes_are_refined(refining_model: Model, photo: NDArray[np.uint8]) -> None:
    seen = refining_model.predict(photo, classes=[7, -1, 999]).cam
    assert seen.refined is not None
    np.testing.assert_allclose(
        seen.refined.max(axis=(1, 2)),
        np.maximum(seen.maps.max(axis=(1, 2)), 0),
        rtol=1e-3,
        atol=1e-4,
    )


def test_records_keep_the_raw_map(
    plain_model: Model, refining_model: Model, photo: NDArray[np.uint8]
) -> None:
    records = []
    for one in (plain_model, refining_model):
        seen = MapSelector(one.infer, one.info, Selection(top_k=3))(one.predict(photo).frame)
        records.append(to_record(annotate(seen)))
    plain, refined = records
    assert refined.pop("refinement") == describe(refining_model.info)
    assert "refinement" not in plain
    assert refined["peak"] == pytest.approx(plain["peak"], abs=2e-3)
    for key in ("top", "displayed", "peak_xy", "centroid_xy", "size_wh", "method"):
        assert refined[key] == plain[key]


def test_views_and_boxes_are_of_the_refined_maps(
    refining_model: Model, photo: NDArray[np.uint8]
) -> None:
    infer = MapSelector(
        refining_model.infer, refining_model.info, Selection(top_k=2, smoothing="off")
    )
    seen = infer(refining_model.predict(photo).frame)
    assert seen.cam.refined is not None
    for view in seen.displayed:
        assert view.cam.shape == seen.cam.refined.shape[1:]
    found = {box.class_index: box.box for box in boxes_of(seen)}
    assert len(found) == 2
    for view in seen.displayed:
        assert found[view.class_index] == largest_box(view.cam, (320, 180))


def test_model_without_fine_features_is_refused(tiny_path: Path) -> None:
    with pytest.raises(
        ModelError, match="no layer that is twice as fine as its maps, which refined maps"
    ):
        Model(tiny_path, device="cpu", refine=True)


def test_person_keeps_its_maps() -> None:
    """Its layer twice as fine has edges, not things: walking along it loses two boxes of three."""
    plain, refining = (zoo.load_model(zoo.PERSON, device="cpu", refine=on) for on in (False, True))
    image = np.random.default_rng(3).integers(0, 256, (120, 160, 3), np.uint8)
    raw, refined = plain.predict(image).cam.maps, refining.predict(image).cam.refined
    assert refined is not None
    assert refined.shape[1:] == tuple(2 * side for side in raw.shape[1:])
    assert "enlarged only" in refining.refinement
    for one, other in zip(raw, refined, strict=True):
        size_wh = other.shape[1], other.shape[0]
        kept = np.maximum(cams.enlarge(one, size_wh), 0)
        assert np.abs(kept - other).max() <= 0.05 * max(float(kept.max()), 1)


def test_file_is_left_alone(lite0: Path, refining_model: Model) -> None:
    assert refining_model.info.fine_features is not None
    assert [value.name for value in onnx.load(lite0).graph.output] == [
        "logits",
        "cam",
        "cam_classes",
        "cam_bias",
    ]


def test_the_command(lite0: Path, tiny_path: Path, tmp_path: Path) -> None:
    clip = clips.make(tmp_path / "clip.mp4", clips.Video(frames=3, size_wh=(160, 90)))
    out, records = tmp_path / "out.mp4", tmp_path / "r.jsonl"
    command = ["annotate", str(clip), "-o", str(out), "--records", str(records), "--device", "cpu"]
    command += ["--refine", "--boxes", "--box-threshold", "30%", "--top-k", "3", "--classes", "dog"]
    done = CliRunner().invoke(app, [*command, "--model", str(lite0)])
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in records.read_text().splitlines()]
    assert len(lines) == 3
    assert all("maps joined with an earlier layer" in line["refinement"] for line in lines)
    assert all(line["box_threshold"] == 0.3 for line in lines)
    refused = CliRunner().invoke(app, [*command, "--overwrite", "--model", str(tiny_path)])
    assert refused.exit_code == 1
    assert "which refined maps need" in " ".join(refused.output.split())
    larger = [*command[:4], "--input-size", "320", "--overwrite", "--device", "cpu"]
    done = CliRunner().invoke(app, [*larger, "--maps", str(tmp_path / "m.npz"), "-m", str(lite0)])
    assert done.exit_code == 0, done.output
    with np.load(tmp_path / "m.npz") as stored:
        assert stored["maps"].shape[-2:] == (8, 13)
    odd = CliRunner().invoke(app, ["annotate", str(clip), "--box-threshold", "100%"])
    assert odd.exit_code == 2
    assert "part of the map's maximum" in " ".join(odd.output.split())
