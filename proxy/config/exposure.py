"""Who may use listeners without being asked, and who may read along."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.config.addresses import TcpAddress


if TYPE_CHECKING:
    from proxy.config.schema import Config


def open_to_all(config: Config) -> list[str]:
    """Return who may use the service without being asked who they are; nobody where clients are."""
    if config.has_clients:
        return []
    addresses = [listen.address for _, listen in config.listeners()]
    local = [each.is_loopback for each in addresses if isinstance(each, TcpAddress)]
    warnings = []
    if any(local):
        warnings.append(
            "every user and program of this machine may use the routes on loopback; "
            "a unix socket (listen: unix:PATH) is for its user alone"
        )
    if not all(local):
        warnings.append(
            "insecure_open: whoever reaches the address may use the routes with their credentials"
        )
    return warnings


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
