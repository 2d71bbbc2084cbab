"""Class-specific units: which feature maps speak for a class, and what excites each of them.

Zhou et al. 2016, section 4.3 and figure 13: a unit is one feature map (channel) before the pooling. Its
row entry in the linear layer says how much it counts for a class; the photos in which it is most active,
and the places in them, show what it looks for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from camstream.drawing.sheet import (
    CAPTION_PX,
    GAP_PX,
    SHEET_SUFFIXES,
    ground,
    make_tile,
    tile_size,
    write_text,
)
from camstream.errors import SinkError, SourceError
from camstream.graph.backbone import F32, Backbone
from camstream.media import PHOTO_SUFFIXES, read_photo
from camstream.picture import ImageU8, MapF32, Picture
from camstream.sinks.atomic_file import AtomicFile

PLACES = 6  # photos shown of each unit
_OWN_PHOTOS = (
    10  # with the highest score of the class: what its logit is made of is measured on these
)
_EXCITED = 0.5  # of the unit's maximum in the photo: the place that excites it
_DIM = 0.25  # brightness outside of that place
_TITLE_PX = 34


@dataclass(frozen=True, slots=True)
class Place:
    """What excites a unit in a photo.

    Attributes:
        photo: The photo.
        average: The unit's average activity in it, which is what the linear layer reads.
        activity: (h, w) the unit's feature map.
    """

    photo: Path
    average: float
    activity: MapF32


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit and what it means to a class.

    Attributes:
        channel: Its number among the feature maps.
        weight: Its entry in the class's row.
        part: What it adds to the class's logit: weight times average activity, mean over the photos
            that score highest for the class.
        places: Where it is most active, the strongest first.
    """

    channel: int
    weight: float
    part: float
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Units:
    """The units that count most for a class.

    Attributes:
        label: Of the class.
        logit: Of the class without its bias, mean over the photos that score highest for it: the sum of
            the parts of all units.
        photos: How many photos were looked at.
        units: Those with the largest part, in this order.
    """

    label: str
    logit: float
    photos: int
    units: tuple[Unit, ...]


def find_photos(given: Sequence[Path]) -> list[Path]:
    """List photos: files, and what folders and their sub-folders hold.

    Raises:
        SourceError: There are none.
    """
    photos: list[Path] = []
    for path in given:
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        photos += [
            one for one in inside if not path.is_dir() or one.suffix.lower() in PHOTO_SUFFIXES
        ]
    if not photos:
        raise SourceError(f"cannot show units: no photos are in {', '.join(map(str, given))}")
    return photos


def find_units(
    backbone: Backbone,
    class_index: int,
    photos: Sequence[Path],
    *,
    count: int,
    on_photo: Callable[[int, int | None], None] = lambda _done, _all: None,
) -> Units:
    """Find the units that count most for a class, and the places that excite them.

    Args:
        backbone: Of the model.
        class_index: The class.
        photos: Of whatever.
        count: How many units.
        on_photo: Called with the number of photos so far and of all.

    Raises:
        ModelError: The model has no linear layer behind its pooling.
        SourceError: A photo cannot be read.
    """
    row = backbone.rows()[class_index]
    pooled = []
    for done, photo in enumerate(photos, 1):
        pooled.append(backbone.pooled(_image(backbone, photo)))
        on_photo(done, len(photos))
    averages = np.stack(pooled)  # (photos, D)
    parts = averages * row
    own = np.argsort(-parts.sum(axis=1), kind="stable")[:_OWN_PHOTOS]
    part = parts[own].mean(axis=0)
    units = []
    for channel in np.argsort(-part, kind="stable")[:count].tolist():
        of_unit = averages[:, channel]
        strongest = np.argsort(-of_unit, kind="stable")[:PLACES].tolist()
        places = tuple(
            Place(photos[n], float(of_unit[n]), _activity(backbone, photos[n], channel))
            for n in strongest
            if of_unit[n] > 0
        )
        units.append(Unit(channel, float(row[channel]), float(part[channel]), places))
    return Units(backbone.info.labels[class_index], float(part.sum()), len(photos), tuple(units))


def write_sheet(file: AtomicFile, found: Units) -> None:
    """Draw the units, a row each: the photos that excite it, dark where it is not excited.

    Args:
        file: From ``check_sheet``.
        found: The units.

    Raises:
        SinkError: The file cannot be written.
        SourceError: A photo cannot be read any more.
    """
    sheet = np.concatenate([_row(found, unit) for unit in found.units])
    try:
        with file.writing():
            file.path.write_bytes(cv2.imencode(file.target.suffix.lower(), sheet)[1].tobytes())
        file.commit()
    finally:
        if not file.is_done:
            file.discard()


def check_sheet(path: Path, photos: Sequence[Path], *, overwrite: bool) -> AtomicFile:
    """Check that the picture may be written.

    Raises:
        SinkError: It may not.
    """
    if path.suffix.lower() not in SHEET_SUFFIXES:
        raise SinkError(f"cannot write {path}: it is a .jpg or .png picture")
    return AtomicFile(path, overwrite=overwrite, inputs=photos)


def _activity(backbone: Backbone, photo: Path, channel: int) -> MapF32:
    maps: MapF32 = backbone.maps(_image(backbone, photo)[np.newaxis])[0, channel].copy()
    return maps


def _image(backbone: Backbone, photo: Path) -> ImageU8:
    picture = Picture.from_bgr(read_photo(photo))
    return picture.bgr(backbone.size_wh(picture))


def _row(found: Units, unit: Unit) -> ImageU8:
    tiles = [_tile(place) for place in unit.places]
    height, width = tiles[0].shape[:2] if tiles else (CAPTION_PX, 0)
    row = ground(_TITLE_PX + height, GAP_PX + PLACES * (max(width, 1) + GAP_PX))
    said = (
        f"unit {unit.channel}: {unit.part:+.2f} of {found.logit:.2f} for {found.label}"
        if tiles
        else f"unit {unit.channel}: active in none of the photos"
    )
    write_text(row, said, (GAP_PX, 24), 18)
    for column, tile in enumerate(tiles):
        left = GAP_PX + column * (width + GAP_PX)
        row[_TITLE_PX:, left : left + width] = tile
    return row


def _tile(place: Place) -> ImageU8:
    image = read_photo(place.photo)
    height, width = image.shape[:2]
    small_wh = tile_size(width, height)
    small = cv2.resize(image, small_wh, interpolation=cv2.INTER_AREA).astype(np.float32)
    activity: F32 = np.asarray(
        cv2.resize(place.activity, small_wh, interpolation=cv2.INTER_CUBIC), np.float32
    )
    light = np.where(activity >= _EXCITED * place.activity.max(), 1.0, _DIM).astype(np.float32)
    shown = (small * light[..., np.newaxis]).astype(np.uint8)
    return make_tile(shown, place.photo.name, f"average {place.average:.2f}")
