"""A proxy with TLS listeners: its files, and clients that speak TLS."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

from tests.integration.rig.proxy import one_route
from tests.integration.rig.raw import Client


if TYPE_CHECKING:
    from pathlib import Path

    import trustme

    from tests.integration.rig.proxy import Proxy

    Pair = tuple[Path, Path]


class Pki:
    """An authority and the files that it fills.

    Args:
        directory: for the files.
        authority: of the servers.
    """

    def __init__(self, directory: Path, authority: trustme.CA) -> None:
        self.directory = directory
        self.authority = authority
        self.cert = directory / "tls.crt"
        self.key = directory / "tls.key"

    def issue(self, name: str = "one", authority: trustme.CA | None = None) -> trustme.LeafCert:
        """Return a new certificate for loopback."""
        made = authority or self.authority
        return made.issue_cert("localhost", "127.0.0.1", common_name=name)

    def write(self, leaf: trustme.LeafCert) -> None:
        """Write certificate and key to their files."""
        self.cert.write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
        self.key.write_bytes(leaf.private_key_pem.bytes())

    def trust(self, name: str, *authorities: trustme.CA) -> Path:
        """Write a file of authorities; return its path."""
        path = self.directory / name
        path.write_bytes(b"".join(each.cert_pem.bytes() for each in authorities))
        return path

    def listen(self, **tls: Any) -> dict[str, Any]:
        """Return a listener for the configuration."""
        files = {"cert": str(self.cert), "key": str(self.key)}
        told = {key: str(value) for key, value in tls.items()}
        return {"address": "127.0.0.1:0", "tls": files | told}

    def config(self, upstream: str, route: Any = None, *, tls: Any = None, **keys: Any) -> Any:
        """Return a configuration whose two listeners, shared and the route's own, have TLS."""
        listen = self.listen(**(tls or {}))
        made = one_route(upstream, **{"listen": listen, **(route or {})})
        return made | {"listen": listen} | keys

    def context(self, client: trustme.LeafCert | None = None) -> ssl.SSLContext:
        """Return the context of a client that trusts the authority, and may show a certificate."""
        # Of the system's authorities, which take 60 ms to read, it needs none.
        trusted = self.authority.cert_pem.bytes().decode()
        context = ssl.create_default_context(cadata=trusted)
        if client is not None:
            client.configure_cert(context)
        return context


async def connect(
    proxy: Proxy, context: ssl.SSLContext, listener: int | str = 0, *, buffer: int = 0
) -> Client:
    """Connect to a TLS listener.

    Raises:
        OSError: the handshake fails (ssl.SSLError), or the proxy closes.
    """
    raw = await Client.connect_raw(proxy.port_of(listener), buffer=buffer)
    loop = asyncio.get_running_loop()
    try:
        _, client = await loop.create_connection(
            Client, sock=raw, ssl=context, server_hostname="localhost"
        )
    except BaseException:
        raw.close()
        raise
    return client


def shown(client: Client) -> str:
    """Return the common name of the certificate that the proxy has shown."""
    subject = client.transport.get_extra_info("peercert")["subject"]
    return str(dict(part[0] for part in subject)["commonName"])
