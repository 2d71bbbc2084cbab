"""Who comes in, and who does not: a table of every case."""

from __future__ import annotations

import pytest

from camstream.web.gate import Gate, Headers, make_token
from camstream.web.place import Place

CONTROL, VIEW = make_token(), make_token()
TOKENS = {CONTROL: "control", VIEW: "view"}

HERE = Gate(Place("127.0.0.1", 8765))
EVERYWHERE = Gate(Place("0.0.0.0", 8765), TOKENS)  # type: ignore[arg-type]
LAN = Gate(Place("192.168.1.5", 8765), TOKENS)  # type: ignore[arg-type]
SECURE = Gate(Place("192.168.1.5", 8765), TOKENS, is_encrypted=True)  # type: ignore[arg-type]


def _headers(**named: str) -> Headers:
    return [(k.replace("_", "-").encode(), v.encode("latin-1")) for k, v in named.items()]


@pytest.mark.parametrize(
    ("gate", "host", "is_ours"),
    [
        (HERE, "127.0.0.1:8765", True),
        (HERE, "localhost:8765", True),
        (HERE, "LOCALHOST:8765", True),
        (HERE, "localhost.:8765", True),
        (HERE, "localhost:9000", True),  # ssh -L 9000:localhost:8765
        (HERE, "localhost", True),
        (HERE, "[::1]:8765", True),
        (HERE, "127.1.2.3:8765", True),
        (HERE, "evil.example:8765", False),  # DNS rebinding
        (HERE, "127.0.0.1.evil.example:8765", False),
        (HERE, "localhost.evil.example", False),
        (HERE, "evil.localhost", False),
        (HERE, "192.168.1.5:8765", False),  # nobody reaches it there
        (HERE, "0.0.0.0:8765", False),
        (HERE, "", False),
        (HERE, ":8765", False),
        (HERE, "localhost:8765:1", False),
        (HERE, "localhost:99999", False),
        (HERE, "localhost:http", False),
        (HERE, "[::1", False),
        pytest.param(HERE, "localhost:" + "8" * 5000, False, id="a long port"),
        (HERE, "[::1]x", False),
        (HERE, "localhost@evil.example", False),
        (HERE, "evil.example#localhost", False),
        (LAN, "192.168.1.5:8765", True),
        (LAN, "kitchen.lan:8765", False),
        (LAN, "localhost:8765", True),
        (LAN, "evil.example:8765", False),
        (EVERYWHERE, "192.168.1.77:8765", True),
        (EVERYWHERE, "[fe80::1%25eth0]:8765", True),
        (EVERYWHERE, "evil.example:8765", False),
    ],
)
def test_host(gate: Gate, host: str, is_ours: bool) -> None:
    for is_socket in (False, True):
        verdict = gate.decide(_headers(host=host), f"token={CONTROL}".encode(), is_socket=is_socket)
        assert (verdict.role == "control") is is_ours
        assert bool(verdict.why) is (verdict.role is None or bool(gate.tokens))


def test_no_host_and_two_hosts_are_refused() -> None:
    assert HERE.decide([], b"").role is None
    assert HERE.decide([(b"host", b"localhost"), (b"host", b"evil.example")], b"").role is None
    assert HERE.decide([(b"host", b"localhost"), (b"host", b"localhost")], b"").role is None


@pytest.mark.parametrize("is_socket", [False, True])
@pytest.mark.parametrize(
    ("gate", "host", "origin", "is_ours"),
    [
        (HERE, "localhost:8765", "http://localhost:8765", True),
        (HERE, "localhost:8765", "HTTP://LOCALHOST:8765", True),
        (HERE, "localhost:9000", "http://localhost:9000", True),
        (HERE, "localhost:8765", "http://localhost:3000", False),  # another program's page
        (HERE, "localhost:8765", "http://127.0.0.1:8765", False),
        (HERE, "localhost:8765", "https://localhost:8765", False),
        (HERE, "localhost:8765", "http://evil.example", False),
        (HERE, "localhost:8765", "http://localhost:8765.evil.example", False),
        (HERE, "localhost:8765", "http://evil.example:8765", False),
        (HERE, "evil.example:8765", "http://evil.example:8765", False),  # equal is not enough
        (HERE, "localhost:8765", "null", False),
        (HERE, "localhost:8765", "", False),
        (HERE, "localhost:8765", "file://", False),
        (HERE, "localhost:8765", "chrome-extension://abcdef", False),
        (LAN, "192.168.1.5:8765", "http://192.168.1.5:8765", True),
        (LAN, "192.168.1.5:8765", "http://192.168.1.6:8765", False),
        (SECURE, "192.168.1.5:8765", "https://192.168.1.5:8765", True),
        (SECURE, "192.168.1.5:8765", "http://192.168.1.5:8765", False),
    ],
)
def test_origin(gate: Gate, host: str, origin: str, is_ours: bool, is_socket: bool) -> None:
    headers = _headers(host=host, origin=origin, cookie=f"camstream_8765={CONTROL}")
    verdict = gate.decide(headers, b"", is_socket=is_socket, path="/live")
    assert (verdict.role is not None) is is_ours
    twice = [*headers, (b"origin", b"http://evil.example")]
    assert gate.decide(twice, b"", is_socket=is_socket).role is None


@pytest.mark.parametrize(
    ("site", "mode", "path", "is_socket", "is_let_in"),
    [
        ("same-origin", "cors", "/state.json", False, True),
        ("same-origin", "websocket", "/live", True, True),
        ("none", "navigate", "/", False, True),  # typed, or a bookmark
        ("none", "navigate", "/snapshot.jpg", False, True),
        ("cross-site", "navigate", "/", False, True),  # a link in a mail
        ("same-site", "navigate", "/", False, True),
        ("cross-site", "navigate", "/stream.mjpg", False, False),
        ("cross-site", "no-cors", "/snapshot.jpg", False, False),  # <img> in another page
        ("same-site", "no-cors", "/stream.mjpg", False, False),  # localhost:3000
        ("cross-site", "no-cors", "/", False, False),
        ("cross-site", "websocket", "/live", True, False),
        ("cross-site", "navigate", "/", True, False),
        ("nonsense", "cors", "/state.json", False, False),
    ],
)
def test_what_a_browser_says_of_the_page_that_asks(
    site: str, mode: str, path: str, is_socket: bool, is_let_in: bool
) -> None:
    headers = _headers(host="localhost:8765", sec_fetch_site=site, sec_fetch_mode=mode)
    verdict = HERE.decide(headers, b"", is_socket=is_socket, path=path)
    assert (verdict.role is not None) is is_let_in


@pytest.mark.parametrize(
    ("query", "cookie", "bearer", "role"),
    [
        (CONTROL, "", "", "control"),
        (VIEW, "", "", "view"),
        ("", CONTROL, "", "control"),
        ("", VIEW, "", "view"),
        ("", "", CONTROL, "control"),
        ("", "", VIEW, "view"),
        ("", "", "", None),
        ("wrong", "", "", None),
        ("", "wrong", "", None),
        ("", "", "wrong", None),
        (CONTROL[:-1], "", "", None),
        (CONTROL + "x", "", "", None),
        (CONTROL.swapcase(), "", "", None),
        ("x" * 100_000, "", "", None),
        ("%00", "", "", None),
        ("wrong", CONTROL, "", None),  # the link counts, not what was kept of another
        (CONTROL, VIEW, "", "control"),
        (VIEW, CONTROL, "", "view"),
    ],
    ids=map(str, range(18)),  # tokens are others in every process, names of tests are not
)
def test_token(query: str, cookie: str, bearer: str, role: str | None) -> None:
    headers = list(_headers(host="192.168.1.5:8765"))
    if cookie:
        headers.append((b"cookie", f"other=1; camstream_8765={cookie}; more=2".encode()))
    if bearer:
        headers.append((b"authorization", f"Bearer {bearer}".encode()))
    for is_socket in (False, True):
        given = f"x=1&token={query}".encode() if query else b""
        verdict = EVERYWHERE.decide(headers, given, is_socket=is_socket)
        assert verdict.role == role
        assert verdict.token == (query if role and query else "")


@pytest.mark.parametrize(
    "cookie",
    ["camstream=TOKEN", "camstream_80=TOKEN", "CAMSTREAM_8765=TOKEN", "=", ";;;", "\x00\xff=TOKEN"],
)
def test_other_cookies_are_no_token(cookie: str) -> None:
    headers = _headers(host="192.168.1.5:8765", cookie=cookie.replace("TOKEN", CONTROL))
    assert EVERYWHERE.decide(headers, b"").role is None


@pytest.mark.parametrize("other", ['a={"b":1}', "a=b c", "a", '"', "a[]=\xe9"])
def test_the_cookie_of_another_program_locks_nobody_out(other: str) -> None:
    for cookie in (f"{other}; camstream_8765={CONTROL}", f"camstream_8765={CONTROL};{other}"):
        headers = [*_headers(host="192.168.1.5:8765"), (b"cookie", cookie.encode("latin-1"))]
        assert EVERYWHERE.decide(headers, b"").role == "control"


def test_a_query_of_any_kind_is_no_error() -> None:
    for query in (b"&" * 5000, b"token", b"token=&token=", b"%ff%fe", b"a=1&" * 500):
        assert EVERYWHERE.decide(_headers(host="192.168.1.5"), query).role is None
        assert HERE.decide(_headers(host="localhost"), query).role == "control"


def test_each_run_has_tokens_of_its_own() -> None:
    tokens = {make_token() for _ in range(100)}
    assert len(tokens) == 100
    assert min(map(len, tokens)) >= 32
