"""A TLS 1.2 client whose records are written by hand, for what no library sends."""

from __future__ import annotations

import hashlib
import hmac
import ssl
import struct
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM


if TYPE_CHECKING:
    from pathlib import Path


HELLO: Final = b"\x01\x00\x00\x26\x03\x03" + bytes(36)
"""A ClientHello that offers nothing."""

_HANDSHAKE: Final = b"\x16"  # the type of a record, RFC 5246 6.2.1

_VERSION: Final = b"\x03\x03"
_CIPHERS: Final = "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256"
_KEY: Final = slice(0, 16)
_SALT: Final = slice(32, 36)
_RANDOM: Final = slice(11, 43)


class Written:
    """A session whose handshake OpenSSL makes; what comes behind it is up to the test.

    Args:
        context: of a client; it is changed.
        keys: a file for the secrets of its sessions.
    """

    def __init__(self, context: ssl.SSLContext, keys: Path) -> None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_CIPHERS)
        context.keylog_filename = str(keys)
        self._keys = keys
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        self._server_random = b""
        self._cipher: AESGCM | None = None
        self._salt = b""
        self._number = 1  # Finished was 0
        self.established = False

    def receive(self, data: bytes) -> None:
        """Take what has come of the handshake."""
        self._server_random = self._server_random or data[_RANDOM]
        self._incoming.write(data)

    def shake(self) -> bytes:
        """Go on with the handshake; return what is to be sent for it."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return self._outgoing.read()
        self.established = True
        return self._outgoing.read()

    def handshake(self, data: bytes) -> bytes:
        """Return the next record, of a handshake."""
        if self._cipher is None:
            self._cipher = self._derived()
        number = struct.pack(">Q", self._number)
        self._number += 1
        known = number + _HANDSHAKE + _VERSION + struct.pack(">H", len(data))
        sealed = number + self._cipher.encrypt(self._salt + number, data, known)
        return _HANDSHAKE + _VERSION + struct.pack(">H", len(sealed)) + sealed

    def _derived(self) -> AESGCM:
        # RFC 5246 6.3
        _, client_random, secret = self._keys.read_text("ascii").split()[-3:]
        seed = b"key expansion" + self._server_random + bytes.fromhex(client_random)
        block, chained = b"", seed
        while len(block) < _SALT.stop:
            chained = hmac.digest(bytes.fromhex(secret), chained, hashlib.sha256)
            block += hmac.digest(bytes.fromhex(secret), chained + seed, hashlib.sha256)
        self._salt = block[_SALT]
        return AESGCM(block[_KEY])
