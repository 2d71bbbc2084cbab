"""The page of all videos in a real browser: the filter, the ribbons, the way to a video's own report."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from camstream.query.report import Request, write_report
from tests.query.made_set import write_video
from tests.query.test_report import video

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    labels = ["cat", "dog", "<b>owl</b>"]
    for name, best, day in (("a", [0] * 4 + [1] * 4, 1), ("b", [1] * 8, 1), ("c", [2] * 8, 2)):
        start = datetime(2026, 11, day, 12)
        write_video(tmp_path / "seen", video(f"{name}.mp4", best, labels, start=start))
    write_report(Request(archive=tmp_path / "seen", output=tmp_path / "page.html"))
    opened = browser.new_page(viewport={"width": 1200, "height": 800})
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    opened.goto((tmp_path / "page.html").as_uri())
    yield opened
    opened.close()
    assert errors == []


def shown(page: Page) -> list[str]:
    return page.locator(".video:visible b").all_text_contents()


def ribbon(page: Page, name: str) -> str:
    found = page.locator(".video", has_text=name).locator(".ribbon")
    return str(found.evaluate("one => one.style.backgroundImage"))


def test_the_filter_shows_the_videos_of_a_label(page: Page) -> None:
    assert shown(page) == ["a.mp4", "b.mp4", "c.mp4"]
    assert ribbon(page, "a.mp4").count("var(--c") == 2
    page.locator(".chips button", has_text="cat").click()
    assert shown(page) == ["a.mp4"]
    assert page.locator(".day:visible").count() == 1
    assert ribbon(page, "a.mp4").count("var(--c") == 1
    assert page.locator("#found").text_content() == "1 of 3 videos, 2.0 s"
    page.reload()  # the address remembers it
    assert shown(page) == ["a.mp4"]
    page.locator("#label").fill("DO")
    assert shown(page) == ["a.mp4", "b.mp4"]
    page.locator("#label").fill("zebra")
    assert shown(page) == []
    page.get_by_text("Show all").click()
    assert shown(page) == ["a.mp4", "b.mp4", "c.mp4"]
    page.locator("#label").fill("<b>owl</b>")
    assert shown(page) == ["c.mp4"]


def test_a_ribbon_tells_what_was_seen_where_the_pointer_is(page: Page) -> None:
    box = page.locator(".ribbon").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 5)
    page.wait_for_function("document.querySelector('#tip').textContent")
    assert page.locator("#tip").text_content() == "12:00:03 (3.0 s): dog"
    page.mouse.move(5, 5)
    assert page.locator("#tip").is_hidden()


def test_a_row_opens_the_videos_own_report(page: Page) -> None:
    page.locator(".video", has_text="b.mp4").click()
    page.wait_for_selector("#best")
    assert page.title() == "b over time"
    assert page.locator("#best").text_content() == "dog"
