"""Annotated frames with any values, for whatever is written of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from camstream.frame import Annotated, Box, ClassBox, ClassMaps, Frame, TopClass
from camstream.picture import MapF32, Picture
from camstream.testing import make_prediction

LABELS = ("cat", 'a "quoted", label', "zwei\nZeilen", "日本", "<script>alert(1)</script>")


def make_annotated(
    index: int,
    *,
    pts_s: float | None = None,
    classes: Sequence[int] = (0, 1),
    scores: Sequence[float] = (0.7, 0.2),
    maps: MapF32 | None = None,
    size_wh: tuple[int, int] = (64, 48),
    boxes: bool = False,
) -> Annotated:
    """A frame with these best classes; its maps are of the first ones and meet the CAM identity."""
    if maps is None:
        maps = np.random.default_rng(index).normal(0, 9, (2, 3, 4)).astype(np.float32)
    displayed = list(range(len(maps)))
    bias = np.linspace(-1, 1, len(maps), dtype=np.float32)
    top = tuple(
        TopClass(LABELS[one], one, score, 3.25 - rank)
        for rank, (one, score) in enumerate(zip(classes, scores, strict=True))
    )
    time_s = index / 30 if pts_s is None else pts_s
    picture = Picture.from_bgr(np.zeros((size_wh[1], size_wh[0], 3), np.uint8))
    cam = ClassMaps(maps=maps, class_indices=np.array(displayed), bias=bias, cam_range=(0.0, 20.0))
    found = ClassBox(top[0].label, top[0].score, top[0].class_index, Box((1.0, 2.0, 30.5, 40.0)))
    prediction = dataclasses.replace(
        make_prediction(Frame(index, time_s, 0.0, picture), top=top, cam=cam),
        boxes=(found,) if boxes else (),
    )
    return Annotated(prediction=prediction, picture=picture)
