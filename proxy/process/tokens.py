"""Tokens: what the issuers that clients name become."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from proxy.access.tokens import IssuerSpec, Tokens
    from proxy.config.client import ClientConfig
    from proxy.observe.log import Log
    from proxy.upstream.resolver import Resolver
    from proxy.upstream.sweep import Sweep


def issuers_of(clients: Mapping[str, ClientConfig]) -> list[IssuerSpec]:
    """Return the issuers that clients name, in the order of the file; each once.

    The first time that there is one, what tells tokens is imported: half a second.

    Args:
        clients: by name.

    Raises:
        ModuleNotFoundError: the extra `gateway` is not installed.
    """
    if all(client.jwt is None for client in clients.values()):
        return []
    import proxy.access.fetch  # noqa: F401, PLC0415 -- for `tokens_of`, which must not wait for it
    from proxy.access.claims import TokenRule  # noqa: PLC0415 -- needs the extra
    from proxy.access.tokens import IssuerSpec  # noqa: PLC0415 -- the same

    rules: dict[tuple[str, str], list[TokenRule]] = {}
    for name, client in clients.items():
        if (jwt := client.jwt) is not None:
            rule = TokenRule(name, jwt.issuer, jwt.audience, jwt.claims, jwt.leeway)
            rules.setdefault((jwt.issuer, jwt.jwks_url), []).append(rule)
    return [IssuerSpec(issuer, url, tuple(each)) for (issuer, url), each in rules.items()]


def tokens_of(
    issuers: Sequence[IssuerSpec],
    before: Tokens | None,
    sweep: Sweep,
    resolver: Resolver,
    log: Log,
) -> Tokens | None:
    """Return what tells the tokens of these issuers; None where there is none.

    Args:
        issuers: as `issuers_of` tells them.
        before: whose keys are taken over.
        sweep: watches the connections to issuers.
        resolver: of their names.
        log: is told what happens to their keys.
    """
    if not issuers:
        return None
    from proxy.access.fetch import Fetcher  # noqa: PLC0415 -- needs the extra
    from proxy.access.tokens import Tokens  # noqa: PLC0415 -- the same

    return Tokens(issuers, Fetcher(sweep, resolver), time.time, log, before=before)
