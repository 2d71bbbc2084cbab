"""The phone's page in a real Chromium with a made camera: what it sends, sees and says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from camstream.models.session import Model
from camstream.web import phone as phone_module
from camstream.web.certificate import get_certificate
from camstream.web.gate import Role
from camstream.web.place import Place
from tests.web.phone_serving import ServedPhone, jpeg, serving_phone

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_PAGE = Path(__file__).parents[2] / "camstream" / "web" / "page"
_WAIT_MS = 20_000
# What is painted: the sum of all colours of the canvas, and its size.
_PAINTED = """() => {
  const canvas = document.getElementById("picture");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let sum = 0;
  for (let i = 0; i < data.length; i += 4) sum += data[i] + data[i + 1] + data[i + 2];
  return [canvas.width, canvas.height, sum];
}"""


@pytest.fixture(scope="module")
def phone_browser() -> Iterator[Browser]:
    """A Chromium with a made camera, which a page gets only where the test grants it."""
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        pytest.skip("there is no Chromium on this machine")
    arguments = ["--no-sandbox", "--use-fake-device-for-media-stream"]
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def served(tiny_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedPhone]:
    """Served by https to all, as the command does it."""
    certificate = get_certificate([], folder=tmp_path_factory.mktemp("certificate"))
    with serving_phone(
        tiny_model,
        place=Place("0.0.0.0", 0),
        certificate=certificate.path,
        tokens={"p" * 30: "phone"},
    ) as served:
        yield served


def _context(browser: Browser, *, may_see: bool) -> BrowserContext:
    context = browser.new_context(
        ignore_https_errors=True,
        permissions=["camera"] if may_see else [],
        viewport={"width": 360, "height": 740},
        has_touch=True,
    )
    context.set_default_timeout(_WAIT_MS)
    return context


@pytest.fixture
def context(phone_browser: Browser) -> Iterator[BrowserContext]:
    context = _context(phone_browser, may_see=True)
    yield context
    context.close()


def _says(page: Page, words: str) -> None:
    page.wait_for_function(
        "words => document.getElementById('status').textContent.includes(words)", arg=words
    )


def _open(context: BrowserContext, served: ServedPhone) -> tuple[Page, list[str]]:
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda one: said.append(one.text) if one.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"https://127.0.0.1:{served.port}/phone?token={'p' * 30}")
    page.wait_for_url("**/phone")  # the token is in a cookie, and in no address
    return page, said


def test_from_the_page_to_the_annotated_picture(
    context: BrowserContext, served: ServedPhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phone_module, "_LOST_S", 1.0)
    page, said = _open(context, served)
    _says(page, "This phone is the camera")
    served.until_shown(5)
    frame = served.session.state.frame
    assert frame is not None
    assert frame.picture.size_wh == (1280, 720)
    assert 0 < served.session.state.lag_ms < 5000
    page.wait_for_function("() => document.getElementById('picture').width > 16")
    page.wait_for_function("() => !document.body.classList.contains('alone')")
    width, height, first = page.evaluate(_PAINTED)
    assert (width, height) == (1280, 720)
    page.wait_for_function(f"first => ({_PAINTED})()[2] !== first", arg=first)  # it moves
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    # Paused, nothing is sent and the session says so; then it goes on.
    page.get_by_role("button", name="Pause").click()
    _says(page, "Paused: nothing is sent")
    served.until("lost")
    page.get_by_role("button", name="Go on").click()
    served.until("")
    page.get_by_role("button", name="Other camera").click()
    shown = served.session.state.shown
    served.until_shown(shown + 3)
    assert said == []


def test_a_phone_that_lost_its_connection_comes_back_by_itself(
    context: BrowserContext, served: ServedPhone
) -> None:
    page, _ = _open(context, served)
    _says(page, "This phone is the camera")
    served.until("")
    page.evaluate("sending.socket.close(); seeing.socket.close()")
    _says(page, "No connection to camstream")
    _says(page, "This phone is the camera")
    served.until("")


def test_after_a_new_start_of_camstream_the_old_link_is_said_to_be_old(
    context: BrowserContext, served: ServedPhone
) -> None:
    page, _ = _open(context, served)
    _says(page, "This phone is the camera")
    context.clear_cookies()  # as a new start does: no token is known any more
    page.evaluate("sending.socket.close()")
    _says(page, "camstream was started anew")
    assert page.locator("#more").text_content() == "Scan its new code."


@pytest.mark.slow
def test_another_phone_takes_over_and_this_one_can_take_it_back(
    context: BrowserContext, served: ServedPhone, phone_browser: Browser
) -> None:
    page, _ = _open(context, served)
    _says(page, "This phone is the camera")
    other = _context(phone_browser, may_see=True)
    second, _ = _open(other, served)
    _says(second, "This phone is the camera")
    _says(page, "Another phone is the camera now")
    page.get_by_role("button", name="Try again").click()
    _says(page, "This phone is the camera")
    _says(second, "Another phone is the camera now")
    other.close()


def test_a_refused_permission_is_said_in_words_and_can_be_given_later(
    phone_browser: Browser, served: ServedPhone
) -> None:
    context = _context(phone_browser, may_see=False)
    page, said = _open(context, served)
    _says(page, "The camera was refused")
    assert "Allow it for this page" in (page.locator("#more").text_content() or "")
    context.grant_permissions(["camera"])
    page.get_by_role("button", name="Try again").click()
    _says(page, "This phone is the camera")
    assert said == []
    context.close()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("Object.defineProperty(window, 'isSecureContext', {value: false})", "needs https"),
        ("delete Navigator.prototype.mediaDevices", "This browser is too old"),
        (
            "navigator.mediaDevices.getUserMedia = () => "
            "Promise.reject(new DOMException('', 'NotFoundError'))",
            "There is no camera",
        ),
        (
            "navigator.mediaDevices.getUserMedia = () => "
            "Promise.reject(new DOMException('', 'NotReadableError'))",
            "The camera cannot be opened",
        ),
    ],
)
def test_what_is_wrong_is_said_in_words(
    context: BrowserContext, served: ServedPhone, script: str, words: str
) -> None:
    context.add_init_script(script)
    page, _ = _open(context, served)
    _says(page, words)
    assert page.get_by_role("button", name="Try again").is_visible()


def test_the_page_without_script_says_that_the_browser_is_too_old(
    phone_browser: Browser, served: ServedPhone
) -> None:
    context = phone_browser.new_context(ignore_https_errors=True, java_script_enabled=False)
    page, _ = _open(context, served)
    assert "too old" in (page.locator("#status").text_content() or "")
    context.close()


def test_the_page_of_others_shows_the_code_while_there_is_no_phone(
    context: BrowserContext, tiny_model: Model
) -> None:
    roles: dict[str, Role] = {"c" * 30: "control", "v" * 30: "view", "p" * 30: "phone"}
    with serving_phone(tiny_model, place=Place("0.0.0.0", 0), tokens=roles) as served:
        served.door.link = "http://192.0.2.7:8765/phone?token=abc"
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{served.port}/?token={'c' * 30}")
        code = page.get_by_alt_text("The code of the link")
        code.wait_for(state="visible")
        assert page.locator("img[src$='phone.svg']").count() == 1  # one code, not two
        page.wait_for_function("() => document.getElementById('code').naturalWidth > 0")
        below = page.locator("#why").bounding_box()
        above = code.bounding_box()
        assert above is not None
        assert below is not None
        assert above["y"] + above["height"] <= below["y"]
        with served.phone(additional_headers={"Authorization": f"Bearer {'p' * 30}"}) as phone:
            phone.until_asked()
            phone.send(jpeg())
            code.wait_for(state="hidden")
        other = context.browser.new_page() if context.browser else page
        other.goto(f"http://127.0.0.1:{served.port}/?token={'v' * 30}")
        other.wait_for_function(
            "() => document.getElementById('status').textContent !== 'connecting'"
        )
        assert other.get_by_alt_text("The code of the link").is_hidden()
        other.close()


def test_the_page_is_small_and_names_no_other_address() -> None:
    files = sorted(_PAGE.glob("phone*"))
    assert [file.name for file in files] == ["phone.css", "phone.html", "phone.js"]
    assert sum(file.stat().st_size for file in files) <= 15_000
    assert not any("http://" in file.read_text(encoding="utf-8") for file in files)
