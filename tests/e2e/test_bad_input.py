"""A wrong configuration: one or two lines that say where and what, status 2, nothing started."""

from __future__ import annotations

import socket

import pytest

from tests.e2e.rig.command import call


pytestmark = pytest.mark.e2e

ROUTE = '{upstream: "http://127.0.0.1:9", credential: none}'
TIE = f"""\
routes:
  a: {ROUTE}
  b:
    KEY
    upstream: "http://127.0.0.1:9"
    credential: none
"""
SECRET = """\
routes:
  a:
    upstream: "http://127.0.0.1:9"
    credential: {bearer: SOURCE}
"""
CASES = {
    # what it is: the file, what the line begins with, and what it says
    "empty": (b"", "bad.yaml: ", "is empty"),
    "binary": (b"\x7fELF\x02\x01\xff\xfe\x00", "bad.yaml:1:7: ", "is not UTF-8 text (byte 0xFF)"),
    "control characters": (b"routes:\x00\n", "bad.yaml:1:8: ", "control character"),
    "not YAML": (b"routes: {\n", "bad.yaml:2:1: ", "not valid YAML"),
    "cyclic": (b"routes: &a\n  x: *a\n", "bad.yaml:2:6: ", "inside its own anchor"),
    "a key twice": (
        f"routes:\n  a: {ROUTE}\n  a: {ROUTE}\n",
        "bad.yaml:3:3: routes.a: ",
        "given twice, first on line 2",
    ),
    "a missing variable": (
        SECRET.replace("SOURCE", "{env: NOT_SET}"),
        "bad.yaml:4:32: routes.a.credential.bearer.env: ",
        "variable NOT_SET is not set",
    ),
    "a missing variable in a value": (
        f'listen: "localhost:${{NOT_SET}}"\nroutes:\n  a: {ROUTE}\n',
        "bad.yaml:1:9: listen: ",
        "variable NOT_SET is not set",
    ),
    "a missing file": (
        SECRET.replace("SOURCE", "{file: nowhere}"),
        "bad.yaml:4:33: routes.a.credential.bearer.file: ",
        "nowhere cannot be read: No such file or directory",
    ),
    "a tie of paths": (
        TIE.replace("KEY", "path: /a"),
        "bad.yaml:4:11: routes.b.path: ",
        "the same path as routes.a (line 2)",
    ),
    "a tie of hosts": (
        TIE.replace("KEY", "hosts: [a.localhost]"),
        "bad.yaml:4:5: routes.b.hosts: ",
        "the same host as routes.a (line 2)",
    ),
    "a tie of listeners": (
        "listen: localhost:8484\n" + TIE.replace("KEY", "listen: 127.0.0.1:8484"),
        "bad.yaml:5:13: routes.b.listen: ",
        "the same address as listen (line 1)",
    ),
    "an upstream with a path": (
        'routes:\n  a:\n    upstream: "http://127.0.0.1:9/api"\n    credential: none\n',
        "bad.yaml:3:15: routes.a.upstream: ",
        "put the path into the client's base URL",
    ),
    "plain http on a public name": (
        'routes:\n  a:\n    upstream: "http://api.example.org"\n    credential: none\n',
        "bad.yaml:3:15: routes.a.upstream: ",
        "insecure_upstream: true",
    ),
    "an open listener": (
        f"listen: 0.0.0.0:0\nroutes:\n  a: {ROUTE}\n",
        "bad.yaml:1:9: listen: ",
        "insecure_open: true",
    ),
    "a misspelt key": (
        "routes:\n  a: {preset: microreact, tokn: {env: HOME}, credential: none}\n",
        "bad.yaml:2:27: routes.a.tokn: ",
        "did you mean token?",
    ),
}


@pytest.mark.parametrize(("content", "place", "words"), list(CASES.values()), ids=list(CASES))
def test_a_wrong_configuration_is_told_by_its_place_and_ends_with_2(
    content, place, words, tmp_path
):
    """File, line, column and key; no traceback, nothing on stdout."""
    file = tmp_path / "bad.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())

    done = call("run", "-c", file.name, cwd=tmp_path)

    assert (2, "") == (done.returncode, done.stdout)
    assert 1 == len(done.stderr.splitlines()), done.stderr
    assert done.stderr.startswith(place), done.stderr
    assert words in done.stderr


@pytest.mark.parametrize(
    ("name", "reason"), [("absent", "No such file or directory"), (".", "Is a directory")]
)
def test_a_file_that_cannot_be_read_ends_with_2(name, reason, tmp_path):
    """The system's reason is told."""
    done = call("run", "-c", name, cwd=tmp_path)

    assert (2, "", f"{name}: cannot be read: {reason}\n") == (
        done.returncode,
        done.stdout,
        done.stderr,
    )


def test_every_error_is_told_at_once(tmp_path):
    """Two mistakes are two lines, in the order of the file."""
    wrong = '{upstream: "ftp://x", credential: none}'
    text = f"listen: 0.0.0.0:0\nroutes:\n  a: {ROUTE}\n  b: {wrong}\n"
    (tmp_path / "bad.yaml").write_text(text)

    done = call("run", "-c", "bad.yaml", cwd=tmp_path)

    first, second = done.stderr.splitlines()
    assert 2 == done.returncode
    assert first.startswith("bad.yaml:1:9: listen: ")
    assert second.startswith("bad.yaml:4:17: routes.b.upstream: ")


def test_a_secret_written_in_the_wrong_place_is_not_repeated(tmp_path):
    """What stands where the name of a variable belongs may be the token itself."""
    canary = "FAKE-canary/of+the=tests"  # made up
    text = (
        "routes:\n  a: {preset: microreact, token: {env: '%s'}}\n"
        "  b: {preset: microreact, token: '%s'}\n"
        "  c: {preset: microreact, toke: '%s', token: {value: [%s]}}\n"
    )
    (tmp_path / "bad.yaml").write_text(text.replace("%s", canary))

    done = call("run", "-c", "bad.yaml", cwd=tmp_path)

    assert 2 == done.returncode
    for place in ("routes.a.token", "routes.b.token", "routes.c.toke", "routes.c.token"):
        assert place in done.stderr
    assert canary not in done.stderr + done.stdout


def test_a_port_in_use_ends_with_1(tmp_path):
    """It is not the configuration that is wrong: one line, another status."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        (tmp_path / "ok.yaml").write_text(f"listen: {address}\nroutes:\n  a: {ROUTE}\n")

        done = call("run", "-c", "ok.yaml", cwd=tmp_path)

    assert (1, "") == (done.returncode, done.stdout)
    [line] = done.stderr.splitlines()
    assert line.startswith(f"cannot listen on {address}: the port is in use")
