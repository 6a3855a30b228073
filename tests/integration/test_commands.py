"""The commands' exit statuses and sentences, on every kind of wrong input."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from pathlib import Path

import pytest
import trustme

from proxy import __version__
from proxy.standins.carbonregistry import Carbonregistry
from proxy.standins.carbonregistry_data import GRANTS
from proxy.standins.microreact import USER_TOKEN, Microreact
from tests.integration.rig import private_ca
from tests.integration.rig.command import finished, invoke, ready
from tests.integration.rig.proxy import get, one_route
from tests.integration.rig.tls import Pki
from tests.integration.rig.upstream import Upstream


FREE = ("127.0.0.1", 0)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Let commands find no configuration but the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KEYBEARER_CONFIG", raising=False)
    monkeypatch.delenv("MICROREACT_ACCESS_TOKEN", raising=False)


def written(path, config):
    """Write a configuration file."""
    (path / "config.yaml").write_text(json.dumps(config))


ROUTE = "routes:\n  a: {upstream: 'https://a.example', credential: none}\n"
BAD = {
    "empty": (b"", "config.yaml: is empty"),
    "binary": (b"\x00\xff\xfe\x00", "config.yaml:1:2: "),
    "no YAML": (b"routes: [", "config.yaml:2:1: "),
    "cyclic": (b"a: &a {b: *a}\n", "config.yaml:1:"),
    "unknown key": (b"lisen: x\n" + ROUTE.encode(), "config.yaml:1:1: lisen: "),
    "duplicate key": (ROUTE.encode() + b"routes: {}\n", "config.yaml:3:1: routes: "),
    "missing variable": (
        b"routes:\n  a: {upstream: 'https://a.example', credential: {bearer: {env: ABSENT}}}\n",
        "config.yaml:2:",
    ),
    "missing file": (
        b"routes:\n  a: {upstream: 'https://a.example', credential: {bearer: {file: absent}}}\n",
        "config.yaml:2:",
    ),
    "tie": (
        ROUTE.encode() + b"  b: {upstream: 'https://b.example', credential: none, path: /a}\n",
        "config.yaml:3:",
    ),
    "upstream with a path": (
        b"routes:\n  a: {upstream: 'https://a.example/v1', credential: none}\n",
        "config.yaml:2:",
    ),
    "plain http": (
        b"routes:\n  a: {upstream: 'http://a.example', credential: none}\n",
        "config.yaml:2:",
    ),
    "open listener": (b"listen: 0.0.0.0:8484\n" + ROUTE.encode(), "config.yaml:1:9: listen"),
}


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize(("text", "told"), BAD.values(), ids=BAD)
def test_a_wrong_configuration_is_exit_2(tmp_path, text, told, command):
    """One or two lines with file, line and key; no trace, nothing on stdout."""
    (tmp_path / "config.yaml").write_bytes(text)
    # What a source holds is no business of a check that sends nothing.
    probe = ["--probe"] if command == "check" and b"absent" in text.lower() else []

    status, out, err = invoke(command, *probe)

    assert (2, "") == (status, out)
    assert err.startswith(told), err
    assert 1 <= len(err.splitlines()) <= 2


@pytest.mark.parametrize(
    ("args", "status"),
    [
        (["run"], 2),
        (["run", "-c", "absent.yaml"], 2),
        (["run", "-c", "."], 2),
        (["run", "--preset", "nothing"], 2),
        (["run", "--preset", "microreact"], 2),
        (["run", "--upstream", "https://a.example"], 2),
        (["run", "--bearer-env", "X"], 2),
        (["run", "-c", "x", "--preset", "microreact"], 2),
        (["run", "--upstream", "https://a.example/v1", "--bearer-env", "PATH"], 2),
        (["run", "--port", "70000"], 2),
        (["nonsense"], 2),
        (["--nonsense"], 2),
        (["run", "--nonsense"], 2),
        (["run", "extra"], 2),
        (["demo", "--port", "70000"], 2),
        (["demo", "extra"], 2),
        (["check", "--nonsense"], 2),
        (["schema", "extra"], 2),
        (["presets", "nothing"], 2),
        (["presets", "a", "b"], 2),
        (["keys"], 2),
        (["keys", "nonsense"], 2),
        (["keys", "new"], 2),
        (["keys", "new", "Not A Name"], 2),
        (["keys", "revoke"], 2),
        (["keys", "list"], 2),
        (["healthcheck", "--timeout", "soon"], 2),
        (["healthcheck", "-c", "absent.yaml"], 2),
        (["check"], 2),
        (["healthcheck"], 2),
        ([], 2),
    ],
)
def test_a_wrong_call_is_exit_2(args, status):
    """A sentence on stderr, never a trace."""
    done, out, err = invoke(*args)

    assert (status, "") == (done, out)
    assert err.strip()
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "command", ["add", "secret", "login", "explain", "exec", "env", "top", "reload", "ca"]
)
def test_a_command_to_come_is_told_kindly(command):
    """Not as if it were mistyped."""
    done, out, err = invoke(command, "x")

    assert (2, "") == (done, out)
    assert f"{command} is not supported yet" in err


def test_no_port_can_be_asked_is_exit_2(tmp_path):
    """It is the configuration that has no port to ask at."""
    config = one_route("http://127.0.0.1:9", listen="none") | {"listen": "localhost:0"}
    written(tmp_path, config)
    done, _, err = invoke("healthcheck", "-c", str(tmp_path / "config.yaml"))

    assert (2, True) == (done, "port 0 alone" in err)


def test_the_version_is_told():
    """`--version` is one line."""
    assert (0, f"keybearer {__version__}\n", "") == invoke("--version")


def test_a_port_by_option_is_not_an_upstreams(tmp_path, monkeypatch):
    """The file's own port is checked for it too: one request would become hundreds."""
    monkeypatch.setenv("TOKEN", "FAKE")
    config = one_route("http://127.0.0.1:9", listen="none") | {"listen": "localhost:0"}
    written(tmp_path, config)
    status, out, err = invoke("run", "-c", str(tmp_path / "config.yaml"), "--port", "9")

    assert (2, "") == (status, out)
    assert "round for ever" in err


@pytest.mark.parametrize("seconds", ["-1", "0", "1e30"])
def test_a_time_that_is_none_is_exit_2(upstream, tmp_path, seconds):
    """No socket takes it, and the trace would be all that is told."""
    written(tmp_path, one_route(upstream.origin, listen="none") | {"listen": "localhost:9"})

    assert 2 == invoke("healthcheck", "--timeout", seconds)[0]


async def test_healthcheck_tells_whether_it_is_ready(start, upstream, tmp_path):
    """0 and 1, over TCP, a unix socket and TLS; nobody there, and a draining one, are 1."""
    with socket.create_server(FREE) as one, socket.create_server(FREE) as two:
        port, other = one.getsockname()[1], two.getsockname()[1]
    pki = Pki(tmp_path, trustme.CA())
    pki.write(pki.issue())
    results = []
    secured = pki.listen() | {"address": f"127.0.0.1:{other}"}
    for listen in (f"localhost:{port}", f"unix:{tmp_path}/kb.sock", secured):
        config = one_route(upstream.origin, listen="none") | {"listen": listen}
        written(tmp_path, config)
        results.append(await asyncio.to_thread(invoke, "healthcheck"))
        proxy = await start(config)
        results.append(await asyncio.to_thread(invoke, "healthcheck"))
        proxy.service._handler.leaving = True
        results.append(await asyncio.to_thread(invoke, "healthcheck"))

    assert [1, 0, 1] * 3 == [status for status, _, _ in results]
    assert ["", "ready\n", ""] * 3 == [out for _, out, _ in results]
    assert "not ready" in results[2][2]


@pytest.mark.parametrize(
    ("preset", "token", "good", "hint"),
    [
        ("microreact", USER_TOKEN, True, "takes the credential (status 200)"),
        ("microreact", "FAKE-wrong", False, "most likely the token is wrong (status 500)"),
        ("carbonregistry", next(iter(GRANTS)), True, "takes the credential (status 200)"),
        ("carbonregistry", "FAKE-wrong", False, "refuses the credential (status 401)"),
    ],
)
async def test_check_asks_the_upstreams_whether_they_take_the_credentials(
    tmp_path, monkeypatch, preset, token, good, hint
):
    """With a hint at what a failure means, and nothing but GETs sent."""
    standin = Microreact() if preset == "microreact" else Carbonregistry()
    async with standin:
        route = {"preset": preset, "upstream": standin.url, "token": {"env": "T"}}
        written(tmp_path, {"routes": {preset: route}})
        monkeypatch.setenv("T", token)
        status, out, _ = await asyncio.to_thread(invoke, "check", "--probe")
        same, machine, _ = await asyncio.to_thread(invoke, "check", "--probe", "--json")

    assert (0 if good else 1) == status == same
    assert hint in out
    assert good is json.loads(machine)["ok"]
    assert {"GET"} == {each.method for each in standin.received}


def test_check_tells_an_upstream_that_is_not_there(tmp_path, monkeypatch):
    """Exit 1: the configuration is right."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    written(tmp_path, one_route(f"http://127.0.0.1:{port}"))
    monkeypatch.setenv("TOKEN", "FAKE")

    status, out, _ = invoke("check", "--probe")

    assert 1 == status
    assert "connection_refused" in out


def test_whoever_starts_is_told_all_that_is_not_there_at_once(tmp_path, monkeypatch):
    """The secret, the certificate and the audit's directory; nothing is made, and nothing stays."""
    monkeypatch.delenv("TOKEN", raising=False)
    config = Pki(tmp_path, trustme.CA()).config("https://up.example")
    written(tmp_path, config | {"audit": {"file": "absent/audit.jsonl"}})
    secret = invoke("run")
    written(tmp_path, config | {"audit": {"file": "audit.jsonl"}})
    file = invoke("run")

    assert [2, 2] == [secret[0], file[0]]
    told = [line.split(": ")[1] for line in secret[2].splitlines()]
    assert [
        "routes.api.credential.bearer.env",
        "listen.tls.cert",
        "routes.api.listen.tls.cert",
    ] == (told[:-1])
    assert "audit.file" == told[-1]
    assert told[:-1] == [line.split(": ")[1] for line in file[2].splitlines()]


@pytest.mark.parametrize("command", ["check", "run"])
def test_an_option_that_no_redis_has_is_wrong(tmp_path, monkeypatch, command):
    """Told with its place and without the address; with what is wrong in the file of clients."""
    monkeypatch.setenv("TOKEN", "FAKE")
    limits = {"storage": "redis://:Canary7wQz4LmX2pR9@127.0.0.1:1/0?canary=1"}
    (tmp_path / "clients.yaml").write_text("alice: {}\n", encoding="utf-8")
    written(
        tmp_path,
        one_route("http://127.0.0.1:1") | {"limits": limits, "clients_file": "clients.yaml"},
    )

    status, out, err = invoke(command)

    assert (2, "") == (status, out)
    [of_clients, of_store] = err.splitlines()
    assert "clients.yaml:1:1: alice: " in of_clients
    assert of_store.startswith("config.yaml:1:")
    assert ": limits.storage: has an option behind its ? that" in of_store
    assert "canary" not in err.lower()


@pytest.mark.parametrize("file", ["absent/audit.jsonl", "audit.jsonl"])
def test_a_store_that_is_none_hides_no_audit_file(tmp_path, monkeypatch, file):
    """Both are told, and each alone."""
    monkeypatch.setenv("TOKEN", "FAKE")
    config = one_route("http://127.0.0.1:1", limits={"rate": "1/day"})
    limits = {"storage": "redis://127.0.0.1:65536/0"}
    written(tmp_path, config | {"limits": limits, "audit": {"file": file}})

    status, out, err = invoke("run")

    assert (2, "") == (status, out)
    wrong = ["limits.storage", "audit.file"] if "/" in file else ["limits.storage"]
    assert wrong == [line.split(": ")[1] for line in err.splitlines()]


def test_a_probe_reads_what_the_listeners_show(tmp_path, monkeypatch):
    """`run` could not start without it; a check alone needs no private key."""
    pki = Pki(tmp_path, trustme.CA())
    pki.write(pki.issue())
    written(tmp_path, pki.config("https://up.example"))
    monkeypatch.setenv("TOKEN", "FAKE")
    pki.key.write_text("nothing")

    plain, (status, _, err) = invoke("check"), invoke("check", "--probe")

    assert 0 == plain[0]
    assert 2 == status
    assert "config.yaml:1:" in err
    assert "holds no private key in PEM" in err


@pytest.mark.parametrize("probe", [[], ["--probe"]])
def test_check_tells_once_where_keys_travel_in_the_clear(tmp_path, probe):
    """Also with what the probe tells of its own."""
    config = one_route("http://127.0.0.1:1", credential="none", listen="0.0.0.0:2")
    written(tmp_path, config | {"clients": {}})

    _, out, _ = invoke("check", *probe)

    [line] = [line for line in out.splitlines() if "unencrypted" in line]
    assert line.startswith("warning: config.yaml:1:")
    assert "routes.api.listen: keys and answers travel unencrypted on 0.0.0.0:2" in line


@pytest.mark.parametrize("probe", [[], ["--probe"]])
def test_check_tells_once_where_browsers_do_not_say_their_site(tmp_path, probe):
    """Plain http beyond loopback, under a name."""
    config = one_route("http://127.0.0.1:1", credential="none", listen="127.0.0.1:0")
    keys = {"listen": "0.0.0.0:2", "insecure_open": True, "allow_hosts": ["kb.lan"]}
    written(tmp_path, config | keys)

    _, out, _ = invoke("check", *probe)

    [line] = [line for line in out.splitlines() if "Sec-Fetch-Site" in line]
    assert line.startswith("warning: config.yaml:1:")
    assert "(kb.lan), so on 0.0.0.0:2 only Origin and Referer" in line


@pytest.mark.parametrize(("clients", "none"), [({}, True), (None, False)])
def test_check_tells_that_nobody_is_let_in(tmp_path, clients, none):
    """With the word `clients` and none behind it; without it, everybody is."""
    config = one_route("https://up.example", credential="none")
    written(tmp_path, config if clients is None else config | {"clients": clients})

    status, out, _ = invoke("check")

    assert 0 == status
    assert none is ("warning: there are no clients yet, so every request is refused" in out)


@pytest.mark.parametrize("origins", [["https://App.example", "http://localhost:3000"], []])
def test_check_tells_which_web_pages_may_use_the_routes(tmp_path, origins):
    """As they are compared; nothing where there are none."""
    config = one_route("https://up.example", credential="none")
    written(tmp_path, config | {"cors": {"allow_origins": origins}})
    _, out, _ = invoke("check")
    _, machine, _ = invoke("check", "--json")
    folded = [origin.lower() for origin in origins]

    assert bool(origins) is (f"web pages of {', '.join(folded)} may use every route" in out)
    assert folded == json.loads(machine)["allow_origins"]


async def test_the_keys_of_sessions_are_written_nowhere(tmp_path):
    """Not by a library either: the file that SSLKEYLOGFILE names is not even made."""
    authority = private_ca.authority()
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    keys = tmp_path / "keys.log"
    leaf = private_ca.leaf(authority)
    async with Upstream(tls=leaf.served(tmp_path / "leaf.pem")) as upstream:
        written(tmp_path, one_route(upstream.origin, tls={"ca": "ca.pem"}))
        environ = {"TOKEN": "FAKE-token", "SSLKEYLOGFILE": str(keys)}
        checked = await finished("check", "--probe", cwd=tmp_path, **environ)
        async with ready(cwd=tmp_path, **environ) as command, await command.client() as client:
            answer = await client.ask(get())

    assert (0, 200) == (checked.returncode, answer.status)
    assert not keys.exists()


HANGING = """\
import socket, threading

real = socket.getaddrinfo

def getaddrinfo(host, *args, **keys):
    if host == b"dead.test":
        print("asked", flush=True)
        threading.Event().wait()
    return real(host, *args, **keys)

socket.getaddrinfo = getaddrinfo
"""


async def test_a_look_up_that_hangs_delays_no_end(tmp_path):
    """The thread is left to itself, by the first signal already."""
    (tmp_path / "sitecustomize.py").write_text(HANGING)
    written(tmp_path, one_route("https://dead.test"))
    root = Path(__file__).parents[2]
    environ = {"TOKEN": "FAKE-token", "PYTHONPATH": f"{tmp_path}:{root}"}
    async with ready(cwd=tmp_path, **environ) as command:
        async with await command.client() as client:
            client.send(get())
            assert command.process.stdout is not None
            await command.process.stdout.readuntil(b"asked\n")
        command.process.send_signal(signal.SIGTERM)
        status, log = await command.end()

    events = [json.loads(line)["event"] for line in log.splitlines()]
    assert (0, 1) == (status, events.count("request"))
    assert "loop_fault" not in events
