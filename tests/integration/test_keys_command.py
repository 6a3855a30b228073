"""`keybearer keys`: a key alone on stdout, what a file then says, and what is refused."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import json
import os
import sys
from hashlib import sha256
from pathlib import Path
from typing import cast

import pytest
import yaml

from proxy.access.keys import name_of
from tests.integration.rig.command import finished, invoke
from tests.integration.rig.patience import PATIENCE_S


ROOT = Path(__file__).parents[2]
A, B = (f"sha256:{digit * 64}" for digit in "ab")
CONFIG = "routes:\n  r: {upstream: 'https://a.example', credential: none}\n"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Let commands find no configuration but the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KEYBEARER_CONFIG", raising=False)
    yield
    gc.enable()  # the command ends with its process; here it does not


@pytest.fixture
def clients(tmp_path):
    path = tmp_path / "clients.yaml"
    path.write_text(f"# ours\nalice:\n  key: {A} # laptop\n  routes: [r]\n")
    return path


def said(text):
    return yaml.BaseLoader(text).get_single_data()


def hashed(key):
    return "sha256:" + sha256(key.encode()).hexdigest()


def test_a_new_client_gets_a_key(tmp_path):
    """Stdout is the key and its line break; the file has its hash."""
    path = tmp_path / "clients.yaml"

    status, out, err = invoke("keys", "new", "bob", "--routes", "r, s", "--file", str(path))

    key = out.removesuffix("\n")
    assert status == 0, err
    assert name_of(key) == "bob"
    assert said(path.read_text()) == {"bob": {"key": hashed(key), "routes": ["r", "s"]}}
    assert key[4:] not in err + path.read_text()
    assert hashed(key)[:19] in err


def test_one_more_key_overlaps(clients):
    """Both are in the file, till the old one is revoked by the beginning of its hash."""
    status, out, err = invoke("keys", "new", "alice", "--file", str(clients))
    both = clients.read_text()
    revoked = invoke("keys", "revoke", "alice", "--key", "aaaa", "--file", str(clients))

    new = hashed(out.strip())
    assert status == 0
    assert "2 keys" in err
    assert both == f"# ours\nalice:\n  key: [{A}, {new}] # laptop\n  routes: [r]\n"
    assert revoked[:2] == (0, "")
    assert "aaaaaaaaaaaa… of alice is revoked" in revoked[2]
    assert clients.read_text() == f"# ours\nalice:\n  key: [{new}] # laptop\n  routes: [r]\n"


def test_a_client_is_revoked(clients):
    """With all its keys."""
    status, out, err = invoke("keys", "revoke", "alice", "--file", str(clients))

    assert (status, out) == (0, "")
    assert "alice with all its keys is revoked" in err
    assert clients.read_text() == "# ours\n{}\n"


@contextlib.contextmanager
def held(directory):
    """Hold the lock of another editor."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("command", [("new", "bob", "--routes", "r"), ("revoke", "alice")])
def test_another_editor_is_not_waited_for_for_ever(clients, monkeypatch, command):
    """Nothing is changed, and no key is shown that would not work."""
    monkeypatch.setattr("proxy.cli.keys.GIVE_UP_S", 30.0)  # as the command tells it
    monkeypatch.setattr("proxy.access.editlock.TOLD_S", 0.0)
    monkeypatch.setattr("proxy.access.editlock.GIVE_UP_S", 0.1)
    before = clients.read_text()

    with held(clients.parent):
        status, out, err = invoke("keys", *command, "--file", str(clients))

    assert (1, "") == (status, out)
    assert [
        f"{clients}: somebody else is editing it; waiting up to 30 s",
        f"{clients}: somebody else has been editing it for 30 s; nothing is changed, try again",
    ] == err.splitlines()
    assert before == clients.read_text()
    assert [clients] == list(clients.parent.iterdir())


async def test_who_waits_for_another_editor_is_told(clients):
    """And goes on once that one has ended."""
    with held(clients.parent):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "proxy", "keys", "new", "alice", "--file", str(clients)),
            cwd=clients.parent,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        stderr = cast("asyncio.StreamReader", process.stderr)
        told = await asyncio.wait_for(stderr.readline(), PATIENCE_S)
    out, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)

    assert b"somebody else is editing it" in told
    assert 0 == process.returncode
    assert hashed(out.decode().strip()) in clients.read_text()


def test_the_list(clients):
    """For people and for programs; no hash in whole."""
    clients.write_text(
        f"al:\n  key: [{A}, {B}]\n  routes: [r, s]\n  expires: 2027-06-30\n"
        "build-host: {certificate: {subject: CN=b}, routes: '*'}\n"
    )

    people = invoke("keys", "list", "--file", str(clients))
    programs = invoke("keys", "list", "--json", "--file", str(clients))

    assert people == (
        0,
        (
            "al          2 keys aaaaaaaaaaaa bbbbbbbbbbbb, expires 2027-06-30, routes r, s\n"
            "build-host  no keys, never expires, routes *\n"
        ),
        "",
    )
    assert json.loads(programs[1]) == [
        {
            "name": "al",
            "keys": ["a" * 12, "b" * 12],
            "routes": ["r", "s"],
            "expires": "2027-06-30",
        },
        {"name": "build-host", "keys": [], "routes": ["*"], "expires": None},
    ]


@pytest.mark.parametrize("config", [None, CONFIG])
def test_without_a_clients_file_the_lines_are_shown(tmp_path, config):
    """On stderr, to be put into the configuration; the key alone is on stdout."""
    if config is not None:
        (tmp_path / "config.yaml").write_text(config)

    status, out, err = invoke("keys", "new", "bob", "--routes", "r")

    lines = [line for line in err.splitlines() if line.startswith(("clients:", "  "))]
    assert status == 0
    assert name_of(out.removesuffix("\n")) == "bob"
    assert said("\n".join(lines)) == {
        "clients": {"bob": {"key": hashed(out.strip()), "routes": ["r"]}}
    }
    assert out.strip() not in err


def test_without_routes_the_lines_have_a_gap():
    """Which nobody can leave in by mistake: no route has that name."""
    _, _, err = invoke("keys", "new", "bob")

    assert "    routes: [ROUTE]\n" in err


def test_an_expired_client_is_told(clients):
    """Its new key would not work."""
    clients.write_text(f"alice: {{key: {A}, routes: [r], expires: 2020-01-31}}\n")

    status, _, err = invoke("keys", "new", "alice", "--file", str(clients))

    assert status == 0
    assert "warning: alice expired on 2020-01-31" in err


WRONG = {
    "no name": (["new"], 2, "NAME"),
    "a wrong name": (["new", "Bob", "--routes", "r"], 2, "a client's name is"),
    "no client's name": (["revoke", "x y"], 2, "a client's name is"),
    "routes of another kind": (["new", "bob", "--routes", "r,*"], 2, "--routes"),
    "no routes in the list": (["new", "bob", "--routes", ""], 2, "--routes"),
    "a new client without routes": (
        ["new", "bob"],
        1,
        "is a new client; say which routes it may use: --routes A,B",
    ),
    "other routes": (["new", "alice", "--routes", "s"], 1, "clients.yaml: alice is there with"),
    "nobody": (["revoke", "bob"], 1, "clients.yaml: there is no client bob"),
    "no key": (["revoke", "alice", "--key", "bb"], 1, "no key of alice begins so"),
    "the only key": (["revoke", "alice", "--key", "aa"], 1, "alice's only key"),
    "a key for its hash": (["revoke", "alice", "--key", "kb_alice_X"], 1, "beginning of its hash"),
    "no command": ([], 2, "Usage: keybearer keys"),
}


@pytest.mark.parametrize(("args", "status", "told"), WRONG.values(), ids=WRONG)
def test_a_wrong_call_changes_nothing(clients, args, status, told):
    """A sentence on stderr, nothing on stdout, no trace."""
    before = clients.read_text()

    done, out, err = invoke("keys", *args, *(["--file", str(clients)] if args else []))

    assert (status, "") == (done, out)
    assert told in err
    assert "Traceback" not in err
    assert clients.read_text() == before


@pytest.mark.parametrize("args", [["new", "alice"], ["revoke", "alice"], ["list"]])
def test_a_wrong_file_is_exit_2(clients, args):
    """With file, line and column; a file that is not there too."""
    clients.write_text("# c\nalice: x\n- y\n")
    broken = invoke("keys", *args, "--file", str(clients))
    clients.write_bytes(b"\xff")
    binary = invoke("keys", *args, "--file", str(clients))

    assert (2, "") == broken[:2]
    assert broken[2].startswith(f"{clients}:3:1: not valid YAML")
    assert (2, "") == binary[:2]
    assert binary[2] == f"{clients}:1:1: is not UTF-8 text (byte 0xFF); save the file as UTF-8\n"


@pytest.mark.parametrize("args", [["list"], ["list", "--json"]])
def test_the_list_of_a_refused_file_says_why(tmp_path, args):
    """Each mistake with its line, behind what the file says: a service goes by another one."""
    config, clients = tmp_path / "config.yaml", tmp_path / "clients.yaml"
    config.write_text(
        "clients_file: clients.yaml\n"
        "routes: {a: {upstream: 'https://a.example', credential: none}}\n"
    )
    clients.write_text(
        f"bob:\n  key: sha256:{'1' * 64}\n  routes: [b]\n"
        f"eve:\n  key: sha256:{'2' * 64}\n  routes: [a]\n  expires: soon\n"
    )
    status, out, err = invoke("keys", *args, "-c", str(config))

    assert (2, True) == (status, "bob" in out and "111111111111" in out)
    assert f"{clients}:3:12: bob.routes[0]: " in err
    assert f"{clients}:7:12: eve.expires: must be a day" in err
    assert "until that is mended, a running service does not take the file up" in err

    # Without a configuration the routes are not known; the rest is wrong all the same.
    status, out, err = invoke("keys", *args, "--file", str(clients))
    assert (2, True, False) == (status, "bob" in out, "bob.routes" in err)
    assert f"{clients}:7:12: eve.expires: must be a day" in err


def test_a_place_that_cannot_be_written_is_exit_1(tmp_path):
    """And no key is shown: it would not work."""
    absent = tmp_path / "absent" / "clients.yaml"

    status, out, err = invoke("keys", "new", "bob", "--routes", "r", "--file", str(absent))

    assert (1, "") == (status, out)
    assert err == f"{absent}: cannot be written: No such file or directory\n"


@pytest.mark.parametrize("args", [["list"], ["revoke", "bob"]])
def test_without_a_clients_file_there_is_nothing_to_edit(tmp_path, args):
    """With a configuration, and without one."""
    bare = invoke("keys", *args)
    (tmp_path / "config.yaml").write_text(CONFIG)
    configured = invoke("keys", *args)

    for status, out, err in (bare, configured):
        assert (2, "") == (status, out)
        assert "there is no clients file" in err


def test_a_wrong_configuration_is_told(tmp_path):
    """As by the other commands."""
    (tmp_path / "config.yaml").write_text("lisen: x\n" + CONFIG)

    status, out, err = invoke("keys", "new", "bob", "--routes", "r")

    assert (2, "") == (status, out)
    assert err.startswith("config.yaml:1:1: lisen: ")


def test_routes_must_be_the_configurations(tmp_path):
    """A typing error is told before a key is made."""
    (tmp_path / "config.yaml").write_text(CONFIG)

    status, out, err = invoke("keys", "new", "bob", "--routes", "r,s")

    assert (2, "") == (status, out)
    assert "no route s; there are r" in err


OURS = f"bob:\n  key: {B}\n  routes: [r]\n"
REFUSED = "a running service does not take the file up: the keys from before stay valid"


def test_an_edit_that_comes_to_nothing_is_told(tmp_path):
    """A mistake elsewhere in the file would keep a revoked key valid, and a new one unknown."""
    (tmp_path / "config.yaml").write_text("clients_file: clients.yaml\n" + CONFIG)
    path = tmp_path / "clients.yaml"
    path.write_text(f"alice:\n  key: {A}\n  routes: [r]\n  rate: 5\n{OURS}")

    made = invoke("keys", "new", "bob")
    revoked = invoke("keys", "revoke", "bob")

    assert [2, 2] == [made[0], revoked[0]]
    assert name_of(made[1].removesuffix("\n")) == "bob"
    for _, _, err in (made, revoked):
        assert f"{path}:4:9: alice.rate: must be a rate" in err
        assert REFUSED in err
    assert "bob with all its keys is revoked" in revoked[2]
    assert "bob" not in path.read_text()


@pytest.mark.parametrize("args", [["new", "bob", "--routes", "r"], ["revoke", "bob"]])
def test_a_client_of_the_configuration_is_not_looked_for_in_the_file(tmp_path, args):
    """A second one of that name would make the file invalid; revoked it would be in neither."""
    config = f"clients_file: clients.yaml\nclients:\n  bob: {{key: {A}, routes: [r]}}\n" + CONFIG
    (tmp_path / "config.yaml").write_text(config)
    (tmp_path / "clients.yaml").write_text("{}\n")

    done = invoke("keys", *args)

    assert (2, "") == done[:2]
    assert done[2] == (
        "config.yaml:3:3: clients.bob: stands in the configuration itself; edit it there, and "
        "start again\n"
    )
    assert (tmp_path / "clients.yaml").read_text() == "{}\n"


async def test_the_real_command(tmp_path, clients):
    """In a process of its own, as a script calls it."""
    done = await finished(
        *("keys", "new", "alice", "--file", "clients.yaml"), cwd=tmp_path, PYTHONPATH=str(ROOT)
    )

    assert done.returncode == 0
    assert name_of(done.stdout.removesuffix("\n")) == "alice"
    assert hashed(done.stdout.strip()) in clients.read_text()


def test_the_configurations_clients_file_is_edited(tmp_path):
    """Relative to the configuration; it is made if it is not there yet."""
    there = tmp_path / "etc"
    there.mkdir()
    config = there / "gateway.yaml"
    config.write_text("clients_file: clients.yaml\n" + CONFIG)

    made = invoke("keys", "new", "bob", "--routes", "r", "-c", str(config))
    listed = invoke("keys", "list", "-c", str(config))
    more = invoke("keys", "new", "bob", "-c", str(config))
    start = hashed(made[1].strip()).removeprefix("sha256:")[:12]
    revoked = invoke("keys", "revoke", "bob", "--key", start, "-c", str(config))

    assert [0, 0, 0, 0] == [done[0] for done in (made, listed, more, revoked)]
    assert start in listed[1]
    assert said((there / "clients.yaml").read_text()) == {
        "bob": {"key": [hashed(more[1].strip())], "routes": ["r"]}
    }


def test_a_client_of_the_configuration_itself_gets_a_line_for_its_list(tmp_path):
    """Its file is the user's to edit."""
    client = f"clients:\n  bob: {{key: {A}, routes: [r]}}\n"
    (tmp_path / "config.yaml").write_text(client + CONFIG)

    status, out, err = invoke("keys", "new", "bob")

    assert status == 0
    assert f"- {hashed(out.strip())}\n" in err
    assert "clients:" not in err
