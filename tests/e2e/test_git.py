"""Unmodified git behind the gateway: it holds a client's key, never the server's token."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.e2e.rig.command import running
from tests.e2e.rig.git_server import TOKEN, USER, git_server
from tests.e2e.rig.tools import tool
from tests.integration.rig.client_keys import Search, client, new


pytestmark = pytest.mark.e2e

ALICE, READER, WRONG = new("alice"), new("reader"), new("alice", seed=1)
SEARCH = Search([ALICE, READER, WRONG])
# Over git's least http.postBuffer, so that it is pushed in chunks; no packer makes it less.
LARGE = os.urandom(200_000)


def git(home, *arguments, cwd=None):
    """Run git with a home of its own; it never asks, and it says what it does in English."""
    own = {
        "HOME": str(home),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
        **{f"GIT_{who}_NAME": "Nobody" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "nobody@example.org" for who in ("AUTHOR", "COMMITTER")},
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(
        [tool("git"), *map(str, arguments)],
        cwd=cwd or home,
        env=inherited | own,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def done(result):
    """Fail unless git did it; return what it said."""
    assert 0 == result.returncode, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The git server, with one repository of one commit."""
    home = tmp_path_factory.mktemp("server")
    done(git(home, "init", "-q", "--bare", "-b", "main", "repositories/moss.git"))
    done(git(home, "clone", "-q", "repositories/moss.git", "work"))
    (home / "work" / "README").write_text("moss\n")
    done(git(home / "work", "add", "README"))
    done(git(home / "work", "commit", "-q", "-m", "Begin"))
    done(git(home / "work", "push", "-q", "origin", "HEAD:main"))
    with git_server(home / "repositories") as server:
        yield server


@pytest.fixture(scope="module")
def proxy(server, tmp_path_factory):
    """The gateway before it: one client may push, the other may not."""
    basic = {"username": USER, "password": {"env": "TOKEN"}}
    no_push = {"paths": ["/**/git-receive-pack"], "action": "deny"}
    config = {
        "listen": "127.0.0.1:0",
        "routes": {"git": {"upstream": server.origin, "credential": {"basic": basic}}},
        "clients": {"alice": client(ALICE), "reader": client(READER, rules=[no_push])},
    }
    with running(tmp_path_factory.mktemp("proxy"), config, environ={"TOKEN": TOKEN}) as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def clean(server):
    """Forget the requests of the test before."""
    server.heads.clear()
    server.admitted.clear()


def url(proxy, user=""):
    """Return what git is pointed at, with what it is to sign in with."""
    return f"http://{user}127.0.0.1:{proxy.port}/git/moss.git"


def check_server(server):
    """Fail unless every request that came had the token, and nothing of a key."""
    assert server.heads
    assert len(server.heads) == len(server.admitted)
    assert [] == SEARCH.found("".join(server.heads).encode())


HELPER = f"!f() {{ echo username=alice; echo password={ALICE.text}; }}; f"
WAYS = {
    "password in the URL": (f"alice:{ALICE.text}@", []),
    "user in the URL": (f"{ALICE.text}:@", []),
    "user in the URL, with a password": (f"{ALICE.text}:x-oauth-basic@", []),
    "credential helper": ("", ["-c", f"credential.helper={HELPER}"]),
    "extra header": ("", ["-c", f"http.extraHeader=Authorization: Bearer {ALICE.text}"]),
    "extra header of another slot": ("", ["-c", f"http.extraHeader=X-Api-Key: {ALICE.text}"]),
}


@pytest.mark.parametrize(("user", "options"), WAYS.values(), ids=WAYS)
def test_git_clones_with_a_key(proxy, server, tmp_path, user, options):
    """It is asked for a name and a password, as by any server, and has no other secret."""
    done(git(tmp_path, *options, "clone", "-q", url(proxy, user), "copy"))

    assert "moss\n" == (tmp_path / "copy" / "README").read_text()
    check_server(server)
    assert TOKEN not in (tmp_path / "copy" / ".git" / "config").read_text()


def test_git_finds_a_key_in_netrc(proxy, server, tmp_path):
    """Beside every other tool."""
    netrc = tmp_path / ".netrc"
    netrc.write_text(f"machine 127.0.0.1 login alice password {ALICE.text}\n")
    netrc.chmod(0o600)

    done(git(tmp_path, "clone", "-q", url(proxy), "copy"))

    check_server(server)


def change(tmp_path, proxy, key, branch):
    """Clone, and commit something large on a branch; return the working copy."""
    done(git(tmp_path, "clone", "-q", url(proxy, f"alice:{key.text}@"), "copy"))
    work = tmp_path / "copy"
    (work / "large").write_bytes(LARGE)
    done(git(work, "checkout", "-q", "-b", branch))
    done(git(work, "add", "large"))
    done(git(work, "commit", "-q", "-m", "Change"))
    return work


def test_git_pushes_where_the_client_may(proxy, server, tmp_path):
    """A body of unknown length, in chunks; what was pushed is there."""
    work = change(tmp_path, proxy, ALICE, "pushed")

    done(git(work, "-c", "http.postBuffer=65536", "push", "-q", "origin", "pushed"))

    pushed = done(git(server.root / "moss.git", "rev-parse", "pushed"))
    assert done(git(work, "rev-parse", "HEAD")) == pushed
    assert "POST /moss.git/git-receive-pack HTTP/1.1" in server.admitted
    assert any("chunked" in head for head in server.heads)
    check_server(server)


def test_git_does_not_push_where_a_rule_of_the_client_denies_it(proxy, server, tmp_path):
    """The upstream is never asked; the client may still read."""
    work = change(tmp_path, proxy, READER, "refused")

    result = git(work, "push", "-q", "origin", "refused")

    assert 0 != result.returncode
    assert "403" in result.stderr
    assert not [line for line in server.admitted if line.startswith("POST /moss.git/git-receive")]
    assert "" == done(git(server.root / "moss.git", "branch", "--list", "refused"))
    done(git(work, "fetch", "-q"))
    check_server(server)
    denied = [line for line in proxy.log if line.get("error") == "policy-denied"]
    assert {"reader"} == {line["client"] for line in denied}
    assert "/git/moss.git/git-receive-pack" in {line["path"] for line in denied}


@pytest.mark.parametrize("key", [WRONG, ALICE.mistyped], ids=["wrong", "mistyped"])
def test_git_says_by_itself_that_a_key_is_wrong(proxy, server, tmp_path, key):
    """In its own words, and nothing is sent."""
    result = git(tmp_path, "clone", url(proxy, f"alice:{key.text}@"), "copy")

    assert 128 == result.returncode
    assert "fatal: Authentication failed for" in result.stderr
    assert [] == server.heads
    assert [] == SEARCH.found(proxy.errors.encode())


def test_git_without_a_key_would_ask_for_one(proxy, server, tmp_path):
    """The challenge is one that git understands."""
    result = git(tmp_path, "clone", url(proxy), "copy")

    assert 128 == result.returncode
    assert "could not read Username" in result.stderr
    assert [] == server.heads


def test_the_server_itself_takes_no_key(server, tmp_path):
    """The control: past the gateway, a key is worth nothing and the token is needed."""
    beside = f"http://alice:{ALICE.text}@127.0.0.1:{server.server_port}/moss.git"

    refused = git(tmp_path, "clone", beside, "copy")
    direct = beside.replace(f"alice:{ALICE.text}", f"{USER}:{TOKEN}")
    done(git(tmp_path, "clone", "-q", direct, "copy"))

    assert "Authentication failed" in refused.stderr
    assert SEARCH.found("".join(server.heads).encode())
