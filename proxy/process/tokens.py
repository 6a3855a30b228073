"""Tokens: what the issuers that clients name become."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.access.tokens import Tokens
    from proxy.config.client import ClientConfig
    from proxy.observe.log import Log
    from proxy.upstream.sweep import Sweep


def prepare(clients: Mapping[str, ClientConfig]) -> None:
    """Import what tells tokens if a client has one: half a second that is nothing for a loop.

    Raises:
        ModuleNotFoundError: the extra `gateway` is not installed.
    """
    if any(client.jwt is not None for client in clients.values()):
        import proxy.access.fetch  # noqa: PLC0415 -- not for everybody
        import proxy.access.tokens  # noqa: F401, PLC0415 -- the same


def tokens_of(
    clients: Mapping[str, ClientConfig], before: Tokens | None, sweep: Sweep, log: Log
) -> Tokens | None:
    """Return what tells the clients' tokens; None where no client has one.

    Args:
        clients: by name, in the order of the file.
        before: whose keys are taken over.
        sweep: watches the connections to issuers.
        log: is told what happens to their keys.

    Raises:
        ModuleNotFoundError: the extra `gateway` is not installed.
    """
    if all(client.jwt is None for client in clients.values()):
        return None
    from proxy.access.claims import TokenRule  # noqa: PLC0415 -- needs the extra, and takes 50 ms
    from proxy.access.fetch import Fetcher  # noqa: PLC0415 -- the same
    from proxy.access.tokens import IssuerSpec, Tokens  # noqa: PLC0415 -- the same

    rules: dict[tuple[str, str], list[TokenRule]] = {}
    for name, client in clients.items():
        if (jwt := client.jwt) is not None:
            rule = TokenRule(name, jwt.issuer, jwt.audience, jwt.claims, jwt.leeway)
            rules.setdefault((jwt.issuer, jwt.jwks_url), []).append(rule)
    specs = [IssuerSpec(issuer, url, tuple(each)) for (issuer, url), each in rules.items()]
    return Tokens(specs, Fetcher(sweep), time.time, log, before=before)
