"""Files that may change while the service runs: whoever uses them is told when they have."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final


if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable

    from watchfiles.main import FileChange


DEBOUNCE_MS: Final = 50
"""Changes are waited for so long once there is one: a file is often written in several steps."""
STEP_MS: Final = 20
"""Without a further change in this time it is told."""
LOOK_MS: Final = 200
"""So often the files are looked at in any case: network file systems and bind mounts do not tell of
every change, and a directory that is not there cannot be watched."""
_MAX_LINKS: Final = 40  # as many as Linux follows

_State = tuple[tuple[int, ...] | None, ...]


class Watch:
    """Watches files, also such that are replaced by renaming or by swapping a symbolic link.

    Their state counts from the making of this object: make it before the files are read.

    Args:
        paths: absolute; a file need not be there.
        on_change: is called, and awaited, when one of them is another than before. If it returns
            False, it is called again soon, without a further change.
        quiet_ms: the files must have been left alone for so long: else whoever writes them is not
            done.
    """

    def __init__(
        self, paths: Iterable[Path], on_change: Callable[[], Awaitable[bool]], quiet_ms: int = 0
    ) -> None:
        self._paths = tuple(dict.fromkeys(paths))
        self._on_change = on_change
        self._quiet_ms = quiet_ms
        self._seen: _State | None = _state(self._paths)
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Watch from now on; what has changed since this object was made is told at once."""
        if self._task is None:
            self._task = asyncio.ensure_future(self._run())

    async def stop(self) -> None:
        """Watch no more; a call that is under way is waited for. Once or more often."""
        self._stopping.set()
        task, self._task = self._task, None
        if task is not None:
            await task

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                await self._follow()
            except Exception as error:  # noqa: BLE001 -- without threads or memory, for a while
                _tell("files cannot be watched", error)
                await _pause(self._stopping, LOOK_MS)

    async def _follow(self) -> None:
        """Tell changes until a link leads elsewhere, or the directories cannot be watched."""
        await self._look()
        watched = await asyncio.to_thread(directories, self._paths)
        async with contextlib.aclosing(_changes(watched, self._stopping)) as changes:
            async for _ in changes:
                await self._look()
                if await asyncio.to_thread(directories, self._paths) != watched:
                    return

    async def _look(self) -> None:
        state = await self._settled()
        if state == self._seen or self._stopping.is_set():
            return
        self._seen = state
        try:
            done = await self._on_change()
        except Exception as error:  # noqa: BLE001 -- the next change must be told all the same
            _tell("a changed file was not taken up", error)
        else:
            if not done:
                self._seen = None

    async def _settled(self) -> _State:
        """Return the state of the files, once it stays as it is."""
        state = await asyncio.to_thread(_state, self._paths)
        while self._quiet_ms and state != self._seen and not self._stopping.is_set():
            await _pause(self._stopping, self._quiet_ms)
            before, state = state, await asyncio.to_thread(_state, self._paths)
            if state == before:
                break
        return state


async def _changes(
    watched: frozenset[Path], stopping: asyncio.Event
) -> AsyncGenerator[object, None]:
    """Yield when something has changed in a directory, and every LOOK_MS."""
    # Of its own: the loop's threads are few, and look names up. `awatch` imports on the loop.
    thread = ThreadPoolExecutor(1, "watch")
    loop = asyncio.get_running_loop()
    told = await loop.run_in_executor(thread, _told, watched, stopping)
    try:
        # Gone again, or the system watches no more files: then they are looked at.
        with contextlib.suppress(OSError):
            while (changes := await loop.run_in_executor(thread, next, told, None)) is not None:
                yield changes
            return
    finally:
        thread.submit(told.close)  # behind what it waits for, for LOOK_MS at most
        thread.shutdown(wait=False)
    await _pause(stopping, LOOK_MS)
    yield None


def _told(
    watched: frozenset[Path], stopping: asyncio.Event
) -> Generator[set[FileChange], None, None]:
    from watchfiles import watch  # noqa: PLC0415 -- only where something is watched: it takes 100 ms

    return watch(
        *watched,
        watch_filter=None,
        debounce=DEBOUNCE_MS,
        step=STEP_MS,
        stop_event=stopping,
        rust_timeout=LOOK_MS,
        yield_on_timeout=True,
        raise_interrupt=False,
        recursive=False,
        ignore_permission_denied=True,
    )


async def _pause(stopping: asyncio.Event, length_ms: int) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(length_ms / 1000):
            await stopping.wait()


def _tell(message: str, error: Exception) -> None:
    context = {"message": message, "exception": error}
    asyncio.get_running_loop().call_exception_handler(context)


def _state(paths: Iterable[Path]) -> _State:
    """Return what tells a file from itself before: which one it is, its size and its times."""
    return tuple([_one(path) for path in paths])


def _one(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (
        status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns,
    )  # fmt: skip


def directories(paths: Iterable[Path]) -> frozenset[Path]:
    """Return the directories in which a change can make a path lead to something else.

    That of each symbolic link on the way, and that of the file; where it is not there, the nearest
    one above.
    """
    found: set[Path] = set()
    for path in paths:
        place = Path(path.anchor)
        parts = list(reversed(path.parts[1:]))
        links = 0
        while parts:
            part = parts.pop()
            step = place.parent if part == ".." else place / part
            target = _link(step)
            if target is None or links == _MAX_LINKS:
                place = step
                continue
            links += 1
            found.add(place)
            parts.extend(reversed(target.parts[1:] if target.is_absolute() else target.parts))
            place = Path(target.anchor) if target.is_absolute() else place
        found.add(_existing(place.parent))
    return frozenset(found)


def _link(path: Path) -> Path | None:
    try:
        return path.readlink()
    except OSError:
        return None


def _existing(directory: Path) -> Path:
    while not directory.is_dir() and directory != directory.parent:
        directory = directory.parent
    return directory
