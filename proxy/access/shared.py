"""Counts of requests that replicas share, in a Redis."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, cast

from limits.aio.storage import RedisStorage
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from proxy.access.breaker import Breaker
from proxy.access.counts import CountsAway
from proxy.access.storelink import link


if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from proxy.dataplane.model import Rate
    from proxy.observe.log import Log

    _Ask = Callable[[Rate], Awaitable[float | None]]

TIMEOUT_S: Final = 0.25
"""How long a Redis may take to answer: a thousand times what it takes on the same network."""
TICKS: Final = 5
TICK_S: Final = TIMEOUT_S / TICKS
"""It is counted in ticks: when the process stood still, the answer may be there, unread, and one
long tick is not held against the Redis."""
PAUSE_S: Final = 0.5
"""How long a Redis that is away is left alone."""
MAX_CONNECTIONS: Final = 16
"""To the Redis, of one process: more than enough to keep it busy."""
PATIENCE_S: Final = 1.0
"""How long a request may wait for one of them."""
PREFIX: Final = "keybearer"
"""Of all keys; behind it come scope and name of a rate, and nothing else."""
_TOLD: Final = frozenset({"MISCONF", "CLUSTERDOWN", "MASTERDOWN", "NOREPLICAS", "MOVED"})
"""Errors of a Redis that redis-py has no class for and an operator must know of."""
_CONSEQUENCE: Final = {
    "deny": "requests that have a rate are refused",
    "allow": "requests pass uncounted",
}


class SharedCounts:
    """Counts in a Redis: the moving window of `limits`, a script that runs there at once.

    Args:
        url: of the Redis. It may hold a password: nothing of it is ever shown.
        on_storage_error: what becomes of a request that cannot be counted, for the log.
        log: is told when the Redis is away, and when it is back.
        clock: monotonic, in seconds.

    Raises:
        ValueError: it is not such a URL, or has an option that no connection can have; the
            message is for its owner and holds nothing of it.
    """

    def __init__(
        self, url: str, on_storage_error: str, log: Log, clock: Callable[[], float]
    ) -> None:
        self._pool = _pool(url)
        self._client = Redis(connection_pool=self._pool)
        # The URL stays out of `limits`, whose errors show it.
        self._storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix=PREFIX,
            connection_pool=self._pool,  # type: ignore[arg-type] # documented, not annotated
        )
        self._places = asyncio.Semaphore(MAX_CONNECTIONS)
        self._breaker = Breaker(PAUSE_S)
        self._consequence = _CONSEQUENCE[on_storage_error]
        # structlog is read now: at the first outage all requests would stand still for it.
        self._events = log.events
        self._clock = clock

    async def take(self, rate: Rate) -> float | None:
        """Count a request; return None, or how many seconds it is too early.

        Raises:
            CountsAway: the Redis does not answer as it should.
        """
        return await self._asked(self._count, rate)

    async def give_back(self, rate: Rate) -> None:
        """Take the newest request back, unless the Redis is away."""
        with suppress(CountsAway):
            await self._asked(self._uncount, rate)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
        await self._pool.disconnect()

    async def _asked(self, ask: _Ask, rate: Rate) -> float | None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._places.acquire()
        except TimeoutError:
            # It answers, but more slowly than requests come: they would wait longer and longer.
            raise CountsAway from None
        try:
            return await self._judged(ask, rate)
        finally:
            self._places.release()

    async def _judged(self, ask: _Ask, rate: Rate) -> float | None:
        turn = self._breaker.asks(self._clock())
        if turn is None:
            raise CountsAway
        try:
            wait = await self._in_time(ask, rate)
        except Exception as error:  # noqa: BLE001 -- whatever it is, there is no count
            self._failed(turn, error)
            raise CountsAway from None
        self._worked(turn)
        return wait

    async def _in_time(self, ask: _Ask, rate: Rate) -> float | None:
        loop = asyncio.get_running_loop()
        timer: asyncio.TimerHandle
        async with asyncio.timeout(None) as limit:

            def tick(left: int) -> None:
                nonlocal timer
                if left:
                    timer = loop.call_later(TICK_S, tick, left - 1)
                else:
                    limit.reschedule(loop.time())

            timer = loop.call_later(TICK_S, tick, TICKS - 1)
            try:
                return await ask(rate)
            finally:
                timer.cancel()

    async def _count(self, rate: Rate) -> float | None:
        key = _key(rate)
        if await self._storage.acquire_entry(key, rate.amount, rate.seconds):
            return None
        # `limits` compares with the time of this machine, so that is what counts here as well.
        oldest, held = await self._storage.get_moving_window(key, rate.amount, rate.seconds)
        if held < rate.amount:
            return 0.0  # a place has become free in between
        return min(max(0.0, oldest + rate.seconds - time.time()), rate.seconds)

    async def _uncount(self, rate: Rate) -> None:
        # `limits` keeps the times of requests in a list, the newest first.
        taken = self._client.lpop(f"{PREFIX}:{_key(rate)}")
        await cast("Awaitable[object]", taken)

    def _failed(self, turn: int, error: Exception) -> None:
        if self._breaker.failed(turn, self._clock()):
            self._events.error("rate_store_away", detail=self._consequence, cause=_cause(error))

    def _worked(self, turn: int) -> None:
        away_s = self._breaker.worked(turn, self._clock())
        if away_s is not None:
            self._events.warning("rate_store_back", away_s=round(away_s, 1))


def _pool(url: str) -> ConnectionPool:
    try:
        pool = ConnectionPool.from_url(
            url,
            max_connections=MAX_CONNECTIONS,
            socket_connect_timeout=TIMEOUT_S,
            socket_timeout=None,  # one limit around the whole is enough
            retry=Retry(NoBackoff(), 1),  # a connection that was closed while it rested
            driver_info=None,  # no command more than is needed
            protocol=2,  # as above: 3 begins with a HELLO
        )
    except ValueError:
        # Its own words may be a part of the password.
        raise ValueError(
            "is no address of a Redis, such as redis://host:6379/0, or an option behind its ? has "
            "no such value; percent-encode what is odd in it"
        ) from None
    link(pool)
    _check_options(pool)
    return pool


def _check_options(pool: ConnectionPool) -> None:
    """Make a connection that connects to nothing.

    Else the first request would be the first to find out, and each one would be an outage.
    """
    try:
        connection = pool.make_connection()  # type: ignore[no-untyped-call] # not annotated
        connection.pack_command("ECHO", PREFIX)
    except Exception:  # noqa: BLE001 -- each option has an error of its own
        # Without the option's name: that may be a part of the password, too.
        raise ValueError(
            "has an option behind its ? that a connection to a Redis cannot have, or not with "
            "that value; the documentation of redis-py names them"
        ) from None


def _key(rate: Rate) -> str:
    return f"{rate.scope}/{rate.name}"


def _cause(error: BaseException) -> str:
    """Name an error and those behind it by their classes.

    Not in their own words: a server that does not know a command repeats it, and the command may
    be AUTH.
    """
    code = str(error).partition(" ")[0]
    names = [f"{type(error).__name__} {code}" if code in _TOLD else type(error).__name__]
    while (behind := error.__cause__ or error.__context__) is not None:
        error = behind
        names.append(type(error).__name__)
    return " from ".join(names)
