"""A phone as the camera, in headless Chromium with a made camera: rate, lag and what its clock is wrong by.

    python -m tests.benchmarks.phone --seconds 20

Chromium's made camera gives 1280 x 720 at 30 a second; the page encodes, sends over https on the
loopback address, and shows what comes back, all on the same processors as the model. "Lag" is from the
phone's capture to the picture with its map, by the phone's clock; "on the phone" is from capture to
the annotated picture being painted there. Pictures and the model's work end on one machine here, so
a real phone has its radio to add, and its own processor to encode with.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from camstream.models.zoo import load_model
from camstream.web.certificate import get_certificate
from camstream.web.place import Place
from tests.web.phone_serving import serving_phone

_TOKEN = "p" * 30
# When each annotated picture was painted, minus when it was captured: by the clock of the machine,
# which is the phone's here.
_WATCH = """() => {
  window.shownMs = [];
  const paint = CanvasRenderingContext2D.prototype.drawImage;
  const receive = seeing.onMessage;
  let captured = 0;
  seeing.onMessage = (data) => {
    if (typeof data !== "string") captured = new DataView(data).getFloat64(4);
    return receive(data);
  };
  CanvasRenderingContext2D.prototype.drawImage = function (...given) {
    paint.apply(this, given);
    if (this.canvas.id === "picture") window.shownMs.push(Date.now() - captured);
  };
}"""


def measure(model_name: str, seconds: float) -> None:
    """Measure and print."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        sys.exit("there is no Chromium on this machine")
    model = load_model(model_name, device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        certificate = get_certificate([], folder=Path(folder))
        with (
            serving_phone(
                model,
                place=Place("0.0.0.0", 0),
                certificate=certificate.path,
                tokens={_TOKEN: "phone"},
            ) as served,
            sync_playwright() as driver,
        ):
            arguments = ["--no-sandbox", "--use-fake-device-for-media-stream"]
            browser = driver.chromium.launch(executable_path=path, args=arguments)
            context = browser.new_context(ignore_https_errors=True, permissions=["camera"])
            page = context.new_page()
            page.goto(f"https://127.0.0.1:{served.port}/phone?token={_TOKEN}")
            page.wait_for_url("**/phone")
            served.until_shown(20, within_s=60)
            page.evaluate(_WATCH)
            began_s, began = time.perf_counter(), served.session.state.shown
            lags: list[float] = []
            while (now_s := time.perf_counter()) < began_s + seconds:
                lags.append(served.session.state.lag_ms)
                page.wait_for_timeout(50)
            shown = served.session.state.shown - began
            painted = [float(one) for one in page.evaluate("window.shownMs")]
            phone = served.door.phone
            error_ms = None if phone is None else phone.clock.error_s * 1e3
            browser.close()
    print(f"{model_name}, {seconds:.0f} s")
    print(f"pictures a second         {shown / (now_s - began_s):6.1f}")
    for name, found in (("lag", lags), ("on the phone", painted)):
        tenths = statistics.quantiles(found, n=20)
        print(f"{name:<12} p50, p95 (ms)  {statistics.median(found):6.0f} {tenths[-1]:6.0f}")
    print(f"the clocks agree to (ms)  {error_ms or 0:6.1f}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="efficientnet_lite0", help="a name or an .onnx file")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to measure")
    given = parser.parse_args()
    measure(given.model, given.seconds)


if __name__ == "__main__":
    main()
