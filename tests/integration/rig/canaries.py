"""Requests with client keys of every kind in every place, more than anybody would think of."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.integration.rig.client_keys import PART_LENGTH, SECRET_LENGTH, new
from tests.integration.rig.proxy import request


if TYPE_CHECKING:
    from collections.abc import Callable

ALICE, BOB, CAROL, STRANGER = new("alice"), new("bob"), new("carol"), new("mallory")
OF_ALICE_BUT_WRONG = new("alice", seed=1)
WHOLE = [ALICE, BOB, CAROL, STRANGER, OF_ALICE_BUT_WRONG, ALICE.mistyped]
GOOD = [ALICE, BOB]
BEARER = "base64url.bearer.authorization.k8s.io."
MOST_CUT = SECRET_LENGTH - PART_LENGTH
# Of nobody's key, what is shorter cannot be told from names that mean no harm: kb_report_20240101.
MOST_CUT_OF_NOBODYS = SECRET_LENGTH - 16


def spelled(random, name):
    """Return a field's name in one of the ways that servers take for the same."""
    if name.startswith("kb_"):  # a key itself
        return random.choice([name, name.lower()])
    ways = [name, name.upper(), name.lower(), name.swapcase(), name.replace("-", "_")]
    return random.choice(ways)


def basic(text):
    """Return credentials as RFC 7617 puts them."""
    return f"Basic {b64encode(text.encode()).decode()}"


def base64url(text):
    """Return a text as RFC 4648 5 puts it, without padding."""
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def escaped(text):
    """Return a text with each of its bytes percent-encoded."""
    return "".join(f"%{byte:02x}" for byte in text.encode())


# Where a key is looked for; it is taken off there, whatever it is.
SLOTS: dict[str, Callable[[str], tuple[str, str]]] = {
    "bearer": lambda key: ("Authorization", f"Bearer {key}"),
    "bearer in capitals": lambda key: ("Authorization", f"BEARER {key}"),
    "token": lambda key: ("Authorization", f"token {key}"),
    "password": lambda key: ("Authorization", basic(f"me:{key}")),
    "user": lambda key: ("Authorization", basic(f"{key}:")),
    "user, with a password": lambda key: ("Authorization", basic(f"{key}:x-oauth-basic")),
    "Access-Token": lambda key: ("Access-Token", key),
    "X-Api-Key": lambda key: ("X-Api-Key", key),
    "proxy bearer": lambda key: ("Proxy-Authorization", f"Bearer {key}"),
    "proxy password": lambda key: ("Proxy-Authorization", basic(f"me:{key}")),
    "own": lambda key: ("X-Own", f"own {key}!"),
    "bare in the own": lambda key: ("X-Own", key),
    "cookie": lambda key: ("Cookie", f"kb_theme=dark; session={key}"),
    "X-Auth-Token": lambda key: ("X-Auth-Token", key),
    "Private-Token": lambda key: ("Private-Token", f"Bearer {key}"),
    "subprotocol": lambda key: ("Sec-WebSocket-Protocol", f"a, openai-insecure-api-key.{key}"),
    "encoded subprotocol": lambda key: ("Sec-WebSocket-Protocol", f"{BEARER}{base64url(key)}, a"),
}
# Where nobody looks for a key, and where it would go on to the upstream.
FIELDS: dict[str, Callable[[str], tuple[str, str]]] = {
    "other field": lambda key: ("X-Other", key),
    "within a field": lambda key: ("X-Other", f"a={key}; b"),
    "own field of the route next door": lambda key: ("X-Foreign", f"own {key}!"),
    "as a password elsewhere": lambda key: ("X-Authorization", basic(f"me:{key}")),
    "as a password elsewhere, in capitals": lambda key: (
        "X-Authorization",
        f"BASIC {basic(f'me:{key}')[6:]}",
    ),
    "as a user elsewhere": lambda key: ("X-Other", f"basic {basic(f'{key}:x')[6:]}"),
    "User-Agent": lambda key: ("User-Agent", f"tool/1 ({key})"),
    "Referer": lambda key: ("Referer", f"http://localhost/api/?key={key}"),
}
TARGETS: dict[str, Callable[[str], str]] = {
    "segment": lambda key: f"/{key}/x",
    "within a segment": lambda key: f"/x/a-{key}.txt?a=1",
    "with %5F in the path": lambda key: f"/x/{key.replace('_', '%5F')}",
    "query": lambda key: f"/x?key={key}",
    "query's name": lambda key: f"/x?a=1&{key}&b",
    "with %5f in the query": lambda key: f"/x?a={key.replace('_', '%5f')}",
    "a parameter that ends alike": lambda key: f"/x?my_api_key={key}",
}
# Where it is dropped, refused or never sent for another reason.
ELSEWHERE: dict[str, Callable[[str], tuple[str, str]]] = {
    "Connection": lambda key: ("Connection", key),
    "Forwarded": lambda key: ("X-Forwarded-For", key),
    "Origin": lambda key: ("Origin", f"http://{key}"),
    "TE": lambda key: ("TE", key),
    "a field's name": lambda key: (key, "1"),
    "Transfer-Encoding": lambda key: ("Transfer-Encoding", key),
    "Content-Length": lambda key: ("Content-Length", key),
    "a control byte": lambda key: ("X-Other", f"{key}\x01"),
}
DROPPED_TARGETS: dict[str, Callable[[str], str]] = {
    "api_key": lambda key: f"/x?api_key={key}",
    "access_token": lambda key: f"/x?a=1&Access-Token={key}",
    "fragment": lambda key: f"/x#{key}",
    "dots": lambda key: f"/{key}/../x",
    "control byte": lambda key: f"/{key}%00",
    "user info": lambda key: f"http://alice:{key}@localhost/api/x",
    "foreign host": lambda key: f"http://{key}.example/x",
}
HOSTS = ["localhost", "{}", "{}.localhost", "{}.example:1"]
METHODS = ["GET", "POST", "HEAD", "TRACE", "{}"]


def any_key(random):
    """Return a key that is good, wrong, expired, unknown, mistyped or cut short."""
    if random.random() < 0.4:
        return random.choice(GOOD).text
    whole = random.choice(WHOLE)
    most = MOST_CUT_OF_NOBODYS if whole is STRANGER else MOST_CUT
    return random.choice([whole, whole, whole.cut(random.randint(1, most))]).text


@dataclass(frozen=True, slots=True)
class Case:
    """A request: by which entrance, what, and whether its method wants no body back."""

    entrance: str
    data: bytes
    kinds: list[str]


def target_of(random):
    """Return a target below the route's root, often with a key in it, and what it is called."""
    if random.random() < 0.7:
        return "plain", "/x?a=1"
    table = random.choice([TARGETS, DROPPED_TARGETS])
    kind = random.choice(sorted(table))
    return kind, table[kind](any_key(random))


def fields_of(random):
    """Return fields, up to three of them with keys, and what they are called."""
    chosen = [SLOTS] * random.choices([0, 1, 2], [1, 7, 1])[0]
    chosen += random.choices([[], [FIELDS], [ELSEWHERE], [FIELDS, ELSEWHERE]], [6, 1, 2, 1])[0]
    random.shuffle(chosen)
    kinds, lines = [], []
    for table in chosen:
        kind = random.choice(sorted(table))
        name, value = table[kind](any_key(random))
        kinds.append(kind)
        line = f"{spelled(random, name)}: {value}"
        lines += [line] * random.choice([1, 1, 1, 2])
    return kinds, lines


def case(random):
    """Return a request that nobody foresaw."""
    entrance = random.choice(["shared", "own", "unix"])
    kind, target = target_of(random)
    if entrance != "own" and target.startswith("/"):
        target = random.choices(["/api", ""], [9, 1])[0] + target
    method = random.choices(METHODS, [18, 6, 3, 1, 1])[0].format(any_key(random))
    host = random.choices(HOSTS, [27, 1, 1, 1])[0].format(any_key(random))
    kinds, lines = fields_of(random)
    body = any_key(random).encode() if method == "POST" else None
    data = request(method, target, *lines, host=host, body=body)
    return Case(entrance, data, [kind, *kinds])
