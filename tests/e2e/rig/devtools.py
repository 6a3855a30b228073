"""A headless Chromium that is driven over the DevTools protocol, as a person would."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from typing import IO, TYPE_CHECKING, Any, cast

import pytest
from websockets.sync.client import connect

from tests.e2e.rig.browser import PATIENCE_S, command, ended, environment


if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from websockets.sync.client import ClientConnection


class Tab:
    """One tab, and what a person does in it."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._number = 0
        self._session: str | None = None
        self._loads = 0
        made = self.call("Target.createTarget", url="about:blank")
        session = self.call("Target.attachToTarget", targetId=made["targetId"], flatten=True)
        self._session = session["sessionId"]
        self.call("Page.enable")
        self.call("Network.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method and return what it gives."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return cast("dict[str, Any]", answer["result"])

    def _next(self) -> dict[str, Any]:
        try:
            message = json.loads(self._socket.recv(PATIENCE_S))
        except TimeoutError:
            pytest.fail(f"the browser did not do it within {PATIENCE_S} s")
        self._loads += message.get("method") == "Page.loadEventFired"
        return cast("dict[str, Any]", message)

    def _loaded(self, before: int) -> None:
        while self._loads == before:
            self._next()

    def type(self, url: str) -> None:
        """Open an address as if it had been typed."""
        before = self._loads
        self.call("Page.navigate", url=url)
        self._loaded(before)

    def click(self, selector: str) -> None:
        """Click the middle of an element that leads to another page."""
        before = self._loads
        box = self.run(
            f"(r => [r.x + r.width / 2, r.y + r.height / 2])"
            f"(document.querySelector({json.dumps(selector)}).getClientRects()[0])"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=box[0],
                y=box[1],
                button="left",
                clickCount=1,
            )
        self._loaded(before)

    def run(self, script: str) -> Any:
        """Return the value of a script, which the page's own policy does not hold up."""
        done = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def frames(self) -> list[str]:
        """Return the texts of the frames of other sites; an error's where one is not shown."""
        shown, own = [], self._session
        for each in self.call("Target.getTargets", filter=[{"type": "iframe"}])["targetInfos"]:
            made = self.call("Target.attachToTarget", targetId=each["targetId"], flatten=True)
            self._session = made["sessionId"]
            shown.append(self.run("location.href + ' ' + document.documentElement.innerText"))
            self._session = own
        return shown


@contextlib.contextmanager
def tab(directory: Path, *options: str) -> Iterator[Tab]:
    """Drive a browser's tab until the block ends.

    Args:
        directory: for its profile.
        options: further ones.
    """
    process = subprocess.Popen(
        [*command(directory), *options, "about:blank"],
        env=environment(directory),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    errors = cast("IO[str]", process.stderr)
    with ended(process):
        address = next(line.split()[-1] for line in errors if line.startswith("DevTools listening"))
        # What else it complains of must go somewhere, or it would wait.
        drain = threading.Thread(target=errors.read)
        drain.start()
        with connect(address, max_size=None) as socket:
            yield Tab(socket)
    drain.join()
