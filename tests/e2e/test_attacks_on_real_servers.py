"""What is sent to fool nginx, gunicorn or Node behind the proxy reaches none of them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Final

import pytest

from tests.e2e.rig.command import running
from tests.e2e.rig.nginx import watched_nginx
from tests.e2e.rig.watched import node, watched_gunicorn
from tests.integration.fidelity.rig.contract import DUMMY, TOKEN
from tests.integration.fidelity.rig.wire import Broken, Wire


pytestmark = pytest.mark.e2e

NGINX: Final = """
access_log /dev/stderr seen;
client_body_in_single_buffer on;
location / { return 200 "ok\\n"; }
"""
HIDDEN: Final = f"GET /up/smuggled HTTP/1.1\r\nHost: localhost\r\nAuthorization: {DUMMY}\r\n\r\n"
"""The request that no server may see."""
CHUNK: Final = f"{len(HIDDEN):x}\r\n{HIDDEN}\r\n0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Attack:
    """Bytes to the proxy, and what becomes of them.

    Attributes:
        line: the request line, without its version.
        fields: of the head, behind Host.
        rest: behind the head.
        seen: method and target that reach the server; None: it is refused.
        version: the last word of the request line.
    """

    line: str
    fields: tuple[str, ...] = ()
    rest: str = ""
    seen: str | None = None
    version: str = "HTTP/1.1"

    @property
    def data(self) -> bytes:
        """What is sent."""
        lines = (f"{self.line} {self.version}", "Host: localhost", *self.fields, "", "")
        return ("\r\n".join(lines) + self.rest).encode("latin-1")


ALL: Final = f"Content-Length: {len(HIDDEN)}"
CHUNKED: Final = "Transfer-Encoding: chunked"
DUMMIES: Final = tuple(
    f"{name}: {DUMMY}"
    for name in ("AUTHORIZATION", "Authorization", "Access_Token", "X-Api-Key", "x_api_key")
)
ATTACKS: Final = {
    # Two readings of where the body ends.
    "length and chunks": Attack("POST /up/x", ("Content-Length: 4", CHUNKED), "0\r\n\r\n" + HIDDEN),
    "chunks and length": Attack("POST /up/x", (CHUNKED, ALL), "0\r\n\r\n" + HIDDEN),
    "two lengths": Attack("POST /up/x", ("Content-Length: 0", ALL), HIDDEN),
    "a signed length": Attack("POST /up/x", (f"Content-Length: +{len(HIDDEN)}",), HIDDEN),
    "a list of lengths": Attack("POST /up/x", (f"Content-Length: 0, {len(HIDDEN)}",), HIDDEN),
    "another coding": Attack("POST /up/x", ("Transfer-Encoding: xchunked",), CHUNK),
    "a coding that ends early": Attack(
        "POST /up/x", ("Transfer-Encoding: chunked, identity",), CHUNK
    ),
    "a coding before the chunks": Attack(
        "POST /up/x", ("Transfer-Encoding: gzip, chunked",), CHUNK
    ),
    "chunks in HTTP/1.0": Attack("POST /up/x", (CHUNKED,), CHUNK, version="HTTP/1.0"),
    "a space before the colon": Attack("POST /up/x", (ALL, "Transfer-Encoding : chunked"), HIDDEN),
    "a control byte in the coding": Attack(
        "POST /up/x", ("Transfer-Encoding: \x0bchunked", ALL), HIDDEN
    ),
    "a folded coding": Attack("POST /up/x", (ALL, "Transfer-Encoding:\r\n chunked"), HIDDEN),
    "a chunk size of C": Attack("POST /up/x", (CHUNKED,), "0x0\r\n\r\n" + HIDDEN),
    "a chunk line without CR": Attack("POST /up/x", (CHUNKED,), "0\n\n" + HIDDEN),
    "a chunk that is too long": Attack("POST /up/x", (CHUNKED,), "1\r\nab\r\n0\r\n\r\n" + HIDDEN),
    "an underscore coding": Attack(
        "POST /up/x", ("Transfer_Encoding: chunked", ALL), HIDDEN, "POST /x"
    ),
    "a hidden length": Attack("POST /up/x", ("Content_Length: 0", ALL), HIDDEN, "POST /x"),
    "a request in a GET": Attack("GET /up/x", (ALL,), HIDDEN, "GET /x"),
    "a request in an unread body": Attack("POST /up/unread", (ALL,), HIDDEN, "POST /unread"),
    "a request in unread chunks": Attack("POST /up/unread", (CHUNKED,), CHUNK, "POST /unread"),
    "a length named by Connection": Attack(
        "POST /up/x", ("Connection: Content-Length, Host, Authorization", ALL), HIDDEN, "POST /x"
    ),
    "a field in a trailer": Attack(
        "POST /up/x", (CHUNKED,), f"0\r\nAuthorization: {DUMMY}\r\nHost: evil\r\n\r\n", "POST /x"
    ),
    # Two readings of the head.
    "a bare line feed": Attack(f"GET /up/x HTTP/1.1\nAuthorization: {DUMMY}\n"),
    "a line feed in a value": Attack("GET /up/x", (f"X: a\nAuthorization: {DUMMY}",)),
    "a carriage return in a value": Attack("GET /up/x", (f"X: a\rAuthorization: {DUMMY}",)),
    "a NUL in a value": Attack("GET /up/x", ("X: a\x00b",)),
    "a folded credential": Attack("GET /up/x", (f"X: a\r\n Authorization: {DUMMY}",)),
    "a second Host": Attack("GET /up/x", ("Host: evil",)),
    "another version": Attack("GET /up/x", version="HTTP/2.0"),
    "no version": Attack("GET", version="/up/x"),
    "credentials in every spelling": Attack("GET /up/x", DUMMIES, "", "GET /x"),
    "credentials that Connection names": Attack(
        "GET /up/x", ("Connection: authorization, x-api-key", *DUMMIES), "", "GET /x"
    ),
    "credentials in the query": Attack(
        f"GET /up/x?Access_Token={DUMMY}&a=b&api%5Fkey={DUMMY}", (), "", "GET /x?a=b"
    ),
    "an upgrade to h2c": Attack(
        "GET /up/x",
        ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AA"),
        HIDDEN,
        "GET /x",
    ),
    # Two readings of the target.
    "a climbing path": Attack("GET /up/../smuggled"),
    "an encoded climb": Attack("GET /up/%2e%2e/smuggled"),
    "an encoded slash in a climb": Attack("GET /up/a/..%2f..%2fsmuggled"),
    "a climb encoded twice": Attack("GET /up/%252e%252e/smuggled"),
    "a climb with parameters": Attack("GET /up/..;/smuggled"),
    "a climb by backslash": Attack("GET /up/..\\smuggled"),
    "an encoded NUL": Attack("GET /up/x%00/smuggled"),
    "a fragment": Attack("GET /up/x#/smuggled"),
    "another segment": Attack("GET /upsmuggled"),
    "an at sign": Attack("GET /up@127.0.0.1/smuggled"),
    "user information": Attack(f"GET http://{DUMMY}@127.0.0.1/smuggled"),
    "another host": Attack("GET http://evil.example/up/smuggled"),
    "the asterisk": Attack("GET *"),
    "TRACE": Attack("TRACE /up/x"),
    "CONNECT, then a request": Attack("CONNECT 127.0.0.1:80", (), HIDDEN),
    "encoded line ends": Attack(
        "GET /up/x%0d%0aAuthorization:%20y", (), "", "GET /x%0d%0aAuthorization:%20y"
    ),
}


@contextlib.contextmanager
def _nginx(directory):
    directory.chmod(0o755)
    with watched_nginx(directory, NGINX) as server:
        yield server


SERVERS: Final = {
    "nginx": _nginx,
    "gunicorn": lambda _: watched_gunicorn("--threads", "4", "--keep-alive", "30"),
    "node": lambda _: node(),
}


@pytest.fixture(scope="module", params=list(SERVERS))
def server(request, tmp_path_factory):
    """A server with its log."""
    with SERVERS[request.param](tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="module")
def proxy(server, tmp_path_factory):
    """The proxy before it."""
    origin = f"http://127.0.0.1:{server.port}"
    route = {"upstream": origin, "credential": {"bearer": {"value": TOKEN}}}
    config = {"listen": "127.0.0.1:0", "routes": {"up": route}}
    with running(tmp_path_factory.mktemp("proxy"), config) as proxy:
        yield proxy


def last(target):
    """Return a request that ends its connection."""
    return f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()


@pytest.mark.parametrize("attack", list(ATTACKS.values()), ids=list(ATTACKS))
def test_an_attack_reaches_no_server(attack, server, proxy):
    """What is passed on is one request with our credential; what is refused is none."""
    with Wire(proxy.port) as wire:
        wire.send(attack.data)
        reply = wire.reply(attack.line.partition(" ")[0])
        wire.send(last("/up/behind"))
        wire.rest()
    with Wire(proxy.port) as wire:
        wire.send(last("/up/sentinel"))
        wire.rest()
    told = server.until("line", "GET /sentinel")

    assert (attack.seen is not None) is (reply.code == 200)
    lines = [each["line"] for each in told if each["line"] != "GET /behind"]
    assert [*([attack.seen] if attack.seen else []), "GET /sentinel"] == lines
    assert {f"Bearer {TOKEN}"} == {each["authorization"] for each in told}
    assert DUMMY not in str(told)


def test_a_log_would_show_them(server):
    """The control: a server that is asked directly tells of both."""
    with Wire(server.port) as wire:
        wire.send(HIDDEN.encode())
        with contextlib.suppress(Broken):
            wire.reply("GET")
    told = server.until("line", "GET /up/smuggled")

    assert DUMMY in str(told)
