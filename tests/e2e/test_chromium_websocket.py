"""A page in a real browser opens WebSockets with a key in the only place that it has."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from threading import Thread

import pytest
from websockets.sync.server import serve
from websockets.typing import Subprotocol

from tests.e2e.rig.browser import browser, page_server
from tests.e2e.rig.command import running
from tests.integration.rig.client_keys import client, new


pytestmark = pytest.mark.e2e

TOKEN = "FAKE-token-of-the-upstream"  # made up
ALICE = new("alice")
ENCODED = urlsafe_b64encode(ALICE.text.encode()).decode().rstrip("=")
OFFERS = {
    "of OpenAI": [f"openai-insecure-api-key.{ALICE.text}", "chat"],
    "of Kubernetes": ["chat", f"base64url.bearer.authorization.k8s.io.{ENCODED}"],
    "raw": ["other", ALICE.text, "chat"],
    "a wrong key": [ALICE.mistyped.text, "chat"],
    "no key": ["chat"],
}
PAGE = """<!doctype html><title>page</title><script>
const url = URL_, offers = OFFERS;
function open_(offer) {
  return new Promise((resolve) => {
    const socket = new WebSocket(url, offer);
    socket.onmessage = (event) => resolve([socket.protocol, event.data]);
    socket.onerror = () => resolve(null);
    socket.onopen = () => socket.send("hello");
  });
}
async function all() {
  const results = {};
  for (const [name, offer] of Object.entries(offers)) results[name] = await open_(offer);
  await fetch("/report", {method: "POST", body: JSON.stringify({results})});
}
all();
</script>"""


def test_a_key_as_subprotocol_opens_a_websocket_in_a_browser(tmp_path):
    """The server chooses from what is left, and the browser is content with that."""
    handshakes = []

    def echo(connection):
        handshakes.append(connection.request.headers)
        connection.send(connection.recv())

    chat = [Subprotocol("chat")]
    with serve(echo, "127.0.0.1", 0, subprotocols=chat) as server, page_server("") as pages:
        thread = Thread(target=server.serve_forever)
        thread.start()
        allowed = pages.origin("127.0.0.1")
        upstream = f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        config = {
            "listen": "127.0.0.1:0",
            "cors": {"allow_origins": [allowed]},
            "routes": {"api": {"upstream": upstream, "credential": {"bearer": {"env": "TOKEN"}}}},
            "clients": {"alice": client(ALICE)},
        }
        with running(tmp_path, config, environ={"TOKEN": TOKEN}) as proxy:
            url = f"ws://127.0.0.1:{proxy.port}/api/ws"
            page = PAGE.replace("URL_", json.dumps(url)).replace("OFFERS", json.dumps(OFFERS))
            pages.page = page
            with browser(f"{allowed}/", tmp_path):
                results = pages.report()["results"]
        server.shutdown()
        thread.join()

    good = ["of OpenAI", "of Kubernetes", "raw"]
    assert {name: ["chat", "hello"] if name in good else None for name in OFFERS} == results
    assert 3 == len(handshakes)
    for headers in handshakes:
        assert [f"Bearer {TOKEN}"] == headers.get_all("Authorization")
        assert headers["Sec-WebSocket-Protocol"] in {"chat", "other, chat"}
