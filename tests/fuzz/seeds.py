"""Cases that once went wrong, with what was seen: they stay, as ``group:seed``, and hold for ever.

A seed means a file only together with the corpus and the mutators: whoever changes those finds here
what once was, and looks for new ones.
"""

from __future__ import annotations

KEPT: dict[str, str] = {
    "clip:38": 'EXIF in an MJPEG film: "31 is not a valid Type"',
    "clip:103": "the same in AVI, in camstream evaluate",
    "clip:151": "the same in a JPEG",
    "clip:186": "the same in a TIFF",
    "clip:541": "the same in a PNG",
    "clip:74": "the same in camstream report --video",
    "clip:444": "a damaged sound track in a .mov: a stream without a codec context has no name",
    "clip:1000992": "a PNG whose chunk says 2 GB: OpenCV makes room for them",
    "clip:1001491": "a rate of one frame in two years",
    "clip:1001868": "a BMP too large for OpenCV, in camstream evaluate",
    "clip:5000500": "sound that leaps by 23 hours: FFmpeg's mp4 muxer ended the process",
    "clip:5000764": "a stream that begins in the middle of an FLV file",
    "model:1000544": "one bias for all classes",
    "model:33": "cam_range as text",
    "model:36": "true where a name belongs",
    "model:43": "NaN in the weights: NaN in the records",
    "model:53": "an input of another name: ONNX Runtime's own error",
    "model:60": "a number of 5,000 digits",
    "model:61": "JSON 100,000 levels deep",
    "model:104": "ONNX Runtime's coloured log on the terminal",
    "model:138": "cam_range of three values",
    "model:181": "a damaged classifier ends the inference of shapes",
    "model:219": "size_hw of three values",
    "model:398": "half a surrogate in a name",
    "model:7000005": "a graph in a circle: the search for its head never ended",
    "record:2": "JSON 3,000 levels deep in a line",
    "record:50": "a class index of 1e999",
    "record:55": "a class index of 64 bits and one",
    "stats:19": "JSON 100,000 levels deep",
    "stats:120": "half a surrogate in a name",
    "weights:11": "NaN in the weights: the comparison itself failed",
    "annotation:0": "a cell of 200,000 characters, for a clip",
    "annotation:11": "the same, for photos, in the first line",
    "annotation:46": "the same, for photos, in a row",
    "annotation:14": "JSON 100,000 levels deep",
    "annotation:1000076": "a class of 5,000 digits",
    "annotation:1000484": "a box of 1e308 pixels",
    "record:1000984": "a megabyte without a space in an error: minutes to look for addresses in it",
    "annotation:81": "a file name that is a number",
}
