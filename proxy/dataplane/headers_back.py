"""Strip, on the way back: which fields of an answer reach the client.

Each spelling of a name is judged once and remembered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy.dataplane.headers import (
    CONNECTION,
    DROP,
    HOP_BY_HOP,
    KEEP,
    REWRITE,
    SHARED_ORIGIN,
    fold_bytes,
    names_in,
)
from proxy.dataplane.rewrite import rewrite_field
from proxy.judged import Judged


if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from proxy.dataplane.rewrite import Base
    from proxy.upstream.head import ResponseHead


# A browser would keep the first two for our host name; a session minted for the injected identity
# is itself a credential.
RESPONSE_REMOVED: Final = frozenset(
    {"alt-svc", "strict-transport-security", "set-cookie", "transfer-encoding"}
)
# A browser keeps or applies these for all of an origin, and on a shared listener that is the origin
# of all routes. `No-Vary-Search` stays: it speaks of the answers below one path.
ORIGIN_BOUND: Final = frozenset(
    {
        # Which requests are reported, and where to (W3C Reporting, Network Error Logging).
        "nel", "report-to", "reporting-endpoints",
        # What is kept, cleared, used in later requests, or loaded before it is asked for.
        "clear-site-data", "use-as-dictionary", "accept-ch", "accept-ch-lifetime", "critical-ch",
        "speculation-rules", "supports-loading-mode", "origin-agent-cluster", "origin-policy",
        "origin-trial", "critical-origin-trial",
        # A script of one route would see the requests of all.
        "service-worker-allowed",
        # Keys and certificates of the host.
        "public-key-pins", "public-key-pins-report-only", "expect-ct",
        # Sessions and logins of the origin (DBSC, FedCM), and access to its storage.
        "secure-session-registration", "secure-session-challenge", "sec-session-registration",
        "sec-session-challenge", "set-login", "idp-signin-status", "activate-storage-access",
        "shared-storage-write",
        # Ads' books about the origin.
        "attribution-reporting-register-source", "attribution-reporting-register-trigger",
        "attribution-reporting-register-os-source", "attribution-reporting-register-os-trigger",
        "attribution-reporting-info", "observe-browsing-topics",
    }
)  # fmt: skip
REWRITTEN: Final = frozenset({"location", "content-location", "link", "refresh"})


def _names_in_line(line: bytes) -> frozenset[str]:
    return names_in(line.partition(b":")[2].strip(b" \t"))


_NAMED_BY_LINE: Final[Judged[bytes, frozenset[str]]] = Judged(_names_in_line)


class ResponseRules:
    """What of an answer's fields one route passes back; their lines pass as they came.

    Args:
        cookies_pass: `cookies: pass`.
    """

    def __init__(self, *, cookies_pass: bool = False) -> None:
        cookies = {"set-cookie"} if cookies_pass else set()
        self._rewritten = REWRITTEN | cookies
        # 407 and its challenge are between a client and its proxy: that is us.
        self._removed = (HOP_BY_HOP | RESPONSE_REMOVED | {"proxy-authenticate"}) - cookies
        self._fates: Judged[bytes, int] = Judged(self._judge)

    def _judge(self, name: bytes) -> int:
        lower = name.decode("latin-1").lower()
        if lower == "connection":
            return CONNECTION
        if lower in ORIGIN_BOUND:
            return SHARED_ORIGIN
        if lower in self._rewritten:
            return REWRITE
        return DROP if lower in self._removed or lower.startswith("access-control-") else KEEP

    def relayed(self, head: ResponseHead, base: Base) -> bytes:
        """Return the field lines for the client, each behind a CRLF, without framing."""
        fates = self._fates
        kept: list[bytes] = [b""]
        gone: frozenset[str] = frozenset()
        for name, line in head.fields:
            fate = fates[name]
            if fate == KEEP:
                kept.append(line)
            elif fate == CONNECTION:
                gone |= _NAMED_BY_LINE[line]
            elif fate == REWRITE:
                kept.append(name + b": " + rewrite_field(name, _value(name, line), base))
            elif fate == SHARED_ORIGIN and not base.shared:
                kept.append(line)
        return b"\r\n".join(_without(kept, gone) if gone else kept)


def _value(name: bytes, line: bytes) -> bytes:
    return line[len(name) + 1 :].strip(b" \t")


def _without(lines: Iterable[bytes], names: Container[str]) -> list[bytes]:
    return [line for line in lines if fold_bytes(line.partition(b":")[0]) not in names]
