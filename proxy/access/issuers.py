"""The keys of one issuer: kept, renewed in good time, asked for again with a brake."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Final

from proxy.access.compact import Malformed
from proxy.access.fetch import FetchFailed
from proxy.access.keyset import read_key_set
from proxy.dataplane.errors import ClientKeysUnavailable, KeysWanted


if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from proxy.access.fetch import Document
    from proxy.access.keyset import KeySet
    from proxy.observe.log import Log

    Fetch = Callable[[str], Awaitable[Document]]


BRAKE_S: Final = 30.0
"""Between two times that an issuer is asked, whoever sends what unknown key ids."""

MIN_LIFE_S: Final = 300.0
"""Keys are good for so long, though the answer may say less."""

MAX_KEPT_S: Final = 86_400.0
"""Keys older than this are not used, whatever the answer said, and though no newer ones come."""

RENEW_AT: Final = 0.8
"""The part of their life after which the next user has them renewed, without waiting for it."""

STALE_AT: Final = 2.0
"""The multiple of their life after which they are used only if the issuer cannot be reached. Keys
that nobody has used for hours may have been withdrawn since."""


class IssuerKeys:
    """The keys of one issuer.

    Args:
        issuer: its name, for the log.
        jwks_url: where its keys are.
        fetch: gets them.
        clock: tells seconds since 1970.
        log: told of the first of several failures, and of new keys.
    """

    def __init__(
        self, issuer: str, jwks_url: str, fetch: Fetch, clock: Callable[[], float], log: Log
    ) -> None:
        self.issuer = issuer
        self.jwks_url = jwks_url
        self._fetch = fetch
        self._clock = clock
        self._log = log
        self._keys: KeySet | None = None
        self._fetched = -math.inf
        self._asked = -math.inf
        self._life_s = MIN_LIFE_S
        self._flight: asyncio.Task[None] | None = None
        self._failing = False
        self._closed = False

    def __repr__(self) -> str:
        return f"<IssuerKeys of {self.issuer}>"

    def usable(self) -> KeySet:
        """Return the keys; the same object while they are the same keys.

        Raises:
            KeysWanted: there are none, or too old ones, and asking for them is worth the wait.
            ClientKeysUnavailable: there are none, and they have been asked for just now.
        """
        age = self._since_fetched()
        if age >= min(self._life_s * STALE_AT, MAX_KEPT_S) and self.askable:
            raise KeysWanted(self)
        if self._keys is None or age >= MAX_KEPT_S:
            raise self._unavailable()
        if age >= self._life_s * RENEW_AT and self.askable:
            self._begin()
        return self._keys

    @property
    def askable(self) -> bool:
        """Whether the issuer is being asked, or may be asked now."""
        return not self._closed and (self._flight is not None or self._brake_s() <= 0)

    async def refresh(self) -> None:
        """Ask the issuer, or wait until it has been asked; see `Refreshable`."""
        if self.askable:
            self._begin()
        if self._flight is not None:
            # Unlike awaiting it: a waiter that is cancelled leaves it to the others.
            await asyncio.wait({self._flight})

    async def close(self) -> None:
        """End what is under way; the issuer is asked no more."""
        self._closed = True
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.wait({self._flight})

    def _begin(self) -> None:
        if self._flight is None:
            self._asked = self._clock()
            self._flight = asyncio.get_running_loop().create_task(self._renew())
            self._flight.add_done_callback(self._landed)

    def _landed(self, _: asyncio.Task[None]) -> None:
        self._flight = None

    async def _renew(self) -> None:
        try:
            document = await self._fetch(self.jwks_url)
            keys = read_key_set(document.body)
        except (FetchFailed, Malformed) as error:
            self._failed(str(error))
        except Exception as error:  # noqa: BLE001 -- whatever it is, those who wait get an answer
            self._failed(type(error).__name__)
        else:
            self._take(keys, document.fresh_s)

    def _take(self, keys: KeySet, fresh_s: float) -> None:
        recovered, self._failing = self._failing, False
        self._fetched = self._clock()
        self._life_s = min(max(fresh_s, MIN_LIFE_S), MAX_KEPT_S)
        changed = self._keys is None or self._keys.digest != keys.digest
        if changed:
            self._keys = keys
        if changed or recovered:
            self._log.events.info("client_keys_read", issuer=self.issuer, keys=len(keys))

    def _failed(self, cause: str) -> None:
        if not self._failing:
            self._failing = True
            self._log.events.warning("client_keys_failed", issuer=self.issuer, cause=cause)

    def _since_fetched(self) -> float:
        now = self._clock()
        # A clock that was put back must not keep keys for ever, nor the brake on (see below).
        self._fetched = min(self._fetched, now)
        return now - self._fetched

    def _brake_s(self) -> float:
        now = self._clock()
        self._asked = min(self._asked, now)
        return self._asked + BRAKE_S - now

    def _unavailable(self) -> ClientKeysUnavailable:
        wait_s = max(1, math.ceil(self._brake_s())) if not self._closed else 1
        return ClientKeysUnavailable(
            "The issuer of the token could not be asked for its keys; try again later.",
            cause=f"no keys of the issuer {self.issuer}",
            fields=((b"Retry-After", b"%d" % wait_s),),
        )
