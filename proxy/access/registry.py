"""The clients of the gateway: who a key, a token or a certificate belongs to."""

from __future__ import annotations

import hmac
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from proxy.access.keys import digest, name_of
from proxy.dataplane.caller import Caller  # noqa: TC001 -- the compiled build looks the types up
from proxy.dataplane.model import Stranger


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from proxy.access.throttle import Throttle
    from proxy.dataplane.errors import Refusal
    from proxy.dataplane.model import Peer


_REMEMBERED: Final = 10_000
"""Values of slots that held a right key, and need not be taken apart and hashed again."""

_LONGEST_REMEMBERED: Final = 512
"""Characters of such a value: the longest key twice over, as Basic has it. Whoever has a key could
else have 80 MiB remembered, by what he writes beside it."""

_NO_KEY: Final = Stranger("not a whole key")
"""By its shape or its checksum: mistyped, cut off, or a tool's dummy."""
_NO_CLIENT: Final = Stranger("no client of that name")
_NOT_ITS_KEY: Final = Stranger("not one of the client's keys")
_NOT_ITS_TOKEN: Final = Stranger("token: of no client")
_NO_CERTIFICATE: Final = Stranger("no client has this certificate")
_EXPIRED: Final = Stranger("the client has expired")


class Tokens(Protocol):
    """What is known of JWTs."""

    def issues(self, token: str) -> bool:
        """Tell whether a configured issuer's name is on it."""
        ...

    def client_of(self, token: str) -> str | Stranger:
        """Return the name of the client whose it is, or why it is nobody's."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """A client with what it is known by.

    Attributes:
        caller: what it may do.
        digests: SHA-256 of each of its keys.
        expires: seconds since the epoch, or None.
        subject: of its certificate (RFC 4514), or None.
    """

    caller: Caller
    digests: tuple[bytes, ...] = ()
    expires: float | None = None
    subject: str | None = None


class Book:
    """All clients of a moment, by what they are known by.

    It takes milliseconds to make for thousands of them: make it beside the loop.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = {entry.caller.name: entry for entry in entries}
        self.subjects = {
            entry.subject: entry for entry in self.entries.values() if entry.subject is not None
        }
        # As many comparisons for everybody, whoever has fewer keys, or is nobody.
        self.width = max((len(entry.digests) for entry in self.entries.values()), default=1) or 1
        self.nobody = tuple([secrets.token_bytes(32) for _ in range(self.width)])
        self.right: dict[str, Entry] = {}

    def remember(self, value: str, entry: Entry) -> None:
        """Know a value of a slot that held a right key of this client."""
        if len(self.right) < _REMEMBERED:
            self.right[value] = entry

    def __repr__(self) -> str:
        return f"<{len(self.entries)} clients>"  # `right` holds keys


class Registry:
    """The clients, replaced as a whole when their file changes.

    Args:
        throttle: counts keys that were not right.
        now: tells the seconds since the epoch.
        same: compares two digests in constant time.
    """

    def __init__(
        self,
        throttle: Throttle,
        now: Callable[[], float] = time.time,
        same: Callable[[bytes, bytes], bool] = hmac.compare_digest,
    ) -> None:
        self._throttle = throttle
        self._now = now
        self._same = same
        self._book = Book(())
        self._tokens: Tokens | None = None

    def __len__(self) -> int:
        """Return how many clients there are."""
        return len(self._book.entries)

    def replace(self, book: Book, tokens: Tokens | None = None) -> None:
        """Let these be the clients, from the next request on."""
        self._book = book
        self._tokens = tokens

    def by_value(self, value: str) -> Caller | None:
        """Return the client that came with the same value before; see `dataplane.model.Clients`.

        What was right is remembered until the clients are replaced: to take it apart and hash it
        costs a tenth of a request.
        """
        known = self._book.right.get(value)
        if known is None or (known.expires is not None and self._has_expired(known)):
            return None
        return known.caller

    def by_key(self, key: str, value: str = "") -> Caller | Stranger:
        """Return the client whose key this is; see `dataplane.model.Clients`.

        Unknown, wrong and expired keys run the same comparisons, and only then it is told which.
        """
        book = self._book
        name = name_of(key)
        entry = None if name is None else book.entries.get(name)
        digests = () if entry is None else entry.digests
        hashed = digest(key)
        found = False
        for other in (*digests, *book.nobody[len(digests) :]):
            found |= self._same(hashed, other)
        if entry is None:
            return _NO_KEY if name is None else _NO_CLIENT
        if not found:
            return _NOT_ITS_KEY
        if self._has_expired(entry):
            return _EXPIRED
        if 0 < len(value) <= _LONGEST_REMEMBERED:
            book.remember(value, entry)
        return entry.caller

    def issues(self, token: str) -> bool:
        """Tell whether this is a JWT of a configured issuer."""
        return self._tokens is not None and self._tokens.issues(token)

    def by_token(self, token: str) -> Caller | Stranger:
        """Return the client whose JWT this is; see `dataplane.model.Clients`."""
        name = _NOT_ITS_TOKEN if self._tokens is None else self._tokens.client_of(token)
        if isinstance(name, Stranger):
            return name
        return self._unexpired(self._book.entries.get(name), _NOT_ITS_TOKEN)

    def has(self, name: str) -> bool:
        """Tell whether a client has this name."""
        return name in self._book.entries

    def by_certificate(self, subject: str) -> Caller | Stranger:
        """Return the client whose certificate has this subject."""
        return self._unexpired(self._book.subjects.get(subject), _NO_CERTIFICATE)

    def failed(self, peer: Peer, cause: str) -> Refusal:
        """Count a key that was not right."""
        return self._throttle.failed(peer.address, cause)

    def _unexpired(self, entry: Entry | None, nobody: Stranger) -> Caller | Stranger:
        if entry is None:
            return nobody
        return _EXPIRED if self._has_expired(entry) else entry.caller

    def _has_expired(self, entry: Entry) -> bool:
        return entry.expires is not None and self._now() >= entry.expires
