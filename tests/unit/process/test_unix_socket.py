"""A unix socket is born as it shall be, and takes the place of dead ones alone."""

from __future__ import annotations

import grp
import os
import shutil
import socket
import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from proxy.access.editlock import Patience, locked
from proxy.config.addresses import _MAX_SOCKET_PATH
from proxy.process import unix_socket
from proxy.process.listeners import Listener, identity
from proxy.process.unix_socket import SocketError, listen_at


STARTS = 4


def own_group():
    """Return a group that this user may give."""
    return grp.getgrgid(os.getegid()).gr_name


def kill(path):
    """Leave a socket file that nobody listens on."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))


def state(path):
    """Return the mode and the group of a file."""
    status = path.stat()
    return stat.S_IMODE(status.st_mode), status.st_gid


@pytest.fixture
def forbid(monkeypatch):
    """Forbid what follows a path, which may lead elsewhere by then; note where it is done."""
    seen = []

    def changed(path, *args, **more):
        seen.append((Path(path).parent, state(Path(path).parent)[0]))

    real = shutil.chown
    monkeypatch.setattr(os, "chmod", changed)
    monkeypatch.setattr(shutil, "chown", lambda *a, **m: (changed(*a), real(*a, **m)))
    return seen


@pytest.mark.parametrize("mode", [None, 0o600, 0o660, 0o666, 0o222])
def test_its_mode_is_that_of_its_birth(tmp_path, forbid, mode):
    """Whatever the umask; nothing is changed by its path, which others may have swapped."""
    path = tmp_path / "kb.sock"
    before = os.umask(0o027)
    try:
        with listen_at(path, mode, None):
            found = state(path)[0]
    finally:
        after = os.umask(before)

    assert (mode or 0o600, [], 0o027) == (found, forbid, after)


def test_a_lock_of_its_directory_is_not_waited_for_long(tmp_path, monkeypatch):
    """Whoever may read the directory may lock it, and no signal ends the wait."""
    monkeypatch.setattr(unix_socket, "_LOCK_S", 0.05)
    with locked(tmp_path, Patience()), pytest.raises(SocketError, match="directory locked"):
        listen_at(tmp_path / "kb.sock", None, None)


def test_its_group_is_given_where_nobody_can_swap_it(tmp_path, forbid):
    """In a directory of its own; nothing of that is left."""
    path = tmp_path / "kb.sock"
    with listen_at(path, 0o660, own_group()) as bound, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        bound.accept()[0].close()
        found = state(path)

    [(directory, mode)] = forbid
    assert (0o660, os.getegid(), 0o700) == (*found, mode)
    assert (tmp_path, [path]) == (directory.parent, list(tmp_path.iterdir()))


def test_a_group_that_is_not_there_is_named(tmp_path):
    """And nothing is left."""
    with pytest.raises(SocketError, match="there is no group no-such-group"):
        listen_at(tmp_path / "kb.sock", None, "no-such-group")

    assert [] == list(tmp_path.iterdir())


def test_what_a_killed_start_has_left_is_used(tmp_path):
    """Not what is somebody else's."""
    left = tmp_path / ".kb"
    left.mkdir(0o700)
    kill(left / "s")
    with listen_at(tmp_path / "one", None, own_group()):
        assert ["one"] == [each.name for each in tmp_path.iterdir()]

    for mode, message in ((0o755, "remove it"), (0o700, "no socket is there")):
        left.mkdir(mode)
        (left / "s").write_text("precious")
        with pytest.raises(SocketError, match=message):
            listen_at(tmp_path / "two", None, own_group())
        assert "precious" == (left / "s").read_text()
        shutil.rmtree(left)


@pytest.fixture
def short():
    """A directory with a short path: macOS's temporary ones leave no room for a socket."""
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        yield Path(made)


def test_the_longest_path_can_have_a_group(short):
    """The directory that it is made in is not longer; macOS has four characters less."""
    name = "kb.sock"
    room = _MAX_SOCKET_PATH - len(os.fsencode(short)) - len(name) - 2
    directory = short / ("d" * room)
    directory.mkdir()
    with listen_at(directory / name, 0o600, own_group()):
        assert (directory / name).is_socket()

    with pytest.raises(SocketError, match="too long"):
        listen_at(directory / f"{name}x", 0o600, None)


@pytest.mark.parametrize("group", [False, True])
def test_one_of_several_starts_takes_a_dead_ones_place(tmp_path, group):
    """The others find it living; before, each could remove what another had just made."""
    path = tmp_path / "kb.sock"
    barrier = Barrier(STARTS)

    def start(_):
        barrier.wait()
        try:
            return listen_at(path, None, own_group() if group else None)
        except SocketError as error:
            return str(error)

    for _ in range(25):
        kill(path)
        with ThreadPoolExecutor(STARTS) as pool:
            ends = list(pool.map(start, range(STARTS)))
        [winner] = [end for end in ends if isinstance(end, socket.socket)]
        with winner, socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            winner.accept()[0].close()
            assert {"another process listens there"} == {e for e in ends if isinstance(e, str)}
        path.unlink()


def test_only_our_own_is_removed_at_the_end(tmp_path):
    """Although its file may get the number that ours had."""
    path = tmp_path / "kb.sock"
    for _ in range(10):
        bound = listen_at(path, None, None)
        ours = Listener(bound, "", None, path, identity(path))  # type: ignore[arg-type] # no requests
        path.unlink()
        with listen_at(path, None, None):
            ours.close()
            assert path.is_socket()
        path.unlink()
