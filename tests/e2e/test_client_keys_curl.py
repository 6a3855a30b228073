"""Unmodified curl with a client's key in each of its slots, and a compulsory dummy in another."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest

from tests.e2e.rig.background import background
from tests.e2e.rig.clients import DUMMY, curl
from tests.e2e.rig.command import running
from tests.e2e.rig.recorder import Recorder
from tests.integration.rig.client_keys import Search, client, new


pytestmark = pytest.mark.e2e

TOKEN = "FAKE-token-of-the-upstream"  # made up
ALICE, BOB, STRANGER, WRONG = new("alice"), new("bob"), new("mallory"), new("alice", seed=1)
SEARCH = Search([ALICE, BOB, STRANGER, WRONG])
KEY = ALICE.text


@pytest.fixture(scope="module")
def upstream():
    """Keeps the bytes of each request."""
    with background(Recorder()) as upstream:
        yield upstream


@pytest.fixture(autouse=True)
def clean(upstream):
    """Forget the requests of the test before."""
    upstream.taken()


def config_for(upstream):
    """Return a configuration with a route for each scheme, and two clients."""
    secret = {"env": "TOKEN"}
    schemes = {
        "api": {"bearer": secret},
        "header": {"header": {"name": "X-Own", "format": "own key={secret};v=1", "secret": secret}},
        "query": {"query": {"name": "own_key", "secret": secret}},
        "basic": {"basic": {"username": "me", "password": secret}},
    }
    routes = {
        name: {"upstream": upstream.origin, "credential": scheme}
        for name, scheme in schemes.items()
    }
    clients = {"alice": client(ALICE), "bob": client(BOB)}
    return {"listen": "127.0.0.1:0", "routes": routes, "clients": clients}


ENVIRON = {"TOKEN": TOKEN}
SENT = {
    "api": f"Authorization: Bearer {TOKEN}\r\n".encode(),
    "header": f"X-Own: own key={TOKEN};v=1\r\n".encode(),
    "query": f"own_key={TOKEN} HTTP/1.1\r\n".encode(),
    "basic": b"Authorization: Basic " + b64encode(f"me:{TOKEN}".encode()) + b"\r\n",
}


@pytest.fixture(scope="module")
def proxy(upstream, tmp_path_factory):
    """The gateway; none of the tests that share it sends a wrong key."""
    directory = tmp_path_factory.mktemp("proxy")
    with running(directory, config_for(upstream), environ=ENVIRON) as proxy:
        yield proxy


def check_arrived(upstream, route="api"):
    """Fail unless one request came, with the real credential once and nothing of key or dummy."""
    assert 1 == len(upstream.requests)
    data = upstream.taken()
    assert 1 == data.count(SENT[route])
    assert [] == SEARCH.found(data)
    assert DUMMY.encode() not in data
    assert b64encode(DUMMY.encode())[:20] not in data


SLOTS = {
    "password": ["-u", f"alice:{KEY}"],
    "user": ["-u", f"{KEY}:"],
    "bearer": ["-H", f"Authorization: Bearer {KEY}"],
    "bearer in lower case": ["-H", f"authorization: bearer {KEY}"],
    "token": ["-H", f"Authorization: token {KEY}"],
    "--oauth2-bearer": ["--oauth2-bearer", KEY],
    "Access-Token": ["-H", f"Access-Token: {KEY}"],
    "X-Api-Key": ["-H", f"X-Api-Key: {KEY}"],
    "Proxy-Authorization": ["-H", f"Proxy-Authorization: Bearer {KEY}"],
    "--anyauth": ["--anyauth", "-u", f"alice:{KEY}"],
    "--anyauth, user": ["--anyauth", "-u", f"{KEY}:"],
}
DUMMIES = {
    "alone": [],
    "beside Access-Token": ["-H", f"Access-Token: {DUMMY}"],
    "beside many": [
        *("-H", f"X-Api-Key: {DUMMY}", "-H", f"Private-Token: {DUMMY}"),
        *("--url-query", f"api_key={DUMMY}"),
    ],
}


@pytest.mark.parametrize("dummy", DUMMIES)
@pytest.mark.parametrize("slot", SLOTS)
def test_a_key_opens_from_each_slot(proxy, upstream, slot, dummy):
    """A dummy that the tool insists on does not stand in its way."""
    url = f"http://127.0.0.1:{proxy.port}/api/x"
    done = curl("--fail", *SLOTS[slot], *DUMMIES[dummy], url)

    assert (0, b"ok", b"") == (done.returncode, done.stdout, done.stderr)
    check_arrived(upstream)


@pytest.mark.parametrize("slot", ["Access-Token", "X-Api-Key", "Proxy-Authorization"])
@pytest.mark.parametrize("dummy", [["-u", f"me:{DUMMY}"], ["--oauth2-bearer", DUMMY]])
def test_a_dummy_in_authorization_is_no_hindrance(proxy, upstream, slot, dummy):
    """As user and password, or as a token."""
    done = curl("--fail", *SLOTS[slot], *dummy, f"http://127.0.0.1:{proxy.port}/api/x")

    assert (0, b"ok") == (done.returncode, done.stdout)
    check_arrived(upstream)


OWN = {
    "header": ("header", ["-H", f"X-Own: own key={KEY};v=1"], ""),
    "header, bare": ("header", ["-H", f"X-Own: {KEY}"], ""),
    "header, other case": ("header", ["-H", f"x_OWN: own key={KEY};v=1"], ""),
    "query": ("query", [], f"?a=1&own_key={KEY}"),
    "query, encoded": ("query", [], f"?own%5Fkey={KEY}"),
    "basic": ("basic", ["-u", f"me:{KEY}"], ""),
}


@pytest.mark.parametrize("dummy", [[], ["-H", f"X-Api-Key: {DUMMY}"]], ids=["alone", "dummy"])
@pytest.mark.parametrize("own", OWN)
def test_a_key_opens_from_the_routes_own_slot(proxy, upstream, own, dummy):
    """Where the tool of that API would put its token, in that API's format."""
    route, options, query = OWN[own]
    url = f"http://127.0.0.1:{proxy.port}/{route}/x{query}"
    done = curl("--fail", *options, *dummy, url)

    assert (0, b"ok") == (done.returncode, done.stdout)
    check_arrived(upstream, route)


@pytest.mark.parametrize("by", ["-n", "--netrc-file"])
def test_a_key_in_netrc(proxy, upstream, tmp_path, monkeypatch, by):
    """In the home directory, or elsewhere."""
    file = tmp_path / ".netrc"
    file.write_text(f"machine 127.0.0.1 login alice password {KEY}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    options = ["-n"] if by == "-n" else [by, file]

    done = curl("--fail", *options, f"http://127.0.0.1:{proxy.port}/api/x")

    assert (0, b"ok") == (done.returncode, done.stdout)
    check_arrived(upstream)


def test_a_key_that_curl_takes_for_a_proxys(proxy, upstream):
    """The gateway as `http_proxy`, for a route's own name: the key is in Proxy-Authorization."""
    by = ["--noproxy", "", "--proxy", f"http://127.0.0.1:{proxy.port}"]
    user = ["--proxy-user", f"alice:{KEY}", "-H", f"Authorization: Bearer {DUMMY}"]

    done = curl("--fail", *by, *user, "http://api.localhost/x")

    assert (0, b"ok") == (done.returncode, done.stdout)
    check_arrived(upstream)


def refusal(*arguments):
    """Return status, code and the challenges that curl was answered with."""
    done = curl("-i", *arguments)
    head, _, body = done.stdout.decode().partition("\r\n\r\n")
    line, *fields = head.split("\r\n")
    challenges = [
        each.split(": ", 1)[1].split(" ")[0]
        for each in fields
        if each.lower().startswith("www-authenticate: ")
    ]
    return int(line.split(" ")[1]), json.loads(body)["code"], challenges


@pytest.mark.parametrize("dummy", DUMMIES)
def test_without_a_key_it_is_401_with_both_challenges(proxy, upstream, dummy):
    """A dummy alone is no key; and it is not held against anybody, however often."""
    url = f"http://127.0.0.1:{proxy.port}/api/x"
    for _ in range(3):
        got = refusal(*DUMMIES[dummy], url)

        assert (401, "client-key-required", ["Basic", "Bearer"]) == got
    assert [] == upstream.requests


@pytest.mark.parametrize("second", [BOB, STRANGER, WRONG], ids=["bob", "stranger", "wrong"])
def test_two_different_keys_are_400(proxy, upstream, second):
    """Whoever's they are; twice the same one is fine."""
    url = f"http://127.0.0.1:{proxy.port}/api/x"
    both = curl("--fail", "-u", f"alice:{KEY}", "-H", f"X-Api-Key: {KEY}", url)
    check_arrived(upstream)
    status, code, _ = refusal("-u", f"alice:{KEY}", "-H", f"X-Api-Key: {second.text}", url)

    assert 0 == both.returncode
    assert (400, "bad-request") == (status, code)
    assert [] == upstream.requests


def test_wrong_keys_are_401_and_then_429_while_the_right_one_opens(upstream, tmp_path):
    """Ten a minute from a peer, whatever is wrong with them; nothing of them is told."""
    wrong = [STRANGER, WRONG, ALICE.mistyped, ALICE.cut(5)]
    with running(tmp_path, config_for(upstream), environ=ENVIRON) as proxy:
        url = f"http://127.0.0.1:{proxy.port}/api/x"
        refusals = [
            refusal("-H", f"Authorization: Bearer {wrong[number % 4].text}", url)
            for number in range(12)
        ]
        right = curl("--fail", "-u", f"alice:{KEY}", url)
        check_arrived(upstream)
        none = refusal(url)
        waits = curl("-w", "%header{retry-after}", "-o", "-", "-u", f"{WRONG.text}:", url)

    assert [(401, "client-key-invalid", ["Basic", "Bearer"])] * 10 == refusals[:10]
    assert [(429, "rate-limited")] * 2 == [each[:2] for each in refusals[10:]]
    assert (0, b"ok") == (right.returncode, right.stdout)
    assert (401, "client-key-required") == none[:2]
    assert 0 < int(waits.stdout.rpartition(b"}")[2]) <= 60
    assert [] == upstream.requests
    assert [] == SEARCH.found(proxy.errors.encode())
    assert "alice" in {line.get("client") for line in proxy.log}
