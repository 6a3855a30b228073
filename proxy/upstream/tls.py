"""TLS towards an upstream: always verified."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, NamedTuple


if TYPE_CHECKING:
    from pathlib import Path


class TlsSettings(NamedTuple):
    """How an upstream proves itself, and we to it.

    Attributes:
        ca: certificates to trust instead of the system's, PEM.
        client_cert: our certificate chain, PEM.
        client_key: its key, if it is not in the same file.
        server_name: the name to ask for and to verify, if not the origin's host.
    """

    ca: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    server_name: str | None = None


def judge_as_curl(context: ssl.SSLContext) -> None:
    """Have certificates judged alike on every Python, and as curl judges them.

    The default differs: since 3.13 an intermediate may be the anchor, and what RFC 5280 asks of
    certificates beyond proof is checked (a key identifier, say), which many private authorities do
    not do. Signature, name, purpose and time are always checked.
    """
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT


def client_context(settings: TlsSettings) -> ssl.SSLContext:
    """Return a context that verifies certificate and host name, TLS 1.2 or later.

    Raises:
        OSError: a file cannot be read, or (as ssl.SSLError) holds no usable PEM.
    """
    # Not `create_default_context`: it writes keys to where SSLKEYLOGFILE says.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    judge_as_curl(context)
    if settings.ca is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(settings.ca)
    # Nothing is negotiated but HTTP/1.1: an upstream that chose h2 would be misread.
    context.set_alpn_protocols(["http/1.1"])
    if settings.client_cert is not None:
        # An encrypted key would make OpenSSL ask on the terminal; the empty password makes it fail.
        context.load_cert_chain(settings.client_cert, settings.client_key, password="")
    return context
