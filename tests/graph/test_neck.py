"""The neck: its arithmetic, the CAM identity behind it, and that left-out photos do not matter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from camstream.errors import ModelError
from camstream.graph import neck as necks
from camstream.graph.add_cam import add_cam_to_file
from camstream.graph.backbone import Backbone
from camstream.graph.neck import Neck, gain
from camstream.graph.new_head import LinearHead, save
from camstream.graph.quantize import Kind, Precision
from camstream.graph.verify import sample_frames
from camstream.models.session import Model
from export.person.fit_neck import SceneFeatures, TwoGrids, fit, logits, peaks, to_shipped
from tests.graph import small
from tests.graph.test_add_cam import RAW, add_cam
from tests.graph.test_quantize import photos
from tests.teach.test_teach import linear_head

if TYPE_CHECKING:
    from pathlib import Path

    import onnx
    from numpy.typing import NDArray

HIDDEN = 5
PHOTOS = 400
EVERY = np.zeros(PHOTOS, np.bool_)  # no photo is left out


def two_grids() -> onnx.ModelProto:
    """A grid of h/2, one of h/4, and a last convolution on that."""
    maker = small.Maker(18)
    maker.features()
    weight = maker.weight(small.CHANNELS, small.CHANNELS, 3, 3)
    maker.add("Conv", weight, kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2])
    maker.add("Relu")
    maker.add("Conv", maker.weight(small.CHANNELS, small.CHANNELS, 1, 1), kernel_shape=[1, 1])
    maker.add("Relu")
    maker.pool("gap")
    maker.linear("gemm", small.CHANNELS, small.CLASSES)
    return maker.model(size="any")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return add_cam(two_grids(), tmp_path)[0]


def some_neck(reach: int = 0) -> Neck:
    random = np.random.default_rng(2)

    def numbers(*shape: int) -> NDArray[np.float32]:
        return np.asarray(random.normal(0, 0.3, shape), np.float32)

    size = 2 * reach + 1
    return Neck(
        fine=numbers(HIDDEN, small.CHANNELS, size, size),
        coarse=numbers(HIDDEN, small.CHANNELS),
        bias=numbers(HIDDEN),
        attention=numbers(HIDDEN),
        attention_bias=numbers(),
    )


def by_hand(
    neck: Neck, fine_features: NDArray[np.float32], late: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The formula in the module's docstring, for a kernel of one cell: (H, 2h, 2w)."""
    low = np.einsum("hl,lyx->hyx", neck.coarse, late).repeat(2, axis=1).repeat(2, axis=2)
    high = np.einsum("he,eyx->hyx", neck.fine[:, :, 0, 0], fine_features)
    hidden = np.maximum(high + low + neck.bias[:, np.newaxis, np.newaxis], 0)
    score = np.einsum("h,hyx->yx", neck.attention, hidden) + neck.attention_bias
    gate = np.exp(gain(score.size) * np.tanh(score))
    return np.asarray(hidden * gate / gate.mean(), np.float32)


def test_features_are_those_of_the_formula(path: Path) -> None:
    neck = some_neck()
    backbone = Backbone(path, neck=neck)
    assert (backbone.channels, backbone.info.layer) == (HIDDEN, necks.FEATURES)
    image = sample_frames((1, 32, 48), np.random.default_rng(1))[0]
    fine_features, late = (grid.astype(np.float32) for grid in TwoGrids(path)(image))
    assert (fine_features.shape[1:], late.shape[1:]) == ((16, 24), (8, 12))
    _, features = backbone.pooled_and_maps(image)
    assert np.ptp(features) > 0.1
    np.testing.assert_allclose(features, by_hand(neck, fine_features, late), rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("reach", [0, 1])
def test_the_cam_identity_holds_behind_it(path: Path, tmp_path: Path, reach: int) -> None:
    output = tmp_path / "necked.onnx"
    info = save(Backbone(path, neck=some_neck(reach)), linear_head(HIDDEN, 3), output)
    assert info.weights.endswith("the neck and the last layer taught on chance")
    again = save(Backbone(output), linear_head(HIDDEN, 3), tmp_path / "again.onnx")
    assert again.weights.endswith("on chance; the last layer taught on chance")
    assert info.parity is not None
    assert info.parity.identity_error is not None
    found = Model(output, device="cpu").predict(np.full((64, 48, 3), 90, np.uint8))
    height, width, _ = found.image.shape
    assert found.cam.maps.shape[1:] == (height // 2, width // 2)  # the finer grid
    sums = found.cam.maps.mean(axis=(1, 2)) + found.cam.bias
    np.testing.assert_allclose(sums, found.logits[found.cam.class_indices], atol=1e-4)


@pytest.mark.parametrize("kind", ["int8", "fp16"])
def test_it_works_in_lower_precision(path: Path, tmp_path: Path, kind: Kind) -> None:
    """Where onnxruntime rewrites an int8 network, it ignores the axes of a Resize."""
    full, lower = tmp_path / "full.onnx", tmp_path / "lower.onnx"
    save(Backbone(path, neck=some_neck()), linear_head(HIDDEN, 3), full)
    precision = Precision(kind, photos(tmp_path / "photos", 80))
    info = add_cam_to_file(full, lower, RAW, precision=precision, progress=lambda _: None)
    assert info.quantization is not None
    assert info.quantization.cam_correlation > 0.9
    found = Model(lower, device="cpu").predict(np.full((64, 48, 3), 90, np.uint8))
    sums = found.cam.maps.mean(axis=(1, 2)) + found.cam.bias
    np.testing.assert_allclose(sums, found.logits[found.cam.class_indices], atol=1e-4)


def test_no_neck_fits_where_nothing_is_finer(tmp_path: Path) -> None:
    path, _ = add_cam(small.classifier(), tmp_path)
    with pytest.raises(ModelError, match="no neck fits"):
        Backbone(path, neck=some_neck())
    with pytest.raises(ModelError, match="no neck fits"):
        TwoGrids(path)


def made_up_views(spoilt: NDArray[np.bool_]) -> SceneFeatures:
    """Scenes that have a person where channel 0 is high in one cell; spoilt ones lie."""
    random = np.random.default_rng(0)
    fine_features = random.uniform(0, 1, (PHOTOS, 4, 12, 16)).astype(np.float16)
    late = random.uniform(0, 1, (PHOTOS, 3, 6, 8)).astype(np.float16)
    person = np.arange(PHOTOS) % 2 == 1
    cover = np.zeros((PHOTOS, 12, 16), np.float16)
    for number in np.flatnonzero(person):
        y, x = random.integers(0, 12), random.integers(0, 16)
        fine_features[number, 0, y, x] = 4
        cover[number, y, x] = 1
    cover[person & (np.arange(PHOTOS) % 3 == 0)] = np.nan
    return SceneFeatures(
        fine_features=fine_features,
        late=late,
        cover=cover,
        person=person ^ spoilt,
        photos=tuple((n,) for n in range(PHOTOS)),
    )


@pytest.fixture(scope="module")
def views() -> SceneFeatures:
    return made_up_views(EVERY)


@pytest.mark.slow  # half a minute of training
def test_one_cell_is_found_wherever_it_is_and_lit(views: SceneFeatures) -> None:
    repeated = [views] * 8  # some hundred steps
    net = fit(repeated, EVERY)
    seen = logits(net, views.fine_features, views.late)
    assert np.isfinite(seen).all()
    assert ((seen > 0) == views.person).mean() > 0.95
    highest = peaks(net, views.fine_features, views.late)
    there, elsewhere = (float(np.median(highest[views.person == one])) for one in (True, False))
    assert there > 5 * max(1.0, elsewhere)


def test_what_is_left_out_changes_nothing() -> None:
    left_out = np.arange(PHOTOS) % 4 == 0
    nets = [fit([made_up_views(lies)], left_out) for lies in (EVERY, left_out)]
    one, other = (net.row.detach().numpy() for net in nets)
    np.testing.assert_array_equal(one, other)
    lied_to = fit([made_up_views(left_out)], EVERY).row.detach().numpy()
    assert not np.allclose(one, lied_to)


def test_scenes_of_several_photos_go_with_any_of_them(views: SceneFeatures) -> None:
    montage = SceneFeatures(
        fine_features=views.fine_features[:3],
        late=views.late[:3],
        cover=views.cover[:3],
        person=views.person[:3],
        photos=((0, 1), (1, 2), (2,)),
    )
    left_out = np.zeros(3, np.bool_)
    left_out[1] = True
    assert montage.without(left_out).tolist() == [2]


def test_the_network_computes_what_was_fitted(path: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    looked = [TwoGrids(path)(random.integers(0, 256, (32, 48, 3), np.uint8)) for _ in range(8)]
    fine_features, late = (np.stack(grids) for grids in zip(*looked, strict=True))
    cover = np.zeros((8, *fine_features.shape[2:]), np.float16)
    views = SceneFeatures(
        fine_features=fine_features,
        late=late,
        cover=cover,
        person=np.arange(8) % 2 == 0,
        photos=tuple((n,) for n in range(8)),
    )
    net = fit([views], np.zeros(8, np.bool_))
    neck, row, bias = to_shipped(net, 0.5, 0.25)
    output = tmp_path / "fitted.onnx"
    learnt = LinearHead(
        labels=("no", "yes"),
        weight=np.stack([np.zeros_like(row), row]),
        bias=np.stack([np.zeros_like(bias), bias]),
        background="no",
        cam_range=(1.0, 2.0),
        size_hw=None,
        taught_on="chance",
    )
    save(Backbone(path, neck=neck), learnt, output)
    frames = np.random.default_rng(4).integers(0, 256, (8, 32, 48, 3), np.uint8)
    got = Backbone(path, neck=neck).maps(frames).mean(axis=(2, 3)) @ row + bias
    want = 0.5 * logits(net, fine_features, late) + 0.25
    np.testing.assert_allclose(got, want, atol=0.02 * max(1.0, np.abs(want).max()))
