"""Who may read along: listeners beyond this machine where clients' keys travel as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.config.addresses import TcpAddress


if TYPE_CHECKING:
    from proxy.config.schema import Config


def in_clear(config: Config) -> list[str]:
    """Return a warning for each listener beyond loopback without TLS, where there are clients.

    Without clients there is no key to be read; such a listener is refused, or warned about as open.
    """
    if not config.has_clients:
        return []
    return [
        str(config.problem_at(path, _told(listen.address)))
        for path, listen in config.listeners()
        if isinstance(listen.address, TcpAddress)
        and not listen.address.is_loopback
        and listen.tls is None
    ]


def _told(address: TcpAddress) -> str:
    return (
        f"keys and answers travel unencrypted on {address}, so whoever reads along may use the "
        "routes; give the listener `tls:`, or put a load balancer that ends TLS in front"
    )
