"""Maps in an NPZ file: every value back, the CAM identity kept, whatever a live source does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camstream.annotation import AnnotationJob, run
from camstream.commands.demo import sample_clip
from camstream.errors import SinkError
from camstream.frame import Annotated, Prediction
from camstream.models.session import Model
from camstream.sinks.arrays import MapsFile
from camstream.sinks.encoding import Encoding
from tests.annotated import LABELS, make_annotated

SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4))
HALF = 2.0**-11  # relative error of rounding to float16


def write(path: Path, made: list[Annotated]) -> dict[str, np.ndarray[Any, Any]]:
    file = MapsFile(path, LABELS, overwrite=True)
    for annotated in made:
        file.write(annotated)
    file.finish()
    with np.load(path, allow_pickle=False) as loaded:
        return dict(loaded)


@given(st.lists(SHAPES, max_size=6))
@settings(max_examples=40, deadline=None)
def test_every_value_comes_back(
    tmp_path_factory: pytest.TempPathFactory, shapes: list[tuple[int, int, int]]
) -> None:
    rng = np.random.default_rng(0)
    made = [
        make_annotated(
            3 * index,
            maps=rng.normal(0, 20, shape).astype(np.float32),
            size_wh=(2 * shape[2], 2 * shape[1]),
        )
        for index, shape in enumerate(shapes)
    ]
    read = write(tmp_path_factory.mktemp("m") / "m.npz", made)
    assert read["index"].tolist() == [3 * index for index in range(len(made))]
    assert read["maps"].dtype == np.float16
    assert read["maps"].shape == (len(made), *np.max(np.array([*shapes, (0, 0, 0)]), axis=0))
    for place, (annotated, (k, h, w)) in enumerate(zip(made, shapes, strict=True)):
        cam = annotated.prediction.cam
        assert read["pts_s"][place] == annotated.prediction.frame.pts_s
        assert read["size_wh"][place].tolist() == [2 * w, 2 * h]
        assert read["maps_khw"][place].tolist() == [k, h, w]
        maps = read["maps"][place]
        np.testing.assert_array_equal(maps[:k, :h, :w], cam.maps.astype(np.float16))
        assert np.isfinite(maps).sum() == k * h * w  # the rest is NaN
        assert read["class_indices"][place].tolist()[:k] == cam.class_indices.tolist()
        assert (read["class_indices"][place, k:] == -1).all()
        np.testing.assert_array_equal(read["bias"][place, :k], cam.bias)
        assert np.isnan(read["bias"][place, k:]).all()
    assert read["labels"].tolist() == list(LABELS)
    assert "row" in str(read["geometry"])


def test_a_run_keeps_the_cam_identity(tiny_model: Model, tmp_path: Path) -> None:
    seen: list[Prediction] = []
    job = AnnotationJob(
        source=sample_clip(),
        output=tmp_path / "o.mp4",
        encoding=Encoding(preset="ultrafast"),
        maps=tmp_path / "m.npz",
    )
    run(
        job,
        tiny_model,
        on_frame=lambda prediction, _: seen.append(prediction),
        stop=lambda: len(seen) == 8,
    )
    with np.load(tmp_path / "m.npz", allow_pickle=False) as read:
        maps, bias, classes = read["maps"], read["bias"], read["class_indices"]
        labels = read["labels"]
        assert str(read["method"]) == "CAM"
        assert read["size_wh"].tolist() == [[1280, 720]] * 8
    assert len(seen) == len(maps) == 8
    for place, prediction in enumerate(seen):
        for top, one in zip(prediction.top, range(classes.shape[1]), strict=True):
            assert classes[place, one] == top.class_index
            assert labels[classes[place, one]] == top.label
            logit = maps[place, one].astype(np.float64).mean() + bias[place, one]
            error = HALF * float(np.abs(maps[place, one].astype(np.float64)).mean())
            assert logit == pytest.approx(top.logit, abs=error + 1e-3)


def test_values_past_float16_do_not_end_a_run(tmp_path: Path) -> None:
    maps = np.array([[[1e30, -1e30, np.nan]]], np.float32)
    read = write(tmp_path / "m.npz", [make_annotated(0, maps=maps)])
    np.testing.assert_array_equal(read["maps"][0, 0, 0], [np.inf, -np.inf, np.nan])


def test_maps_need_their_suffix(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"\.npz file"):
        MapsFile(tmp_path / "m.npy", LABELS, overwrite=False)
    with pytest.raises(SinkError, match="no folder"):
        MapsFile(tmp_path / "gone" / "m.npz", LABELS, overwrite=False)
