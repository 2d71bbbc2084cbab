"""A phone's pictures: dated by its clock, the newest first, whatever it sends."""

from __future__ import annotations

import contextlib
import http.client
import struct
import threading
import time
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from camstream.commands import app
from camstream.models.session import Model
from camstream.web import phone as phone_module
from camstream.web import phone_socket
from camstream.web.clock import Clock
from camstream.web.phone import PhoneSource, decode, size_of
from camstream.web.place import Place
from tests.web.phone_serving import FakePhone, ServedPhone, serving_phone


def jpeg(grey: int = 128, size_wh: tuple[int, int] = (320, 240)) -> bytes:
    image = np.full((size_wh[1], size_wh[0], 3), grey, np.uint8)
    return bytes(cv2.imencode(".jpg", image)[1].tobytes())


@pytest.fixture(scope="module")
def served(tiny_model: Model) -> Iterator[ServedPhone]:
    with serving_phone(tiny_model) as served:
        yield served


def send(phone: FakePhone, count: int, *, age_s: float = 0.0) -> None:
    for number in range(count):
        phone.until_asked()
        phone.send(jpeg(number), age_s=age_s)


# The clock


@given(
    st.floats(-1e6, 1e6),
    st.lists(st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)), min_size=1, max_size=20),
)
def test_the_clock_is_as_wrong_as_half_of_the_quickest_pair_at_most(
    ahead_s: float, ways: list[tuple[float, float]]
) -> None:
    clock = Clock()
    for number, (there_s, back_s) in enumerate(ways):
        asked_s = 100.0 + number
        clock.add(asked_s, asked_s + there_s + ahead_s, asked_s + there_s + back_s)
    error_s = abs(clock.here(200.0 + ahead_s) - 200.0)
    assert error_s <= clock.error_s + 1e-6
    assert clock.error_s == pytest.approx(min(map(sum, ways)) / 2, abs=1e-6)


def test_the_clock_forgets_after_a_minute_since_clocks_drift() -> None:
    clock = Clock()
    assert not clock.is_known
    clock.add(0.0, 1000.0, 0.0)
    clock.add(30.0, 1035.0, 30.2)
    assert clock.here(1100.0) == pytest.approx(100.0)
    clock.add(80.0, 1085.0, 80.2)
    assert clock.here(1100.0) == pytest.approx(95.1)


# Pictures


def test_the_size_is_read_before_anything_is_reserved() -> None:
    assert size_of(jpeg(size_wh=(320, 200))) == (320, 200)
    progressive = cv2.imencode(
        ".jpg", np.zeros((8, 16, 3), np.uint8), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    )[1].tobytes()
    assert size_of(bytes(progressive)) == (16, 8)
    whole = jpeg()
    assert size_of(whole[:2] + b"\xff\xfe\x00\x04hi" + whole[2:]) == (320, 240)  # a comment


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff" + b"\x03" * 10,  # 65535 x 65535
        b"\xff\xd8\xff\xc0\x00\x11\x08\x00\x00\x00\x00" + b"\x03" * 10,  # 0 x 0
        b"\x89PNG\r\n\x1a\n" + b"x" * 50,
        b"\xff\xd8\xff\xe0\x00\x02" * 1000,
        jpeg()[:60],
        jpeg(size_wh=(4100, 8)),
        jpeg() + b"\x00" * (4 * 2**20),
    ],
)
def test_what_is_no_picture_or_too_large_is_none(bad: bytes) -> None:
    assert decode(bad) is None


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    decode(b"\xff\xd8\xff" + data)
    size_of(data)


def test_the_newest_picture_wins_and_times_grow() -> None:
    source = PhoneSource()
    taken: list[float] = []
    source.come(lambda: taken.append(time.perf_counter()))
    now_s = time.perf_counter()
    source.offer(jpeg(10), now_s - 3)
    source.offer(jpeg(20), now_s - 2)
    frames = iter(source)
    first = next(frames)
    assert first.picture.bgr()[0, 0, 0] == 20
    assert first.captured_s == now_s - 2
    source.offer(b"no picture", now_s - 1)
    threading.Timer(0.1, source.offer, (jpeg(30), now_s - 5)).start()
    second = next(frames)
    assert source.skipped == 1
    assert second.picture.bgr()[0, 0, 0] == 30
    assert second.pts_s > first.pts_s == 0  # although its clock says that it is older
    source.offer(jpeg(40), now_s + 100)
    assert next(frames).captured_s <= time.perf_counter()  # none is from the future
    assert len(taken) == 4
    source.stop()
    assert list(frames) == []


# The socket


def test_pictures_are_dated_by_the_phones_clock_and_asked_for_one_by_one(
    served: ServedPhone,
) -> None:
    shown = served.session.state.shown
    with served.phone() as phone:
        while phone.pinged < 3:
            phone.step()
        assert phone.asked == 1
        phone.send(jpeg(), age_s=0.4)
        served.until_shown(shown + 1)
        assert 400 <= served.session.state.lag_ms < 4000  # not what the way alone took
        send(phone, 10)
        served.until_shown(shown + 2)
        assert served.source.state == ""
        assert 1 <= phone.asked <= 13


def test_a_phone_that_leaves_is_lost_and_one_that_comes_again_is_back(
    served: ServedPhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phone_module, "_LOST_S", 0.2)
    with served.phone() as phone:
        send(phone, 2)
        served.until("")
        served.until("lost 0 s: the phone sends nothing")
    served.until("lost 0 s: the phone has gone")
    before = served.source.reconnects
    with served.phone() as phone:
        send(phone, 2)
        served.until("")
    assert served.source.reconnects == before + 1


def test_another_phone_takes_over(served: ServedPhone) -> None:
    with served.phone() as first, served.phone() as second:
        with pytest.raises(ConnectionClosed) as caught:
            first.until_closed()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 4001
        send(second, 2)
        served.until("")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("garbage", 1008),
        ('{"type":"pong","id":"x","ms":1}', 1008),
        ("[" * 5000, 1008),
        (b"\x00" * 8, 1008),
        (b"\x00" * (4 * 2**20 + 100), 1009),
    ],
)
def test_who_does_not_keep_the_rules_is_sent_away(
    served: ServedPhone, message: str | bytes, code: int
) -> None:
    with served.phone() as phone:
        with pytest.raises(ConnectionClosed) as caught:
            phone.until_closed(message)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == code


def test_what_cannot_be_decoded_or_dated_is_skipped_or_dated_by_its_arrival(
    served: ServedPhone,
) -> None:
    skipped, shown = served.source.skipped, served.session.state.shown
    with served.phone() as phone:
        send(phone, 1)
        for bad in (b"no jpeg", jpeg(size_wh=(5000, 8)), jpeg()[:-200]):
            phone.until_asked()
            phone.send(bad)
        for claimed_ms in (float("nan"), float("inf"), -1e300, 1e300):
            phone.until_asked()
            phone.send_raw(struct.pack(">d", claimed_ms) + jpeg())
        phone.until_asked()
        served.until_shown(shown + 2)
        assert served.source.skipped >= skipped + 2
        assert served.session.state.lag_ms < 5000


def test_too_many_messages_end_it(served: ServedPhone) -> None:
    with served.phone() as phone, pytest.raises(ConnectionClosed) as caught:
        phone.until_closed(*['{"type":"pong","id":1,"ms":0}'] * 100_000)
    assert caught.value.rcvd is None or caught.value.rcvd.code == 1008


def test_a_phone_that_answers_no_ping_is_sent_away(
    served: ServedPhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phone_socket, "_SILENT_S", 0.3)
    with served.phone() as phone:
        phone.answers = False
        with pytest.raises(ConnectionClosed):
            phone.until_closed()


def test_a_phone_that_turns_changes_the_size_and_nothing_else(served: ServedPhone) -> None:
    shown = served.session.state.shown
    with served.phone() as phone:
        for size_wh in ((320, 240), (240, 320), (319, 241)):
            phone.until_asked()
            phone.send(jpeg(size_wh=size_wh))
            shown += 1
            served.until_shown(shown)
            frame = served.session.state.frame
            assert frame is not None
            assert frame.picture.size_wh == size_wh


def test_who_may_be_the_camera_and_who_sees_the_code(tiny_model: Model) -> None:
    roles = {"c" * 8: "control", "v" * 8: "view", "p" * 8: "phone"}
    with serving_phone(tiny_model, place=Place("0.0.0.0", 0), tokens=roles) as served:  # type: ignore[arg-type]
        served.door.link = "https://192.0.2.7:8765/phone?token=abc"
        codes = {}
        for token in (*roles, "wrong"):
            client = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
            client.request("GET", f"/phone.svg?token={token}")
            answer = client.getresponse()
            codes[token[0]] = answer.status
            content = answer.read()
            assert (b"<svg" in content) is (token[0] == "c")
            client.close()
        assert codes == {"c": 200, "v": 403, "p": 403, "w": 403}
        for token, is_let_in in (("p", True), ("c", True), ("v", False)):
            address = f"ws://127.0.0.1:{served.port}/phone?token={token * 8}"
            with connect(address, compression=None) as connection:
                phone = FakePhone(connection)
                if is_let_in:
                    phone.until_asked()
                else:
                    with pytest.raises(ConnectionClosed) as caught:
                        phone.step()
                    assert caught.value.rcvd is not None
                    assert caught.value.rcvd.code == 4003


def test_the_end_is_told_to_the_phone(tiny_model: Model) -> None:
    with contextlib.ExitStack() as stack:
        with serving_phone(tiny_model) as served:
            phone = stack.enter_context(served.phone())
            send(phone, 2)
            served.until("")
            began_s = time.monotonic()
        assert time.monotonic() - began_s < 4  # 1 s where the machine has nothing else to do
        with pytest.raises(ConnectionClosed):
            phone.until_closed()


# The command line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["live", "phone"], "phone as the camera needs a page that it can open: add --web"),
        (["live", "phone", "0", "--web"], "phone is shown alone: name no other source"),
    ],
)
def test_what_is_asked_wrongly_is_told_in_one_line(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert words in result.output
    assert result.output.count("\n") == 1


def test_the_command_serves_https_to_all_and_prints_link_and_fingerprint(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
    line = ["live", "phone", "--web", "0.0.0.0:0", "--seconds", "0.3"]
    first = CliRunner().invoke(app, line)
    assert first.exit_code == 0, first.output
    found = [word for word in first.output.split() if "/phone?token=" in word]
    assert len(found) == 1
    assert found[0].startswith("https://")
    assert 'choose "Advanced"' in first.output
    mark = "SHA-256 of the certificate: "
    again = CliRunner().invoke(app, line)
    one, other = (text.partition(mark)[2].split()[0] for text in (first.output, again.output))
    assert one == other  # so that a phone accepts it once
    assert len(one) == 95
    alone = CliRunner().invoke(app, ["live", "phone", "--web", "127.0.0.1:0", "--seconds", "0.3"])
    assert "phone: http://127.0.0.1:" in alone.output
    assert "only a browser of this machine reaches it" in alone.output
