"""Whole files of every kind that the program reads, small, made once in a folder."""

from __future__ import annotations

import json
import struct
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import onnx
from av import Packet

from camstream import testing
from camstream.annotation import AnnotationJob, run
from camstream.models.session import Model
from tests.clips import Video, make, numbered

_SIZE_WH = (64, 48)
_SMALL = Video(frames=16, size_wh=_SIZE_WH, options={"preset": "ultrafast", "g": "6"})

CLIPS: tuple[str, ...] = (
    *("plain.mp4", "sound.mp4", "turned.mov", "sound.mkv", "ten.mkv", "sound.webm", "sound.avi"),
    *("exif.avi", "sound.ts", "old.mpg", "small.gif", "exif.mjpeg", "sound.flv"),
)
PHOTOS: tuple[str, ...] = (
    *("plain.jpg", "exif.jpg", "grey.jpg", "plain.png", "deep.png", "alpha.png", "exif.png"),
    *("plain.webp", "plain.tiff", "plain.bmp"),
)
MODELS: tuple[str, ...] = ("tiny.onnx", "background.onnx", "classifier.onnx")
RECORDS: tuple[str, ...] = ("records.jsonl", "records.csv", "records.parquet")
STATS = "stats.json"
ANNOTATIONS: tuple[str, ...] = ("boxes.csv", "boxes.json", "boxes.xml", "track.csv")
SETTINGS = "camstream.toml"
WEIGHTS: tuple[str, ...] = ("weights.pth", "weights.safetensors")

_SETTINGS = """\
top-k = 2
smooth = "off"
device = "cpu"

[annotate]
boxes = true
classes = ["light", "dark"]
range = [20.0, 200.0]
records = "r.jsonl"

[live]
frames = 5
camera-size = "640x480"

[presets.mine]
opacity = 0.5

[presets.mine.annotate]
top-k = 3
"""


def build(folder: Path, *, weights: bool = False) -> None:
    """Make every file of the corpus, without torch unless the weights are asked for."""
    _clips(folder)
    _photos(folder)
    _models(folder)
    _of_a_run(folder)
    _annotations(folder)
    (folder / SETTINGS).write_text(_SETTINGS)
    if weights:
        _weights(folder)


def _clips(folder: Path) -> None:
    make(folder / "plain.mp4", _SMALL)
    make(folder / "sound.mp4", _SMALL, audio=["aac"], subtitles="mov_text", metadata={"title": "t"})
    turned = Video(
        frames=12,
        size_wh=_SIZE_WH,
        matrix=(0, 1, -1, 0),
        aspect=Fraction(4, 3),
        options={"preset": "ultrafast"},
    )
    make(folder / "turned.mov", turned, audio=["aac"], data=False)
    make(folder / "sound.mkv", _SMALL, audio=["libopus"], subtitles="ass", attachment=True)
    make(
        folder / "ten.mkv",
        Video(frames=12, size_wh=_SIZE_WH, pix_fmt="yuv420p10le", options={"preset": "ultrafast"}),
    )
    fast = {"deadline": "realtime", "cpu-used": "8"}
    webm = Video(frames=12, size_wh=_SIZE_WH, codec="libvpx-vp9", options=fast)
    make(folder / "sound.webm", webm, audio=["libopus"])
    make(folder / "sound.avi", Video(frames=12, size_wh=_SIZE_WH, codec="mpeg4"), audio=["ac3"])
    make(folder / "sound.ts", _SMALL, audio=["aac"])
    make(folder / "old.mpg", Video(frames=12, size_wh=_SIZE_WH, codec="mpeg1video"))
    make(folder / "small.gif", Video(frames=8, size_wh=_SIZE_WH, codec="gif", pix_fmt="rgb8"))
    make(folder / "sound.flv", _SMALL, audio=["aac"])
    jpegs = [with_exif(_jpeg(number)) for number in range(8)]
    (folder / "exif.mjpeg").write_bytes(b"".join(jpegs))
    _avi_of_jpegs(folder / "exif.avi", jpegs)


def _avi_of_jpegs(path: Path, jpegs: list[bytes]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=30)
        stream.width, stream.height = _SIZE_WH
        stream.pix_fmt = "yuvj420p"
        for number, jpeg in enumerate(jpegs):
            packet = Packet(jpeg)
            packet.stream, packet.time_base = stream, Fraction(1, 30)
            packet.pts = packet.dts = number
            container.mux(packet)


def _jpeg(number: int) -> bytes:
    return cv2.imencode(".jpg", numbered(number, _SIZE_WH))[1].tobytes()


def exif_of(orientation: int = 6) -> bytes:
    """EXIF with one entry, as cameras that were turned write it."""
    return struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x112, 3, 1, orientation, 0, 0)


def with_exif(jpeg: bytes) -> bytes:
    """Put EXIF into a JPEG, right behind its first marker."""
    body = b"Exif\x00\x00" + exif_of()
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def _photos(folder: Path) -> None:
    image = numbered(5, _SIZE_WH)
    plain = _jpeg(5)
    (folder / "plain.jpg").write_bytes(plain)
    (folder / "exif.jpg").write_bytes(with_exif(plain))
    pictures = {
        "grey.jpg": image[..., 0],
        "plain.png": image,
        "deep.png": image.astype(np.uint16) * 257,
        "alpha.png": cv2.cvtColor(image, cv2.COLOR_BGR2BGRA),
        "plain.webp": image,
        "plain.tiff": image,
        "plain.bmp": image,
    }
    for name, picture in pictures.items():
        coded = cv2.imencode(Path(name).suffix, np.ascontiguousarray(picture))[1]
        (folder / name).write_bytes(coded.tobytes())
    png = (folder / "plain.png").read_bytes()
    # A chunk behind the header, which ends at byte 33; its checksum is left for readers to refuse.
    chunk = struct.pack(">I", len(exif_of())) + b"eXIf" + exif_of() + b"\x00\x00\x00\x00"
    (folder / "exif.png").write_bytes(png[:33] + chunk + png[33:])


def _models(folder: Path) -> None:
    testing.write_tiny_model(folder / "tiny.onnx")
    testing.write_tiny_model(folder / "background.onnx", background="dark")
    onnx.save(testing._tiny_core(0.0), folder / "classifier.onnx")


def _of_a_run(folder: Path) -> None:
    """Records and statistics, as the program itself writes them."""
    model = Model(folder / "tiny.onnx", device="cpu")
    for name in RECORDS:
        stats = folder / STATS if name == RECORDS[0] else None
        output = folder / f"{name}.mp4"
        run(
            AnnotationJob(
                source=folder / "plain.mp4", output=output, records=folder / name, stats=stats
            ),
            model,
        )
        output.unlink()


def _annotations(folder: Path) -> None:
    (folder / "boxes.csv").write_text(
        "file,width,height,x0,y0,x1,y1,class_index,label\n"
        "a.jpg,64,48,10,10,40,40,0,light\na.jpg,64,48,1,1,20,20,1,dark\nb.jpg,64,48,5,5,60,40,,dark\n"
    )
    coco = {
        "images": [
            {"id": n, "file_name": f"{c}.jpg", "width": 64, "height": 48}
            for n, c in enumerate("ab")
        ],
        "categories": [{"id": 1, "name": "light"}, {"id": 2, "name": "dark"}],
        "annotations": [
            {"id": 1, "image_id": 0, "category_id": 1, "bbox": [10, 10, 30, 30], "iscrowd": 0},
            {"id": 2, "image_id": 1, "category_id": 2, "bbox": [1.5, 1, 20, 20.5]},
        ],
    }
    (folder / "boxes.json").write_text(json.dumps(coco))
    (folder / "boxes.xml").write_text(
        "<annotation><filename>a.jpg</filename><size><width>64</width><height>48</height>"
        "<depth>3</depth></size><object><name>light</name><difficult>0</difficult><bndbox>"
        "<xmin>10</xmin><ymin>10</ymin><xmax>40</xmax><ymax>40</ymax></bndbox></object></annotation>\n"
    )
    rows = "".join(f"{n},{n},2,40,40,0,light,0 1\n" for n in range(10))
    (folder / "track.csv").write_text(
        f"frame,x0,y0,x1,y1,class_index,label,accepted\n{rows}10,,,,,,,\n11,1,1,30,30,,dark,\n"
    )


def _weights(folder: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from tests.fuzz.tiny_network import make as make_network

    state = make_network().state_dict()
    torch.save(state, folder / "weights.pth")
    save_file(state, folder / "weights.safetensors")
