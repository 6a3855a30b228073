"""The files of a TLS listener: the context they make, and what is wrong with them."""

from __future__ import annotations

import hashlib
import ssl
from typing import TYPE_CHECKING, Final, Literal

from proxy.config.regular import regular
from proxy.upstream.tls import judge_as_curl


if TYPE_CHECKING:
    from pathlib import Path

    from proxy.config.schema import ListenTls


CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: forward secret and authenticated, as RFC 9325 4.2 asks. TLS 1.3 has no others."""

_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
_TRUSTED: Final = b"-----BEGIN TRUSTED CERTIFICATE-----"
_KEY: Final = b"PRIVATE KEY-----"
_ENCRYPTED: Final = (b"-----BEGIN ENCRYPTED", b"Proc-Type: 4,ENCRYPTED")

_Key = Literal["cert", "key", "client_ca"]


class CertificateError(Exception):
    """A file of a listener cannot be used; the message says which and why.

    Attributes:
        key: that names it in the configuration.
    """

    def __init__(self, key: _Key, message: str) -> None:
        super().__init__(message)
        self.key: _Key = key


def server_context(tls: ListenTls) -> ssl.SSLContext:
    """Return a context that shows a certificate, TLS 1.2 or later.

    With `client_ca` it asks clients for one too. None is needed, for keys are another way in, but
    one that is shown must be good.

    Raises:
        CertificateError: a file cannot be used.
    """
    # Not `create_default_context`: it writes keys to where SSLKEYLOGFILE says.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    _show(context, tls)
    if tls.client_ca is not None:
        _ask(context, tls.client_ca)
    return context


def _show(context: ssl.SSLContext, tls: ListenTls) -> None:
    cert = _read("cert", tls.cert)
    key = cert if tls.key is None else _read("key", tls.key)
    try:
        # An encrypted key would make OpenSSL ask on the terminal; the empty password makes it fail.
        context.load_cert_chain(tls.cert, tls.key, password="")
    except OSError as error:  # ssl.SSLError, or gone since
        raise _fault(tls, cert, key, error) from None


def _fault(tls: ListenTls, cert: bytes, key: bytes, error: OSError) -> CertificateError:
    """Return what is wrong with a pair; OpenSSL does not say with which file."""
    holder = tls.cert if tls.key is None else tls.key
    reason = getattr(error, "reason", None)
    if _CERTIFICATE not in cert and _TRUSTED not in cert:
        return CertificateError("cert", f"{tls.cert} holds no certificate in PEM")
    if _KEY not in key:
        advice = "; name its file in `key`" if tls.key is None else ""
        return CertificateError("key", f"{holder} holds no private key in PEM{advice}")
    if any(mark in key for mark in _ENCRYPTED):
        return CertificateError(
            "key", f"the private key in {holder} is encrypted; store it without a passphrase"
        )
    if reason == "KEY_VALUES_MISMATCH":
        return CertificateError(
            "key", f"the private key in {holder} does not belong to the certificate in {tls.cert}"
        )
    words = f" ({reason.lower().replace('_', ' ')})" if reason else ""
    return CertificateError("cert", f"{tls.cert} and {holder} are no usable pair{words}")


def _ask(context: ssl.SSLContext, client_ca: Path) -> None:
    data = _read("client_ca", client_ca)
    try:
        context.load_verify_locations(client_ca)
    except OSError:  # ssl.SSLError, or gone since
        lacks = _CERTIFICATE not in data and _TRUSTED not in data
        what = "no certificate in PEM" if lacks else "a certificate that is broken"
        raise CertificateError("client_ca", f"{client_ca} holds {what}") from None
    context.verify_mode = ssl.CERT_OPTIONAL
    judge_as_curl(context)


def _read(key: _Key, path: Path) -> bytes:
    try:
        with regular(path) as file:
            return file.read()
    except OSError as error:
        raise CertificateError(key, f"cannot read {path}: {error.strerror}") from None


def contents(tls: ListenTls) -> bytes:
    """Return a digest of the files: touching one is no change, and nothing is logged of it."""
    digest = hashlib.sha256()
    for path in (tls.cert, tls.key, tls.client_ca):
        data = b""
        try:
            if path is not None:
                with regular(path) as file:
                    data = file.read()
        except OSError as error:
            data = str(error.errno).encode()
        digest.update(hashlib.sha256(data).digest())
    return digest.digest()
