"""The page in a real Chromium, in front of a real session: what is pressed there is done."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from camstream.frame import Frame
from camstream.live import actions
from camstream.models.session import Model
from camstream.picture import Picture
from camstream.sources.play import open_live
from camstream.testing import FakeSource, make_frame, write_tiny_model
from camstream.web import place
from camstream.web.app import page_files
from camstream.web.greeting import NOT_FROM_A_PAGE
from tests import clips
from tests.web.serving import Served, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

OF_CAMERAS = {"Focus", "AddCamera", "RemoveCamera"}  # in tests/web/test_page_states.py
OF_THE_WINDOW = {"SetDisplay", "SetTrail"}  # the page has its own readings, and toggles the trail


def lit_on_the_left(source: FakeSource) -> Iterator[Frame]:
    """25 frames a second, whose left half is bright: there the tiny model sees "light"."""
    image = np.zeros((180, 320, 3), np.uint8)
    image[:, :160] = 255
    index = 0
    while not source.stopped.wait(0.04):
        frame = make_frame(index)
        yield dataclasses.replace(frame, picture=Picture.from_bgr(image))
        index += 1


@pytest.fixture(scope="module")
def context(browser: Browser) -> BrowserContext:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    return context


@contextlib.contextmanager
def looking(context: BrowserContext, url: str) -> Iterator[Page]:
    """Open a page; nothing may go wrong on its console, its policy included."""
    complaints: list[str] = []
    with contextlib.closing(context.new_page()) as page:
        page.on("console", lambda one: complaints.append(one.text) if one.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        page.wait_for_selector("body[data-state=live]")
        yield page
    assert complaints == []


def soon(page: Page, is_so: Callable[[], object]) -> None:
    """Wait until something is so."""
    limit = time.monotonic() + 15
    while not is_so():
        assert time.monotonic() < limit
        page.wait_for_timeout(20)


def listen(served: Served) -> list[actions.Action]:
    """Collect the actions that reach the session."""
    reached: list[actions.Action] = []

    def do(action: actions.Action) -> None:
        reached.append(action)
        served.session.do(action)

    served.server.wishes.do = do
    return reached


def test_pictures_come_and_a_click_shows_what_is_seen_there(
    tiny_model: Model, context: BrowserContext
) -> None:
    source = FakeSource(lit_on_the_left, is_live=True)
    with serving(tiny_model, source) as served, looking(context, served.server.link()) as page:
        soon(page, lambda: served.session.state.prediction is not None)
        canvas = page.locator("canvas")
        assert canvas.evaluate("(one) => [one.width, one.height]") == [320, 180]
        page.locator("#name").get_by_text(re.compile("light|dark")).wait_for()
        page.wait_for_selector("#best li >> nth=1")
        box = canvas.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] * 0.2, box["y"] + box["height"] * 0.5)
        page.locator("#evidence").get_by_role("button", name="light").click()
        page.get_by_role("button", name="Show light no more").wait_for()
        assert [one.label for one in served.session.state.selection.classes] == ["light"]
        assert page.locator("#answer").is_hidden()


def test_every_action_of_the_page_reaches_the_session(
    tiny_model: Model, tmp_path: Path, context: BrowserContext
) -> None:
    clip = clips.make(tmp_path / "clip.mp4")
    other = write_tiny_model(tmp_path / "other.onnx")

    def open_source(_: str) -> FakeSource:
        return FakeSource(lit_on_the_left, is_live=True)

    with contextlib.ExitStack() as stack:
        serves = serving(
            tiny_model,
            open_live(str(clip), stays=True, is_looping=True),
            sources=[str(clip), "http://user:secret@host/stream"],
            open_source=open_source,
            folder=tmp_path,
            other_models=[str(other)],
            teaches=True,
        )
        served = stack.enter_context(serves)
        reached = listen(served)
        page = stack.enter_context(looking(context, served.server.link()))

        def press(name: str) -> None:
            page.get_by_role("button", name=name, exact=True).click()

        def has(action: actions.Action) -> Callable[[], bool]:
            return lambda: action in reached

        for part in ("Boxes", "Legend", "Trail", "Contrast", "Finer", "Snapshot"):
            press(part)
        press("Record")
        page.locator("#recording").wait_for()
        press("End recording")
        for field, word in (("this class", "light"), ("against this class", "dark")):
            page.get_by_label(f"Contrast: {field}").fill(word)
            page.keyboard.press("Enter")
        soon(page, has(actions.SetContrast("light", "dark")))
        page.get_by_label("Contrast: against this class").blur()
        press("The best 2")
        page.get_by_label("Strength").fill("0.3")
        page.get_by_label("Colours").select_option("hot")
        page.get_by_label("Smoothing").select_option("strong")
        page.get_by_label("Input size").select_option("320")
        page.get_by_label("Speed").select_option("2")
        page.locator("#seek").fill("0.5")
        press("Begin again at the end")
        press("One frame back")
        press("Go on")
        page.locator("#name").click()
        for key in ("]", "ArrowRight", "+"):
            page.keyboard.press(key)
        page.get_by_label("Show a class").fill("dar")
        page.get_by_role("option", name="dark").click()
        page.locator("#stage").focus()
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Close the answer").click()
        page.get_by_text("Teach new classes").click()
        page.get_by_role("button", name="Hold to teach class 1").click()
        page.get_by_label("Name of class 1").fill("cup")
        page.keyboard.press("Enter")
        soon(page, has(actions.NameClass("cup", 1)))
        page.wait_for_selector("#fit:enabled")
        for name in ("Fit", "Save the model", "Forget the frames of cup"):
            press(name)
        page.locator("#model").select_option("other.onnx")
        page.locator("#input").select_option("http://host/stream")
        soon(page, lambda: any(isinstance(one, actions.OpenSource) for one in reached))
        known = {kind.__name__ for kind in NOT_FROM_A_PAGE} | OF_CAMERAS | OF_THE_WINDOW
        assert {type(one).__name__ for one in reached} == set(actions.ACTIONS) - known
        soon(page, lambda: served.session.state.style.colormap == "hot")
        assert "secret" not in page.content()
        assert served.session.state.selection.smoothing == "strong"
        assert list(tmp_path.glob("camstream-*.png"))
        assert list(tmp_path.glob("camstream-*.mp4"))


def test_two_viewers_see_the_same_and_one_may_only_look(
    tiny_model: Model, context: BrowserContext
) -> None:
    tokens = {"c" * 32: "control", "v" * 32: "view"}
    source = FakeSource(lit_on_the_left, is_live=True)
    with contextlib.ExitStack() as stack:
        served = stack.enter_context(
            serving(tiny_model, source, place=place.parse("0.0.0.0:0"), tokens=tokens)
        )
        url = f"http://127.0.0.1:{served.port}/?token="
        first = stack.enter_context(looking(context, url + "c" * 32))
        assert "token" not in first.url
        first.get_by_role("button", name="Boxes").click()
        first.locator("#parts button[aria-pressed=true]").get_by_text("Boxes").wait_for()
        second = stack.enter_context(looking(context, url + "v" * 32))
        second.get_by_text("Shown: heat, label, boxes").wait_for()
        second.keyboard.press("b")
        assert second.get_by_role("button", name="Boxes").count() == 0
        first.get_by_role("button", name="Legend").click()
        second.get_by_text("Shown: heat, label, boxes, legend").wait_for()


def test_the_page_is_small_and_needs_nobody_else() -> None:
    files = {name: content for name, (content, _) in page_files().items() if "phone" not in name}
    assert sum(map(len, files.values())) <= 60_000
    own = "http://www.w3.org/2000/svg"
    for name, content in files.items():
        text = content.decode()
        assert not re.search(r"//\w", text.replace(own, "")), f"{name} has a foreign address"
        assert not re.search(r"innerHTML|insertAdjacent|outerHTML|\beval\b|new Function", text), (
            name
        )
    page = files["index.html"].decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! type=\"module\" src=)", page)
