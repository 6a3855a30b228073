"""What holds in every case: nothing quoted, nothing leaked, not a byte too many forwarded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from tests.integration.rig.proxy import TOKEN
from tests.integration.wire.case import MARK, THEIRS, After
from tests.integration.wire.recorder import CANARY_SEEN


if TYPE_CHECKING:
    from tests.integration.rig.message import Answer as Parsed
    from tests.integration.rig.proxy import Proxy
    from tests.integration.wire.case import AnyOrder, Case, Ours


_MEMBERS: Final = {"type", "code", "title", "status", "detail", "request_id"}


def matches(answer: Parsed, expected: Ours) -> bool:
    """Tell whether an answer has the status, the code and the fields."""
    code = f'"code":"{expected.code}"'.encode() if expected.code else b""
    head = answer.raw.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
    return (
        answer.status == expected.status
        and (code in answer.body or not answer.body)
        and all(line.lower() in head for line in expected.fields)
    )


def check_own(answer: Parsed, *, to_head: bool) -> None:
    """Check what holds for every answer of our own: its form, and that it quotes nothing."""
    assert answer.line.startswith(b"HTTP/1.1 ")
    assert (answer.one(b"Proxy-Status") or b"").startswith(b"keybearer; error=")
    assert b"application/problem+json" == answer.one(b"Content-Type")
    assert MARK not in answer.raw
    if not to_head:
        document = json.loads(answer.body)
        assert set(document) == _MEMBERS
        assert answer.status == document["status"]
        assert f"urn:keybearer:error:{document['code']}" == document["type"]


def same(expected: bytes | AnyOrder, seen: bytes) -> bool:
    """Tell whether a request is the expected one."""
    if isinstance(expected, bytes):
        return expected == seen
    ours, theirs = (raw.partition(b"\r\n\r\n") for raw in (expected.raw, seen))
    lines = [sorted(line.lower() for line in head.split(b"\r\n")) for head, *_ in (ours, theirs)]
    return lines[0] == lines[1] and ours[2] == theirs[2]


def check_upstream(case: Case, seen: list[bytes], *, kept: bool) -> None:
    """Check what has been forwarded: the expected requests and no byte more."""
    expected = case.upstream if isinstance(case.upstream, tuple) else (case.upstream,)
    wanted = [*expected, CANARY_SEEN] if kept else list(expected)
    if len(wanted) != len(seen) or not all(map(same, wanted, seen)):
        assert wanted == seen
    for request in seen[:1] if case.after == After.TUNNEL else seen:
        head = request.partition(b"\r\n\r\n")[0]
        assert 1 == head.count(TOKEN.encode()), "one credential, and ours"
    assert THEIRS not in b"".join(seen)


def check_secrets(proxy: Proxy, received: bytes) -> None:
    """Check that no secret has come back, and that nothing in the proxy broke."""
    log = proxy.log.text
    assert TOKEN.encode() not in received + log
    assert THEIRS not in log
    assert "internal" not in [line["error"] for line in proxy.log.requests], log
