"""Files that change: what is told, and what a watch survives."""

from __future__ import annotations

import asyncio
import os

import pytest

from proxy.process import watch as watch_module
from proxy.process.watch import Watch, directories
from tests.integration.rig.patience import Bell


QUIET_MS = 7


class Told:
    """Counts what a watch tells."""

    def __init__(self) -> None:
        self.count = 0
        self.bell = Bell()
        self.raises = False
        self.answers: list[bool] = []

    async def __call__(self) -> bool:
        """Be told."""
        self.count += 1
        self.bell.ring()
        if self.raises:
            raise RuntimeError("CANARY")
        return self.answers.pop(0) if self.answers else True

    async def until(self, count: int) -> None:
        """Wait for so many calls."""
        await self.bell.until(lambda: self.count >= count, f"for call {count}")


@pytest.fixture
def told():
    """What is called."""
    return Told()


@pytest.fixture
def path(tmp_path):
    """A file in a directory of its own."""
    path = tmp_path / "watched" / "file"
    path.parent.mkdir()
    path.write_text("one")
    return path


@pytest.fixture
async def watching(told):
    """Start a watch; it ends with the test."""
    watches = []

    async def start(*paths):
        watch = Watch(paths, told)
        watches.append(watch)
        await watch.start()
        return watch

    yield start
    for watch in watches:
        await watch.stop()


def rename(path, text):
    """Put a new file in the place of one."""
    new = path.with_name("new")
    new.write_text(text)
    new.replace(path)


async def test_a_file_that_is_written_is_told(watching, told, path):
    """Again and again."""
    await watching(path)
    for number in range(3):
        path.write_text("x" * number)
        await told.until(number + 1)


async def test_a_file_that_is_renamed_onto_another_is_told(watching, told, path):
    """Also if it has the same size."""
    await watching(path)
    for number in range(3):
        rename(path, "two")
        await told.until(number + 1)


async def test_a_link_to_a_directory_that_is_swapped_is_told(watching, told, tmp_path):
    """And what it leads to afterwards is watched."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("same")
    (tmp_path / "link").symlink_to("a")
    await watching(tmp_path / "link" / "file")
    (tmp_path / "tmp").symlink_to("b")
    (tmp_path / "tmp").replace(tmp_path / "link")
    await told.until(1)
    rename(tmp_path / "b" / "file", "other")
    await told.until(2)


async def test_a_file_that_comes_and_goes_is_told(watching, told, path):
    """Its directory too."""
    path.unlink()
    await watching(path)
    path.write_text("one")
    await told.until(1)
    path.unlink()
    path.parent.rmdir()
    await told.until(2)
    path.parent.mkdir()
    path.write_text("two")
    await told.until(3)
    rename(path, "three")
    await told.until(4)


async def test_other_files_are_not_told(watching, told, path):
    """A change of the file itself comes last, so that there is something to wait for."""
    await watching(path)
    for number in range(20):
        path.with_name(f"other{number}").write_text("x")
    rename(path, "two")
    await told.until(1)

    assert 1 == told.count


async def test_what_changes_before_the_start_is_told(told, path):
    """The files are read between the making of a watch and its start."""
    watch = Watch([path], told)
    rename(path, "two")
    await watch.start()
    await told.until(1)
    await watch.stop()


async def test_a_call_that_fails_is_told_and_the_next_one_made(watching, told, path):
    """The loop's handler is told."""
    faults = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    told.raises = True
    await watching(path)
    rename(path, "two")
    await told.until(1)
    rename(path, "three")
    await told.until(2)

    assert ["a changed file was not taken up"] * 2 == [each["message"] for each in faults]


async def test_several_files_are_one_watch(watching, told, path):
    """A change of two at once may be told once, but none is lost."""
    other = path.with_name("other")
    await watching(path, other)
    other.write_text("two")
    await told.until(1)
    rename(path, "two")
    await told.until(2)


async def test_stop_may_come_first_and_twice(told, path):
    """And nothing is told afterwards."""
    watch = Watch([path], told)
    await watch.stop()
    watch = Watch([path], told)
    await watch.start()
    await watch.stop()
    await watch.stop()
    rename(path, "two")

    assert 0 == told.count
    assert 1 == len(asyncio.all_tasks())


def test_every_link_on_the_way_is_watched(tmp_path):
    """In Kubernetes a file is reached by two."""
    real = tmp_path / "mounted" / "..2026"
    real.mkdir(parents=True)
    (real / "file").write_text("x")
    (tmp_path / "mounted" / "..data").symlink_to("..2026")
    (tmp_path / "mounted" / "file").symlink_to("..data/file")
    (tmp_path / "absolute").symlink_to(tmp_path / "mounted" / "file")

    base = frozenset({tmp_path.resolve()})
    assert base | {tmp_path / "mounted", real} == directories([tmp_path / "absolute"])


def test_links_that_lead_nowhere_end(tmp_path):
    """A loop of links, and one to what is not there."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "c").symlink_to("gone/away")

    assert {tmp_path} == directories([tmp_path / "a", tmp_path / "c"])


def test_a_directory_that_is_not_there_is_waited_for_above(tmp_path):
    """At the nearest one that is."""
    assert {tmp_path} == directories([tmp_path / "not" / "there" / "file"])
    assert {os.sep} == {str(each) for each in directories(map(type(tmp_path), ["/nowhere/file"]))}


async def test_what_was_not_done_is_told_again(watching, told, path):
    """Without a further change."""
    told.answers = [False, False, True]
    await watching(path)
    rename(path, "two")
    await told.until(3)


async def test_a_file_that_is_written_again_and_again_is_waited_for(told, path, monkeypatch):
    """Until it stays as it is, and then told once."""
    texts = ["two", "three", "four", "five"]
    pause = watch_module._pause

    async def and_write(stopping, length_ms):
        if length_ms == QUIET_MS and texts:
            path.write_text(texts.pop())
        else:
            await pause(stopping, length_ms)

    monkeypatch.setattr(watch_module, "_pause", and_write)
    watch = Watch([path], told, QUIET_MS)
    rename(path, "first")
    await watch.start()
    await told.until(1)
    await watch.stop()

    assert ([], 1) == (texts, told.count)


async def test_without_threads_for_a_while_it_goes_on(watching, told, path, monkeypatch):
    """What fails is told, and the change is not lost."""
    faults = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    state, attempts = watch_module._state, []

    def fail(paths):
        attempts.append(1)
        if len(attempts) == 1:
            raise RuntimeError("can't start new thread")
        return state(paths)

    watch = await watching(path)
    monkeypatch.setattr(watch_module, "_state", fail)
    rename(path, "two")
    await told.until(1)
    await watch.stop()

    assert ["files cannot be watched"] == [each["message"] for each in faults]
