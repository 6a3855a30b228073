"""The guard's table in a real browser: by which name, by which entrance, by which kind of request.

What Chromium sends differs: to https and loopback it marks each request with Sec-Fetch-*, to plain
http under another name it does not.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
import trustme

from tests.e2e.rig.background import background
from tests.e2e.rig.browser import page_server
from tests.e2e.rig.command import running
from tests.e2e.rig.devtools import tab
from tests.e2e.rig.recorder import Recorder
from tests.integration.rig.canaries import basic
from tests.integration.rig.client_keys import client, new


if TYPE_CHECKING:
    from tests.e2e.rig.command import Running
    from tests.e2e.rig.devtools import Tab


# One browser goes through all of the table before the first test.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

TOKEN: Final = "FAKE-token-of-the-upstream"  # made up
ALICE: Final = new("alice")
BODY: Final = b'<!doctype html><title>upstream</title><a id="on" href="link">on</a>'
ANSWER: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
)
WIKI: Final = "<!doctype html><title>wiki</title><a id=on>on</a>"
RESOLVED: Final = "--host-resolver-rules=" + ",".join(
    f"MAP {name} 127.0.0.1" for name in ("wiki.test", "kb.test", "api.test", "evil.test")
)

# What a page makes a browser send: each to an address of its own, below BASE.
PROBE: Final = """(async base => {
  const settled = (tag, attributes) => new Promise(done => {
    const element = Object.assign(document.createElement(tag), attributes);
    element.onload = element.onerror = done;
    document.body.append(element);
  });
  const form = new Promise(done => {
    const frame = Object.assign(document.createElement("iframe"), {name: "into"});
    const form = Object.assign(document.createElement("form"),
      {action: base + "form", method: "POST", target: "into"});
    document.body.append(frame, form);
    frame.onload = done;
    form.submit();
  });
  const socket = new Promise(done => {
    const socket = new WebSocket(base.replace("http", "ws") + "socket");
    socket.onopen = socket.onclose = socket.onerror = done;
  });
  const blind = {mode: "no-cors"};
  await Promise.all([
    settled("img", {src: base + "image"}), settled("script", {src: base + "script"}),
    settled("link", {rel: "stylesheet", href: base + "style"}),
    settled("iframe", {src: base + "frame"}), settled("object", {data: base + "object"}),
    form, socket,
    ...[["fetch", {}], ["blind", {...blind, headers: {Accept: "text/html"}}],
        ["post", {...blind, method: "POST", body: "a"}], ["write", {method: "PUT", body: "a"}]
    ].map(([name, how]) => fetch(base + name, how).catch(() => 0)),
  ]);
})"""
KINDS: Final = (
    "image", "script", "style", "frame", "object", "form", "socket", "fetch", "blind", "post",
    "write",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """A name and an entrance, and what a person and a page of ours meet there.

    Attributes:
        url: with the ports to be filled in.
        typed: where the address has been typed: `served`, `sandboxed`, `asked` or `misdirected`.
        linked: where a link of another site has been clicked, then that of the page that asks.
        ours: what becomes of the requests of a page of ours.
        onward: where a link of that page has been clicked.
    """

    url: str
    typed: str
    linked: tuple[str, ...]
    ours: str = ""
    onward: str = ""


ALONE: Final = ("served", ("asked", "served"), "served", "served")
"""A route with an origin of its own, to which a browser says its site."""
PREFIX: Final = ("sandboxed", ("asked", "sandboxed"), "refused", "asked")
"""Routes that share an origin: a page has none, so nothing of ours is its own."""
NOT_OURS: Final = ("misdirected", ("misdirected",))
PLAIN_ALONE: Final = ("asked", *ALONE[1:])
"""Plain http: a browser says nothing of its site, but sends a Referer."""
PLAIN_PREFIX: Final = ("asked", *PREFIX[1:])
TABLE: Final = {
    "127.0.0.1, prefix": Row("http://127.0.0.1:{shared}/api", *PREFIX),
    "localhost, prefix": Row("http://localhost:{shared}/api", *PREFIX),
    "localhost, virtual host": Row("http://api.localhost:{shared}", *ALONE),
    "127.0.0.1, own listener": Row("http://127.0.0.1:{own}", *ALONE),
    "localhost, own listener": Row("http://localhost:{own}", *ALONE),
    "a name, prefix": Row("http://kb.test:{shared}/api", *PLAIN_PREFIX),
    "a name, virtual host": Row("http://api.test:{shared}", *PLAIN_ALONE),
    "a name, own listener": Row("http://kb.test:{own}", *PLAIN_ALONE),
    "a name over TLS, prefix": Row("https://kb.test:{tls}/api", *PREFIX),
    "a name over TLS, virtual host": Row("https://api.test:{tls}", *ALONE),
    "0.0.0.0, prefix": Row("http://0.0.0.0:{shared}/api", *NOT_OURS),
    "0.0.0.0, own listener": Row("http://0.0.0.0:{own}", *NOT_OURS),
    "zero, prefix": Row("http://0:{shared}/api", *NOT_OURS),
    "a rebound name, prefix": Row("http://evil.test:{shared}/api", *NOT_OURS),
    "a rebound name, own listener": Row("http://evil.test:{own}", *NOT_OURS),
}
STATES: Final = {403: "refused", 421: "misdirected", 200: "served", 401: "key wanted"}


class Visit:
    """What the browser met at one row."""

    def __init__(self, page: Tab, base: str, wiki: str) -> None:
        page.type(f"{base}/typed")
        self.typed = state_of(page)
        page.type(wiki)
        page.run(f"{PROBE}({json.dumps(f'{base}/foreign/')})")
        self.frames = page.frames()
        page.run(f"document.querySelector('#on').href = {json.dumps(f'{base}/page?a=%22&b=1')}")
        page.click("#on")
        self.linked = [state_of(page)]
        self.told = page.run("document.body.innerText")
        self.onward = ""
        if self.linked == ["asked"]:
            page.click("a")
            self.linked.append(state_of(page))
            page.run(f"{PROBE}({json.dumps(f'{base}/ours/')})")
            page.click("#on")
            self.onward = state_of(page)


def state_of(page: Tab) -> str:
    """Return what a person sees."""
    title, origin, text = page.run("[document.title, self.origin, document.body.innerText]")
    if title == "upstream":
        return "sandboxed" if origin == "null" else "served"
    return "asked" if title == "Continue?" else STATES[json.loads(text)["status"]]


class Seen:
    """What came of all rows: in the browser, in the log, at the upstream."""

    def __init__(self) -> None:
        self.visits: dict[str, Visit] = {}
        self.doubled = ("", "", "")
        self.log: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.arrived: dict[str, list[Any]] = defaultdict(list)

    def of(self, row: str, kinds: str) -> dict[str, set[str]]:
        """Return what became of each kind of a page's requests, by the log."""
        base = f"/{list(TABLE).index(row)}/{kinds}/"
        return {kind: {STATES[line["status"]] for line in self.log[base + kind]} for kind in KINDS}


def configuration(directory: Any, upstream: Recorder) -> dict[str, Any]:
    """Return one route that is reached in every way, under names of ours."""
    made = trustme.CA().issue_cert("kb.test", "api.test")
    made.private_key_and_cert_chain_pem.write_to_path(directory / "tls.pem")
    return {
        "listen": ["localhost:0", {"address": "127.0.0.1:0", "tls": {"cert": "tls.pem"}}],
        "allow_hosts": ["kb.test"],
        "routes": {
            "api": {
                "upstream": upstream.origin,
                "credential": {"bearer": {"env": "TOKEN"}},
                "hosts": ["api.test"],
                "listen": "localhost:0",
            }
        },
    }


def ports(proxy: Running) -> dict[str, str]:
    """Return the ports by what they are for."""
    found = [url.rpartition(":")[2] for url in proxy.listening if "[" not in url]
    return dict(zip(("shared", "tls", "own"), found, strict=True))


@pytest.fixture(scope="module", params=["nobody", "clients"])
def seen(request, tmp_path_factory):
    """Go through the table once, without clients, and with one whose key the browser repeats."""
    directory = tmp_path_factory.mktemp("guard")
    found = Seen()
    with background(Recorder(ANSWER)) as upstream, page_server(WIKI) as pages:
        config = configuration(directory, upstream)
        if request.param == "clients":
            config["clients"] = {"alice": client(ALICE)}
        options = [RESOLVED, "--ignore-certificate-errors", "--disable-features=HttpsUpgrades"]
        with (
            running(directory, config, environ={"TOKEN": TOKEN}) as proxy,
            tab(directory, *options) as page,
        ):
            if request.param == "clients":
                fields = {"Authorization": basic(f"x:{ALICE.text}")}
                page.call("Network.setExtraHTTPHeaders", headers=fields)
            for number, (name, row) in enumerate(TABLE.items()):
                base = f"{row.url.format(**ports(proxy))}/{number}"
                found.visits[name] = Visit(page, base, pages.origin("wiki.test"))
            page.type(pages.origin("wiki.test"))
            doubled = f"http://localhost:{ports(proxy)['own']}//evil.test/x"
            page.run(f"document.querySelector('#on').href = {json.dumps(doubled)}")
            page.click("#on")
            before = state_of(page)
            page.click("a")
            found.doubled = (before, page.run("location.pathname"), state_of(page))
            proxy.stop()  # its last lines are written then
            for line in proxy.log:
                if line["event"] == "request":
                    found.log[line["path"].removeprefix("/api")].append(line)
        for each in upstream.requests:
            found.arrived[each.target.decode().partition("?")[0]].append(each)
    return found


@pytest.mark.parametrize("name", TABLE)
def test_a_typed_address_is_served_where_the_browser_says_so(seen, name):
    """To plain http it cannot: there a person has to click once. What is not ours is nobody's."""
    assert TABLE[name].typed == seen.visits[name].typed


@pytest.mark.parametrize("name", TABLE)
def test_a_click_continues_after_a_link_of_another_site(seen, name):
    """The page says who has sent the person; what was asked for arrives once, after the click."""
    visit, row = seen.visits[name], TABLE[name]
    assert list(row.linked) == visit.linked
    arrived = seen.arrived[f"/{list(TABLE).index(name)}/page"]
    assert [b"?a=%22&b=1"] * (len(row.linked) - 1) == [
        each.target[each.target.index(b"?") :] for each in arrived
    ]
    if row.linked[0] == "asked":
        assert "http://wiki.test" in visit.told


@pytest.mark.parametrize("name", TABLE)
def test_a_foreign_page_gets_nothing_sent(seen, name):
    """No frame, no form, no fetch, no image, under whatever name; none of them shows our page."""
    refused = "misdirected" if TABLE[name].typed == "misdirected" else "refused"
    assert {key: {refused} for key in KINDS} == seen.of(name, "foreign")
    assert not [path for path in seen.arrived if "/foreign/" in path]
    frames = seen.visits[name].frames
    assert 2 == len(frames)
    assert not [each for each in frames if "Continue" in each]
    # A frame looks like a page there, so it gets ours, which is shown in none.
    hidden = TABLE[name].typed == "asked"
    assert hidden == any(each.startswith("chrome-error:") for each in frames)


def test_the_link_never_leads_to_another_host(seen):
    """A target may begin with two slashes, which a browser takes for a host."""
    before, after, state = seen.doubled
    assert "asked" == before
    assert ("served", "//evil.test/x") == (state, after)
    assert ["GET"] == [each.method.decode() for each in seen.arrived["//evil.test/x"]]


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row.ours])
def test_a_page_of_ours_drives_its_own_origin_alone(seen, name):
    """With an origin of its own it works; in the sandbox it has none, and drives no other route."""
    visit, row = seen.visits[name], TABLE[name]
    assert {key: {row.ours} for key in KINDS} == seen.of(name, "ours")
    assert row.onward == visit.onward


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row.ours])
def test_the_browser_says_its_site_to_https_and_loopback_alone(seen, name):
    """The control: that is why the rows differ. Whatever arrives bears the credential."""
    base = f"/{list(TABLE).index(name)}/"
    arrived = [
        each
        for path, requests in seen.arrived.items()
        # Of a WebSocket Chromium says the Origin alone.
        if path.startswith(base) and not path.endswith("/socket")
        for each in requests
    ]

    assert {TABLE[name].typed != "asked"} == {bool(each.all(b"Sec-Fetch-Site")) for each in arrived}
    assert {f"Bearer {TOKEN}".encode()} == {each.one(b"Authorization") for each in arrived}
