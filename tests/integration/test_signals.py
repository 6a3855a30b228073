"""Signals: two ways to end, and none that cuts a request off by chance."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.rig.command import python, ready
from tests.integration.rig.patience import PATIENCE_S
from tests.integration.rig.proxy import get, one_route
from tests.integration.rig.upstream import OK


HARMLESS = ["SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGPIPE"]
ENDING = [signal.SIGTERM, signal.SIGQUIT, signal.SIGINT]


def send_all(process):
    """Send every signal that ends nothing."""
    for name in HARMLESS:
        process.send_signal(getattr(signal, name))


@pytest.fixture
async def spawn(tmp_path):
    """Start a command of the tool; it is gone with the test."""
    processes = []

    async def spawn(*args):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "proxy", *args,
            cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(Path.cwd()), "TOKEN": "FAKE-TOKEN"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        processes.append(process)
        return process

    yield spawn
    for process in processes:
        if process.returncode is None:
            process.kill()
            await process.communicate()
        process._transport.close()  # type: ignore[attr-defined] # or it outlives the loop


async def until(stream, part):
    """Read a stream until it shows something."""
    async with asyncio.timeout(PATIENCE_S):
        while line := await stream.readline():
            if part in line:
                return
    raise AssertionError(part)


async def end_of(process):
    """Wait for a process; return its exit status and what it wrote to stderr."""
    async with asyncio.timeout(PATIENCE_S):
        _, err = await process.communicate()
    return process.returncode, err.decode()


@pytest.mark.parametrize("ending", ENDING)
async def test_a_request_under_way_outlives_all_but_a_second_signal(serve, tmp_path, ending):
    """Those that mean nothing here end nothing; the others wait for it."""
    upstream = await serve(None)
    (tmp_path / "config.yaml").write_text(json.dumps(one_route(upstream.origin)))
    async with ready(cwd=tmp_path, TOKEN="FAKE") as command, await command.client() as client:
        client.send(get())
        await upstream.asked()
        send_all(command.process)
        command.process.send_signal(ending)
        await until(command.process.stderr, b'"draining"')
        send_all(command.process)
        upstream.visits[0].send(OK)
        await client.until(b"200 OK")
        status, err = await command.end()

    assert 0 == status
    assert '"stopped"' in err


async def test_the_log_says_once_that_nothing_is_reloaded(upstream, tmp_path):
    """Or somebody believes that the new configuration is in force."""
    (tmp_path / "config.yaml").write_text(json.dumps(one_route(upstream.origin)))
    async with ready(cwd=tmp_path, TOKEN="FAKE") as command:
        command.process.send_signal(signal.SIGHUP)
        await until(command.process.stderr, b'"signal_ignored","signal":"SIGHUP"')
        send_all(command.process)
        async with await command.client() as client:
            assert 200 == (await client.ask(get())).status
        command.process.terminate()
        status, err = await command.end()

    assert (0, 0) == (status, err.count("signal_ignored"))


async def starting(spawn, tmp_path, *args):
    """Return a command that reads its configuration, and what that comes from."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    process = await spawn(*args, "-c", str(fifo))
    # Opened as soon as the command has: then it waits for the text.
    return process, await asyncio.to_thread(fifo.open, "w")


async def test_a_start_outlives_them_too(spawn, tmp_path):
    """Before there is a loop: a terminal closes while the configuration is read."""
    process, writer = await starting(spawn, tmp_path, "run")
    send_all(process)
    with writer:
        writer.write(json.dumps(one_route("http://127.0.0.1:9")))
    await until(process.stdout, b"ready")
    process.terminate()

    assert 0 == (await end_of(process))[0]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGQUIT])
async def test_a_start_that_is_ended_is_a_clean_stop(spawn, tmp_path, ending):
    """Nothing is under way yet; no core, no trace."""
    process, writer = await starting(spawn, tmp_path, "run")
    with writer:
        process.send_signal(ending)

        assert (0, "") == await end_of(process)


@pytest.mark.parametrize("ending", ENDING)
async def test_the_demo_outlives_them_and_ends(spawn, ending):
    """While its requests are sent, and when it stays up."""
    process = await spawn("demo")
    await until(process.stdout, b"Keybearer runs")
    send_all(process)
    await until(process.stdout, b"Ctrl-C ends it")
    send_all(process)
    process.send_signal(ending)

    status, err = await end_of(process)
    assert (0, False) == (status, "Traceback" in err)


async def test_a_health_check_outlives_them(serve, spawn, tmp_path):
    """It would count as a failed one."""
    upstream = await serve(None)
    config = one_route("http://127.0.0.1:9", listen="none")
    config["listen"] = f"127.0.0.1:{upstream.port}"
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    process = await spawn("healthcheck")
    await upstream.asked()
    send_all(process)
    upstream.visits[0].send(OK)

    assert 0 == (await end_of(process))[0]


@pytest.mark.parametrize("again", [*ENDING, signal.SIGHUP])
async def test_no_signal_changes_how_it_ends(upstream, tmp_path, again):
    """While the loop closes and the interpreter cleans up: a supervisor repeats itself."""
    (tmp_path / "config.yaml").write_text(json.dumps(one_route(upstream.origin)))
    async with ready(cwd=tmp_path, TOKEN="FAKE") as command:
        command.process.terminate()
        async with asyncio.timeout(PATIENCE_S):
            while command.process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(command.process.pid, again)  # `send_signal` would reap it
                await asyncio.sleep(0)

        assert 0 == command.process.returncode


# A signal comes while a command's modules are imported.
LOADING = """\
import os, signal, sys

def loaded(event, args):
    if event == "import" and args[0] == "asyncio":  # no command but those needs it
        os.kill(os.getpid(), signal.SIGTERM)

sys.addaudithook(loaded)
from proxy.cli.main import main
main()
"""


@pytest.mark.parametrize("service", ["run", "demo"])
async def test_a_service_that_is_being_loaded_is_ended_in_the_same_way(tmp_path, service):
    """That takes most of a start; as a container's first process it would not even end."""
    done = await python(LOADING, service, cwd=tmp_path)

    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)
