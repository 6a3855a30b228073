"""No other process of the same user reads this one, from before it reads a secret (Linux)."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.integration.rig.command import python, ready
from tests.integration.rig.proxy import one_route


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")

# As root all is allowed: then both processes become somebody else's first, by fork alone.
OTHERS = """\
import ctypes, os, sys
from proxy.process.private import keep_private

def drop():
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)

def fork(act):
    child = os.fork()
    if child == 0:
        try:
            drop()
            act()
        finally:
            os._exit(0)
    return child

(asked, ask), (told, tell) = os.pipe(), os.pipe()

def holder():
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # who changes the user is unreadable already
    os.write(tell, b"1")
    os.read(asked, 1)
    os.write(tell, b"0" if keep_private() == [] else b"?")
    os.read(asked, 1)

def reader():
    def tried(name):
        try:
            with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:
                return "read" if name == "mem" or b"CANARY=" in file.read() else "empty"
        except PermissionError:
            return "denied"
    print(tried("environ"), tried("mem"), flush=True)

pid = fork(holder)
for _ in range(2):
    os.read(told, 1)
    os.waitpid(fork(reader), 0)
    os.write(ask, b"1")
os.waitpid(pid, 0)
"""


async def test_another_process_of_the_same_user_is_denied(tmp_path):
    """The control comes first: without it the environment is there for all of them."""
    done = await python(OTHERS, cwd=tmp_path, CANARY="canary")

    before, after = done.stdout.splitlines()
    assert "read" == before.split()[0]
    assert "denied denied" == after


# What the command opens, with what the kernel says of the process at that moment.
WATCHED = """\
import ctypes, resource, sys
from proxy.cli.main import main

libc = ctypes.CDLL(None)
libc.prctl(4, 1, 0, 0, 0)

def opened(event, args):
    if event == "open" and str(args[0]).endswith(("config.yaml", "a-secret")):
        state = libc.prctl(3, 0, 0, 0, 0), *resource.getrlimit(resource.RLIMIT_CORE)
        print(str(args[0]).rpartition("/")[2], *state, file=sys.stderr)

sys.addaudithook(opened)
main()
"""


@pytest.mark.parametrize(
    ("args", "status", "read"),
    [
        (["check"], 0, ["config.yaml", "a-secret"]),
        (["check", "--probe"], 1, ["config.yaml", "a-secret"]),
        (["run"], 1, ["config.yaml", "a-secret"]),
        (["healthcheck"], 1, ["config.yaml"]),
        (["keys", "new", "alice", "-c", "config.yaml"], 0, ["config.yaml"]),
    ],
    ids=["check", "probe", "run", "healthcheck", "keys"],
)
async def test_nothing_is_read_before(tmp_path, upstream, args, status, read):
    """Neither the configuration, which may hold a secret, nor a secret's file."""
    config = one_route(
        "http://127.0.0.1:9", listen="none", credential={"bearer": {"file": "a-secret"}}
    )
    config["listen"] = f"127.0.0.1:{upstream.port}"  # in use, so that `run` ends
    if args == ["healthcheck"]:
        upstream.answer = b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    (tmp_path / "a-secret").write_text("FAKE-of-16-or-more")

    done = await python(WATCHED, *args, cwd=tmp_path)

    lines = [line for line in done.stderr.splitlines() if line.endswith(" 0 0 0")]
    assert (status, read) == (done.returncode, [line.split()[0] for line in lines])


async def test_what_cannot_be_had_is_logged(upstream, tmp_path):
    """Not fatal: a system without prctl serves as well."""
    (tmp_path / "config.yaml").write_text(json.dumps(one_route(upstream.origin)))
    (tmp_path / "ctypes.py").write_text("raise ImportError")
    path = os.pathsep.join([str(tmp_path), str(Path.cwd())])
    async with ready(cwd=tmp_path, TOKEN="FAKE", PYTHONPATH=path) as command:
        command.process.terminate()
        status, err = await command.end()

    [line] = [json.loads(line) for line in err.splitlines() if '"exposed"' in line]
    assert (0, "warning") == (status, line["level"])
    assert "can read the memory and environment of this one" in line["detail"]
