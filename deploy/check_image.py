"""Runs a built image's root as a container engine would, and checks what a sidecar promises.

`check_image.py ROOT INSPECT` expects its own mount, process and network namespaces (image.sh makes
them). Command, user, environment, port and health check are read from the image, so that what is
checked is what an engine would do.
"""

from __future__ import annotations

import http.client
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar


READY_TIMEOUT_S = 30
STOP_TIMEOUT_S = 15
ARBITRARY_UID = 12345
SECRET = "made-up-token-0123456789abcdef"  # a stand-in's, of no use anywhere
COMPILED = "proxy.dataplane.headers"
GATEWAY = "proxy.access.tokens, proxy.access.shared, watchfiles"  # what needs the extra `gateway`
BUILD_TOOLS = ("**/bin/*gcc*", "**/cc1", "**/bin/mypy*", "**/site-packages/mypy*")
CONFIG = """\
listen: 0.0.0.0:{port}
insecure_open: true
routes:
  microreact:
    preset: microreact
    upstream: http://127.0.0.1:{upstream}
    token: {{file: /run/secrets/microreact_token}}
"""


class CheckError(Exception):
    """A promise of the image that does not hold; its text is shown."""


@dataclass(frozen=True, slots=True)
class Image:
    """What an engine takes from an image's configuration."""

    root: Path
    command: list[str]
    health: list[str]
    environment: list[str]
    directory: str
    uid: int
    port: int

    @classmethod
    def load(cls, root: Path, inspected: Path) -> Image:
        """The image whose `buildah inspect` is in a file; CheckError where it lacks something."""
        config = json.loads(inspected.read_text())["Docker"]["config"]
        user = str(config.get("User", ""))
        uid = user.partition(":")[0]
        if not uid.isdigit() or int(uid) == 0:
            raise CheckError(f"USER must be a number other than 0, it is {user!r}")
        test = config.get("Healthcheck", {}).get("Test", [])
        if test[:1] != ["CMD"]:
            raise CheckError("HEALTHCHECK must be in exec form")
        (port,) = config["ExposedPorts"]
        return cls(
            root=root,
            command=[*config["Entrypoint"], *config["Cmd"]],
            health=test[1:],
            environment=config["Env"],
            directory=config.get("WorkingDir") or "/",
            uid=int(uid),
            port=int(port.split("/")[0]),
        )

    def inside(self, uid: int, command: list[str]) -> list[str]:
        """The command line that runs a command in the image's root as a uid without privileges."""
        root = ["setpriv", "--no-new-privs", "chroot", f"--userspec=+{uid}:+{uid}", "--groups="]
        clean = ["env", "-i", "-C", self.directory, *self.environment]
        return [*root, str(self.root), *clean, *command]


class Upstream(http.server.BaseHTTPRequestHandler):
    """Answers 200 to the one right token and 401 to all else; keeps what it saw."""

    # Of the class, for a handler is made anew for each connection.
    seen: ClassVar[list[list[tuple[str, str]]]] = []

    def do_GET(self) -> None:
        """Records the headers and answers."""
        self.seen.append(list(self.headers.items()))
        right = self.headers.get_all("Access-Token") == [SECRET]
        body = b'{"ok": true}' if right else b"Unauthorized"
        self.send_response(200 if right else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Says nothing."""


def check_build(image: Image) -> None:
    """Checks that the data plane is compiled, that a team is served, and that no compiler came."""
    command = ["python", "-c", f"import {GATEWAY}, {COMPILED} as module; print(module.__file__)"]
    found = subprocess.run(
        image.inside(image.uid, command), timeout=30, check=True, stdout=subprocess.PIPE, text=True
    )
    if not (place := found.stdout.strip()).endswith(".so"):
        raise CheckError(f"{COMPILED} is not compiled: it comes from {place}")
    for pattern in BUILD_TOOLS:
        for tool in image.root.glob(pattern):
            raise CheckError(f"a tool of the build is in it: /{tool.relative_to(image.root)}")
    print(f"{COMPILED} is {place}; the extra `gateway` is there; no compiler")


def mount(*arguments: str) -> None:
    """Makes one mount; CalledProcessError if it fails."""
    subprocess.run(["mount", *arguments], check=True)


def prepare_root(root: Path, files: Path) -> None:
    """Makes the root read-only, with /proc, /dev, configuration and secrets mounted."""
    (root / "run/secrets").mkdir(parents=True, exist_ok=True)
    mount("--bind", str(root), str(root))
    mount("-o", "remount,bind,ro", str(root))
    mount("-t", "proc", "proc", str(root / "proc"))
    mount("--bind", "/dev", str(root / "dev"))
    for name, place in (("config", "etc/keybearer"), ("secrets", "run/secrets")):
        mount("--bind", str(files / name), str(root / place))
        mount("-o", "remount,bind,ro", str(root / place))
    for place in ("", "tmp", "opt/keybearer", "etc/keybearer"):
        try:
            (root / place / "probe").touch()
        except OSError:
            continue
        raise CheckError(f"/{place} is writable")


def write_files(files: Path, image: Image, upstream_port: int) -> None:
    """Writes the configuration, and an empty place for the secret."""
    files.chmod(0o755)
    (files / "config").mkdir()
    (files / "secrets").mkdir()
    config = CONFIG.format(port=image.port, upstream=upstream_port)
    (files / "config/config.yaml").write_text(config)
    (files / "secrets/microreact_token").write_text(f"{SECRET}\n")
    (files / "secrets/microreact_token").chmod(0o400)


def wait_ready(process: subprocess.Popen[str]) -> None:
    """Returns once the process has printed `ready`; CheckError if it ends or takes too long."""
    watchdog = threading.Timer(READY_TIMEOUT_S, process.kill)
    watchdog.start()
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.strip() == "ready":
                return
    finally:
        watchdog.cancel()
    raise CheckError(f"it never printed `ready` (status {process.wait()})")


def check_request(port: int) -> None:
    """Sends a request with forged credentials: 200, and the upstream saw the real one only."""
    Upstream.seen.clear()
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    forged = {"Access-Token": "forged", "Authorization": "Bearer forged"}
    client.request("GET", "/microreact/api/projects/json?project=abc", headers=forged)
    answer = client.getresponse()
    body = answer.read()
    client.close()
    if answer.status != http.HTTPStatus.OK:
        raise CheckError(f"the request was answered {answer.status}: {body[:300]!r}")
    names = [name.lower() for name, _ in Upstream.seen[-1]]
    if names.count("access-token") != 1 or "authorization" in names:
        raise CheckError(f"the upstream saw the headers {names}")


def health_status(image: Image, uid: int) -> int:
    """The exit status of the image's health check."""
    command = image.inside(uid, image.health)
    return subprocess.run(command, timeout=10, check=False, capture_output=True).returncode


def check_as(image: Image, uid: int, files: Path) -> None:
    """Starts the image as a uid, uses it and ends it; CheckError at the first promise not kept."""
    os.chown(files / "secrets/microreact_token", uid, uid)
    if health_status(image, uid) == 0:
        raise CheckError("the health check passes although nothing runs")
    process = subprocess.Popen(image.inside(uid, image.command), stdout=subprocess.PIPE, text=True)
    try:
        wait_ready(process)
        check_request(image.port)
        if (health := health_status(image, uid)) != 0:
            raise CheckError(f"the health check ends with {health}")
        process.terminate()
        if (status := process.wait(STOP_TIMEOUT_S)) != 0:
            raise CheckError(f"SIGTERM ended it with {status}")
    except subprocess.TimeoutExpired as error:
        raise CheckError(f"took longer than {error.timeout:.0f} s: {error.cmd[-2:]}") from error
    finally:
        process.kill()
        process.wait()
    print(f"uid {uid}, read-only root: 200 with the credential put on, health check 0, SIGTERM 0")


def main() -> None:
    """Checks the image as its own user and as an arbitrary one."""
    image = Image.load(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
    check_build(image)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as directory:
        files = Path(directory)
        write_files(files, image, server.server_port)
        prepare_root(image.root, files)
        for uid in (image.uid, ARBITRARY_UID):
            check_as(image, uid, files)


if __name__ == "__main__":
    try:
        main()
    except (CheckError, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"check_image: {error}")
