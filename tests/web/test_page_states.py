"""The page in a real Chromium, in every state that there is; the other end is a double."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.web.double import STATE, Double, jpeg, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ViewportSize

CUP = {"number": 1, "name": "cup", "frames": 3, "is_named": True, "is_alike": False}
TEACHING = {"classes": [CUP], "latest": 1, "work": ""}
EVIDENCE = [
    {"class_index": 283, "label": "Persian cat", "value": 61.2, "name": "Persian cat"},
    {"class_index": 134, "label": "crane", "value": 12.0, "name": "134"},
]
ANSWER = {"x": 0.25, "y": 0.5, "classes": EVIDENCE, "box": None}
PLAYER = {
    "position": 5.0,
    "duration": 20.0,
    "is_playing": True,
    "has_ended": False,
    "speed": 1.0,
    "is_looping": False,
    "counts": "seconds",
    "timeline": [
        {"label": "Persian cat", "start": 0.0, "end": 0.25},
        {"label": "lynx", "start": 0.25, "end": 0.5},
    ],
}
CAMERA = {
    "state": "live",
    "rate_in_hz": 30.0,
    "rate_hz": 12.4,
    "dropped": 5,
    "lag_ms": 31.0,
    "lost_s": None,
    "next_try_s": None,
    "label": "person",
    "score": 0.9,
    "health": "12 of 30 a second seen, 31 ms",
}
CAMERAS = [
    {**CAMERA, "id": 7, "name": "hall", "source": "/data/hall"},
    {
        **CAMERA,
        "id": 8,
        "name": "yard",
        "source": "yard",
        "state": "lost",
        "health": "lost 12 s, next try in 3 s",
    },
]
LAPTOP: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 360, "height": 740}
RICH: dict[str, Any] = {
    "answer": ANSWER,
    "teaching": TEACHING,
    "player": PLAYER,
    "cameras": CAMERAS,
    "recording": "camstream-20261128-124500.mp4",
    "recorded_s": 72.0,
    "source": "rtsp://host/a-stream-with-a-name-that-is-longer-than-any-screen-of-a-phone-is-wide",
    "presence": {"is_present": True, "score": 0.9, "since_s": 12.0},
    "selection": {
        **STATE["selection"],
        "classes": [{"label": "Persian cat", "name": "Persian cat"}],
        "contrast": {"sides": None},
        "trail_s": 3.0,
    },
}


@pytest.fixture(scope="module")
def context(browser: Browser) -> BrowserContext:
    context = browser.new_context()
    context.set_default_timeout(10_000)
    return context


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as url:
        yield url


@pytest.fixture
def open_double(context: BrowserContext, url: str) -> Iterator[Callable[..., Double]]:
    """Open doubles; each is closed, and nothing may have gone wrong on its console."""
    opened: list[Double] = []

    def open_one(*, can_control: bool = True, size: ViewportSize | None = None) -> Double:
        opened.append(Double(context, url, can_control=can_control))
        opened[-1].page.set_viewport_size(size or LAPTOP)
        return opened[-1]

    yield open_one
    for double in opened:
        double.page.close()
    assert [one.complaints for one in opened] == [[]] * len(opened)


@pytest.fixture
def double(open_double: Callable[..., Double]) -> Double:
    return open_double()


def soon(is_so: Callable[[], object], double: Double) -> None:
    """Wait until something is so."""
    limit = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < limit
        double.page.wait_for_timeout(20)


def brightness(double: Double) -> int:
    """Of the picture on the canvas."""
    return int(
        double.page.evaluate(
            "() => document.querySelector('canvas').getContext('2d').getImageData(9, 9, 1, 1).data[0]"
        )
    )


def test_a_picture_is_painted_and_acknowledged(double: Double) -> None:
    page = double.open()
    soon(lambda: double.acknowledged == [1], double)
    assert brightness(double) == 128
    double.show(2, b"no picture")
    double.show(3, jpeg(200, (320, 240)))
    soon(lambda: double.acknowledged == [1, 2, 3], double)
    assert brightness(double) == 200
    assert page.locator("canvas").evaluate("(one) => [one.width, one.height]") == [320, 240]
    assert page.locator("#name").inner_text() == "Persian cat"
    assert page.locator("#best li").count() == 5
    assert page.locator("#best li").nth(1).get_attribute("class") == "unsure"
    assert "25 fps" in page.locator("#rates").inner_text()


def test_a_lost_line_is_told_and_comes_back_by_itself(double: Double) -> None:
    page = double.open()
    double.is_away = True
    double.cut()
    page.wait_for_selector("body[data-state=lost]")
    page.get_by_text("lost 1 s, trying again").first.wait_for()
    assert "fps" not in page.locator("#rates").inner_text()
    assert page.locator("#aloud").inner_text() == "lost 0 s, trying again"  # once, not each second
    double.is_away = False
    page.wait_for_selector("body[data-state=live]")
    assert page.locator("#veil").is_hidden()
    double.is_away = True
    double.cut("camstream has ended")
    page.locator("#status").get_by_text("camstream has ended; trying again").wait_for()


def test_twenty_cuts_are_twenty_times_back(double: Double) -> None:
    double.open()
    for count in range(1, 21):
        soon(lambda count=count: double.connections == count, double)  # type: ignore[misc]
        soon(lambda: double.page.locator("body").get_attribute("data-state") == "live", double)
        double.cut()


def test_a_silent_line_is_asked_and_then_made_anew(double: Double) -> None:
    page = double.open()
    page.evaluate(
        "() => { const now = performance.now.bind(performance); performance.now = () => now() + 4000; }"
    )
    soon(lambda: {"type": "classes", "query": ""} in double.heard, double)
    page.evaluate(
        "() => { const now = performance.now.bind(performance); performance.now = () => now() + 9000; }"
    )
    soon(lambda: double.connections == 2, double)


def test_a_hidden_page_takes_no_pictures(double: Double) -> None:
    page = double.open()
    hide = "(on) => { Object.defineProperty(document, 'hidden', {value: on, configurable: true}); document.dispatchEvent(new Event('visibilitychange')); }"
    page.evaluate(hide, True)
    page.wait_for_selector("body[data-state=lost]")
    page.wait_for_timeout(400)
    assert double.connections == 1
    page.evaluate(hide, False)
    page.wait_for_selector("body[data-state=live]")
    assert double.connections == 2


@pytest.mark.parametrize(
    ("changes", "look", "words"),
    [
        ({"source_state": "reconnecting", "is_stale": True}, "stale", "reconnecting"),
        ({"is_stale": True, "without_picture_s": 3.2}, "stale", "no picture for 3 s"),
        ({"is_paused": True, "passed": 31}, "paused", "paused, 31 frames passed"),
        ({"player": PLAYER}, "live", "playing"),
        ({"player": {**PLAYER, "has_ended": True}}, "live", "the end"),
    ],
)
def test_what_goes_on_is_said(
    double: Double, changes: dict[str, Any], look: str, words: str
) -> None:
    page = double.open(**changes)
    page.wait_for_selector(f"body[data-state={look}]")
    assert page.get_by_text(words, exact=True).first.is_visible()
    dimmed = page.locator("canvas").evaluate("(one) => getComputedStyle(one).filter")
    assert (dimmed != "none") == (look == "stale")


def test_a_picture_that_does_not_come_is_not_shown_as_if_it_were_live(double: Double) -> None:
    page = double.open()
    page.wait_for_selector("body[data-state=lost]")  # no picture since the first
    assert "no picture for 1 s" in page.locator("#veil").inner_text()
    double.show(2, jpeg())
    page.wait_for_selector("body[data-state=live]")


def test_the_code_for_the_phone_is_shown_while_the_phone_is_not_here(double: Double) -> None:
    page = double.open(source="phone", source_state="waiting for the phone", is_stale=True)
    page.locator("#code[src='phone.svg']").wait_for()
    double.tell(source_state="", is_stale=False)
    double.show(2, jpeg())
    page.locator("#code").wait_for(state="hidden")


def test_text_of_models_is_only_text(double: Double) -> None:
    evil = "<img src=x onerror=alert(1)>"
    top = [{"class_index": 0, "label": evil, "score": 0.9}]
    shown = [{**STATE["displayed"][0], "name": evil, "label": evil}]
    answer = {**ANSWER, "classes": [{**EVIDENCE[0], "label": evil}]}
    timeline = [{"label": evil, "start": 0, "end": 1}]
    page = double.open(
        top=top,
        displayed=shown,
        answer=answer,
        source=evil,
        message=evil,
        player={**PLAYER, "timeline": timeline},
        teaching={**TEACHING, "classes": [{**CUP, "name": evil}]},
        cameras=[{**CAMERAS[0], "name": evil}],
    )
    double.say({"type": "error", "message": evil})
    page.locator("#toast.error").wait_for()
    assert page.locator("img[onerror]").count() == 0
    assert page.locator("#name").inner_text() == evil


def test_a_model_that_is_not_sure_is_told_apart(double: Double) -> None:
    unsure = {**STATE["displayed"][0], "name": "not sure", "is_sure": False, "score": 0.12}
    page = double.open(displayed=[unsure])
    assert page.locator("#headline.unsure").inner_text().split("\n") == ["not sure", "12 %"]


def test_presence_says_since_when(double: Double) -> None:
    page = double.open(presence={"is_present": True, "score": 0.9, "since_s": 12.4})
    assert page.locator("#since.there").inner_text().startswith("for 12 s, since ")
    double.tell(presence={"is_present": False, "score": 0.1, "since_s": None})
    page.locator("#since:not(.there)").wait_for(state="attached")


def test_a_click_asks_and_every_view_has_the_mark(double: Double) -> None:
    page = double.open(tiles={"count": 3, "columns": 2, "rows": 2})
    width, height = page.locator("canvas").evaluate("(one) => [one.clientWidth, one.clientHeight]")
    page.locator("canvas").click(position={"x": width * 0.75, "y": height * 0.25})
    [(action, values)] = double.done()
    assert action == "AskAt"
    assert values["x"] == pytest.approx(0.75, abs=0.01)
    assert values["y"] == pytest.approx(0.25, abs=0.02)
    double.tell(answer=ANSWER)
    page.locator("#answer").wait_for()
    assert page.locator("#marks i").count() == 3
    page.locator("canvas").click(position={"x": 5, "y": 5})
    assert double.done() == [("CloseAnswer", {})]


def test_a_class_of_the_answer_is_pinned_by_the_name_that_finds_it(double: Double) -> None:
    chosen = {**STATE["selection"], "classes": [{"label": "tent", "name": "tent"}]}
    page = double.open(answer=ANSWER, selection=chosen)
    page.get_by_role("button", name="crane").click()
    assert double.done() == [("ShowClasses", {"names": ["tent", "134"]}), ("CloseAnswer", {})]
    page.get_by_role("button", name="Show tent no more").click()
    assert double.done() == [("ShowClasses", {"names": []})]


def test_classes_are_found_by_keys_alone(double: Double) -> None:
    page = double.open()
    page.keyboard.press("/")
    page.keyboard.type("do")
    soon(lambda: {"type": "classes", "query": "do"} in double.heard, double)
    names = [{"label": "dog", "name": "dog"}, {"label": "doormat", "name": "doormat"}]
    double.say({"type": "classes", "query": "d", "names": names})  # late, of a letter ago
    double.say({"type": "classes", "query": "do", "names": names[::-1]})
    page.get_by_role("option", name="dog").wait_for()
    assert page.locator("#find").get_attribute("aria-activedescendant") == "found-0"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert double.done()[-1] == ("ShowClasses", {"names": ["dog"]})
    assert page.locator("#find").input_value() == ""
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    assert double.done() == [("Toggle", {"what": "boxes"})]


def test_two_classes_are_held_against_each_other(double: Double) -> None:
    page = double.open(selection={**STATE["selection"], "contrast": {"sides": None}})
    for field, word in (("this class", "dog"), ("against this class", "cat")):
        page.get_by_label(f"Contrast: {field}").fill(word)
        page.keyboard.press("Enter")
    assert double.done() == [("SetContrast", {"first": "dog", "second": "cat"})]


def test_the_place_is_chosen_by_keys(double: Double) -> None:
    page = double.open()
    page.locator("#stage").focus()
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    [(action, values)] = double.done()
    assert action == "AskAt"
    assert (values["x"], values["y"]) == pytest.approx((0.3, 0.42), abs=0.01)
    double.tell(answer=ANSWER)
    page.locator("#evidence button").first.wait_for()
    soon(lambda: page.evaluate("document.activeElement.textContent").startswith("Persian"), double)
    page.keyboard.press("Escape")
    assert double.done() == [("CloseAnswer", {})]


def test_teaching_goes_on_while_a_button_or_a_key_is_held(double: Double) -> None:
    page = double.open(teaching=TEACHING)
    hold = page.get_by_role("button", name="Hold to teach class 1, cup")

    def taught(number: int) -> int:
        page.wait_for_timeout(350)
        done = double.done()
        assert set(map(str, done)) <= {str(("Teach", {"number": number}))}
        return len(done)

    hold.hover()
    page.mouse.down()
    assert 2 <= taught(1) < 15  # ten a second, not as fast as it can
    page.mouse.up()
    double.done()
    assert taught(1) == 0
    page.keyboard.down("2")
    assert 2 <= taught(2) < 15
    page.keyboard.up("2")
    page.get_by_role("button", name="Hold to teach class 2").hover()
    page.mouse.down()
    double.done()
    two = {**CUP, "number": 2, "name": "class 2", "is_named": False}
    double.tell(teaching={"classes": [CUP, two], "latest": 2, "work": ""})  # the list grows
    page.get_by_role("button", name="Hold to teach class 3").wait_for()
    assert taught(2) >= 2
    page.mouse.up()
    double.done()
    hold.focus()
    page.keyboard.down("Enter")
    page.evaluate("dispatchEvent(new Event('blur'))")  # the window is left while it is held
    double.done()
    assert taught(1) == 0
    page.get_by_label("Name of class 2").fill("no cup")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Forget the frames of cup").click()
    page.get_by_role("button", name="Fit").click()
    page.get_by_role("button", name="Save the model").click()
    assert double.done() == [
        ("NameClass", {"name": "no cup", "number": 2}),
        ("Forget", {"number": 1}),
        ("Fit", {}),
        ("Save", {}),
    ]


def test_a_file_is_a_player_with_a_timeline(double: Double) -> None:
    page = double.open(player=PLAYER)
    assert page.locator("#time").inner_text() == "0:05 / 0:20"
    assert page.locator("#seek").get_attribute("aria-valuetext") == "0:05 / 0:20, lynx"
    parts = page.locator("#runs span").evaluate_all(
        "(all) => all.map((one) => [one.textContent, one.style.left, one.style.width])"
    )
    assert parts == [["Persian cat", "0%", "25%"], ["lynx", "25%", "25%"]]
    box = page.locator("#seek").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_timeout(150)
    [(action, values)] = double.done()
    assert action == "Seek"
    assert values["to"] == pytest.approx(10, abs=0.2)
    page.keyboard.press("ArrowRight")  # the bar has the focus; it goes as in the window
    page.get_by_role("button", name="One frame back").click()
    page.get_by_role("button", name="Begin again at the end").click()
    page.get_by_label("Speed").select_option("2")
    page.locator("#name").click()
    for key in (",", "]", "End", "Home", " "):
        page.keyboard.press(key)
    assert double.done() == [
        ("Skip", {"by_s": 5}),
        ("Step", {"frames": -1}),
        ("Loop", {}),
        ("SetSpeed", {"speed": 2}),
        ("Step", {"frames": -1}),
        ("ChangeSpeed", {"steps": 1}),
        ("Seek", {"to": 20.0}),
        ("Seek", {"to": 0}),
        ("Pause", {}),
    ]


def test_cameras_have_a_line_each_and_one_is_enlarged(double: Double) -> None:
    page = double.open(
        cameras=CAMERAS, sources=["/data/hall", "yard", "b/yard", "rtsp://host/door"]
    )
    choice = ["Add a camera", "b/yard", "rtsp://host/door"]
    assert page.locator("#add option").all_inner_texts() == choice
    lines = page.locator("#cameras small").all_inner_texts()
    assert lines == ["12 of 30 a second seen, 31 ms", "lost 12 s, next try in 3 s"]
    page.locator("#cameras li").nth(1).locator("button").first.click()
    page.locator("#name").click()
    page.keyboard.press("1")
    page.get_by_role("button", name="Remove yard").click()
    page.get_by_label("Add a camera").select_option("rtsp://host/door")
    assert double.done() == [
        ("Focus", {"camera": 8}),
        ("Focus", {"camera": 7}),
        ("RemoveCamera", {"camera": 8}),
        ("AddCamera", {"address": "rtsp://host/door"}),
    ]
    double.tell(focus=7)
    page.locator("#cameras [aria-pressed=true]").wait_for()
    page.locator("#name").click()
    page.keyboard.press("Escape")
    assert double.done() == [("Focus", {"camera": None})]


def test_the_help_lists_what_does_something_here(double: Double) -> None:
    page = double.open()
    page.keyboard.press("?")
    keys = page.locator("#keys dt").all_inner_texts()
    assert "k" in keys
    assert "[ ]" not in keys  # no file is played
    page.keyboard.press("b")  # the keys are listed, and do nothing
    page.keyboard.press("Escape")
    assert page.locator("#help").is_hidden()
    assert double.done() == []


def test_who_may_only_look_sees_all_and_changes_nothing(open_double: Callable[..., Double]) -> None:
    double = open_double(can_control=False)
    page = double.open(**RICH)
    for key in ("b", "k", " ", "r", "s", "1", "f", "/", "Home", "Escape"):
        page.keyboard.press(key)
    page.locator("canvas").click(position={"x": 5, "y": 5})
    for button in page.locator("button:visible:enabled").all():
        button.dispatch_event("click")  # what is left: rates, help, full screen
    assert double.done() == []
    assert page.get_by_role("textbox").count() + page.get_by_role("combobox").count() == 0
    for words in ("Persian cat", "cup: 3", "01:12", "0:05 / 0:20", "lost 12 s", "for 12 s"):
        assert page.get_by_text(words).locator("visible=true").count(), words


@pytest.mark.parametrize("changes", [{}, RICH])
def test_nothing_is_wider_than_a_phone(
    open_double: Callable[..., Double], changes: dict[str, Any]
) -> None:
    page = open_double(size=PHONE).open(**changes)
    page.locator("#rates").click()
    wide = page.evaluate("() => [document.documentElement.scrollWidth, innerWidth]")
    assert wide == [360, 360]


def test_everything_that_can_be_used_has_a_name_and_is_reached_by_tab(double: Double) -> None:
    page = double.open(**RICH)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, select, input, a, [tabindex]")]
        .filter((one) => one.checkVisibility())
        .filter((one) => !(one.ariaLabel || one.textContent.trim() || one.labels?.[0]?.textContent.trim()))
        .map((one) => one.outerHTML)"""
    )
    assert nameless == []
    wanted = page.locator(
        "button:visible:enabled, select:visible, input:visible, a:visible, summary:visible"
    ).count()
    reached = set()
    for _ in range(wanted + 10):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("() => document.activeElement.outerHTML"))
    assert len(reached) >= wanted


def test_a_picture_that_was_held_is_not_in_the_lag(double: Double) -> None:
    page = double.open(rate_hz=None, is_stale=True)
    for number in range(2, 6):  # drawn anew, each second: it says for how long nothing has come
        double.show(number, jpeg(number), ago_s=60)
    soon(lambda: double.acknowledged[-1:] == [5], double)
    double.tell(rate_hz=25.0, is_stale=False)
    double.show(6, jpeg())
    soon(lambda: double.acknowledged[-1:] == [6], double)
    page.wait_for_function("document.getElementById('rates').innerText.includes('fps')")
    lag_ms = int(page.locator("#rates").inner_text().split(" · ")[1].removesuffix(" ms"))
    assert lag_ms < 5000
