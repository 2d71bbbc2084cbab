"""Addresses without their secrets, and what is an address at all."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from camstream.address import file_of, is_address, shown


@pytest.mark.parametrize(
    ("address", "displayed"),
    [
        ("rtsp://user:s3cret@host:554/ch/1", "rtsp://host:554/ch/1"),
        ("http://s3cret@host/stream.mjpg", "http://host/stream.mjpg"),
        ("http://host/stream.mjpg?token=s3cret", "http://host/stream.mjpg"),
        ("http://host/stream.mjpg#s3cret", "http://host/stream.mjpg"),
        ("rtsp://user:p%40s3cret@host/x", "rtsp://host/x"),
        ("rtsp://user:a@s3cret@host/x", "rtsp://host/x"),
        ("rtsp://user:a/s3cret@host/x", "rtsp://***"),
        ("rtsp://user:a?s3cret@host/x", "rtsp://***"),
        ("rtsp://user:a#s3cret@host/x", "rtsp://***"),
        ("http://host/x?user=a@b&token=s3cret", "http://***"),
        ("rtsp://host/user=a&password=s3cret&channel=1.sdp", "rtsp://host"),
        ("rtsp://host:554/live/user=a_password=s3cret_stream=0.sdp", "rtsp://host:554/live"),
        ("http://host/live;key=s3cret/x", "http://host"),
        ("udp://@239.0.0.1:1234", "udp://239.0.0.1:1234"),
        ("/dev/video0", "/dev/video0"),
    ],
)
def test_an_address_is_shown_without_its_secrets(address: str, displayed: str) -> None:
    assert shown(address) == displayed


_SECRET = st.text("Zq7", min_size=6, max_size=9)  # letters that nothing else here has
_AROUND = st.text("ab:@/?#%&=;. \n\\", max_size=4)


@given(
    st.sampled_from(["rtsp", "http", "https", "rtmp", "udp"]),
    st.text("abc", max_size=3),
    st.tuples(_AROUND, _SECRET, _AROUND),
    st.sampled_from(["", "/live/ch1", "/@x", "/a?b=c@d", "?x"]),
    st.booleans(),
)
@example("rtsp", "u", ("", "Zq7Zq7", "/"), "/a?b=c@d", False)
def test_a_password_never_survives(
    scheme: str, user: str, parts: tuple[str, str, str], tail: str, encoded: bool
) -> None:
    password = "".join(parts)
    written = quote(password, safe="") if encoded else password
    displayed = shown(f"{scheme}://{user}:{written}@host{tail}")
    assert parts[1] not in displayed
    assert displayed.startswith(f"{scheme}://")


@given(st.sampled_from(["token", "key", "pwd"]), _AROUND, _SECRET)
def test_a_token_in_the_query_never_survives(name: str, around: str, secret: str) -> None:
    displayed = shown(f"http://host/live?a=b&{name}={around}{secret}")
    assert secret not in displayed


@pytest.mark.parametrize(
    ("text", "displayed"),
    [
        ("rtsp//user:s3cret@host/x", "rtsp//host/x"),
        ("rtsp:/user:s3cret@host/x", "rtsp:/host/x"),
        ("rtsp:user:s3cret@host/x", "rtsp:host/x"),
        ("RTSP//user:s3cret@host", "RTSP//host"),
        ("user:s3cret@host", "***@host"),
        ("user:s3/cret@host/x", "***@host/x"),
        ("rtmp://host/app/s3cret", "rtmp://host/app/***"),
        ("rtmps://host:443/app/s3cret/more", "rtmps://host:443/app/***/***"),
        ("rtmp//host/app/s3cret", "rtmp//host/app/***"),
        ("host/live.m3u8?token=s3cret", "host/live.m3u8"),
        ("rtsps://host:7441/aS3cretB5gH7jK9mN", "rtsps://host:7441/***"),
        ("http://host/0b0f7a52-3e5d-4a8e-9f6c-1f2e3d4c5b6a/1.ts", "http://host/***/1.ts"),
        ("rtsp://host/h264Preview_01_main", "rtsp://host/h264Preview_01_main"),
        ("rtmp://host/app", "rtmp://host/app"),
        ("rec-12:30:05.mp4", "rec-12:30:05.mp4"),
        ("clip@2x.mp4", "clip@2x.mp4"),
        ("clips/*?.mp4", "clips/*?.mp4"),
        ("C:\\clips@home\\a.mp4", "C:\\clips@home\\a.mp4"),
        ("http/clip.mp4", "http/clip.mp4"),
    ],
)
def test_a_mistyped_address_is_shown_without_its_secrets(text: str, displayed: str) -> None:
    assert shown(text) == displayed
    assert "s3cret" not in shown(Path(text)).lower()


def test_the_name_of_a_file_that_is_there_is_shown_whole(tmp_path: Path) -> None:
    path = tmp_path / "12:30@home.mp4"
    assert shown(path) == "***@home.mp4"
    path.touch()
    assert shown(path) == str(path)


def test_a_camera_is_shown_by_its_number() -> None:
    assert shown(3) == "camera 3"


def test_what_no_file_system_takes_is_shown_too() -> None:
    for text in ("a" * 5000, "a\0b"):
        assert shown(text) == text


def test_files_and_addresses() -> None:
    assert is_address("RTSP://x/y")
    assert not is_address("C:/clip.mp4")
    assert not is_address("rec-12:30:05.mp4")
    assert not is_address("file:///clips/a.mp4")
    assert file_of("file:///clips/a%20b.mp4") == Path("/clips/a b.mp4")
    assert file_of("file://localhost/clips/a.mp4") == Path("/clips/a.mp4")
    assert file_of("FILE:///clips/a.mp4") == Path("/clips/a.mp4")
    assert file_of("clips/a%20b.mp4") == Path("clips/a%20b.mp4")
