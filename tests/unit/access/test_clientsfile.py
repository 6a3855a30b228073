"""A clients file under several editors, killed editors, links, modes and what is no file."""

from __future__ import annotations

import fcntl
import gc
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from proxy.access import clientsfile, keys
from proxy.access.clientsedit import MisfitError
from proxy.access.editlock import Patience
from proxy.access.yamltext import ClientsFileError


A, B = (f"sha256:{digit * 64}" for digit in "ab")
TEXT = f"# who\nalice: # her\n  key: {A}\n  routes: [r]\n"
EDITOR = """
import sys
from pathlib import Path
from proxy.access import clientsfile
from proxy.access.keys import new_key, written
path, who = Path(sys.argv[1]), sys.argv[2]
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    clientsfile.add(path, "shared", written(new_key("shared")), None)
    clientsfile.add(path, f"{who}-{number}", written(new_key("x")), ("r",))
    if number % 2:
        clientsfile.revoke(path, f"{who}-{number - 1}", None)
"""
KILLED = """
import os, signal, sys
from pathlib import Path
from proxy.access import clientsfile
def die(*args, **more):
    os.kill(os.getpid(), signal.SIGKILL)
owner = Path if sys.argv[2] == "rename" else os
setattr(owner, sys.argv[2], die)
clientsfile.add(Path(sys.argv[1]), "bob", "sha256:" + "b" * 64, ("r",))
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "clients.yaml"
    path.write_text(TEXT)
    return path


def python(program, *args):
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, args)],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_editors_lose_nothing_of_each_other(path):
    """Four processes at once, half of their edits on one client; readers never see half a file."""
    path.write_text(TEXT + f"shared:\n  key:\n  - {A}\n  routes: [r]\n")
    editors = [python(EDITOR, path, who, 8) for who in ("a", "b", "c", "d")]
    for editor in editors:
        editor.stdin.write("go\n")
        editor.stdin.flush()
    seen = 0
    while any(editor.poll() is None for editor in editors):
        keys = {client.name: client.keys for client in clientsfile.listing(path)}["shared"]
        assert len(keys) >= seen
        seen = len(keys)
    ends = [(*editor.communicate(), editor.returncode) for editor in editors]

    assert [("", "", 0)] * 4 == ends
    found = {client.name: client.keys for client in clientsfile.listing(path)}
    assert len(set(found["shared"])) == 1 + 4 * 8
    assert set(found) == {"alice", "shared"} | {f"{w}-{n}" for w in "abcd" for n in (1, 3, 5, 7)}
    assert path.read_text().startswith(TEXT)
    assert [path] == list(path.parent.iterdir())


def test_a_link_that_leads_elsewhere_meanwhile_is_refused(path):
    """Else a revoked key is said to be gone, and stays in the file that counts."""
    link = path.with_name("link")
    link.symlink_to("old/clients.yaml")
    for name in ("old", "new"):
        path.with_name(name).mkdir()
        (path.with_name(name) / path.name).write_text(TEXT)

    def swap(_):
        link.unlink()
        link.symlink_to("new/clients.yaml")
        os.close(descriptor)

    descriptor = os.open(path.with_name("old"), os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(ClientsFileError, match="was changed meanwhile; try again"):
        clientsfile.revoke(link, "alice", None, patience=Patience(sleep=swap))

    assert [TEXT] * 2 == [(path.with_name(each) / path.name).read_text() for each in ("old", "new")]


@pytest.mark.parametrize("step", ["fdopen", "fchmod", "fsync", "rename"])
def test_a_killed_editor_leaves_the_old_file(path, step):
    """Wherever it is killed; the next editor neither waits for it nor keeps what it left."""
    if step == "fdopen":
        path.chmod(0o640)
    editor = python(KILLED, path, step)
    _, told = editor.communicate(timeout=20)

    assert editor.returncode == -signal.SIGKILL, told
    assert path.read_text() == TEXT
    clientsfile.add(path, "carol", B, ("r",))
    assert [client.name for client in clientsfile.listing(path)] == ["alice", "carol"]
    assert [path] == list(path.parent.iterdir())


def test_a_new_file_is_for_its_owner_alone(tmp_path):
    """Nothing in it opens a door, but who may what is nobody's business."""
    path = tmp_path / "new.yaml"
    umask = os.umask(0)
    try:
        client = clientsfile.add(path, "alice", A, ("*",))
    finally:
        os.umask(umask)

    assert mode(path) == 0o600
    assert path.read_text() == f'alice:\n  key: {A}\n  routes: "*"\n'
    assert client.keys == ("a" * 12,)
    assert client.routes == ("*",)


@pytest.mark.parametrize("bits", [0o600, 0o640, 0o664, 0o400])
def test_the_mode_stays(path, bits):
    """Also one that does not let its owner write: the directory does."""
    path.chmod(bits)

    clientsfile.add(path, "bob", B, ("r",))

    assert mode(path) == bits


def test_the_owner_stays(path, monkeypatch):
    """The service may read the file by its group; an edit that cannot keep it does not happen."""
    asked = []
    other = os.stat_result((*path.stat()[:4], 12345, 23456, *path.stat()[6:]))
    monkeypatch.setattr(os, "fchown", lambda _, uid, gid: asked.append((uid, gid)))
    with path.open("rb+") as file:
        clientsfile._like(file.fileno(), other)

    assert [(12345, 23456)] == asked

    def refuse(*_args):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fchown", refuse)
    monkeypatch.setattr(clientsfile, "_contents", lambda *_: (TEXT.encode(), other))
    with pytest.raises(PermissionError):
        clientsfile.add(path, "bob", B, ("r",))
    assert path.read_text() == TEXT
    assert [path] == list(path.parent.iterdir())


def test_a_link_stays_one(path, tmp_path):
    """What it leads to is edited, in its own directory."""
    elsewhere = tmp_path / "links"
    elsewhere.mkdir()
    link = elsewhere / "link.yaml"
    link.symlink_to("../clients.yaml")

    clientsfile.add(link, "bob", B, ("r",))

    assert link.is_symlink()
    assert [client.name for client in clientsfile.listing(path)] == ["alice", "bob"]
    assert [link] == list(elsewhere.iterdir())


def test_a_link_to_nothing_is_filled(tmp_path):
    """The file is made where it leads to."""
    link = tmp_path / "link.yaml"
    link.symlink_to("target.yaml")

    clientsfile.add(link, "bob", B, ("r",))

    assert link.is_symlink()
    assert mode(tmp_path / "target.yaml") == 0o600


def test_what_changed_meanwhile_is_not_overwritten(path, monkeypatch):
    """By an editor that knows no lock."""
    contents = clientsfile._contents

    def read_then_changed(target, name):
        found = contents(target, name)
        path.write_text("changed: {}\n")
        return found

    monkeypatch.setattr(clientsfile, "_contents", read_then_changed)
    with pytest.raises(ClientsFileError, match="changed meanwhile"):
        clientsfile.add(path, "bob", B, ("r",))

    assert path.read_text() == "changed: {}\n"
    assert [path] == list(path.parent.iterdir())


def test_a_byte_order_mark_stays(path):
    """Some editors write one."""
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.encode())

    clientsfile.add(path, "bob", B, ("r",))
    assert [client.name for client in clientsfile.listing(path)] == ["alice", "bob"]
    clientsfile.revoke(path, "bob", None)

    assert path.read_bytes() == b"\xef\xbb\xbf" + TEXT.encode()


def test_what_is_no_clients_file_is_refused(tmp_path):
    """Told by its name, as it was given; nothing is made or waited for."""
    binary, pipe = tmp_path / "binary", tmp_path / "pipe"
    binary.write_bytes(b"\xff\xfe")
    os.mkfifo(pipe)
    told = {binary: "is not UTF-8 text", pipe: "no regular file", tmp_path: "regular file|cannot"}
    for path, message in told.items():
        for call in (
            lambda path=path: clientsfile.add(path, "bob", B, ("r",)),
            lambda path=path: clientsfile.revoke(path, "bob", None),
            lambda path=path: clientsfile.listing(path),
        ):
            with pytest.raises(ClientsFileError, match=message) as caught:
                call()
            assert str(caught.value).startswith(f"{path}: ")
    absent = tmp_path / "absent.yaml"
    with pytest.raises(ClientsFileError, match="no such file"):
        clientsfile.listing(absent)
    with pytest.raises(MisfitError, match="no client bob"):
        clientsfile.revoke(absent, "bob", None)
    with pytest.raises(FileNotFoundError):
        clientsfile.add(tmp_path / "absent" / "clients.yaml", "bob", B, ("r",))
    assert not absent.exists()


def test_a_file_that_is_too_large_is_refused(path, monkeypatch):
    """It is something else; and none is made so large."""
    monkeypatch.setattr(keys, "MAX_FILE_SIZE", len(TEXT))
    with pytest.raises(ClientsFileError, match="would be over"):
        clientsfile.add(path, "bob", B, ("r",))
    monkeypatch.setattr(keys, "MAX_FILE_SIZE", len(TEXT) - 1)
    with pytest.raises(ClientsFileError, match="is over"):
        clientsfile.listing(path)

    assert path.read_text() == TEXT


def test_a_full_disk_leaves_the_old_file(path, monkeypatch):
    """And nothing beside it."""

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        clientsfile.add(path, "bob", B, ("r",))

    assert path.read_text() == TEXT
    assert [path] == list(path.parent.iterdir())


def test_ten_thousand_clients_are_edited_quickly(tmp_path):
    """By the parser in C; in the time of this process, whatever else the machine does."""
    path = tmp_path / "clients.yaml"
    path.write_text(
        "".join(
            f"# number {number}\nclient-{number}:\n  key: {A}\n  routes: [a, b]\n"
            for number in range(10_000)
        )
    )
    before = path.read_text()
    gc.disable()  # as in the command: else the tests' own heap is counted
    try:
        begun = time.process_time()
        clientsfile.add(path, "new", B, ("a",))
        took_s = time.process_time() - begun
    finally:
        gc.enable()

    assert took_s < 5
    assert path.read_text() == before + f"new:\n  key: {B}\n  routes: [a]\n"


def test_paths_are_paths():
    """What is given is not opened by a name of another file system's."""
    with pytest.raises((ClientsFileError, OSError, ValueError)):
        clientsfile.add(Path("a\0b"), "bob", B, ("r",))
