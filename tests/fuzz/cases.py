"""What a case is: a damaged file of a group, by its seed, and what is run on it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.fuzz import (
    corpus,
    mutate_bytes,
    mutate_models,
    mutate_tables,
    mutate_text,
    simple_models,
)

Arguments = list[str]


@dataclass(frozen=True, slots=True)
class Case:
    """A case by its name, ``group:seed``."""

    group: str
    seed: int

    @classmethod
    def parse(cls, name: str) -> Case:
        """Read a case's name."""
        group, _, seed = name.partition(":")
        return cls(group, int(seed))

    def __str__(self) -> str:
        return f"{self.group}:{self.seed}"

    def prepare(self, corpus_folder: Path, work: Path) -> Arguments:
        """Write the case's files into an empty folder.

        Args:
            corpus_folder: Where ``corpus.build`` made the whole files.
            work: Where the case will run.

        Returns:
            The arguments of ``camstream``.
        """
        rng = Random(str(self))
        return GROUPS[self.group](rng, corpus_folder, work)


def _model_of(folder: Path) -> Arguments:
    return ["-m", str(folder / "tiny.onnx")]


def _clip(rng: Random, folder: Path, work: Path) -> Arguments:
    if rng.random() < 0.2:
        return _photo(rng, folder, work)
    name = rng.choice(corpus.CLIPS)
    (work / name).write_bytes(mutate_bytes.mutate((folder / name).read_bytes(), rng))
    return _run_clip(name, rng, folder)


def _truncation(rng: Random, folder: Path, work: Path) -> Arguments:
    name = rng.choice(corpus.CLIPS + corpus.PHOTOS)
    (work / name).write_bytes(mutate_bytes.truncate((folder / name).read_bytes(), rng))
    return _run_clip(name, rng, folder)


def _run_clip(name: str, rng: Random, folder: Path) -> Arguments:
    act = rng.random()
    model = _model_of(folder)
    if act < 0.75:
        output = rng.choice(("out.mp4", "out.mp4", "out.mkv", "out.mov"))
        return ["annotate", name, "-o", output, "--records", "r.jsonl", "--device", "cpu", *model]
    if act < 0.85:
        limits = ["--frames", "8", "--seconds", "3"]
        return ["live", name, "--no-window", *limits, "--records", "r.jsonl", "-o", "l.mp4", *model]
    if act < 0.95:
        return ["report", str(folder / "records.jsonl"), "--video", name, "-o", "r.html"]
    return ["evaluate", name, "--true-boxes", str(folder / "track.csv"), *model]


def _photo(rng: Random, folder: Path, work: Path) -> Arguments:
    name = rng.choice(corpus.PHOTOS)
    data = mutate_bytes.mutate((folder / name).read_bytes(), rng)
    act = rng.random()
    if act < 0.5:
        (work / name).write_bytes(data)
        return ["annotate", name, "-o", "out.mp4", "--records", "r.jsonl", *_model_of(folder)]
    for label in ("light", "dark"):
        (work / "photos" / label).mkdir(parents=True)
        shutil.copy(folder / "plain.png", work / "photos" / label / "whole.png")
    (work / "photos" / "dark" / name).write_bytes(data)
    if act < 0.8:
        return ["evaluate", "photos", "--labels-from-folders", *_model_of(folder)]
    return ["teach", "photos", "-o", "taught.onnx", *_model_of(folder)]


def _model(rng: Random, folder: Path, work: Path) -> Arguments:
    return _run_model(simple_models.mutate, rng, folder, work)


def _network(rng: Random, folder: Path, work: Path) -> Arguments:
    return _run_model(mutate_models.mutate_model, rng, folder, work)


def _run_model(
    mutate: Callable[[bytes, Random], bytes], rng: Random, folder: Path, work: Path
) -> Arguments:
    name = rng.choice(corpus.MODELS)
    (work / "m.onnx").write_bytes(mutate((folder / name).read_bytes(), rng))
    act = rng.random()
    if name == "classifier.onnx" and act < 0.8:
        (work / "names.txt").write_text("light\ndark\n")
        return ["export", "m.onnx", "-o", "x.onnx", *rng.choice(([], ["--labels", "names.txt"]))]
    if act < 0.5:
        return ["info", "m.onnx"]
    more: Arguments = rng.choice(([], [], ["--refine"], ["--boxes"], ["--input-size", "64"]))
    clip = str(folder / "plain.mp4")
    return ["annotate", clip, "-o", "out.mp4", "--records", "r.jsonl", "-m", "m.onnx", *more]


def _record(rng: Random, folder: Path, work: Path) -> Arguments:
    name = rng.choice(corpus.RECORDS)
    whole = (folder / name).read_bytes()
    if name.endswith(".parquet") and rng.random() < 0.5:
        data = mutate_tables.mutate(whole, rng)
    elif name.endswith(".parquet") or rng.random() < 0.15:
        data = mutate_bytes.mutate(whole, rng)
    elif name.endswith(".jsonl"):
        data = mutate_text.encode(mutate_text.mutate_json_lines(whole.decode(), rng), rng)
    else:
        data = mutate_text.encode(mutate_text.mutate_csv(whole.decode(), rng), rng)
    (work / name).write_bytes(data)
    video: Arguments = rng.choice(([], [], ["--video", str(folder / "plain.mp4")]))
    return ["report", name, "-o", "r.html", *video]


def _stats(rng: Random, folder: Path, work: Path) -> Arguments:
    text = mutate_text.mutate_json((folder / corpus.STATS).read_text(), rng)
    (work / "s.json").write_bytes(mutate_text.encode(text, rng))
    return ["report", str(folder / "records.jsonl"), "--stats", "s.json", "-o", "r.html"]


def _annotation(rng: Random, folder: Path, work: Path) -> Arguments:
    name = rng.choice(corpus.ANNOTATIONS)
    whole = (folder / name).read_text()
    change: Callable[[str, Random], str] = {
        ".csv": mutate_text.mutate_csv,
        ".json": mutate_text.mutate_json,
        ".xml": mutate_text.mutate_xml,
    }[Path(name).suffix]
    (work / name).write_bytes(mutate_text.encode(change(whole, rng), rng))
    if name == "track.csv":
        return ["evaluate", str(folder / "plain.mp4"), "--true-boxes", name, *_model_of(folder)]
    (work / "photos").mkdir()
    for photo in ("a.jpg", "b.jpg"):
        shutil.copy(folder / "plain.jpg", work / "photos" / photo)
    sheet = ["--json", "f.json", "--contact-sheet", "sheet.jpg"]
    return ["evaluate", "photos", "--true-boxes", name, *sheet, *_model_of(folder)]


def _settings(rng: Random, folder: Path, work: Path) -> Arguments:
    text = mutate_text.mutate_toml((folder / corpus.SETTINGS).read_text(), rng)
    (work / corpus.SETTINGS).write_bytes(mutate_text.encode(text, rng))
    preset: Arguments = rng.choice(([], [], ["--preset", "mine"]))
    return ["annotate", str(folder / "plain.mp4"), "-o", "out.mp4", *preset, *_model_of(folder)]


def _weight(rng: Random, folder: Path, work: Path) -> Arguments:
    name = rng.choice(corpus.WEIGHTS)
    (work / name).write_bytes(mutate_bytes.mutate((folder / name).read_bytes(), rng))
    return ["export", "tests.fuzz.tiny_network:make", "--weights", name, "-o", "x.onnx"]


GROUPS: dict[str, Callable[[Random, Path, Path], Arguments]] = {
    "clip": _clip,
    "truncation": _truncation,
    "model": _model,
    "network": _network,  # also of models, by another mutator
    "record": _record,
    "stats": _stats,
    "annotation": _annotation,
    "settings": _settings,
    "weights": _weight,
}
