"""The real `keybearer run`, in a process of its own: what it prints, its signals, its end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path

import pytest

from proxy.config.exposure import open_to_all
from proxy.config.loader import loads
from proxy.standins.microreact import USER_TOKEN, Microreact
from tests.integration.rig.command import finished, python, ready
from tests.integration.rig.patience import seen
from tests.integration.rig.proxy import get, one_route
from tests.integration.rig.raw import Client


def written(path, config):
    """Write a configuration file."""
    (path / "config.yaml").write_text(json.dumps(config))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_run_says_where_it_listens_and_ends_with_0(upstream, tmp_path, number):
    """One line a listener, one a route, `ready`; logs go to stderr."""
    sock = tmp_path / "kb.sock"
    config = one_route(upstream.origin) | {
        "listen": ["localhost:0", f"unix:{sock}"],
        "limits": {"connections": 100},  # fewer than the system has descriptors for
    }
    written(tmp_path, config)
    async with ready(cwd=tmp_path, TOKEN="FAKE-of-16-or-more") as command:
        async with await command.client() as client:
            answer = await client.ask(get())
        command.process.send_signal(number)
        status, err = await command.end()

    first, second, own = command.ports
    assert (200, 0) == (answer.status, status)
    assert first == second
    assert [
        f"listening http://127.0.0.1:{first}",
        f"listening http://[::1]:{first}",
        f"listening unix:{sock}",
        f"listening http://127.0.0.1:{own}",
        f"route api http://127.0.0.1:{own} -> {upstream.origin} (credential ready)",
        "ready",
    ] == command.out.splitlines()
    events = [json.loads(line)["event"] for line in err.splitlines()]
    assert ["configuration", "request", "draining", "stopped"] == events
    assert not sock.exists()


async def test_run_tells_that_nobody_is_let_in(upstream, tmp_path):
    """Or else somebody looks for the fault in the key."""
    written(tmp_path, one_route(upstream.origin, credential="none") | {"clients": {}})
    async with ready(cwd=tmp_path) as command:
        command.process.send_signal(signal.SIGTERM)
        _, err = await command.end()

    told = [json.loads(line).get("detail", "") for line in err.splitlines()]
    assert "there are no clients yet, so every request is refused" in told[0]


@pytest.mark.parametrize(
    "program",
    ["raise ImportError", "raise MemoryError", "def CDLL(_): raise OSError"],
    ids=["left out", "nobody may make code", "static"],
)
async def test_it_serves_where_memory_cannot_be_told_what_to_keep(upstream, tmp_path, program):
    """It is said to be ready by then."""
    written(tmp_path, one_route(upstream.origin))
    (tmp_path / "ctypes.py").write_text(program)
    path = os.pathsep.join([str(tmp_path), str(Path.cwd())])
    async with ready(cwd=tmp_path, TOKEN="FAKE", PYTHONPATH=path) as command:
        async with await command.client() as client:
            answer = await client.ask(get())
        command.process.terminate()
        status, err = await command.end()

    assert (200, 0) == (answer.status, status), err


async def test_run_warns_about_clients_as_check_does(upstream, tmp_path):
    """Of the configuration and of the clients file, a bounded number of lines."""
    jwt = {"issuer": "i", "audience": "a", "jwks_url": "https://i.invalid/k"}
    key, expired = f"sha256:{'1' * 64}", {"routes": "*", "expires": "2020-01-01"}
    others = {f"ci-{n}": {"jwt": jwt | {"audience": f"a{n}"}, "routes": "*"} for n in range(30)}
    (tmp_path / "clients.yaml").write_text(json.dumps(others | {"old": {"key": key} | expired}))
    written(
        tmp_path,
        one_route(upstream.origin, credential="none")
        | {"clients": {"ci": {"jwt": jwt} | expired}, "clients_file": "clients.yaml"},
    )
    async with ready(cwd=tmp_path) as command:
        command.process.send_signal(signal.SIGTERM)
        _, err = await command.end()
    checked = await finished("check", "--json", cwd=tmp_path)

    lines = [json.loads(line) for line in err.splitlines()]
    told = [line["detail"] for line in lines if line["event"] == "configuration"]
    assert {"warning"} == {line["level"] for line in lines if line["event"] == "configuration"}
    assert ["clients.ci.jwt", *(f"clients.ci-{n}.jwt" for n in range(19))] == [
        detail.split()[0] for detail in told[:20]
    ]
    rest = ["11 more clients have a jwt without claims", "clients that have expired: ci, old"]
    assert rest == told[20:]
    assert told == json.loads(checked.stdout)["warnings"]


async def test_a_second_signal_ends_it_now(serve, tmp_path):
    """Whatever is under way."""
    upstream = await serve(None)
    written(tmp_path, one_route(upstream.origin))
    async with ready(cwd=tmp_path, TOKEN="FAKE") as command, await command.client() as client:
        client.send(get())
        await upstream.asked()
        command.process.terminate()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await command.process.wait()
        command.process.terminate()
        status, err = await command.end()
        await client.ended()

    assert 0 == status
    assert '"stopped"' in err


def answers(path):
    """Tell whether somebody listens on a unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


async def test_it_runs_without_standard_streams(tmp_path):
    """Closed ones are nobody's: sockets must not get their numbers."""
    sock = tmp_path / "kb.sock"
    written(tmp_path, one_route("http://127.0.0.1:9", listen="none") | {"listen": f"unix:{sock}"})
    line = 'exec "$0" -m proxy run <&- >&- 2>&-'
    environ = os.environ | {"PYTHONPATH": str(Path.cwd()), "TOKEN": "FAKE"}
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", line, sys.executable, cwd=tmp_path, env=environ
    )
    await seen(lambda: answers(sock))
    async with await Client.connect(sock) as client:
        answer = await client.ask(get("/_keybearer/healthz"))
    process.terminate()

    assert (200, 0) == (answer.status, await process.wait())


async def test_a_start_looks_for_no_garbage(tmp_path):
    """There is hardly any, and looking through all that is imported takes its time."""
    written(tmp_path, one_route("http://127.0.0.1:9", listen="none") | {"listen": "localhost:0"})
    program = (
        "import gc; from proxy.cli.main import main; before = gc.get_stats()\n"
        "try: main()\n"
        "finally: print(before == gc.get_stats())"
    )
    done = await python(program, "check", cwd=tmp_path, TOKEN="FAKE-of-16-or-more")

    assert (0, "True") == (done.returncode, done.stdout.splitlines()[-1])


async def test_another_port_by_option(upstream, tmp_path):
    """`--port 0` instead of the file's."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = one_route(upstream.origin, listen="none")
        written(tmp_path, config | {"listen": f"127.0.0.1:{taken.getsockname()[1]}"})
        async with (
            ready("--port", "0", cwd=tmp_path, TOKEN="FAKE") as command,
            await command.client() as client,
        ):
            answer = await client.ask(get())

    assert 200 == answer.status


async def test_a_port_in_use_is_exit_1(upstream, tmp_path):
    """A failure while running, not of the configuration; one line, no trace."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        written(tmp_path, one_route(upstream.origin) | {"listen": f"127.0.0.1:{port}"})
        done = await finished("run", cwd=tmp_path, TOKEN="FAKE")

    assert (1, "") == (done.returncode, done.stdout)
    [line] = done.stderr.splitlines()
    assert f"127.0.0.1:{port}" in line


async def test_run_without_a_file_mounts_one_api_at_the_root(upstream, tmp_path):
    """`--upstream` with a variable or a file; `--access-token-…` or `--bearer-…`."""
    (tmp_path / "token").write_text("FAKE-of-a-file\n")
    args = ["--upstream", upstream.origin, "--port", "0"]
    for options in (["--bearer-env", "T"], ["--access-token-file", "token"]):
        async with ready(*args, *options, cwd=tmp_path, T="FAKE-of-env") as command:
            async with await command.client() as client:
                await client.ask(get("/any/path?q"))
            command.process.terminate()
            assert 0 == (await command.end())[0]

    first, second = upstream.requests
    assert (b"/any/path?q", b"Bearer FAKE-of-env") == (first.target, first.one(b"Authorization"))
    assert (b"FAKE-of-a-file", None) == (second.one(b"Access-Token"), second.one(b"Authorization"))


async def test_run_with_a_preset_needs_no_more_than_its_variable(tmp_path):
    """The preset names origin, scheme and variable; an upstream given beside it is used instead."""
    async with Microreact() as microreact:
        args = ["--preset", "microreact", "--upstream", microreact.url, "--port", "0"]
        environ = {"MICROREACT_ACCESS_TOKEN": USER_TOKEN}
        async with (
            ready(*args, cwd=tmp_path, **environ) as command,
            await command.client() as client,
        ):
            projects = await client.ask(get("/api/user/projects"))
            minting = await client.ask(get("/api/user/access-token"))

    assert f"route microreact http://127.0.0.1:{command.ports[0]} " in command.out
    assert (200, b"[]") == (projects.status, projects.body)
    assert (403, "policy-denied") == (minting.status, minting.code)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("", ["every user and program of this machine"]),
        ("listen: 0.0.0.0:8484\ninsecure_open: true\n", ["insecure_open: whoever reaches"]),
        ("clients_file: clients.yaml\n", []),
        ("listen: 0.0.0.0:8484\nclients_file: clients.yaml\n", []),
    ],
)
def test_who_is_not_asked_is_told(tmp_path, more, told):
    """With clients everybody is."""
    text = more + "routes: {api: {upstream: 'https://api.example.org', credential: none}}"
    config = loads(text, name="config.yaml", base=tmp_path, environ={})

    assert told == [
        each[: len(start)] for each, start in zip(open_to_all(config), told, strict=True)
    ]


@pytest.fixture
def open_folder():
    """A configuration and a secret where others get to, of modes that let them."""
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        folder = Path(made)
        folder.chmod(0o755)
        config = one_route("http://127.0.0.1:9", credential={"bearer": {"file": "token"}})
        written(folder, config)
        (folder / "token").write_text("FAKE-of-16-or-more")
        (folder / "token").chmod(0o644)
        (folder / "config.yaml").chmod(0o666)
        yield folder


async def test_check_and_run_warn_of_what_others_may_write_and_read(open_folder):
    """Whoever writes the configuration may name another upstream."""
    checked = await finished("check", cwd=open_folder)
    async with ready(cwd=open_folder) as command:
        command.process.terminate()
        _, err = await command.end()

    for told in (checked.stdout, err):
        assert 1 == told.count("config.yaml may be written by others (mode 0666)")
        assert 1 == told.count("token may be read by others (mode 0644); chmod 600 /")
        assert "FAKE" not in told
