"""Text from outside is safe wherever it is shown: in pictures, terminals, pages, tables, errors."""

from __future__ import annotations

import os
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camstream.console import console, note, report_error
from camstream.drawing.text import add_notes, write_label
from camstream.picture import Picture
from camstream.safe_text import safe_cell, safe_text

# Every code point, lone surrogates too, and the beginnings of escape sequences.
ANY = st.lists(
    st.one_of(
        st.characters(codec=None),
        st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp"]),
        st.sampled_from(["\x1b[31m", "\x1b]0;title\x07", "\x9b2J", "\u202e", "\udce9", "\t", "="]),
    )
).map("".join)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("unit", ["x", ":", "/", "?", "@", "a:", "//", ":/x", "://", "1", "-"])
@pytest.mark.parametrize("after", ["", "@host/a", " a@b:c", "="])
def test_a_megabyte_in_an_error_is_told_at_once(
    unit: str, after: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Searching a text for addresses takes no more than time in proportion to it."""
    report_error(f"cannot read row 1: {unit * (1_000_000 // len(unit))}{after}")
    told = capsys.readouterr().err
    assert told.startswith("camstream: cannot read row 1")
    assert len(told) < 3000


@pytest.mark.parametrize("space", [" ", "  ", "\t"])
def test_a_password_with_a_space_is_no_end_of_an_address(
    space: str, capsys: pytest.CaptureFixture[str]
) -> None:
    report_error(f"cannot open rtsp://user:se{space}cret@host/stream: nothing answers there")
    told = capsys.readouterr().err
    assert "cret" not in told
    assert "rtsp://host/stream: nothing answers there" in told


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Persian cat", "Persian cat"),
        ("日本 café", "日本 café"),
        ("", ""),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;a window's title\x07clip", "clip"),
        ("\x1b]8;;file:///x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jgone", "gone"),
        ("\x1bcreset", "reset"),
        ("two\nlines\tand\r\nmore", "two lines and  more"),
        ("bell\x07", "bell\ufffd"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("\u2066a\u2069\u200b\ufeff", "a"),
        (os.fsdecode(b"caf\xe9.mp4"), "caf\ufffd.mp4"),
        (b"caf\xe9.mp4", "caf\ufffd.mp4"),
        ("half \ud83d of a pair", "half \ufffd of a pair"),
    ],
)
def test_what_is_shown(text: str | bytes, shown: str) -> None:
    assert safe_text(text) == shown


@given(ANY, st.integers(1, 40))
def test_nothing_else_comes_out(text: str, limit: int) -> None:
    shown = safe_text(text, limit=limit)
    shown.encode()
    assert len(shown) <= limit
    assert not {unicodedata.category(one) for one in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert not set(shown) & set("\u200e\u200f\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069")
    assert safe_text(shown, limit=limit) == shown


def test_long_text_loses_its_middle() -> None:
    assert safe_text("/folder/" + "x" * 5_000_000 + "/clip.mp4", limit=17) == "/folder/…clip.mp4"
    assert safe_text("\ud800" * 300, limit=3) == "\ufffd…\ufffd"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum(a1)", "\t=1", " =1", "\u202e=1"])
def test_a_cell_is_never_a_formula(text: str) -> None:
    assert safe_cell(text).startswith("'")


def test_other_cells_stay() -> None:
    assert [safe_cell(text) for text in ("cat", "1 + 1", "")] == ["cat", "1 + 1", ""]


@pytest.mark.parametrize(
    "text", ["caf\udce9", "\ud83d", "\x1b[2J", "\0", "a\u2028b", "", "\n", "\t\n\t", "x" * 100_000]
)
def test_a_picture_takes_any_text(text: str) -> None:
    """Half a surrogate ended the process in the font of OpenCV."""
    picture = Picture.from_bgr(np.full((90, 160, 3), 90, np.uint8)).copy()
    write_label(picture, text)
    add_notes(picture, [text, "below"])


def test_errors_and_notes_are_printed_safely() -> None:
    name = os.fsdecode(b"\x1b[2Jcaf\xe9 [draft] a[/b].mp4")
    with console.capture() as printed:
        report_error(f"cannot read {name}:\nno such file")
        note(f"skipped {name}")
    assert printed.get().splitlines() == [
        "camstream: cannot read caf\ufffd [draft] a[/b].mp4: no such file",
        "  note: skipped caf\ufffd [draft] a[/b].mp4",
    ]
