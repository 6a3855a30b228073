"""An issuer for tests: keys that sign, a clock that is set, a loopback server for the key set."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import io
import json

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from proxy.access.claims import TokenRule
from proxy.access.fetch import Document
from proxy.access.tokens import IssuerSpec
from proxy.dataplane.errors import KeysWanted
from proxy.dataplane.model import Stranger
from proxy.observe.log import Log


ISSUER = "https://issuer.example"
NOW = 1_800_000_000.0
_ALGORITHMS = get_default_algorithms()


@functools.cache
def private_key(kind, serial):
    """Return a private key; the same for the same kind and number."""
    match kind:
        case "RSA":
            return rsa.generate_private_key(65537, 2048)
        case "RSA-1024":
            return rsa.generate_private_key(65537, 1024)
        case "P-256":
            return ec.generate_private_key(ec.SECP256R1())
        case "P-384":
            return ec.generate_private_key(ec.SECP384R1())
        case _:
            return ed25519.Ed25519PrivateKey.generate()


KINDS = {"ES256": "P-256", "ES384": "P-384", "EdDSA": "Ed25519"}


class Signer:
    """A key of an issuer, and the tokens it signs."""

    def __init__(self, algorithm="ES256", kid="k1", serial=0, kind=None):
        self.algorithm = algorithm
        self.kid = kid
        self.private = private_key(kind or KINDS.get(algorithm, "RSA"), serial)

    def jwk(self, **changes):
        """Return the public key as the issuer tells it; None leaves a member away."""
        made = _ALGORITHMS[self.algorithm].to_jwk(self.private.public_key(), as_dict=True)
        made.pop("key_ops", None)
        told = {**made, "kid": self.kid, "use": "sig", **changes}
        return {name: value for name, value in told.items() if value is not None}

    def sign(self, data):
        """Return the raw signature."""
        return _ALGORITHMS[self.algorithm].sign(data, self.private)

    def token(self, claims=None, **header):
        """Return a token as PyJWT makes it."""
        head = {"kid": self.kid, **header}
        head = {name: value for name, value in head.items() if value is not None}
        return jwt.encode(claims or payload(), self.private, self.algorithm, headers=head)

    def forge(self, header=None, claims=None):
        """Return a token of any header and payload, bytes as they are, rightly signed."""
        parts = [
            {"alg": self.algorithm, "kid": self.kid} if header is None else header,
            payload() if claims is None else claims,
        ]
        signed = ".".join(b64(part) for part in parts)
        return f"{signed}.{b64(self.sign(signed.encode()))}"


def b64(part):
    """Return base64url of bytes, or of a value's JSON."""
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def payload(**changes):
    """Return the claims of a good token; None leaves one away."""
    told = {"iss": ISSUER, "aud": "keybearer", "exp": int(NOW) + 600, "sub": "canary-subject"}
    told |= changes
    return {name: value for name, value in told.items() if value is not None}


def rule(client="ci", **changes):
    """Return a client's rule."""
    return TokenRule(**{
        "client": client, "issuer": ISSUER, "audience": "keybearer", "claims": {}, **changes
    })  # fmt: skip


def spec(url, *rules):
    """Return the issuer."""
    return IssuerSpec(ISSUER, url, rules or (rule(),))


def key_set(*signers):
    """Return a JWK Set of signers or JWKs."""
    keys = [each.jwk() if isinstance(each, Signer) else each for each in signers]
    return json.dumps({"keys": keys}).encode()


async def whose(tokens, token):
    """Judge a token as the data plane does: once more behind a wait."""
    try:
        return tokens.client_of(token)
    except KeysWanted as wanted:
        await wanted.keys.refresh()
    return tokens.client_of(token)


def cause_of(verdict):
    """Return why a token is nobody's; None: it is somebody's."""
    return verdict.cause if isinstance(verdict, Stranger) else None


class Clock:
    """Tells the time that it was set to."""

    def __init__(self, now=NOW):
        self.now = now

    def __call__(self):
        """Tell it."""
        return self.now


class Lines:
    """A log and what was written to it."""

    def __init__(self):
        self._stream = io.BytesIO()
        self.log = Log("debug", stream=self._stream)

    def text(self):
        """Return all of it."""
        self.log.flush()
        return self._stream.getvalue().decode()

    def events(self):
        """Return the names of the events."""
        return [json.loads(line)["event"] for line in self.text().splitlines()]


class Scripted:
    """Fetches without a network: what it is told to, when the gate is open."""

    def __init__(self, *signers):
        self.answer = key_set(*signers)
        self.fresh_s = 0.0
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, url):
        """Wait for the gate, then answer."""
        self.asked += 1
        await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return Document(self.answer, self.fresh_s)


class KeyServer:
    """A loopback HTTP server that gives one answer, then closes.

    Attributes:
        answer: bytes as they are written; the body is wrapped by `tell`.
        asked: how often.
        request: the last head.
        gate: holds the answer while it is closed.
    """

    def __init__(self, tls=None):
        self.answer = b""
        self.asked = 0
        self.request = b""
        self.gate = asyncio.Event()
        self.gate.set()
        self.came = asyncio.Event()
        self._tls = tls
        self._tasks = set()

    def tell(self, body, status="200 OK", fields=""):
        """Answer with a body."""
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{fields}\r\n"
        self.answer = head.encode() + body

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if self._tls else 'http'}://localhost:{self.port}/keys?v=1"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                self.request = await reader.readuntil(b"\r\n\r\n")
                self.asked += 1
                self.came.set()
                await self.gate.wait()
                writer.write(self.answer)
                await writer.drain()
        finally:
            writer.transport.abort() if task.cancelling() else writer.close()
