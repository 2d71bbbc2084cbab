"""See what a network looks at, live.

import camstream

model = camstream.load_model("efficientnet_lite0", device="auto")
prediction = model.predict(image)             # (H, W, 3) uint8 BGR
prediction.top[0].label, prediction.top[0].score
prediction.cam.maps                           # (K, h, w) raw maps, logit units
picture = camstream.draw(prediction, model)   # (H, W, 3) uint8 BGR with the overlay

with camstream.stream("clip.mp4", model) as predictions:
for prediction in predictions:
...
"""

# First of all: PyAV's wheel carries X11 libraries of its own, and where they are loaded before
# OpenCV's, OpenCV's first window hangs for ever.
import cv2  # noqa: F401  # isort: split

from camstream.drawing.overlay import Style, draw
from camstream.errors import CamstreamError, ModelError, SetupError, SinkError, SourceError
from camstream.frame import ClassMaps, Frame, Prediction, TopClass
from camstream.models.session import Model
from camstream.models.zoo import load_model
from camstream.picture import Picture
from camstream.streaming import stream

__all__ = [
    "CamstreamError",
    "ClassMaps",
    "Frame",
    "Model",
    "ModelError",
    "Picture",
    "Prediction",
    "SetupError",
    "SinkError",
    "SourceError",
    "Style",
    "TopClass",
    "draw",
    "load_model",
    "stream",
]
