"""``camstream evaluate``: what it reads, what it refuses in one line, what it writes."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from camstream.errors import SourceError, UsageError
from camstream.evaluate import Request, evaluate, measure, metrics
from camstream.evaluate.annotations import GroundTruth, read_folders, read_ground_truths
from camstream.evaluate.contact_sheet import choose
from camstream.evaluate.measure import CAM, CENTRE, GAUSSIAN, WHOLE, Localization, PhotoResult
from camstream.evaluate.report import Figures, sum_up, to_table
from camstream.models.classes import ClassNames
from camstream.models.session import Model
from camstream.picture import ImageU8, MapF32

_HEADER = "file,class_index_imagenet,wnid_or_name,x0,y0,x1,y1,width,height\n"
_NAMES = ClassNames(["cat", "dog", "crane", "Crane"])
_VOC = """<annotation><filename>{name}</filename>
<size><width>64</width><height>48</height><depth>3</depth></size>
<object><name>{kind}</name><bndbox><xmin>11</xmin><ymin>1</ymin><xmax>30</xmax><ymax>{bottom}</ymax>
</bndbox></object></annotation>"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two grey photos, 64 x 48."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(folder / name), np.full((48, 64, 3), 128, np.uint8))
    return folder


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def _coco(**changes: object) -> str:
    values = {
        "images": [{"id": 7, "file_name": "a.png", "width": 64, "height": 48}],
        "categories": [{"id": 3, "name": "Dog"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 0, 20, 40]},
            {"id": 2, "image_id": 7, "category_id": 3, "bbox": [0, 0, 9, 9], "iscrowd": 1},
        ],
    }
    return json.dumps(values | changes)


def test_csv(photos: Path, tmp_path: Path) -> None:
    rows = "b.png,0,n1,1,2,3,4,64,48\na.png,1,x,10,0,30,40,64,48\nb.png,0,n1,5,6,7.5,8,64,48\n"
    ground_truths, unknown = read_ground_truths(
        photos, _write(tmp_path / "b.csv", _HEADER + rows), _NAMES
    )
    assert [
        (ground_truth.path.name, ground_truth.class_index) for ground_truth in ground_truths
    ] == [
        ("a.png", 1),
        ("b.png", 0),
    ]
    assert ground_truths[1].truth.tolist() == [[1, 2, 3, 4], [5, 6, 7.5, 8]]
    assert ground_truths[0].size_wh == (64, 48)
    assert unknown == 0


def test_csv_with_names_and_unknown_classes(photos: Path, tmp_path: Path) -> None:
    rows = "file,label,x0,y0,x1,y1\na.png,DOG,1,2,3,4\nb.png,zebra,1,2,3,4\n"
    ground_truths, unknown = read_ground_truths(photos, _write(tmp_path / "b.csv", rows), _NAMES)
    assert [
        (ground_truth.path.name, ground_truth.class_index) for ground_truth in ground_truths
    ] == [("a.png", 1)]
    assert ground_truths[0].size_wh is None
    assert unknown == 1


def test_voc_counts_pixels_from_one(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "voc"
    folder.mkdir()
    for name in ("a", "b"):  # ImageNet's files name the photo without its suffix
        _write(folder / f"{name}.xml", _VOC.format(name=name, kind="dog", bottom=40))
    ground_truths, _ = read_ground_truths(photos, folder, _NAMES)
    assert [ground_truth.path.name for ground_truth in ground_truths] == ["a.png", "b.png"]
    assert ground_truths[0].truth.tolist() == [[10, 0, 30, 40]]
    assert ground_truths[0].size_wh == (64, 48)


def test_coco_gives_width_and_height_and_crowds_do_not_count(photos: Path, tmp_path: Path) -> None:
    ground_truths, _ = read_ground_truths(photos, _write(tmp_path / "c.json", _coco()), _NAMES)
    assert [ground_truth.path.name for ground_truth in ground_truths] == ["a.png"]
    assert ground_truths[0].class_index == 1
    assert ground_truths[0].truth.tolist() == [[10, 0, 30, 40]]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("b.csv", "file,x0,y0\n", "lacks the columns x1, y1"),
        ("b.csv", "", "lacks the columns"),
        ("b.csv", _HEADER, "no box of a class that the model knows"),
        ("b.csv", _HEADER + "a.png,9,zebra,1,2,3,4,64,48\n", "no box of a class"),
        ("b.csv", _HEADER + "a.png,0,x,1,2,three,4,64,48\n", "line 2 is malformed"),
        ("b.csv", _HEADER + "a.png,0,x,1,2\n", "line 2 is malformed"),
        ("b.csv", _HEADER + "a.png,0,x,1,2,nan,4,64,48\n", "line 2: no box"),
        ("b.csv", _HEADER + "a.png,0,x,1,2,1e308,4,64,48\n", "line 2: no box"),
        ("b.csv", _HEADER + f"a.png,,{'1' * 5000},1,2,3,4,64,48\n", "no box of a class"),
        ("b.csv", _HEADER + "a.png,0,x,3,2,1,4,64,48\n", "line 2: no box: left 3.0"),
        ("b.csv", _HEADER + "a.png,,,1,2,3,4,64,48\n", "no class_index and no label"),
        ("b.csv", _HEADER + "gone.png,0,x,1,2,3,4,64,48\n", "the photo gone.png is not in"),
        ("b.csv", _HEADER + "a.png,,crane,1,2,3,4,64,48\n", "several classes are called 'crane'"),
        ("b.json", "[1, 2]", "not a COCO file"),
        ("b.json", "{", "not a COCO file"),
        ("b.json", _coco(images=[]), "not a COCO file"),
        ("b.json", "[" * 100_000, "not a COCO file"),
        ("b.json", '{"images": ' + "1" * 5_000 + "}", "not a COCO file"),
        ("b.json", _coco(images=[{"id": 7, "file_name": 5}]), "a file's name is 5"),
        ("b.csv", _HEADER + "x" * 200_000 + ",0,x,1,2,3,4,64,48\n", "it is no table"),
        ("b.csv", _HEADER + "x" * 5_000 + ",0,x,1,2,3,4,64,48\n", "is not in"),
        ("b.json", _coco(categories=[{"id": 3, "name": "yak"}]), "no box of a class"),
        ("b.xml", "<annotation>", "not a Pascal VOC file"),
        ("b.xml", _VOC.format(name="a", kind="dog", bottom="low"), "not a Pascal VOC file"),
        ("none.csv", None, "none.csv: there is no such file"),
    ],
)
def test_bad_annotations_are_refused_in_one_line(
    photos: Path, tmp_path: Path, name: str, text: str | None, message: str
) -> None:
    path = tmp_path / name
    if text is not None:
        _write(path, text)
    with pytest.raises(SourceError) as caught:
        read_ground_truths(photos, path, _NAMES)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_not_text_is_refused(photos: Path, tmp_path: Path) -> None:
    for name in ("b.csv", "b.json"):
        (tmp_path / name).write_bytes(b"\xff\xfe\x00\x81")
        with pytest.raises(SourceError, match="UTF-8"):
            read_ground_truths(photos, tmp_path / name, _NAMES)
    with pytest.raises(SourceError, match=r"no \.xml file"):
        read_ground_truths(photos, photos, _NAMES)
    with pytest.raises(SourceError, match="no such folder"):
        read_ground_truths(tmp_path / "gone", tmp_path / "b.csv", _NAMES)


def test_folders_name_classes(photos: Path) -> None:
    for name in ("dog", "0"):
        (photos / name).mkdir()
    with pytest.raises(SourceError, match="no photos in sub-folders"):
        read_folders(photos, _NAMES)
    (photos / "a.png").rename(photos / "dog" / "a.png")
    (photos / "b.png").rename(photos / "0" / "b.png")
    found = [
        (ground_truth.path.name, ground_truth.class_index)
        for ground_truth in read_folders(photos, _NAMES)
    ]
    assert sorted(found) == [("a.png", 1), ("b.png", 0)]
    (photos / "unicorn").mkdir()
    with pytest.raises(SourceError, match="no class 'unicorn'"):
        read_folders(photos, _NAMES)


def test_wordnet_ids_are_imagenets_only(model: Model) -> None:
    assert ClassNames(model.info.labels).index_of("n02123394") == 283
    assert ClassNames(model.info.labels).index_of("n00000000") is None
    assert _NAMES.index_of("n02123394") is None
    assert _NAMES.index_of("3") == 3
    assert _NAMES.index_of(4) is None


def test_photo_of_another_size_is_refused(photos: Path) -> None:
    ground_truth = GroundTruth(photos / "a.png", 0, np.zeros((0, 4)), (48, 64))
    with pytest.raises(SourceError, match="is 64x48, but its boxes are for 48x64"):
        measure.read_photo(ground_truth)
    _write(photos / "a.png", "no picture")
    with pytest.raises(SourceError, match="it is not a photo"):
        measure.read_photo(ground_truth)
    (photos / "a.png").write_bytes(b"")
    with pytest.raises(SourceError, match="it is not a photo"):
        measure.read_photo(ground_truth)


def test_masks(photos: Path, tmp_path: Path) -> None:
    grey = np.zeros((48, 64), np.uint8)
    grey[10:20, 10:30], grey[0] = 255, 128
    cv2.imwrite(str(tmp_path / "a.png"), grey)
    mask = measure.read_mask(tmp_path, photos / "a.jpg", (64, 48))
    assert ((mask == 1).sum(), (mask == -1).sum()) == (200, 64)
    with pytest.raises(SourceError, match="not of the size"):
        measure.read_mask(tmp_path, photos / "a.jpg", (48, 64))
    with pytest.raises(SourceError, match=r"b\.png"):
        measure.read_mask(tmp_path, photos / "b.jpg", (64, 48))


def _outcome(iou: float, rank: int = 0, peak: float = 20.0) -> PhotoResult:
    localization = Localization(None, iou, iou, np.full((2, len(metrics.THRESHOLDS)), iou), iou > 0)
    return PhotoResult(
        GroundTruth(Path(f"{iou}"), 0, np.zeros((1, 4))), rank, peak, {CAM: localization}
    )


def test_figures_by_hand() -> None:
    results = [
        _outcome(0.8),
        _outcome(0.6, rank=2),
        _outcome(0.55, peak=9.0),
        _outcome(0.1, rank=5),
    ]
    report = sum_up(results, model="m", weights_sha256="", floor=10.0)
    assert (report.class_top1_error, report.class_top5_error) == (0.5, 0.25)
    assert report.under_floor == 1
    assert report.ways[CAM] == Figures(
        top1_error=0.5,
        top5_error=0.25,
        five_box_error=0.25,
        gt_known=0.75,
        as_drawn=0.5,
        max_box_acc=0.75,
        best_threshold=None,
        max_box_acc_v2=float(np.mean([0.75, 0.75, 0.25])),
        pointing=1.0,
        px_ap=None,
    )


def test_sheet_shows_best_typical_and_worst() -> None:
    results = [_outcome(value / 30) for value in np.random.default_rng(0).permutation(30)]
    rows = {
        title: [round(result.localizations[CAM].iou * 30) for result in chosen]
        for title, chosen in choose(results).items()
    }
    assert rows["best"] == [29, 28, 27, 26, 25, 24]
    assert rows["typical"] == [17, 16, 15, 14, 13, 12]
    assert rows["worst"] == [5, 4, 3, 2, 1, 0]
    assert [len(chosen) for chosen in choose(results[:2]).values()] == [2, 2, 2]


def test_whole_command_with_masks(model: Model, photos: Path, tmp_path: Path) -> None:
    """The baselines' figures follow from the boxes alone, whatever the model predicts."""
    boxes = "file,class_index,x0,y0,x1,y1\na.png,1,2,2,62,46\nb.png,2,15,11,49,37\n"
    masks = tmp_path / "masks"
    masks.mkdir()
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(masks / name), np.full((48, 64), 255, np.uint8))
    out, contact_sheet = tmp_path / "out.json", tmp_path / "sheet.jpg"
    request = Request(
        photos=photos,
        boxes=_write(tmp_path / "b.csv", boxes),
        masks=masks,
        json=out,
        contact_sheet=contact_sheet,
    )
    report = evaluate(request, model)
    # The boxes are 86 % and 29 % of the photo: IoU with its half in the middle 0.58 and 0.58.
    assert report.ways[WHOLE].gt_known == 0.5
    assert report.ways[WHOLE].max_box_acc_v2 == pytest.approx(0.5)
    assert report.ways[CENTRE].gt_known == 1
    assert report.ways[CENTRE].max_box_acc_v2 == pytest.approx((1 + 1 + 0) / 3)
    assert report.ways[GAUSSIAN].gt_known is None
    assert report.ways[GAUSSIAN].pointing == 1
    assert report.ways[CAM].px_ap == pytest.approx(1)  # everything is object
    assert report.photos == report.ground_truths == 2
    assert json.loads(out.read_text()) == report.to_dict()
    image = cv2.imread(str(contact_sheet))
    assert image is not None
    assert image.std() > 5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: Request(photos=folder), "either --true-boxes"),
        (
            lambda folder: Request(photos=folder, boxes=folder, from_folders=True),
            "either --true-boxes",
        ),
        (
            lambda folder: Request(photos=folder, from_folders=True, masks=folder),
            "need --true-boxes",
        ),
        (
            lambda folder: Request(photos=folder, from_folders=True, contact_sheet=folder),
            "need --true-boxes",
        ),
    ],
)
def test_unclear_requests_are_refused(
    tmp_path: Path, make: Callable[[Path], Request], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        make(tmp_path)


def test_a_contact_sheet_is_a_picture(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"x\.pdf: a contact sheet is a \.jpg or \.png"):
        Request(photos=tmp_path, boxes=tmp_path, contact_sheet=tmp_path / "x.pdf")


def test_folders_are_classified(model: Model, data: Path, tmp_path: Path) -> None:
    folder = data / "boxes" / "imagenette_val"
    with (folder / "boxes.csv").open(newline="") as file:
        wnids = {row["file"]: row["wnid_or_name"] for row in csv.DictReader(file)}
    for name, wnid in sorted(wnids.items())[:20]:
        (tmp_path / wnid).mkdir(exist_ok=True)
        (tmp_path / wnid / name).symlink_to((folder / "images" / name).resolve())
    report = evaluate(Request(photos=tmp_path, from_folders=True), model)
    assert report.photos == 20
    assert report.class_top1_error <= 0.5
    assert report.ways == {}


def test_map_beats_the_baselines_on_real_photos(model: Model, data: Path) -> None:
    folder = data / "boxes" / "imagenette_val"
    ground_truths, unknown = read_ground_truths(
        folder / "images", folder / "boxes.csv", ClassNames(model.info.labels)
    )
    assert (len(ground_truths), unknown) == (250, 0)
    results = [measure.evaluate_photo(model, ground_truth) for ground_truth in ground_truths[::2]]
    report = sum_up(results, model="", weights_sha256="", floor=model.info.cam_range[0])
    cam, centre = report.ways[CAM], report.ways[CENTRE]
    assert cam.gt_known is not None
    assert centre.gt_known is not None
    assert cam.gt_known >= centre.gt_known + 0.08
    assert cam.gt_known >= 0.52
    assert cam.max_box_acc_v2 >= report.ways[GAUSSIAN].max_box_acc_v2 + 0.05
    assert cam.pointing >= 0.86


def test_threshold_and_other_ways(model: Model, photos: Path, tmp_path: Path) -> None:
    boxes = _write(tmp_path / "b.csv", "file,class_index,x0,y0,x1,y1\na.png,1,0,0,32,48\n")
    calls: list[tuple[tuple[int, ...], int]] = []

    def left(image: ImageU8, class_index: int) -> MapF32:
        calls.append((image.shape, class_index))
        return np.repeat([[1.0, 0.6, 0.5, 0.0]], 3, axis=0).astype(np.float32)

    report = evaluate(Request(photos=photos, boxes=boxes, box_threshold=0.9), model, {"left": left})
    assert list(report.ways) == [CAM, "left", CENTRE, WHOLE, GAUSSIAN]
    assert calls == [((192, 256, 3), 1)]
    assert report.ways["left"].pointing == 1
    assert report.ways["left"].gt_known == 0  # above 90 % there is a quarter of the photo only
    assert report.box_threshold == 0.9
    assert "GT-known (CorLoc), 90 % rule" in list(to_table(report).columns[0].cells)
