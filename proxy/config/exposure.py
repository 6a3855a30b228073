"""Who may use listeners without being asked, and who may read along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy.config.addresses import TcpAddress
from proxy.upstream.origin import is_loopback


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
    """Return a warning for each listener beyond loopback without TLS, where that is a danger.

    To clients' keys; and under a name to pages, for browsers send no Sec-Fetch-Site there. One
    without clients is refused, or warned about as open.
    """
    keys, name = config.has_clients, _name(config)
    if not (keys or name):
        return []
    return [
        str(config.problem_at(path, _told(listen.address, name, keys=keys)))
        for path, listen in config.listeners()
        if isinstance(listen.address, TcpAddress)
        and not listen.address.is_loopback
        and listen.tls is None
    ]


def _name(config: Config) -> str:
    """Return a name by which other machines may call the service, or ""."""
    names = [each for each in config.allow_hosts if isinstance(each, str)]
    names += [host for route in config.routes.values() for host in route.hosts]
    any_name = "any name" if config.has_clients and not config.allow_hosts else ""
    return next((name for name in names if not is_loopback(name)), any_name)


def _told(address: TcpAddress, name: str, *, keys: bool) -> str:
    dangers = []
    if keys:
        dangers.append(
            f"keys and answers travel unencrypted on {address}, so whoever reads along may use the "
            "routes"
        )
    if name:
        dangers.append(
            f"browsers send no Sec-Fetch-Site to plain http under a name ({name}), so on {address} "
            "only Origin and Referer keep foreign pages out"
        )
    return "; ".join((*dangers, _ADVICE))


_ADVICE: Final = "give the listener `tls:`, or put a load balancer that ends TLS in front"
