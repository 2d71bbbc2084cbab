"""``camstream teach``: folders in, a model and figures out; errors are one line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from camstream import contract
from camstream.commands import app
from camstream.errors import UsageError
from camstream.graph.backbone import F32, Backbone
from camstream.models.session import Model
from camstream.picture import ImageU8
from camstream.teach.dataset import find_background, open_dataset
from camstream.teach.features import FeatureOptions, extract_features
from camstream.teach.report import Report
from tests import clips

COUNT = 8


def write_photo(path: Path, brightness: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    image = random.integers(brightness, brightness + 30, (48, 64, 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), image)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Light photos of two sources, and dark ones."""
    folder = tmp_path / "lamps"
    for seed, (label, brightness) in enumerate({"lamp": 180, "no lamp": 20}.items()):
        for number in range(COUNT):
            place = folder / label / ("attic" if number % 2 else "cellar")
            place.mkdir(parents=True, exist_ok=True)
            write_photo(place / f"{number}.png", brightness, 100 * seed + number)
    return folder


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platformdirs.user_cache_path", lambda _: tmp_path / "cache")


def teach(folder: Path, model: Path, *options: str) -> tuple[int, str]:
    output = folder.parent / "lamp.onnx"
    done = CliRunner().invoke(
        app, ["teach", str(folder), "-o", str(output), "-m", str(model), *options]
    )
    return done.exit_code, done.output


def test_folder_becomes_a_model(folder: Path, tiny_path: Path, tmp_path: Path) -> None:
    (folder / "lamp" / "broken_1.jpg").write_bytes(b"no picture")
    (folder / "lamp" / "notes.txt").write_text("not a picture either")
    figures = tmp_path / "figures.json"
    code, printed = teach(folder, tiny_path, "--json", str(figures))
    assert code == 0, printed
    assert "broken_1.jpg: it is not a photo" in " ".join(printed.split())
    assert "16 pictures" in printed
    assert "100.0% right" in printed
    model = Model(tmp_path / "lamp.onnx", device="cpu")
    assert (model.info.labels, model.info.background) == (("lamp", "no lamp"), "no lamp")
    assert model.info.parity is not None
    light = model.predict(np.full((48, 64, 3), 200, np.uint8))
    assert light.top[0].label == "lamp"
    written = json.loads(figures.read_text())
    assert written["counts"] == [COUNT, COUNT]
    assert written["confusion"] == [[COUNT, 0], [0, COUNT]]
    assert written["balanced_accuracy"] == 1
    assert {one["source"]: one["balanced_accuracy"] for one in written["sources"]} == {
        "attic": 1,
        "cellar": 1,
    }
    assert len(written["skipped"]) == 1
    assert set(Report.__dataclass_fields__) == set(written)


def test_existing_outputs_are_kept(folder: Path, tiny_path: Path, tmp_path: Path) -> None:
    figures, output = tmp_path / "figures.json", tmp_path / "lamp.onnx"
    figures.write_text("mine")
    code, printed = teach(folder, tiny_path, "--json", str(figures))
    assert (code, figures.read_text()) == (1, "mine")
    assert "exists already" in printed
    assert not output.exists()
    shutil.copy(tiny_path, output)
    code, printed = teach(folder, output, "--overwrite")
    assert code == 1
    assert "it is the input" in printed
    assert output.read_bytes() == tiny_path.read_bytes()


def test_one_line_for_each_wrong_folder(folder: Path, tiny_path: Path) -> None:
    def refuses(*words: str, options: tuple[str, ...] = (), is_usage: bool = False) -> None:
        code, printed = teach(folder, tiny_path, *options)
        assert code == (2 if is_usage else 1)
        for word in words:
            assert word in " ".join(printed.split())
        assert "Traceback" not in printed
        assert not (folder.parent / "lamp.onnx").exists()

    refuses("--background bulb", "lamp, no lamp", options=("--background", "bulb"), is_usage=True)
    refuses("--sample-every 0", options=("--sample-every", "0"), is_usage=True)
    refuses("does not take 50x50", options=("--model-size", "50x50"))
    refuses("--model-size", "not 'large'", options=("--model-size", "large"), is_usage=True)
    shutil.copy(folder / "lamp" / "attic" / "1.png", folder / "no lamp" / "x_2.png")
    refuses("lamp/attic/1.png and no lamp/x_2.png are the same file in two classes")
    (folder / "no lamp" / "x_2.png").unlink()
    (folder / "none").mkdir()
    refuses("no photo or clip is in 'none'")
    for number in range(4):
        write_photo(folder / "none" / f"{number}.png", 100, number)
    refuses("'no lamp' and 'none' both look like", "--background", is_usage=True)
    refuses("cannot teach from", "4 pictures of 'none'", options=("--background", "none"))
    shutil.rmtree(folder / "none")
    shutil.rmtree(folder / "no lamp")
    refuses("one folder per class", "only 'lamp'")
    shutil.rmtree(folder)
    refuses("there is no such folder", is_usage=True)


@pytest.mark.parametrize(
    ("labels", "background"),
    [
        (("cup", "no cup"), "no cup"),
        (("no", "yes"), "no"),
        (("NG", "OK"), "OK"),
        (("no_cup", "cup"), "no_cup"),
        (("not-a-cup", "cup"), "not-a-cup"),
        (("cup", "none", "spoon"), "none"),
        (("nose", "okapi"), None),
    ],
)
def test_background_by_its_name(labels: tuple[str, ...], background: str | None) -> None:
    assert find_background(labels) == background


def test_background_by_word() -> None:
    assert find_background(("desk", "cup"), "desk") == "desk"
    with pytest.raises(UsageError, match="the classes are desk, cup"):
        find_background(("desk", "cup"), "chair")


def test_features_are_kept_until_a_photo_changes(
    folder: Path, tiny_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone, calls = Backbone(tiny_path), []
    pooled = backbone.pooled

    def counted(image: ImageU8) -> F32:
        calls.append(1)
        return pooled(image)

    monkeypatch.setattr(backbone, "pooled", counted)
    dataset = open_dataset(folder)
    first = extract_features(dataset, backbone, FeatureOptions())
    assert len(calls) == 2 * 2 * COUNT  # each also in a mirror
    calls.clear()
    again = extract_features(dataset, backbone, FeatureOptions())
    assert not calls
    np.testing.assert_array_equal(first.features, again.features)
    assert first.names == again.names
    write_photo(folder / "lamp" / "attic" / "1.png", 100, 9)
    assert not np.array_equal(
        extract_features(dataset, backbone, FeatureOptions()).features, first.features
    )
    assert len(calls) == 2
    calls.clear()
    extract_features(dataset, backbone, FeatureOptions(stretch=True))
    assert len(calls) == 2 * 2 * COUNT
    (cached,) = [p for p in (folder.parent / "cache/features").iterdir() if p.stat().st_size][:1]
    cached.write_bytes(b"damaged")
    extract_features(dataset, backbone, FeatureOptions())
    extract_features(dataset, backbone, FeatureOptions(stretch=True))


def test_a_mirrored_view_is_its_picture_in_a_mirror(tiny_path: Path, tmp_path: Path) -> None:
    for label in ("left", "right"):
        (tmp_path / label).mkdir()
        for number in range(5):
            write_photo(tmp_path / label / f"{number}.png", 40 * number, number + len(label))
    feature_set = extract_features(
        open_dataset(tmp_path), Backbone(tiny_path), FeatureOptions(), cache=tmp_path / "c"
    )
    assert feature_set.features.shape == (10, 2, 3)
    np.testing.assert_allclose(feature_set.features[:, 0], feature_set.features[:, 1], atol=0.5)
    data = feature_set.training_data()
    np.testing.assert_array_equal(data.features[2:4], feature_set.features[1])
    np.testing.assert_array_equal(data.groups[::2], data.groups[1::2])


def test_what_the_maps_point_to_is_learnt_as_well(tiny_path: Path, tmp_path: Path) -> None:
    for label in ("left", "right"):
        (tmp_path / label).mkdir()
        for number in range(5):
            # A bright square on black: the maps of "light" point to it.
            image = np.zeros((224, 224, 3), np.uint8)
            left = 32 if label == "left" else 128
            image[64:128, left : left + 64] = 200 + number
            assert cv2.imwrite(str(tmp_path / label / f"{number}.png"), image)
    dataset, backbone = open_dataset(tmp_path), Backbone(tiny_path)
    cropped, plain = (
        extract_features(dataset, backbone, FeatureOptions(crop=crop), cache=tmp_path / "c")
        for crop in (True, False)
    )
    assert cropped.features.shape == (10, 4, 3)
    np.testing.assert_array_equal(cropped.features[:, :2], plain.features)
    # Brightness is the feature: of a crop around the square it is several times as much.
    assert (cropped.features[:, 2] > 3 * cropped.features[:, 0]).all()
    assert (cropped.features[:, 2] < 205).all()


def test_clips_are_sampled_in_stretches(tiny_path: Path, tmp_path: Path) -> None:
    for number, label in enumerate(("a", "b")):
        (tmp_path / label / "day").mkdir(parents=True)
        clip = clips.Video(frames=30 + 60 * number)
        clips.make(tmp_path / label / "day" / "clip.mp4", clip)
    feature_set = extract_features(
        open_dataset(tmp_path),
        Backbone(tiny_path),
        FeatureOptions(every_s=0.2),
        cache=tmp_path / "c",
    )
    assert [list(feature_set.targets).count(n) for n in (0, 1)] == [5, 15]
    assert feature_set.names[:2] == ("a/day/clip.mp4 at 0.0 s", "a/day/clip.mp4 at 0.2 s")
    assert set(feature_set.sources) == {"day"}
    assert [len(set(feature_set.groups[feature_set.targets == n])) for n in (0, 1)] == [5, 5]
    assert (np.diff(feature_set.groups) >= 0).all()


def test_runs_without_torch(folder: Path, tiny_path: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "class NoTorch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'torch':\n"
        "            raise ModuleNotFoundError('torch is blocked', name='torch')\n"
        "sys.meta_path.insert(0, NoTorch())\n"
        "sys.argv = ['camstream', *sys.argv[1:]]\n"
        "from camstream.commands import main; main()"
    )
    output = tmp_path / "lamp.onnx"
    arguments = ["teach", str(folder), "-o", str(output), "-m", str(tiny_path)]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "", "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    assert contract.METADATA_KEY.encode() in output.read_bytes()
