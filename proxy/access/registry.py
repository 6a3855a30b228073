"""The clients of the gateway: who a key, a token or a certificate belongs to."""

from __future__ import annotations

import hmac
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from proxy.access.keys import digest, name_of
from proxy.dataplane.caller import Caller  # noqa: TC001 -- the compiled build looks the types up


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


class Tokens(Protocol):
    """What is known of JWTs."""

    def issues(self, token: str) -> bool:
        """Tell whether a configured issuer's name is on it."""
        ...

    def client_of(self, token: str) -> str | None:
        """Return the name of the client whose it is; None: it is not valid."""
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
        if known is None:
            return None
        return known.caller if known.expires is None else self._unexpired(known)

    def by_key(self, key: str, value: str = "") -> Caller | None:
        """Return the client whose key this is; see `dataplane.model.Clients`.

        Unknown, wrong and expired keys run the same comparisons.
        """
        book = self._book
        name = name_of(key)
        entry = None if name is None else book.entries.get(name)
        digests = () if entry is None else entry.digests
        hashed = digest(key)
        found = False
        for other in (*digests, *book.nobody[len(digests) :]):
            found |= self._same(hashed, other)
        if entry is None or not found:
            return None
        caller = self._unexpired(entry)
        if caller is not None and 0 < len(value) <= _LONGEST_REMEMBERED:
            book.remember(value, entry)
        return caller

    def issues(self, token: str) -> bool:
        """Tell whether this is a JWT of a configured issuer."""
        return self._tokens is not None and self._tokens.issues(token)

    def by_token(self, token: str) -> Caller | None:
        """Return the client whose JWT this is; see `dataplane.model.Clients`."""
        name = None if self._tokens is None else self._tokens.client_of(token)
        entry = None if name is None else self._book.entries.get(name)
        return None if entry is None else self._unexpired(entry)

    def has(self, name: str) -> bool:
        """Tell whether a client has this name."""
        return name in self._book.entries

    def by_certificate(self, subject: str) -> Caller | None:
        """Return the client whose certificate has this subject."""
        entry = self._book.subjects.get(subject)
        return None if entry is None else self._unexpired(entry)

    def failed(self, peer: Peer) -> Refusal:
        """Count a key that was not right."""
        return self._throttle.failed(peer.address)

    def _unexpired(self, entry: Entry) -> Caller | None:
        return entry.caller if entry.expires is None or self._now() < entry.expires else None
