"""Makes the pictures of README and docs: frames of the project's clips as camstream draws them.

python docs/make_picture.py
"""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

import camstream
from camstream.commands.demo import sample_clip
from camstream.live.cameras import CameraState
from camstream.live.mosaic import draw_mosaic
from camstream.live.rack import Looking
from camstream.live.wall import WallSession
from camstream.sources.several import name_of

if TYPE_CHECKING:
    from playwright.sync_api import ViewportSize

TILE_WH = (480, 270)
COLUMNS = 3
PAGE: ViewportSize = {"width": 1200, "height": 660}
PAGE_S = 3  # of the sample clip: the cat's face
PAGE_CLICK = (0.35, 0.4)


def write_table(
    clip: Path, model: str, style: camstream.Style, frames: tuple[int, ...], path: Path
) -> None:
    """Write a table of a clip's frames, as ``camstream annotate`` draws them."""
    tiles = []
    with camstream.stream(clip, model) as predictions:
        for prediction in predictions:
            if prediction.frame.index in frames:
                image = prediction.draw(style)
                tiles.append(cv2.resize(image, TILE_WH, interpolation=cv2.INTER_AREA))
    rows = [np.hstack(tiles[i : i + COLUMNS]) for i in range(0, len(tiles), COLUMNS)]
    cv2.imwrite(str(path), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 85])


def write_mosaic(clip: Path, model: str, frames: dict[str, int], path: Path) -> None:
    """Write a picture of several cameras, as the window shows them; the last one is lost.

    Args:
        clip: Stands for all of them.
        model: Looks at them.
        frames: The frame of the clip that each camera sees, by the camera's address.
        path: The picture to be.
    """
    opened = camstream.load_model(model)
    seen = {}
    with camstream.stream(clip, opened) as predictions:
        for prediction in predictions:
            seen[prediction.frame.index] = prediction
    cameras = tuple(
        CameraState(
            id=number,
            name=name_of(address),
            state="live" if number < len(frames) else "lost",
            rate_in_hz=25.0,
            lag_ms=21.0 + number,
            lost_s=12.0,
            next_try_s=3.0,
            frame=seen[index].frame,
            prediction=seen[index],
        )
        for number, (address, index) in enumerate(frames.items(), 1)
    )
    session = WallSession(["0", "1"], Looking.through(opened))  # never runs: its state is drawn
    state = dataclasses.replace(session.state, cameras=cameras)
    image = draw_mosaic(state, (COLUMNS * TILE_WH[0] * 2 // 3, TILE_WH[1] * 2)).bgr()
    cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 85])


def write_page(clip: Path, path: Path) -> None:
    """Write a picture of the page with a clip that plays, and of what it answers to a click.

    Needs playwright and a Chromium (``apt-get install chromium``).
    """
    from playwright.sync_api import sync_playwright

    command = [sys.executable, "-m", "camstream", "live", str(clip), "--loop"]
    with (
        subprocess.Popen(
            [*command, "--web", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True
        ) as live,
        sync_playwright() as playwright,
    ):
        assert live.stdout is not None
        url = next(line for line in live.stdout if line.startswith("page: ")).split()[1]
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport=PAGE, color_scheme="dark", device_scale_factor=1)
        page.goto(url)
        page.wait_for_selector("body[data-state=live]")
        page.wait_for_selector("#runs span >> nth=4", state="attached", timeout=60_000)
        page.keyboard.press("Space")
        page.locator("#seek").fill(str(PAGE_S))
        page.get_by_text(f"0:{PAGE_S:02.0f} /").wait_for()
        page.locator("#seek").blur()
        page.wait_for_timeout(2000)
        box = page.locator("canvas").bounding_box()
        assert box is not None
        x, y = PAGE_CLICK
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        page.locator("#answer").wait_for()
        page.wait_for_timeout(500)
        page.screenshot(path=path, type="jpeg", quality=85)
        browser.close()
        live.terminate()


def main() -> None:
    """Write docs/pictures/sample.jpg, people.jpg, missed.jpg, cameras.jpg and page.jpg."""
    folder = Path(__file__).parent / "pictures"
    plain, boxed = camstream.Style(), camstream.Style(show_boxes=True)
    sample, people = sample_clip(), sample_clip("people")
    write_table(
        sample, "efficientnet_lite0", plain, (30, 90, 130, 215, 250, 330), folder / "sample.jpg"
    )
    write_table(people, "person", boxed, (40, 110, 160, 325, 400, 500), folder / "people.jpg")
    # Somebody is there, and not seen:
    write_table(people, "person", boxed, (87, 302, 312), folder / "missed.jpg")
    views = {"0": 110, "rtsp://yard.local/stream": 325, "rtsp://gate.local/stream": 30}
    views["http://door.local/camera.mjpg"] = 160
    write_mosaic(people, "person", views, folder / "cameras.jpg")
    write_page(sample, folder / "page.jpg")


if __name__ == "__main__":
    main()
