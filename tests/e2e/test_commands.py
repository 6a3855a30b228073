"""The commands as a person or a supervisor uses them: output, exit status, signals."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import jsonschema
import pytest
import yaml

from proxy import __version__
from proxy.standins import carbonregistry_data, microreact as microreact_data
from proxy.standins.carbonregistry import Carbonregistry
from proxy.standins.microreact import Microreact
from tests.e2e.rig.background import background
from tests.e2e.rig.clients import curl
from tests.e2e.rig.command import call, running


pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
ROUTES = "routes:\n  a: {upstream: 'http://127.0.0.1:9', credential: none}\n"
CONFIG = "listen: unix:kb.sock\n" + ROUTES


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_run_with_0(number, tmp_path):
    """A supervisor's and a person's; the socket's file goes with it."""
    with running(tmp_path, CONFIG) as proxy:
        assert (tmp_path / "kb.sock").is_socket()
        proxy.signal(number)

        assert 0 == proxy.wait()
    assert ["draining", "stopped"] == [line["event"] for line in proxy.log][-2:]
    assert not (tmp_path / "kb.sock").exists()


def test_while_it_drains_it_is_not_ready_and_a_second_signal_hastens(tmp_path):
    """`drain.delay` gives a load balancer time to look elsewhere; nobody has to wait for it."""
    config = "drain: {delay: 5m, timeout: 5m}\n" + CONFIG
    with running(tmp_path, config) as proxy:
        ready = call("healthcheck", "-c", "keybearer.yaml", cwd=tmp_path)
        proxy.signal(signal.SIGTERM)
        drains = call("healthcheck", "-c", "keybearer.yaml", cwd=tmp_path)
        while drains.returncode == 0:  # the signal is on its way
            drains = call("healthcheck", "-c", "keybearer.yaml", cwd=tmp_path)
        proxy.signal(signal.SIGTERM)

        assert 0 == proxy.wait()
    assert (0, "ready\n") == (ready.returncode, ready.stdout)
    assert (1, "") == (drains.returncode, drains.stdout)
    assert drains.stderr.endswith("not ready\n")


def test_healthcheck_of_nobody_is_1(tmp_path):
    """One line says where it looked."""
    (tmp_path / "keybearer.yaml").write_text(CONFIG)

    done = call("healthcheck", "-c", "keybearer.yaml", cwd=tmp_path)

    assert (1, "") == (done.returncode, done.stdout)
    [line] = done.stderr.splitlines()
    assert "kb.sock: No such file or directory" in line


OPTIONS = {
    "--bearer-env": (Carbonregistry, "BEARER", "/whoami"),
    "--bearer-file": (Carbonregistry, "bearer.txt", "/whoami"),
    "--access-token-env": (Microreact, "ACCESS", "/api/user/projects"),
    "--access-token-file": (Microreact, "access.txt", "/api/user/projects"),
}


@pytest.mark.parametrize("option", OPTIONS)
def test_run_without_a_file_serves_one_api_at_the_root(option, tmp_path):
    """`--upstream URL` with each place that a secret can be in."""
    kind, source, path = OPTIONS[option]
    bearer, access = carbonregistry_data.USER_TOKEN, microreact_data.USER_TOKEN
    (tmp_path / "bearer.txt").write_text(f"{bearer}\n")
    (tmp_path / "access.txt").write_text(f"{access}\n")
    environ = {"BEARER": bearer, "ACCESS": access}
    expected = (
        ("authorization", f"Bearer {bearer}")
        if kind is Carbonregistry
        else ("access-token", access)
    )
    with background(kind()) as standin:
        options = ("--upstream", standin.url, option, source, "--port", "0")
        with running(tmp_path, None, *options, environ=environ) as proxy:
            done = curl("--fail", f"-H{expected[0]}: dummy", proxy.listening[0] + path)

    assert (0, b"") == (done.returncode, done.stderr)
    [received] = standin.received
    assert [expected] == [
        (name.lower(), value)
        for name, value in received.headers
        if name.lower() in {"authorization", "access-token"}
    ]


def test_run_with_a_preset_needs_only_its_variable(tmp_path):
    """The preset knows the origin and which variable; nothing is sent before a request."""
    environ = {"MICROREACT_ACCESS_TOKEN": microreact_data.USER_TOKEN}
    with running(tmp_path, None, "--preset", "microreact", "--port", "0", environ=environ) as proxy:
        line = f"route microreact {proxy.listening[0]} -> https://microreact.org (credential ready)"

        assert line in proxy.said
        assert 0 == proxy.stop()
    assert microreact_data.USER_TOKEN not in "\n".join(proxy.said) + proxy.errors


def test_run_finds_config_yaml_here_and_the_file_of_the_variable(tmp_path):
    """`./config.yaml` is the last choice; `$KEYBEARER_CONFIG` comes before it."""
    (tmp_path / "config.yaml").write_text("listen: unix:here.sock\n" + ROUTES)
    (tmp_path / "other.yaml").write_text("listen: unix:other.sock\n" + ROUTES)

    with running(tmp_path, None) as proxy:
        here = proxy.listening
    with running(tmp_path, None, environ={"KEYBEARER_CONFIG": "other.yaml"}) as proxy:
        other = proxy.listening

    assert [f"unix:{tmp_path}/here.sock"] == here
    assert [f"unix:{tmp_path}/other.sock"] == other


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "there is no ./config.yaml"),
        (["--preset", "microreact"], "MICROREACT_ACCESS_TOKEN is not set"),
        (["--preset", "nobody"], "there is no preset 'nobody'"),
        (["--upstream", "http://127.0.0.1:9"], "--bearer-env"),
        (["--bearer-env", "HOME"], "--upstream URL"),
        (["--upstream", "http://127.0.0.1:9/x", "--bearer-env", "HOME"], "must be an origin"),
        (["-c", "x.yaml", "--preset", "microreact"], "exclude each other"),
    ],
)
def test_run_with_options_that_make_no_route_ends_with_2(options, words, tmp_path, monkeypatch):
    """A sentence says what is missing; nothing is started."""
    monkeypatch.delenv("MICROREACT_ACCESS_TOKEN", raising=False)

    done = call("run", *options, cwd=tmp_path)

    assert (2, "") == (done.returncode, done.stdout)
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_check_tells_the_routes_and_probe_asks_them(tmp_path, microreact):
    """Nothing is sent without --probe; with it, a refused credential is 1."""
    route = {"preset": "microreact", "upstream": microreact.url, "token": {"env": "TOKEN"}}
    (tmp_path / "config.yaml").write_text(json.dumps({"routes": {"microreact": route}}))
    right, wrong = {"TOKEN": microreact_data.USER_TOKEN}, {"TOKEN": "FAKE-wrong-one"}

    plain = call("check", cwd=tmp_path)
    asked_before = len(microreact.received)
    good = call("check", "--probe", cwd=tmp_path, environ=right)
    bad = call("check", "--probe", cwd=tmp_path, environ=wrong)

    assert (0, "", 0) == (plain.returncode, plain.stderr, asked_before)
    assert f"microreact -> {microreact.url}\n" in plain.stdout
    assert (0, 1) == (good.returncode, bad.returncode)
    assert "probe       ok" in good.stdout
    assert "probe       FAILED" in bad.stdout
    said = plain.stdout + good.stdout + good.stderr + bad.stdout + bad.stderr
    assert not [token for token in (right["TOKEN"], wrong["TOKEN"]) if token in said]


CLIENTS = """\
alice: {{key: sha256:{0}, routes: [a]}}
bob: {{key: {1}, routes: [{2}], expires: 1999-12-31}}
"""
KEY = "kb_bob_" + "FAKE0" * 9 + "aaaa"


def test_check_reads_the_clients_file(tmp_path):
    """What is wrong in it is told with its lines, never with a key; an expired client is told."""
    (tmp_path / "config.yaml").write_text(f"{CONFIG}clients_file: clients.yaml\n")
    file = tmp_path / "clients.yaml"
    missing = call("check", cwd=tmp_path)
    file.write_text(CLIENTS.format("0" * 64, KEY, "b"))
    wrong = call("check", cwd=tmp_path)
    file.write_text(CLIENTS.format("0" * 64, f"sha256:{'1' * 64}", "a"))
    right = call("check", cwd=tmp_path)
    for_programs = json.loads(call("check", "--json", cwd=tmp_path).stdout)

    assert (2, 2, 0) == (missing.returncode, wrong.returncode, right.returncode)
    assert missing.stderr == (
        f"config.yaml:{len(CONFIG.splitlines()) + 1}:15: clients_file: {file}: cannot be read: No "
        "such file or directory; `keybearer keys new NAME --routes A,B` makes it\n"
    )
    assert "clients.yaml:2:12: bob.key: is a key" in wrong.stderr
    assert "FAKE0" not in wrong.stderr + wrong.stdout
    assert "clients: 2;" in right.stdout
    assert "warning: clients that have expired: bob\n" in right.stdout
    assert (2, ["clients that have expired: bob"]) == (
        for_programs["clients"],
        for_programs["warnings"],
    )


def test_check_takes_the_example_of_a_gateway(tmp_path):
    """As it stands: nothing in it is read until it runs."""
    done = call("check", "-c", str(ROOT / "config.gateway.yaml"), cwd=tmp_path)

    assert (0, "") == (done.returncode, done.stderr)
    assert "clients: 4;" in done.stdout
    assert "warning" not in done.stdout


class Editor(yaml.SafeLoader):
    """Reads as editors do, by the core schema of YAML 1.2: no dates."""

    yaml_implicit_resolvers = {  # noqa: RUF012 -- as PyYAML declares it
        first: [(tag, form) for tag, form in rules if not tag.endswith(":timestamp")]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def test_version_is_told(tmp_path):
    """Name and number."""
    done = call("--version", cwd=tmp_path)

    assert (0, f"keybearer {__version__}\n") == (done.returncode, done.stdout)


@pytest.mark.parametrize("name", ["config.example.yaml", "config.gateway.yaml"])
def test_the_schema_that_is_printed_takes_the_example_and_refuses_a_mistake(name, tmp_path):
    """What an editor does with it."""
    done = call("schema", cwd=tmp_path)
    schema = json.loads(done.stdout)
    example = yaml.load((ROOT / name).read_text("utf-8"), Editor)  # noqa: TID251 -- another reader than ours
    mistaken = example | {"lisen": "localhost:8484"}

    jsonschema.validate(example, schema)

    assert 0 == done.returncode
    with pytest.raises(jsonschema.ValidationError, match="lisen"):
        jsonschema.validate(mistaken, schema)


def test_presets_are_listed_and_shown(tmp_path):
    """Where the token comes from, and which paths are denied."""
    listed = call("presets", cwd=tmp_path)
    shown = call("presets", "microreact", cwd=tmp_path)
    unknown = call("presets", "nobody", cwd=tmp_path)

    assert [0, 0, 2] == [each.returncode for each in (listed, shown, unknown)]
    names = [line.split()[0] for line in listed.stdout.splitlines()]
    assert {"microreact", "carbonregistry"} <= set(names)
    for part in ("https://microreact.org", "$MICROREACT_ACCESS_TOKEN", "/api/user/access-token"):
        assert part in shown.stdout
    assert 1 == len(unknown.stderr.splitlines())


def test_an_unknown_command_is_2(tmp_path):
    """Usage, not a traceback."""
    done = call("serve", cwd=tmp_path)

    assert (2, "") == (done.returncode, done.stdout)
    assert "No such command" in done.stderr
