"""TLS towards the upstream: verified always, and told apart when it fails."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl

import pytest
import trustme

from proxy.upstream.tls import TlsSettings, client_context
from tests.integration.rig import private_ca
from tests.integration.rig.proxy import get, one_route
from tests.integration.rig.upstream import OK


@pytest.fixture(scope="module")
def authority():
    """Return a certificate authority of the tests' own."""
    return trustme.CA()


@pytest.fixture
def ca_file(authority, tmp_path):
    """Return its certificate as a file."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


def server_context(authority, *names):
    """Return a server's context with a certificate for names."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names).configure_cert(context)
    return context


def problem_of(answer):
    """Return what an own answer says: status, code and the error of RFC 9209."""
    return answer.status, answer.code, answer.one(b"Proxy-Status").decode().partition("error=")[2]


async def test_a_certificate_of_a_configured_authority(serve, start, authority, ca_file):
    """Requests go through, the connection is kept, HTTP/1.1 is what is negotiated."""
    context = server_context(authority, "127.0.0.1")
    context.set_alpn_protocols(["h2", "http/1.1"])
    upstream = await serve(tls=context)
    proxy = await start(one_route(upstream.origin, tls={"ca": str(ca_file)}))
    async with await proxy.client() as client:
        answers = [(await client.ask(get())).status for _ in range(3)]

    [visit] = upstream.visits
    assert [200] * 3 == answers
    assert "http/1.1" == visit.transport.get_extra_info("ssl_object").selected_alpn_protocol()


async def test_a_certificate_of_an_unknown_authority(serve, start, authority):
    """The system's authorities do not know it."""
    upstream = await serve(tls=server_context(authority, "127.0.0.1"))
    proxy = await start(one_route(upstream.origin))

    answer = await proxy.ask(get())

    assert (502, "upstream-tls-error", "tls_certificate_error") == problem_of(answer)
    assert [] == upstream.requests


@pytest.mark.parametrize("name", ["other.example", "10.0.0.1"])
async def test_a_certificate_of_another_name(serve, start, authority, ca_file, name):
    """The right authority for the wrong server."""
    upstream = await serve(tls=server_context(authority, name))
    proxy = await start(one_route(upstream.origin, tls={"ca": str(ca_file)}))

    answer = await proxy.ask(get())

    assert (502, "upstream-tls-error", "tls_certificate_error") == problem_of(answer)


CA = private_ca.authority()
OLD = private_ca.authority("Old CA", critical=False)
BETWEEN = private_ca.authority("Between", above=CA)
ENDED = private_ca.leaf(CA, age=1)
GOOD = {
    "as RFC 5280 asks": (private_ca.leaf(CA), CA),
    "no authority key identifier": (private_ca.leaf(CA, identified=False), CA),
    "basic constraints that are not critical": (private_ca.leaf(OLD), OLD),
    "an intermediate as the anchor": (private_ca.leaf(BETWEEN), BETWEEN),
    "for servers": (private_ca.leaf(CA, purpose=private_ca.SERVER), CA),
}
WRONG = {
    "ended": (ENDED, CA),
    "for clients": (private_ca.leaf(CA, purpose=private_ca.CLIENT), CA),
    "another address": (private_ca.leaf(CA, host="127.0.0.2"), CA),
    "another name": (private_ca.leaf(CA, host="localhost"), CA),
    "an anchor that is not above it": (private_ca.leaf(CA), BETWEEN),
    "no authority above it": (private_ca.leaf(private_ca.leaf(CA)), CA),
    "ended, and the anchor itself": (ENDED, ENDED),
}


@pytest.mark.parametrize(("leaf", "anchor"), GOOD.values(), ids=GOOD)
async def test_what_curl_accepts_of_a_private_authority(serve, start, tmp_path, leaf, anchor):
    """On every Python: 3.13 checks what older ones do not, unless it is asked not to."""
    upstream = await serve(tls=leaf.served(tmp_path / "leaf.pem"))
    (tmp_path / "ca.pem").write_bytes(anchor.pem)
    proxy = await start(one_route(upstream.origin, tls={"ca": str(tmp_path / "ca.pem")}))

    assert 200 == (await proxy.ask(get())).status


@pytest.mark.parametrize(("leaf", "anchor"), WRONG.values(), ids=WRONG)
async def test_what_a_private_authority_has_not_proved(serve, start, tmp_path, leaf, anchor):
    """Time, purpose, name and signatures."""
    upstream = await serve(tls=leaf.served(tmp_path / "leaf.pem"))
    (tmp_path / "ca.pem").write_bytes(anchor.pem)
    proxy = await start(one_route(upstream.origin, tls={"ca": str(tmp_path / "ca.pem")}))

    answer = await proxy.ask(get())

    assert (502, "upstream-tls-error", "tls_certificate_error") == problem_of(answer)
    assert [] == upstream.requests


async def test_a_mapped_address_is_verified_as_the_address_that_it_is(serve, start, tmp_path):
    """Certificates name that one."""
    upstream = await serve(tls=private_ca.leaf(CA).served(tmp_path / "leaf.pem"))
    (tmp_path / "ca.pem").write_bytes(CA.pem)
    origin = f"https://[::ffff:127.0.0.1]:{upstream.port}"
    proxy = await start(one_route(origin, tls={"ca": str(tmp_path / "ca.pem")}))

    assert 200 == (await proxy.ask(get())).status
    assert f"127.0.0.1:{upstream.port}".encode() == upstream.requests[0].one(b"Host")


@pytest.mark.parametrize("own", [True, False])
def test_the_verdict_is_the_same_on_every_python(own, ca_file):
    """For the system's authorities as well, where companies put theirs."""
    context = client_context(TlsSettings(ca=ca_file if own else None))

    strict = context.verify_flags & ssl.VERIFY_X509_STRICT
    assert (ssl.VERIFY_X509_PARTIAL_CHAIN, 0) == (
        context.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN,
        strict,
    )
    assert (ssl.CERT_REQUIRED, True) == (context.verify_mode, context.check_hostname)
    assert ssl.TLSVersion.TLSv1_2 == context.minimum_version


async def test_the_keys_of_sessions_are_written_nowhere(
    serve, start, authority, ca_file, tmp_path, monkeypatch
):
    """SSLKEYLOGFILE is for those who debug a browser: what is read with it holds credentials."""
    keys = tmp_path / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    upstream = await serve(tls=authority_context(authority))
    proxy = await start(one_route(upstream.origin, tls={"ca": str(ca_file)}))

    assert 200 == (await proxy.ask(get())).status
    assert not keys.exists()


def authority_context(authority):
    """Return a server's context that writes no keys itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


async def test_server_name_is_asked_for_and_verified(serve, start, authority, ca_file):
    """Instead of the origin's host; Host stays the origin's."""
    context = server_context(authority, "inside.example")
    asked = []
    context.sni_callback = lambda _, name, __: asked.append(name)
    upstream = await serve(tls=context)
    tls = {"ca": str(ca_file), "server_name": "inside.example"}
    proxy = await start(one_route(upstream.origin, tls=tls))

    assert 200 == (await proxy.ask(get())).status
    assert ["inside.example"] == asked
    assert f"127.0.0.1:{upstream.port}".encode() == upstream.requests[0].one(b"Host")


async def test_plain_http_where_tls_is_expected(serve, start, ca_file):
    """An upstream that answers in the clear."""

    async def script(visit):
        await visit.bell.until(lambda: visit.received)
        visit.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await visit.gone()

    upstream = await serve(script=script)
    origin = upstream.origin.replace("http:", "https:")
    proxy = await start(one_route(origin, tls={"ca": str(ca_file)}))

    answer = await proxy.ask(get())

    assert (502, "upstream-tls-error", "tls_protocol_error") == problem_of(answer)
    assert b"FAKE-token" not in upstream.visits[0].received


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_an_upstream_that_leaves_during_the_handshake(serve, start, ca_file, how):
    """Nothing has been sent to it."""

    async def script(visit):
        await visit.bell.until(lambda: visit.received)
        getattr(visit, how)()

    upstream = await serve(script=script)
    origin = upstream.origin.replace("http:", "https:")
    proxy = await start(one_route(origin, tls={"ca": str(ca_file)}))

    answer = await proxy.ask(get())

    assert (502, "upstream-tls-error", "tls_protocol_error") == problem_of(answer)


async def test_a_handshake_that_stalls(serve, start, ca_file):
    """The connect limit holds for it too."""

    async def script(visit):
        await visit.gone()

    upstream = await serve(script=script)
    origin = upstream.origin.replace("http:", "https:")
    keys = {"tls": {"ca": str(ca_file)}, "timeouts": {"connect": "300ms"}}
    proxy = await start(one_route(origin, **keys))

    answer = await proxy.ask(get())

    assert (504, "upstream-timeout", "connection_timeout") == problem_of(answer)


@pytest.mark.parametrize("given", [True, False])
async def test_an_upstream_that_asks_for_our_certificate(
    serve, start, authority, ca_file, tmp_path, given
):
    """It gets the configured one; without it, it refuses us."""
    context = server_context(authority, "127.0.0.1")
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    ours = authority.issue_cert("keybearer.example")
    pem = tmp_path / "client.pem"
    ours.private_key_and_cert_chain_pem.write_to_path(pem)
    upstream = await serve(OK, tls=context)
    tls = {"ca": str(ca_file)} | ({"client_cert": str(pem)} if given else {})
    proxy = await start(one_route(upstream.origin, tls=tls))

    answer = await proxy.ask(get())

    assert (200 if given else 502) == answer.status
    assert (1 if given else 0) == len(upstream.requests)


@pytest.mark.parametrize("sent", [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"])
async def test_an_answer_that_breaks_off_inside_tls(serve, start, authority, ca_file, sent):
    """The client sees an incomplete message."""

    async def script(visit):
        await visit.request()
        visit.send(sent)
        visit.close()

    upstream = await serve(script=script, tls=server_context(authority, "127.0.0.1"))
    proxy = await start(one_route(upstream.origin, tls={"ca": str(ca_file)}))
    async with await proxy.client() as client:
        client.send(get())
        await client.ended()

    assert client.received.endswith(b"\r\n\r\nhello")


@pytest.mark.parametrize("cut", [False, True])
async def test_the_end_of_a_close_delimited_answer_is_close_notify(
    serve, start, authority, ca_file, cut
):
    """Anybody on the way could send the FIN that TCP alone ends with (RFC 9112 9.8)."""

    async def script(visit):
        await visit.head()
        visit.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf")
        if cut:
            # The socket below TLS: a FIN, and no close_notify.
            below = visit.transport.get_extra_info("socket").fileno()
            await asyncio.sleep(0.05)  # what has been sent goes first
            with socket.socket(fileno=os.dup(below)) as raw:
                raw.shutdown(socket.SHUT_WR)
            await asyncio.Event().wait()
        visit.close()

    upstream = await serve(tls=server_context(authority, "127.0.0.1"), script=script)
    proxy = await start(one_route(upstream.origin, tls={"ca": str(ca_file)}))
    async with await proxy.client() as client:
        client.send(get())
        await client.until(b"half")
        if cut:
            await client.ended()
        else:
            await client.until(b"0\r\n\r\n")
    line = await proxy.logged()

    assert (None if not cut else "upstream-protocol-error") == line["error"]
    assert cut == (b"0\r\n\r\n" not in client.received)
