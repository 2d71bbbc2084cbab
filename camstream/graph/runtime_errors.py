"""Says in plain words why ONNX Runtime or the ONNX checker refused a model.

Their messages name source files, error classes and tensors of the model, whose names anybody chose.
"""

from __future__ import annotations

import re

from camstream.errors import first_line

_LONGEST = 160  # characters of a message that is not known here
# The first pattern that is found decides.
_KNOWN = (
    (r"INVALID_PROTOBUF|Protobuf parsing failed", "it is no ONNX file, or a damaged one"),
    (r"IR version|opset .* is under development", "it needs a newer ONNX Runtime"),
    (r"bad_alloc|Failed to allocate|allocate memory|MemoryError", "it needs too much memory"),
    (r"[Ee]xternal data|external_data", "it wants weights from another file"),
    (
        r"not a registered (function|op)|NOT_IMPLEMENTED|Could not find an implementation",
        "it has an operator that this ONNX Runtime does not have",
    ),
    (
        r"INVALID_GRAPH|Type Error|ShapeInferenceError|not output of any previous nodes|InferenceError|"
        r"[Ii]nvalid model|Duplicate definition|not acyclic|InitializeState|Out of bounds|"
        r"Load model from|TensorProto|ValidationError",
        "its graph is damaged",
    ),
    (r"while running \w* ?node|INVALID_ARGUMENT|InvalidArgument", "its parts do not fit together"),
    (r"codec can't decode", "it holds bytes that are no text in UTF-8"),
)
_NOISE = re.compile(
    r"^(Fail|RuntimeException|InvalidGraph|InvalidArgument|NotImplemented|EPFail): |"
    r"\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : |(/\S+)?\S+\.(cc|h|cu):\d+ \S+ ?"
)
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa1-\u1fff\u2030-\u2065\u2070-\ud7ff\uf900-\uffef]+")


def reason(error: BaseException | str) -> str:
    """Return what went wrong, in one line of a terminal.

    Args:
        error: The exception, or its message.
    """
    message = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    for pattern, words in _KNOWN:
        if re.search(pattern, message):
            return words
    text = error if isinstance(error, str) else first_line(error)
    text = " ".join(_UNPRINTABLE.sub(" ", _NOISE.sub("", text)).split())
    return text[:_LONGEST] or "no reason was given"
