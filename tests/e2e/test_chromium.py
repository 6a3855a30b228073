"""Pages in a real browser call the gateway: one of an allowed origin, and one of a foreign one."""

from __future__ import annotations

import json

import pytest

from tests.e2e.rig.background import background
from tests.e2e.rig.browser import browser, page_server
from tests.e2e.rig.command import running
from tests.e2e.rig.recorder import Recorder
from tests.integration.rig.client_keys import Search, client, new
from tests.integration.rig.upstream import OK


pytestmark = pytest.mark.e2e

TOKEN = "FAKE-token-of-the-upstream"  # made up
ALICE = new("alice")
CALLS = {
    "with the key": {"headers": {"Authorization": f"Bearer {ALICE.text}"}},
    "with the key in X-Api-Key": {"headers": {"X-Api-Key": ALICE.text}},
    "a write": {
        "method": "PUT",
        "headers": {
            "Authorization": f"Bearer {ALICE.text}",
            "Content-Type": "application/json",
        },
        "body": "{}",
    },
    "with cookies": {
        "headers": {"Authorization": f"Bearer {ALICE.text}"},
        "credentials": "include",
    },
    "without a key": {},
    "without a key, blindly": {"mode": "no-cors", "method": "POST", "body": "a=1"},
}
# A page that asks for each and reports what it could read; then the next origin's page, in which
# the same is tried.
PAGE = """<!doctype html><title>page</title><script>
const base = BASE, calls = CALLS, next = NEXT;
async function ask(name, how) {
  try {
    const answer = await fetch(base + "/x?a=1", how);
    const told = answer.headers.get("x-told");
    return {type: answer.type, status: answer.status, text: await answer.text(), told};
  } catch (error) { return {error: error.name}; }
}
async function all() {
  const results = {};
  for (const [name, how] of Object.entries(calls)) results[name] = await ask(name, how);
  const report = JSON.stringify({origin: location.origin, results});
  await fetch("/report", {method: "POST", body: report});
  if (location.origin !== next) location.replace(next + "/");
}
all();
</script>"""
ANSWER = OK.replace(b"Content-Length", b"X-Told: yes\r\nContent-Length")


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What both pages could read, what the upstream got meanwhile, and the gateway's log."""
    directory = tmp_path_factory.mktemp("browser")
    with background(Recorder(ANSWER)) as upstream, page_server("") as pages:
        allowed, foreign = pages.origin("127.0.0.1"), pages.origin("localhost")
        config = {
            "listen": "127.0.0.1:0",
            "cors": {"allow_origins": [allowed]},
            "routes": {
                "api": {"upstream": upstream.origin, "credential": {"bearer": {"env": "TOKEN"}}}
            },
            "clients": {"alice": client(ALICE)},
        }
        with running(directory, config, environ={"TOKEN": TOKEN}) as proxy:
            base = f"http://127.0.0.1:{proxy.port}/api"
            pages.page = (
                PAGE.replace("BASE", json.dumps(base))
                .replace("CALLS", json.dumps(CALLS))
                .replace("NEXT", json.dumps(foreign))
            )
            with browser(f"{allowed}/", directory):
                first = pages.report()
                arrived = upstream.taken()
                second = pages.report()
            proxy.stop()  # its last lines are written then
            log = proxy.log
        yield {
            "allowed": first["results"],
            "foreign": second["results"],
            "origins": (first["origin"] == allowed, second["origin"] == foreign),
            "arrived": arrived,
            "arrived later": upstream.taken(),
            "log": [line for line in log if line["event"] == "request"],
        }


READ = {"type": "cors", "status": 200, "text": "ok", "told": "yes"}


@pytest.mark.parametrize("call", ["with the key", "with the key in X-Api-Key", "a write"])
def test_a_page_of_an_allowed_origin_reads_the_answer(told, call):
    """With its fields, for they are all exposed."""
    assert READ == told["allowed"][call]


def test_a_page_of_an_allowed_origin_reads_why_it_is_refused(told):
    """Without a key, or where it would bring cookies along: for those nobody lets it."""
    refused = told["allowed"]["without a key"]

    assert ("cors", 401) == (refused["type"], refused["status"])
    assert "client-key-required" == json.loads(refused["text"])["code"]
    assert {"error": "TypeError"} == told["allowed"]["with cookies"]


def test_a_page_of_a_foreign_origin_reads_nothing_and_nothing_is_sent(told):
    """Not even with a key, and not blindly either."""
    blind = told["foreign"]["without a key, blindly"]
    others = [each for each in told["foreign"].values() if each is not blind]

    assert [{"error": "TypeError"}] * (len(CALLS) - 1) == others
    assert ("opaque", 0, "") == (blind["type"], blind["status"], blind["text"])
    assert b"" == told["arrived later"]
    assert (True, True) == told["origins"]


def test_the_upstream_gets_the_token_and_nothing_of_key_or_page(told):
    """Once each for what was allowed; the write with its body."""
    arrived = told["arrived"]

    assert 3 <= arrived.count(f"Authorization: Bearer {TOKEN}\r\n".encode())
    assert arrived.count(b" /x?a=1 HTTP/1.1\r\n") == arrived.count(TOKEN.encode())
    assert 1 == arrived.count(b"PUT /x?a=1 HTTP/1.1\r\n")
    assert [] == Search([ALICE]).found(arrived)
    assert b"\r\norigin:" not in arrived.lower()


def test_the_browser_asked_for_leave_first(told):
    """The control: it was a browser, with preflights that were answered and some that were not."""
    asked = [line["status"] for line in told["log"] if line["method"] == "OPTIONS"]

    assert {204, 403} == set(asked)
    assert 403 in {line["status"] for line in told["log"] if line["method"] == "POST"}
