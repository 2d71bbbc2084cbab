"""How ``person`` and its rivals are measured: images by source, footage, events."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from camstream.errors import SourceError, UsageError
from camstream.maps.presence import Interval
from export.person.footage import FRAME_WH, WAYS, Visit, Walker, film, visit
from export.person.score_events import (
    judge_visit,
    measure_empty,
    measure_visits,
    smoothed,
)
from export.person.score_frames import Labelled, figures, read
from export.person.scorers import Scorer, open_scorer

GREY = np.full((90, 160, 3), 90, np.uint8)
RED = np.broadcast_to(np.array([0, 0, 255], np.uint8), (60, 20, 3)).copy()
WHOLE = np.full((60, 20), 255, np.uint8)


def redness(image: np.ndarray) -> float:
    """Score 1 where there is any red, noise averaged out."""
    small = cv2.resize(image, (128, 72), interpolation=cv2.INTER_AREA).astype(int)
    return float((small[..., 2] - small[..., 0] > 60).any())


SEES_RED = Scorer("red", redness, 0.5)


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    path = tmp_path / "grey.png"
    cv2.imwrite(str(path), GREY)
    return [path]


def labelled(person: list[bool], sources: list[str]) -> Labelled:
    paths = tuple(Path(f"{number}.jpg") for number in range(len(person)))
    return Labelled(paths, np.array(person), np.array(sources))


def test_a_source_with_many_images_counts_as_much_as_one_with_few() -> None:
    images = labelled([True] * 8 + [False] * 2, ["many"] * 8 + ["few"] * 2)
    found = figures(np.array([1.0] * 8 + [1.0, 0.0]), 0.5, images)
    assert (found.seen, found.empty, found.balanced) == (1.0, 0.5, 0.75)
    assert found.mean_of_sources == 0.75
    assert found.best == 0.75


def test_thinned_keeps_some_of_each_source_and_label() -> None:
    images = labelled([True] * 9 + [False] * 3, ["a"] * 10 + ["b"] * 2)
    kept = images.thinned(2)
    assert [path.stem for path in kept.paths] == ["0", "8", "9", "10", "11"]
    assert kept.sources.tolist() == ["a", "a", "a", "b", "b"]


def test_a_folder_without_a_list_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"manifest\.csv"):
        read(tmp_path)


def test_an_unknown_scorer_is_one_line() -> None:
    with pytest.raises(UsageError, match="camstream:, yolox: or vww:"):
        open_scorer("frigate:x")


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_filming_gives_frames_of_one_size(way: str) -> None:
    frames = list(film(GREY, way, fps=5, seconds=2, seed=1))
    assert [at_s for at_s, _ in frames] == pytest.approx(np.arange(10) / 5)
    assert {image.shape for _, image in frames} == {(FRAME_WH[1], FRAME_WH[0], 3)}
    assert {image.dtype for _, image in frames} == {np.dtype(np.uint8)}


def test_half_of_a_walker_is_in_the_frame_when_the_visit_begins_and_ends() -> None:
    one = visit(9.0)
    assert one == Visit(3.0, 6.0)
    for cut in (False, True):
        frames = film(GREY, "still", fps=10, seconds=9, seed=1, walker=Walker(RED, WHOLE, 0.5, cut))
        red = {round(at_s, 1): int((image[..., 2] > 200).sum()) for at_s, image in frames}
        most = red[4.5]
        assert red[2.4] == red[6.6] == 0
        assert red[3.0] == pytest.approx(most / 2, rel=0.05)
        assert red[6.0] == pytest.approx(most / 2, rel=0.05)
        assert most == pytest.approx(180 * 60 * (0.5 if cut else 1), rel=0.02)


def test_the_delay_of_a_visit_counts_until_it_can_be_told() -> None:
    assert judge_visit([], 9.0) is None
    assert judge_visit([Interval(0.0, 1.0, 1.0)], 9.0) is None
    assert judge_visit([Interval(0.0, 1.0, 1.0), Interval(3.4, 6.0, 1.0)], 9.0) == pytest.approx(
        0.7
    )


def test_the_median_leaves_out_a_single_high_score() -> None:
    samples = [(0.0, 0.0), (0.2, 1.0), (0.4, 0.0), (0.6, 1.0), (0.8, 1.0)]
    assert [score for _, score in smoothed(samples, 3)] == [0, 0, 0, 1, 1]
    assert list(smoothed(samples, 1)) == samples


def test_a_scorer_that_sees_only_walkers_has_no_false_event_and_misses_no_visit(
    photos: list[Path],
) -> None:
    empty = measure_empty(SEES_RED, photos, fps=2, minutes=1.2, median=1)
    assert set(empty) == set(WAYS)
    assert sum(one.events for one in empty.values()) == 0
    assert sum(one.seconds for one in empty.values()) == pytest.approx(72)
    seen = measure_visits(SEES_RED, photos, [(RED, WHOLE)], fps=5, count=1, median=1)
    by_day = [each for name, each in seen.items() if "day" in name]
    assert [(len(each.delays_s), each.missed) for each in by_day] == [(1, 0)] * len(by_day)


def test_a_scorer_that_always_sees_somebody_has_an_event_in_every_clip(photos: list[Path]) -> None:
    always = Scorer("always", lambda _: 1.0, 0.5)
    empty = measure_empty(always, photos, fps=2, minutes=1.2, median=1)
    assert sum(one.events for one in empty.values()) == 6
    assert str(empty["still"]).startswith("300.0 an hour (1 in 0.2 min)")
