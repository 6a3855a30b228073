"""Unmodified requests and httpx send the key as their users are used to."""

from __future__ import annotations

import asyncio

import httpx
import pytest
import requests

from tests.integration.rig.client_keys import Search, client, new
from tests.integration.rig.proxy import BEARER, one_route


# The libraries block, on a thread of their own; the loop under the proxy is nothing to them.
pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])

ALICE = new("alice")
WRONG = new("alice", seed=1)
SEARCH = Search([ALICE, WRONG])
DUMMY = "dummy-that-the-tool-insists-on"


class RequestsBearer(requests.auth.AuthBase):
    """What the documents of requests tell to write for a token."""

    def __init__(self, key):
        self.key = key

    def __call__(self, r):
        """Put the key on."""
        r.headers["Authorization"] = f"Bearer {self.key}"
        return r


class HttpxBearer(httpx.Auth):
    """What the documents of httpx tell to write for a token."""

    def __init__(self, key):
        self.key = key

    def auth_flow(self, request):
        """Put the key on."""
        request.headers["Authorization"] = f"Bearer {self.key}"
        yield request


class HttpxWaits(httpx.Auth):
    """Sends its key only when it is asked."""

    def __init__(self, key):
        self.key = key

    def auth_flow(self, request):
        """Put the key on if it is missed."""
        response = yield request
        if response.status_code == 401:
            assert "Bearer" in response.headers["WWW-Authenticate"]
            request.headers["Authorization"] = f"Bearer {self.key}"
            yield request


KEY = ALICE.text
WITH_REQUESTS = {
    "auth, password": {"auth": ("alice", KEY)},
    "auth, user": {"auth": (KEY, "")},
    "auth, bearer": {"auth": RequestsBearer(KEY)},
    "header": {"headers": {"X-Api-Key": KEY}},
    "header beside a dummy": {"headers": {"Access-Token": KEY}, "auth": RequestsBearer(DUMMY)},
    "auth beside a dummy": {"headers": {"X-Api-Key": DUMMY}, "auth": ("alice", KEY)},
    "dummy as the user": {"auth": (DUMMY, KEY)},
}
WITH_HTTPX = {
    "auth, password": {"auth": ("alice", KEY)},
    "auth, user": {"auth": (KEY, "")},
    "auth, bearer": {"auth": HttpxBearer(KEY)},
    "auth, when asked": {"auth": HttpxWaits(KEY)},
    "header beside a dummy": {"headers": {"Access-Token": KEY}, "auth": HttpxBearer(DUMMY)},
    "cookies": {"headers": {"X-Api-Key": KEY}, "cookies": {"session": DUMMY}},
}


@pytest.fixture
async def base(start, upstream):
    """The base URL of a route that asks for a key."""
    proxy = await start(one_route(upstream.origin) | {"clients": {"alice": client(ALICE)}})
    return f"http://127.0.0.1:{proxy.port}/api"


def check_arrived(upstream, count=1):
    """Fail unless so many requests came, each with the real token alone."""
    assert count == len(upstream.requests)
    for each in upstream.requests:
        assert [BEARER] == each.all(b"Authorization")
        assert [] == SEARCH.found(each.raw)
        assert DUMMY.encode() not in each.raw


@pytest.mark.parametrize("how", WITH_REQUESTS.values(), ids=WITH_REQUESTS)
async def test_requests(base, upstream, how):
    """By each of its ways, alone and beside a compulsory dummy."""
    response = await asyncio.to_thread(requests.get, f"{base}/x?a=1", timeout=8, **how)

    assert (200, "ok") == (response.status_code, response.text)
    check_arrived(upstream)


@pytest.mark.parametrize("how", WITH_HTTPX.values(), ids=WITH_HTTPX)
async def test_httpx(base, upstream, how):
    """The same."""
    with httpx.Client(timeout=8, **how) as session:
        response = await asyncio.to_thread(session.get, f"{base}/x?a=1")

    assert (200, "ok") == (response.status_code, response.text)
    check_arrived(upstream)


async def test_httpx_on_the_same_loop(base, upstream):
    """Its asynchronous client, many requests at once on its own pool."""
    async with httpx.AsyncClient(auth=HttpxBearer(KEY), timeout=8) as session:
        responses = await asyncio.gather(*(session.get(f"{base}/{i}") for i in range(20)))

    assert {200} == {response.status_code for response in responses}
    check_arrived(upstream, 20)


@pytest.mark.parametrize("library", ["requests", "httpx"])
async def test_the_netrc_of_the_user(base, upstream, tmp_path, library):
    """The one looks there by itself, the other is told to."""
    file = tmp_path / "netrc"
    file.write_text(f"machine 127.0.0.1 login alice password {KEY}\n")
    if library == "requests":
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NETRC", str(file))
            response = await asyncio.to_thread(requests.get, f"{base}/x", timeout=8)
        assert 200 == response.status_code
    else:
        auth = httpx.NetRCAuth(str(file))
        async with httpx.AsyncClient(auth=auth, timeout=8) as session:
            assert 200 == (await session.get(f"{base}/x")).status_code
    check_arrived(upstream)


def redirecting(upstream):
    """Let the upstream send its callers on, twice: by a path and by its own address."""
    hops = {b"/first": "/second?a=1", b"/second?a=1": f"{upstream.origin}/third"}

    def answer(received):
        hop = hops.get(received.target)
        status = b"200 OK" if hop is None else b"307 Temporary Redirect\r\nLocation: "
        return b"HTTP/1.1 " + status + (hop or "").encode() + b"\r\nContent-Length: 2\r\n\r\nok"

    upstream.answer = answer


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_session_of_requests_follows_redirects_with_its_key(base, upstream, method):
    """They lead back to the gateway, which is asked for a key at every hop."""
    redirecting(upstream)
    with requests.Session() as session:
        session.auth = ("alice", KEY)
        session.headers["X-Api-Key"] = DUMMY
        response = await asyncio.to_thread(session.request, method, f"{base}/first", timeout=8)

    assert [307, 307] == [each.status_code for each in response.history]
    assert (200, f"{base}/third") == (response.status_code, response.url)
    assert [b"/first", b"/second?a=1", b"/third"] == [each.target for each in upstream.requests]
    check_arrived(upstream, 3)


async def test_a_client_of_httpx_follows_redirects_with_its_key(base, upstream):
    """The same."""
    redirecting(upstream)
    auth = httpx.BasicAuth("alice", KEY)
    async with httpx.AsyncClient(auth=auth, follow_redirects=True, timeout=8) as session:
        response = await session.get(f"{base}/first")

    assert (200, f"{base}/third") == (response.status_code, str(response.url))
    check_arrived(upstream, 3)


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({}, "client-key-required"),
        ({"auth": (DUMMY, DUMMY)}, "client-key-required"),
        ({"auth": RequestsBearer(WRONG.text)}, "client-key-invalid"),
        ({"auth": RequestsBearer(ALICE.mistyped.text)}, "client-key-invalid"),
    ],
    ids=["none", "only a dummy", "wrong", "mistyped"],
)
async def test_without_a_right_key_it_is_401(base, upstream, how, code):
    """With the challenges, a problem that says what to do, and nothing sent."""
    response = await asyncio.to_thread(requests.get, f"{base}/x", timeout=8, **how)

    assert (401, code) == (response.status_code, response.json()["code"])
    challenges = response.headers["WWW-Authenticate"]
    assert challenges.index("Basic realm=") < challenges.index("Bearer")
    assert [] == upstream.visits
