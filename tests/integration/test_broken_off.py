"""A request that we break off says why; whoever takes something, if slowly, is not broken off."""

from __future__ import annotations

from tests.integration.rig.proxy import get, one_route


def limited(upstream, **keys):
    """Return a configuration with limits."""
    return one_route(upstream.origin) | keys


async def waiting(visit):
    """Take a request and never answer."""
    await visit.request()
    await visit.gone(30)


async def test_a_request_without_an_answer_is_told_that_the_process_ends(serve, start):
    """503 of our own, and in the log the drain's limit."""
    upstream = await serve(script=waiting)
    proxy = await start(limited(upstream, drain={"delay": "0s", "timeout": "100ms"}))
    async with await proxy.client() as client:
        client.send(get())
        await upstream.visited()
        await proxy.service.drain()
        answer = await client.answer()
        await client.ended()
    line = await proxy.logged()

    assert (503, "stopping", b"close") == (answer.status, answer.code, answer.one(b"Connection"))
    assert (503, "stopping") == (line["status"], line["error"])
    assert line["cause"].startswith("drain.timeout: ")


async def test_an_answer_that_has_begun_is_broken_off(serve, start):
    """With a reset; the log has the status that was sent, and why it did not end."""

    async def begin(visit):
        await visit.request()
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await visit.gone(30)

    upstream = await serve(script=begin)
    proxy = await start(limited(upstream))
    async with await proxy.client() as client:
        client.send(get())
        await client.until(b"half")
        await proxy.service.stop()
        assert "RST" == await client.ended()
    line = await proxy.logged()

    assert (200, "stopping") == (line["status"], line["error"])
    assert "the proxy was told to stop at once" == line["cause"]


async def test_a_client_that_leaves_is_still_the_one_who_left(serve, start):
    """499, as before."""
    upstream = await serve(script=waiting)
    proxy = await start(limited(upstream))
    async with await proxy.client() as client:
        client.send(get())
        await upstream.visited()
    line = await proxy.logged()

    assert (499, "client-gone", None) == (line["status"], line["error"], line["cause"])


async def test_tls_on_a_plain_port_says_what_to_do(proxy):
    """In the answer and in the log."""
    answer = await proxy.ask(bytes.fromhex("16030100c8010000c40303") + b"\r\n\r\n" + b"x" * 20)
    line = await proxy.logged()

    assert (400, "bad-request") == (answer.status, answer.code)
    assert "use http in place of https" in answer.problem["detail"]
    assert line["cause"].startswith("TLS on a listener without it")


async def test_connect_says_what_to_do(proxy):
    """Whoever sends it takes us for a forward proxy."""
    answer = await proxy.ask(b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n")
    line = await proxy.logged()

    assert (405, "method-denied") == (answer.status, answer.code)
    assert "base URL" in line["cause"]
