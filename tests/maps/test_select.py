"""What is looked for: the best classes, classes by name, groups, contrasts, the trail."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from camstream.contract import ModelInfo
from camstream.drawing.overlay import Style, annotate
from camstream.drawing.tiles import grid_size
from camstream.frame import Frame, Prediction, View, softmax
from camstream.maps.boxes import boxes_of
from camstream.maps.select import (
    ClassGroup,
    Contrast,
    MapSelector,
    Selection,
    best_views,
    select_views,
)
from camstream.maps.smoothing import Smoothed
from camstream.maps.views import Decider, group_view
from camstream.models.classes import ClassNames
from camstream.models.session import Model
from camstream.picture import Picture
from camstream.sources.file import FileSource
from camstream.testing import FAKE_INFO

INFO = dataclasses.replace(FAKE_INFO, labels=("a", "b", "c", "d"))


def smoothed(logits: list[float], best: int = 0) -> Smoothed:
    """Maps whose mean is the class's logit, so the law holds without a bias."""
    scores = softmax(np.array(logits, np.float32))
    rng = np.random.default_rng(0)
    maps = {}
    for index, logit in enumerate(logits):
        cam = rng.normal(0, 3, (3, 4)).astype(np.float32)
        maps[index] = cam - cam.mean() + np.float32(logit)
    return Smoothed(scores, maps, best, False)


def chosen(selection: Selection, seen: Smoothed, info: ModelInfo = INFO) -> list[View]:
    best = best_views(Decider(info)(0.0, seen), seen, info)
    return select_views(selection, seen, best)


def look(model: Model, image: np.ndarray, selection: Selection, pts_s: float = 0.0) -> Prediction:
    frame = Frame(0, pts_s, 0.0, Picture.from_bgr(image))
    return MapSelector(model.infer, model.info, selection)(frame)


def test_the_best_come_first_and_a_held_label_before_them() -> None:
    seen = smoothed([1.0, 3.0, 2.0, 0.0], best=2)
    views = chosen(Selection(top_k=3), seen)
    assert [view.label for view in views] == ["c", "b", "a"]
    assert all(view.cam is seen.maps[view.class_index or 0] for view in views)


def test_one_watched_class_takes_the_winners_place_and_several_best_keep_theirs() -> None:
    seen = smoothed([5.0, 1.0, 0.0, 0.0])
    classes = (ClassGroup("d", (3,)),)
    assert [p.label for p in chosen(Selection(classes=classes), seen)] == ["d"]
    views = chosen(Selection(top_k=2, classes=classes), seen)
    assert [view.label for view in views] == ["a", "b", "d"]


@given(hnp.arrays(np.float32, 4, elements=st.floats(-8, 8, width=32)))
def test_a_group_sums_scores_and_obeys_the_law_of_its_own(logits: np.ndarray) -> None:
    """Its map's mean is the mean of the members' logits, weighted by their shares."""
    seen = smoothed(logits.tolist())
    view = group_view("group", (0, 2, 3), seen)
    scores = seen.scores[[0, 2, 3]]
    assert view.score == pytest.approx(float(scores.sum()), abs=1e-5)
    expected = float((scores / scores.sum() * logits[[0, 2, 3]]).sum())
    assert float(view.cam.mean()) == pytest.approx(expected, abs=1e-3)
    assert np.array_equal(group_view("a", (0,), seen).cam, seen.maps[0])


@given(hnp.arrays(np.float32, 4, elements=st.floats(-8, 8, width=32)))
def test_a_contrast_is_odd_and_its_mean_is_the_difference_of_the_logits(logits: np.ndarray) -> None:
    seen = smoothed(logits.tolist())
    a, b = ClassGroup("a", (0,)), ClassGroup("b", (1,))
    [one] = chosen(Selection(contrast=Contrast((a, b))), seen)
    [other] = chosen(Selection(contrast=Contrast((b, a))), seen)
    np.testing.assert_allclose(one.cam, -other.cam)
    assert float(one.cam.mean()) == pytest.approx(float(logits[0] - logits[1]), abs=1e-3)
    assert one.score + other.score == pytest.approx(1)


def test_the_two_best_are_contrasted_where_no_names_are_given() -> None:
    [view] = chosen(Selection(contrast=Contrast()), smoothed([0.0, 3.0, 2.0, 1.0], best=1))
    assert view.label == "b against c"


def test_a_class_that_never_wins_is_mapped_as_the_model_maps_it(model: Model) -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 255, (160, 288, 3), np.uint8)
    names = ClassNames(model.info.labels)
    prediction = look(
        model, image, Selection(classes=(names.find("Persian cat"),), smoothing="off")
    )
    alone = model.predict(image, classes=[283])
    np.testing.assert_allclose(prediction.displayed[0].cam, alone.cam.maps[0], atol=1e-4)
    assert prediction.top == model.predict(image).top  # raw values are left alone
    assert prediction.cam.maps.shape[0] == 5


def test_nine_classes_are_mapped_where_nine_are_asked_for(model: Model) -> None:
    image = np.random.default_rng(1).integers(0, 255, (160, 288, 3), np.uint8)
    prediction = look(model, image, Selection(top_k=9))
    scores = [view.score for view in prediction.displayed]
    assert len(scores) == 9
    assert scores == sorted(scores, reverse=True)


def test_more_classes_than_there_are_is_no_error(tiny_model: Model) -> None:
    image = np.full((64, 64, 3), 200, np.uint8)
    assert len(look(tiny_model, image, Selection(top_k=9)).displayed) == 2


def test_the_trail_follows_the_peak_and_forgets(tiny_model: Model) -> None:
    selector = MapSelector(
        tiny_model.infer, tiny_model.info, Selection(smoothing="off", trail_s=0.5)
    )
    for step in range(6):
        image = np.full((64, 320, 3), 130, np.uint8)
        image[:32, 32 * step : 32 * step + 32] = 250
        prediction = selector(Frame(step, step * 0.2, 0.0, Picture.from_bgr(image)))
    trail = prediction.displayed[0].trail
    assert [point.xy[0] for point in trail] == pytest.approx([112, 144, 176], abs=8)
    assert not any(point.is_start for point in trail[1:])


def test_the_trail_breaks_where_there_is_no_evidence(tiny_model: Model) -> None:
    selector = MapSelector(tiny_model.infer, tiny_model.info, Selection(smoothing="off", trail_s=9))
    for step, light in enumerate([250, 250, 5, 250, 250]):
        image = np.full((64, 320, 3), light // 2 + 80 if light > 9 else light, np.uint8)
        image[:32, 32 * step : 32 * step + 32] = light
        prediction = selector(Frame(step, step * 0.2, 0.0, Picture.from_bgr(image)))
    starts = [point.is_start for point in prediction.displayed[0].trail]
    assert starts.count(True) == 1 + (len(starts) == 4)


@pytest.mark.parametrize("kind", ["bgr", "yuv"])
def test_a_grid_shows_the_plain_picture_and_each_map_in_its_place(
    tiny_model: Model, kind: str
) -> None:
    image = np.full((192, 320, 3), 150, np.uint8)
    image[64:96, 128:160] = 255
    picture = Picture.from_bgr(image)
    frame = Frame(0, 0.0, 0.0, picture if kind == "bgr" else picture.yuv420())
    prediction = MapSelector(
        tiny_model.infer, tiny_model.info, Selection(top_k=2, cam_range=(160.0, 250.0))
    )(frame)
    style = Style(show_label=False)
    whole = annotate(prediction, style).picture
    assert whole.size_wh == grid_size((320, 192), 3) == (968, 192)
    tiles = [whole.bgr()[:, 324 * place : 324 * place + 320].astype(int) for place in range(3)]
    plain = frame.picture.bgr().astype(int)
    assert np.abs(tiles[0] - plain).max() <= 3
    hot = np.abs(tiles[1] - plain).max(axis=2) > 20
    rows, columns = np.nonzero(hot)
    assert abs(rows.mean() - 80) < 8  # the network's cells are of another size
    assert abs(columns.mean() - 144) < 8
    assert np.abs(tiles[2] - plain).max() <= 3  # "dark" has no evidence anywhere


def test_nothing_but_the_asked_maps_changes_in_a_clip(tiny_model: Model, sample: Path) -> None:
    """Smoothed or not, the raw values of every frame are the model's own."""
    selector = MapSelector(tiny_model.infer, tiny_model.info, Selection(smoothing="strong"))
    source = FileSource(sample)
    for frame, _ in zip(source, range(5), strict=False):
        raw, seen = tiny_model.infer(frame), selector(frame)
        assert seen.top == raw.top
        assert np.array_equal(seen.cam.maps, raw.cam.maps)
    source.close()


def test_a_wrong_number_of_maps_is_refused() -> None:
    with pytest.raises(ValueError, match="1 to 9"):
        Selection(top_k=10)


def test_heat_lingers_where_something_has_been(tiny_model: Model) -> None:
    """Its maximum falls to 1/e of the way in the time that was asked for."""
    bright = np.full((96, 160, 3), 240, np.uint8)
    bright[:, 80:] = 160
    dark = bright // 10  # the same scene: a cut would forget everything
    for decay_s, share in ((1.0, np.exp(-1.0)), (0.0, 0.0)):
        selection = Selection(
            classes=(ClassGroup("light", (0,)),), smoothing="off", decay_s=decay_s
        )
        selector = MapSelector(tiny_model.infer, tiny_model.info, selection)
        peaks = []
        for index, image in enumerate((bright, dark)):
            frame = Frame(index, float(index), 0.0, Picture.from_bgr(image))
            peaks.append(float(selector(frame).displayed[0].cam.mean()))
        assert peaks[0] == pytest.approx(200, rel=0.01)
        assert peaks[1] == pytest.approx(20 + 180 * share, abs=2)


def test_label_and_boxes_have_the_same_numbers(tiny_model: Model) -> None:
    """The five boxes of the paper had the raw scores of the frame, under a smoothed label."""
    selector = MapSelector(tiny_model.infer, tiny_model.info, Selection(box_rule="five"))
    ground = np.full((96, 160, 3), 63, np.uint8)
    ground[32:64, 64:96] = 85
    for index in range(4):
        image = ground + np.uint8(index % 2)  # the raw score goes up and down
        prediction = selector(Frame(index, index / 10, 0.0, Picture.from_bgr(image)))
        shown = {found.class_index: found.score for found in prediction.boxes}
        main = prediction.displayed[0]
        assert shown[main.class_index] == main.score
        assert sum(shown.values()) <= 1 + 1e-6
    assert main.score != pytest.approx(prediction.top[0].score, abs=1e-4)  # smoothed it is another


def test_five_boxes_of_one_picture_have_its_own_scores(tiny_model: Model) -> None:
    image = np.full((96, 160, 3), 132, np.uint8)
    image[32:64, 64:96] = 250
    prediction = tiny_model.predict(image)
    found = boxes_of(prediction, "five")
    assert found
    scores = {top.class_index: top.score for top in prediction.top}
    assert all(one.score == scores[one.class_index or 0] for one in found)


def test_a_class_that_was_asked_for_has_its_own_label_at_its_map(tiny_model: Model) -> None:
    """The label of the best class stood over the map and box of the one that was asked for."""
    image = np.full((96, 160, 3), 40, np.uint8)
    image[32:64, 64:96] = 160
    prediction = tiny_model.predict(image, classes=[0])
    view = prediction.displayed[0]
    assert prediction.top[0].label == "dark"
    assert (view.label, view.class_index) == ("light", 0)
    assert np.array_equal(view.cam, prediction.cam.maps[0])
    assert view.score == next(top.score for top in prediction.top if top.label == "light")
    assert {found.label for found in prediction.boxes} == {"light"}


_GROUPS = st.lists(
    st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True).map(tuple), max_size=3
)


@settings(max_examples=40)
@given(
    hnp.arrays(np.float32, 4, elements=st.floats(-8, 8, width=32)),
    st.integers(0, 3),
    st.integers(1, 9),
    _GROUPS,
    st.sampled_from(
        [None, Contrast(), Contrast((ClassGroup("a", (0,)), ClassGroup("bc", (1, 2))))]
    ),
)
def test_laws_of_any_selection(
    logits: np.ndarray,
    held: int,
    top_k: int,
    groups: list[tuple[int, ...]],
    contrast: Contrast | None,
) -> None:
    """The best first and each once, then what was asked for, in its order; always something."""
    seen = smoothed(logits.tolist(), best=held)
    classes = tuple(ClassGroup(f"group {place}", group) for place, group in enumerate(groups))
    selection = Selection(top_k=top_k, classes=classes, contrast=contrast)
    views = chosen(selection, seen)
    is_replaced = top_k == 1 and bool(classes or contrast)
    best = views[: 0 if is_replaced else min(top_k, 4)]
    asked = views[len(best) : len(best) + len(classes)]
    assert len(views) == len(best) + len(classes) + (contrast is not None) >= 1
    assert len({view.key for view in best}) == len(best)
    if best:
        assert best[0].class_index == held
        scores = [view.score for view in best[1:]]
        assert scores == sorted(scores, reverse=True)
    assert [view.label for view in asked] == [group.label for group in classes]
    assert [view.is_contrast for view in views] == [False] * (len(best) + len(classes)) + [True] * (
        contrast is not None
    )
    for view in views:
        assert 0 <= view.score <= 1
        assert view.cam.shape == (3, 4)
        assert view.state is None
        if view.class_index is not None:
            assert view.score == pytest.approx(float(seen.scores[view.class_index]), abs=1e-6)
            np.testing.assert_allclose(view.cam, seen.maps[view.class_index], atol=1e-5)
