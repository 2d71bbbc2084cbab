"""See what a network looks at, live.

    import camstream

    model = camstream.load_model()            # "person", or the path of an .onnx file
    prediction = model.predict("cat.jpg")     # or (H, W, 3) uint8 BGR, or a PIL image
    prediction.top[0].label, prediction.top[0].score
    prediction.boxes                          # where it is, pixels of the picture
    prediction.cam.maps                       # (K, h, w) raw maps, logit units
    image = prediction.draw()                 # (H, W, 3) uint8 BGR with the overlay

    with camstream.stream("clip.mp4", model, classes=["cat"]) as predictions:
        for prediction in predictions:        # or 0 for a camera, or a URL
            print(prediction.frame.pts_s, prediction.presence)

    camstream.annotate("clip.mp4", "out.mp4", model=model, records="out.jsonl")

Tests of programs that use camstream find a tiny model and a fake source in ``camstream.testing``.
"""

import os
from typing import TYPE_CHECKING, Any

# First: from here on Ctrl-C ends the program without a traceback while the rest is imported, which
# takes a second.
from camstream import starting  # noqa: F401  # isort: split

# ONNX Runtime 1.31 sends telemetry unless this is set before it is imported; a value of the user's
# own stays.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# A photo of a few bytes may declare any size, which OpenCV would reserve: 134 million pixels at most.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**27))

# Before PyAV: its wheel carries X11 libraries of its own, and where they are loaded before
# OpenCV's, OpenCV's first window hangs for ever.
import cv2  # noqa: F401  # isort: split

if TYPE_CHECKING:
    from camstream.annotation import AnnotationResult
    from camstream.api import annotate, stream
    from camstream.drawing.overlay import Style
    from camstream.errors import (
        CamstreamError,
        ModelError,
        SetupError,
        SinkError,
        SourceError,
        UsageError,
    )
    from camstream.frame import (
        Annotated,
        Box,
        ClassBox,
        ClassMaps,
        Frame,
        Prediction,
        TopClass,
        View,
    )
    from camstream.models.session import Model
    from camstream.models.zoo import load_model
    from camstream.notebook import Stream
    from camstream.picture import Picture
    from camstream.sinks.encoding import Encoding
    from camstream.stages import Sink, Source

__all__ = [
    "Annotated",
    "AnnotationResult",
    "Box",
    "CamstreamError",
    "ClassBox",
    "ClassMaps",
    "Encoding",
    "Frame",
    "Model",
    "ModelError",
    "Picture",
    "Prediction",
    "SetupError",
    "Sink",
    "SinkError",
    "Source",
    "SourceError",
    "Stream",
    "Style",
    "TopClass",
    "UsageError",
    "View",
    "annotate",
    "load_model",
    "stream",
]

__docformat__ = "google"  # for pdoc


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


# A name is imported when it is first used: a command that opens no model needs none of them.
_NAMES_OF = {
    "annotation": ("AnnotationResult",),
    "api": ("annotate", "stream"),
    "drawing.overlay": ("Style",),
    "errors": (
        "CamstreamError",
        "ModelError",
        "SetupError",
        "SinkError",
        "SourceError",
        "UsageError",
    ),
    "frame": (
        "Annotated",
        "Box",
        "ClassBox",
        "ClassMaps",
        "Frame",
        "Prediction",
        "TopClass",
        "View",
    ),
    "models.session": ("Model",),
    "models.zoo": ("load_model",),
    "notebook": ("Stream",),
    "picture": ("Picture",),
    "sinks.encoding": ("Encoding",),
    "stages": ("Sink", "Source"),
}
_PLACES = {name: place for place, names in _NAMES_OF.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        import importlib

        value = getattr(importlib.import_module(f"camstream.{_PLACES[name]}"), name)
        globals()[name] = value
        return value
    if name == "__version__":
        import importlib.metadata  # 70 ms that only those pay who ask

        return importlib.metadata.version("camstream")
    raise AttributeError(f"module 'camstream' has no attribute {name!r}")
