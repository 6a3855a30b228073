"""What is decided on the way of a request, without its sockets, on typical requests."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from multidict import CIMultiDict, CIMultiDictProxy

from benchmarks.peers.keybearer import KEY
from proxy.access.keys import digest
from proxy.access.registry import Book, Entry, Registry
from proxy.access.throttle import Throttle
from proxy.credentials.fixed import FixedCredential
from proxy.dataplane.answer import head_bytes
from proxy.dataplane.caller import Caller
from proxy.dataplane.guard import Guard
from proxy.dataplane.headers import RequestRules, Stripping
from proxy.dataplane.headers_back import ResponseRules
from proxy.dataplane.inject import Injector, Slot
from proxy.dataplane.judge import Snapshot, judge
from proxy.dataplane.model import Entrance, Head, Peer
from proxy.dataplane.policy import Policy, rule
from proxy.dataplane.record import Record
from proxy.dataplane.route import Route
from proxy.dataplane.router import Router
from proxy.secret import Secret
from proxy.upstream.head import ResponseHead
from proxy.upstream.origin import Origin


if TYPE_CHECKING:
    from collections.abc import Callable


# Not those of the benchmarks of speed: the stored figures belong to these.
AUTHORITY = "127.0.0.1:8484"
NAME = "microreact"
PREFIX = f"/{NAME}"
PATH = "/api/projects/json"
ENTRANCE = Entrance("shared", "http", AUTHORITY)
PEER = Peer("127.0.0.1")
ANSWER = ResponseHead(
    200,
    b"200 OK",
    [
        (b"Server", b"Server: nginx"),
        (b"Date", b"Date: Mon, 01 Jan 2024 00:00:00 GMT"),
        (b"Content-Type", b"Content-Type: application/json"),
        (b"Content-Length", b"Content-Length: 113"),
        (b"Connection", b"Connection: keep-alive"),
        (b"ETag", b'ETag: "made-up"'),
    ],
)
ANSWER.length = 113
DEEP_EVERY = 10  # of many routes, one has a prefix of two segments

CLIENT_CREDENTIALS = [("Authorization", "Bearer made-up"), ("Cookie", "session=made-up")]
CURL = [("Host", AUTHORITY), ("User-Agent", "curl/8.5.0"), ("Accept", "*/*")]
BROWSER = [
    ("Host", AUTHORITY),
    ("Connection", "keep-alive"),
    ("Pragma", "no-cache"),
    ("Cache-Control", "no-cache"),
    ("sec-ch-ua", '"Chromium";v="126", "Not.A/Brand";v="24"'),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua-platform", '"Linux"'),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36"),
    ("Accept", "application/json, text/plain, */*"),
    ("Origin", f"http://{AUTHORITY}"),
    ("Sec-Fetch-Site", "same-origin"),
    ("Sec-Fetch-Mode", "cors"),
    ("Sec-Fetch-Dest", "empty"),
    ("Referer", f"http://{AUTHORITY}{PREFIX}/project/abc"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Accept-Language", "en-GB,en;q=0.9"),
    ("Cookie", "session=made-up"),
]
POSTED = [("Content-Type", "application/json"), ("Content-Length", "2048")]


def head(
    fields: list[tuple[str, str]], method: str = "GET", query: str = "", length: int | None = None
) -> Head:
    """A head as the front reads it."""
    raw = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in fields)
    named = CIMultiDictProxy(CIMultiDict(fields))
    target = PREFIX + PATH + query
    return Head(method, target, (1, 1), raw, named, length, chunked=False, keep_alive=True)


# The same request where nobody is asked for a key, and where everybody is.
KEYED = head([*CURL, ("Authorization", f"Bearer {KEY}"), ("Cookie", "session=made-up")])
HEADS = {
    "GET, curl": head([*CURL, *CLIENT_CREDENTIALS]),
    "GET, with a query": head([*CURL, *CLIENT_CREDENTIALS], query="?project=abc&access_token=no"),
    "POST, 2 KiB": head([*CURL, *CLIENT_CREDENTIALS, *POSTED], "POST", length=2048),
    "GET, browser": head(BROWSER, query="?project=abc"),
}


def route(name: str, path: str) -> Route:
    """A route with a policy and a credential, as `microreact` of the benchmark is provisioned."""
    upstream = Origin("http", "127.0.0.1", 9)
    deny, allow = ["/api/user/access-token", "/api/auth/**"], ["/api/projects/**", "/api/files/*"]
    return Route(
        name=name,
        # Only the origin of a pool is looked at before something is sent.
        pool=cast("Any", SimpleNamespace(endpoint=SimpleNamespace(origin=upstream))),
        path=path,
        hosts=(f"{name}.localhost",),
        policy=Policy(
            None,
            [
                rule(None, deny, allow=False),
                rule(None, ["/api/admin/**"], allow=False),
                rule(["GET", "HEAD", "POST"], allow, allow=True),
            ],
        ),
        request=RequestRules(upstream, Stripping(injected_headers=frozenset({"access-token"}))),
        response=ResponseRules(),
        injector=Injector(
            FixedCredential(name, (Secret("made-up-token-0123456789abcdef"),)),
            [Slot("header", b"Access-Token")],
        ),
        body_limit=None,
        replay_buffer=0,
        upgrade=frozenset({"websocket"}),
    )


def clients() -> Registry:
    """Many clients of a gateway, the one that asks among them."""
    registry = Registry(Throttle())
    bare = Policy(None)
    own = Entry(Caller("bench", frozenset({NAME}), Policy(["GET"]), {}), (digest(KEY),))
    others = [Entry(Caller(f"c{number}", None, bare, {}), (digest(""),)) for number in range(999)]
    registry.replace(Book([*others, own]))
    return registry


def snapshot(routes: int, *, gateway: bool = False) -> Snapshot:
    """So many routes, the one that is asked for last among them; of a gateway if clients need a
    key.
    """
    made = [route(NAME, PREFIX)]
    for number in range(1, routes):
        path = f"/other/r{number}" if number % DEEP_EVERY == 0 else f"/r{number}"
        made.insert(-1, route(f"r{number}", path))
    hosts = [host for each in made for host in each.hosts]
    by_name = {each.name: each for each in made}
    return Snapshot(Router(made), Guard(hosts), by_name, clients() if gateway else None)


def carrier(routes: int, *, gateway: bool = False) -> Callable[[Head], Record]:
    """What decides on a head, among so many routes, and returns what is told of it."""
    judged_by = snapshot(routes, gateway=gateway)
    unused = cast("Any", None)

    def once(each: Head) -> Record:
        record = Record("", each, PEER)
        errand = judge(each, unused, ENTRANCE, record, judged_by, unused)
        if isinstance(errand, bytes):
            raise TypeError("the request has been answered instead of judged")
        lines, foreign = record.extra, record.foreign
        head_bytes(ANSWER, errand.mount, chunked=False, close=False, extra=lines, foreign=foreign)
        return record

    return once
