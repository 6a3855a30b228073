"""Unmodified clients that create a Microreact project and read it back, and what that must give."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import httpx
import requests

from proxy.standins import microreact
from tests.e2e.rig.tools import tool


if TYPE_CHECKING:
    from pathlib import Path

    from proxy.standins.microreact import Microreact


DUMMY: Final = "dummy-that-the-tool-insists-on"
SENT: Final = {
    "Access-Token": DUMMY,
    "Authorization": f"Bearer {DUMMY}",
    "Cookie": f"next-auth.session-token={DUMMY}",
}
PROJECT: Final[dict[str, Any]] = {
    "meta": {"name": "made by a test"},
    "datasets": {"dataset-1": {"file": "data-1", "idFieldName": "id"}},
    "files": {"data-1": {"id": "data-1", "format": "text/csv", "name": "d.csv", "blob": "id\n1\n"}},
    "schema": "https://microreact.org/schema/v1.json",
}
TOKEN: Final = {"TOKEN": microreact.USER_TOKEN}
JSON_TYPE: Final = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Base:
    """What a tool is pointed at.

    Attributes:
        url: without a slash at its end.
        socket: a unix socket to send it by.
    """

    url: str
    socket: Path | None = None


def curl(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    """Run curl, quiet but for its errors."""
    return subprocess.run(
        [tool("curl"), "-sS", "--max-time", "20", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )


def with_curl(base: Base, create: str, read: str, directory: Path) -> list[dict[str, Any]]:
    """Create and read by the documents' own lines: `curl -L -X POST --data-binary @FILE`."""
    file = directory / "project.json"
    file.write_text(json.dumps(PROJECT))
    common = ["--fail", "-L", *(f"-H{name}: {value}" for name, value in SENT.items())]
    if base.socket is not None:
        common += ["--unix-socket", str(base.socket)]

    def answer(*arguments: str) -> dict[str, Any]:
        done = curl(*common, *arguments)
        assert done.returncode == 0, (done.stderr, done.stdout)
        got: dict[str, Any] = json.loads(done.stdout)
        return got

    posted = ["-X", "POST", f"-HContent-Type: {JSON_TYPE}", "--data-binary", f"@{file}"]
    made = answer(*posted, base.url + create)
    return [made, answer(base.url + read.format(id=made["id"]))]


def with_requests(base: Base, create: str, read: str, _: Path) -> list[dict[str, Any]]:
    """Create and read with requests, as the Python scripts around Microreact do."""
    with requests.Session() as session:
        session.headers.update(SENT)
        made = session.post(base.url + create, json=PROJECT, timeout=20)
        made.raise_for_status()
        got = session.get(base.url + read.format(id=made.json()["id"]), timeout=20)
        got.raise_for_status()
        return [made.json(), got.json()]


def with_httpx(base: Base, create: str, read: str, _: Path) -> list[dict[str, Any]]:
    """Create and read with httpx."""
    by = httpx.HTTPTransport(uds=None if base.socket is None else str(base.socket))
    with httpx.Client(transport=by, headers=SENT, follow_redirects=True, timeout=20) as client:
        made = client.post(base.url + create, json=PROJECT)
        made.raise_for_status()
        got = client.get(base.url + read.format(id=made.json()["id"]))
        got.raise_for_status()
        return [made.json(), got.json()]


# As it is routed, as the documents and Data-flo write it, and behind a base URL that ends in "/".
SPELLINGS: Final = {
    "plain": ("/api/projects/create", "/api/projects/json?project={id}"),
    "trailing slash": ("/api/projects/create/", "/api/projects/json/?project={id}"),
    "double slash": ("//api/projects/create/", "//api/projects/json/?project={id}"),
}


def check_project(standin: Microreact, answers: list[dict[str, Any]]) -> None:
    """Fail unless the client got its own project and the stand-in got the right requests."""
    made, got = answers
    assert "owner" == made["role"]
    assert made["id"] == got["_"]["id"]
    assert PROJECT["meta"]["name"] == got["meta"]["name"]
    assert microreact.USER == standin.store.projects[made["id"]].owner
    check_received(standin, "/api/projects/create", f"/api/projects/json?project={made['id']}")


def check_received(standin: Microreact, create: str, read: str) -> None:
    """Fail unless two calls came, methods kept over redirects, with one credential each."""
    posts = [each for each in standin.received if each.method == "POST"]
    gets = [each for each in standin.received if each.method == "GET"]
    assert standin.received == posts + gets
    assert (create, read) == (posts[-1].target, gets[-1].target)
    # A redirect is answered by the head alone; the body of the last one has to be whole.
    assert PROJECT == json.loads(posts[-1].body)
    for each in standin.received:
        check_credential(standin, each)


def check_credential(standin: Microreact, received: Any) -> None:
    """Fail unless a request came with exactly the configured credential, to the right host."""
    assert [microreact.USER_TOKEN] == received.values("access-token")
    assert [] == received.values("authorization")
    assert [] == received.values("cookie")
    assert [standin.url.removeprefix("http://")] == received.values("host")
    assert DUMMY not in repr(received)
