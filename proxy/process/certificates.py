"""The certificates of our TLS listeners: read at start, and again when their files change."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from proxy.config.errors import ConfigError
from proxy.config.regular import regular
from proxy.dataplane.secure import Gate
from proxy.process.watch import Watch


if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from proxy.config.errors import Path as KeyPath
    from proxy.config.schema import Config, Listen, ListenTls
    from proxy.observe.log import Log


CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: forward secret and authenticated, as RFC 9325 4.2 asks. TLS 1.3 has no others."""

TOLD_AGAIN_S: Final = 10.0
"""Whoever can connect can make handshakes fail: each reason is told so often at most."""

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
    # An intermediate authority may be trusted without the one above it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN


def _read(key: _Key, path: Path) -> bytes:
    try:
        with regular(path) as file:
            return file.read()
    except OSError as error:
        raise CertificateError(key, f"cannot read {path}: {error.strerror}") from None


@dataclass(slots=True)
class _Held:
    """The gate of one pair of files, and which contents were tried last."""

    tls: ListenTls
    gate: Gate
    tried: bytes


class Certificates:
    """The gates of all TLS listeners of a configuration.

    Args:
        config: settled.
        log: is told of reloads, and of handshakes that fail.

    Raises:
        ConfigError: every file that cannot be used, with its place in the configuration.
    """

    def __init__(self, config: Config, log: Log) -> None:
        self._log = log
        self._told: dict[str, float] = {}
        self._held: dict[ListenTls, _Held] = {}
        wanted = list(_wanted(config))
        paths = [path for _, tls in wanted for path in (tls.cert, tls.key, tls.client_ca) if path]
        # Before they are read: what changes meanwhile is seen then.
        self._watch = Watch(paths, self._reload) if paths else None
        problems = []
        for where, tls in wanted:
            try:
                self._hold(tls)
            except CertificateError as error:
                problems.append(config.problem_at((*where, error.key), str(error)))
        if wanted and importlib.util.find_spec("watchfiles") is None:
            message = "needs the extra `gateway`: pip install 'keybearer[gateway]'"
            problems.append(config.problem_at(wanted[0][0], message))
        if problems:
            raise ConfigError(*dict.fromkeys(problems))

    def gate(self, tls: ListenTls | None) -> Gate | None:
        """Return the gate of a listener; None for one without TLS."""
        return None if tls is None else self._held[tls].gate

    async def start(self) -> None:
        """Follow the files."""
        if self._watch is not None:
            await self._watch.start()

    async def stop(self) -> None:
        """Follow them no more."""
        if self._watch is not None:
            await self._watch.stop()

    def _hold(self, tls: ListenTls) -> None:
        if tls not in self._held:
            tried = _contents(tls)
            self._held[tls] = _Held(tls, Gate(server_context(tls), self._refused), tried)

    async def _reload(self) -> bool:
        for held in self._held.values():
            contents = await asyncio.to_thread(_contents, held.tls)
            if contents != held.tried:
                held.tried = contents
                await self._renew(held)
        return True

    async def _renew(self, held: _Held) -> None:
        """Use what the files hold now for handshakes to come, if it is good."""
        try:
            held.gate.context = await asyncio.to_thread(server_context, held.tls)
        except CertificateError as error:
            self._log.events.error("certificate_refused", detail=f"{error}; the old one stays")
        else:
            self._log.events.info("certificate_reloaded", cert=str(held.tls.cert))

    def _refused(self, address: str, reason: str) -> None:
        now = time.monotonic()
        if now - self._told.get(reason, float("-inf")) >= TOLD_AGAIN_S:
            self._told[reason] = now
            self._log.events.info("handshake_refused", client=address, detail=reason)


def _contents(tls: ListenTls) -> bytes:
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


def _wanted(config: Config) -> Iterator[tuple[KeyPath, ListenTls]]:
    places: list[tuple[KeyPath, tuple[Listen, ...]]] = [(("listen",), config.listen)]
    places += [(("routes", name, "listen"), route.listen) for name, route in config.routes.items()]
    for path, listeners in places:
        for index, listen in enumerate(listeners):
            if listen.tls is not None:
                yield (*path, index, "tls"), listen.tls
