"""A link as a QR code, for a phone's camera: in the terminal and as a picture."""

from __future__ import annotations

import io

import segno


def as_text(link: str) -> str:
    """Draw it for a dark or light terminal, two rows of cells a line; ends without a newline."""
    out = io.StringIO()
    segno.make_qr(link, error="l").terminal(out, compact=True)
    return out.getvalue().rstrip("\n")


def as_svg(link: str) -> bytes:
    """Draw it as SVG, black on white with its quiet edge; it fills what room it is given."""
    out = io.BytesIO()
    code = segno.make_qr(link, error="m")
    code.save(out, kind="svg", dark="#000", light="#fff", omitsize=True, xmldecl=False, title=None)
    return out.getvalue()
