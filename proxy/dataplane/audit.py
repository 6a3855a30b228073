"""The line of the audit file that tells one decision."""

from __future__ import annotations

from typing import Final, Literal

from proxy.dataplane.keymask import masked
from proxy.judged import Judged
from proxy.observe.log import quoted


Decision = Literal["allow", "deny", "error"]


def audit_line(  # noqa: PLR0913, PLR0917 -- as many as a line has fields
    now: str,
    request_id: str,
    client: str | None,
    peer: str,
    route: str | None,
    method: str,
    path: str,
    decision: Decision,
    rule: str | None,
    credential: str | None,
    status: int,
    error: str | None,
) -> bytes:
    """Return a JSON object, without a line's end in it or behind it.

    Args:
        now: as `Clock.now` tells it.
        request_id: the same as in the log.
        client: its name; None: not told by a key.
        peer: its address.
        route: its name.
        method: as sent.
        path: as sent; a query or a fragment is left out, keys are masked.
        decision: `deny`: a rule, a limit or the request's own faults; `error`: it could not be
            decided, or the upstream failed.
        rule: what in the configuration decided.
        credential: the name of what was sent with the request; None: nothing was.
        status: of the answer.
        error: the problem's code.
    """
    return (
        f'{{"ts":"{now}","event":"audit","request_id":{quoted(request_id)},'
        f'"client":{_or_null(client)},"peer":{_NAMES[peer]},"route":{_or_null(route)},'
        f'"method":{_METHODS[method]},"path":{_PATHS[path]},'
        f'"decision":"{decision}","rule":{_or_null(rule)},"credential":{_or_null(credential)},'
        f'"status":{status},"error":{_or_null(error)}}}'
    ).encode()


def _or_null(name: str | None) -> str:
    return "null" if name is None else _NAMES[name]


def _told(path: str) -> str:
    return quoted(masked(path.partition("?")[0].partition("#")[0]))


_NAMES: Final[Judged[str, str]] = Judged(quoted)
_METHODS: Final[Judged[str, str]] = Judged(lambda method: quoted(masked(method)))
_PATHS: Final[Judged[str, str]] = Judged(_told)
