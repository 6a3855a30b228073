"""Every way in: path prefix, virtual host, own listener, unix socket, absolute form."""

from __future__ import annotations

import asyncio
import errno
import random
import socket
import stat
from pathlib import Path

import pytest

from proxy.process import listeners
from proxy.process.listeners import ListenError
from tests.integration.rig.proxy import get, one_route, request, running
from tests.integration.rig.raw import Client


def descriptors():
    """Return how many are open."""
    return len(list(Path("/dev/fd").iterdir()))


def three_routes(upstream):
    """Return routes at `/a`, `/a/b` and, with no path, `c`."""
    plain = {"upstream": upstream.origin, "credential": "none"}
    return {
        "listen": "127.0.0.1:0",
        "routes": {
            "a": plain | {"set_headers": {"X-Route": "a"}},
            "deep": plain | {"path": "/a/b", "set_headers": {"X-Route": "deep"}},
            "c": plain
            | {
                "path": False,
                "hosts": ["c.example"],
                "listen": "127.0.0.1:0",
                "set_headers": {"X-Route": "c"},
            },
        },
    }


async def reached(proxy, upstream, data, listener=0):
    """Send a request and return route and target as the upstream saw them."""
    answer = await proxy.ask(data, listener)
    assert 200 == answer.status, answer.raw
    seen = upstream.requests[-1]
    return seen.one(b"X-Route"), seen.target


@pytest.mark.parametrize(
    ("target", "route", "seen"),
    [
        ("/a", b"a", b"/"),
        ("/a?q=1", b"a", b"/?q=1"),
        ("/a?", b"a", b"/?"),
        ("/a/", b"a", b"/"),
        ("/a/x?y=/a/b", b"a", b"/x?y=/a/b"),
        ("/a//x", b"a", b"//x"),
        ("/a/b", b"deep", b"/"),
        ("/a/b/c/", b"deep", b"/c/"),
        ("/a/bc", b"a", b"/bc"),
        ("/a//b", b"a", b"//b"),
        ("/a/%62", b"a", b"/%62"),
        ("/a/x;y=%7e%2F%2f%61//", b"a", b"/x;y=%7e%2F%2f%61//"),
    ],
)
async def test_the_longest_prefix_is_cut_off_and_the_rest_stays_as_it_is(
    start, upstream, target, route, seen
):
    """A prefix ends at a segment's boundary, and not a byte behind it changes."""
    proxy = await start(three_routes(upstream))

    assert (route, seen) == await reached(proxy, upstream, get(target))


@pytest.mark.parametrize(
    "target",
    ["/", "/ax", "/a.evil", "/a@evil", "/A", "/%61", "/c", "/c/x", "//a", "/?/a", "/_keybearer"],
)
async def test_what_no_route_answers_for_is_404(start, upstream, target):
    """There is no default route, and nothing is forwarded."""
    proxy = await start(three_routes(upstream))

    answer = await proxy.ask(get(target))

    assert (404, "no-route") == (answer.status, answer.code)
    assert [] == upstream.visits


@pytest.mark.parametrize(
    "host", ["a.localhost", "A.LocalHost:8484", "a.localhost.", "a.localhost:1"]
)
async def test_a_virtual_host_is_the_upstreams_root(start, upstream, host):
    """Case, port and one trailing dot do not matter; the path is passed whole."""
    proxy = await start(three_routes(upstream))

    assert (b"a", b"/a/b?q") == await reached(proxy, upstream, get("/a/b?q", host=host))


async def test_a_configured_host_leads_to_its_route(start, upstream):
    """`hosts:` adds names, and a route without path is reached by them."""
    proxy = await start(three_routes(upstream))

    assert (b"c", b"/a") == await reached(proxy, upstream, get("/a", host="c.example"))
    assert (b"c", b"/a") == await reached(proxy, upstream, get("/a", host="c.localhost"))


async def test_an_own_listener_has_one_route_whatever_host_and_path_say(start, upstream):
    """Its root is the upstream's, and the names and paths of other routes mean nothing there."""
    proxy = await start(three_routes(upstream))

    assert (b"c", b"/a/b") == await reached(proxy, upstream, get("/a/b"), "c")
    assert (b"c", b"/x") == await reached(proxy, upstream, get("/x", host="a.localhost"), "c")
    assert (b"c", b"/_keybearer/healthz") == await reached(
        proxy, upstream, get("/_keybearer/healthz"), "c"
    )


async def test_an_unknown_name_below_localhost_does_not_fall_through(start, upstream):
    """A misspelt virtual host is 421, even where its path is another route's."""
    proxy = await start(three_routes(upstream))

    answer = await proxy.ask(get("/a/x", host="nobody.localhost"))

    assert (421, "host-denied") == (answer.status, answer.code)
    assert [] == upstream.visits


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:9", "127.9.9.9"])
async def test_the_proxys_own_names_lead_to_the_paths(start, upstream, host):
    """`localhost` and the addresses of loopback are the proxy itself."""
    proxy = await start(three_routes(upstream))

    assert (b"a", b"/x") == await reached(proxy, upstream, get("/a/x", host=host))


async def test_health_is_told_to_anybody_and_not_logged(start, upstream):
    """The reserved paths ask for no name of ours and leave no line; others below them are 404."""
    proxy = await start(three_routes(upstream))
    async with await proxy.client() as client:
        alive = await client.ask(get("/_keybearer/healthz", host="evil.example"))
        ready = await client.ask(get("/_keybearer/readyz", host="evil.example"))
        told = await client.ask(
            request("HEAD", "/_keybearer/readyz", host="evil.example"), to_head=True
        )
        other = await client.ask(get("/_keybearer/metrics", host="evil.example"))
        posted = await client.ask(request("POST", "/_keybearer/healthz"))

    assert (200, b"ok\n", 200, b"ok\n") == (alive.status, alive.body, ready.status, ready.body)
    assert (200, b"") == (told.status, told.body)
    assert (404, 405, b"GET, HEAD") == (other.status, posted.status, posted.one(b"Allow"))
    await proxy.logged(2)
    assert [404, 405] == [line["status"] for line in proxy.log.requests]


@pytest.mark.parametrize("authority", ["localhost:1", "127.0.0.1:1", "LOCALHOST:1", "localhost.:1"])
async def test_an_absolute_target_that_is_ours_is_the_origin_form(start, upstream, authority):
    """RFC 9112 3.2.2: the authority counts, and the upstream gets the origin form."""
    proxy = await start(three_routes(upstream))

    seen = await reached(proxy, upstream, get(f"http://{authority}/a/x?q", host=authority))

    assert (b"a", b"/x?q") == seen


async def test_an_absolute_target_may_name_a_virtual_host(start, upstream):
    """A tool that takes us for its proxy and knows our name is served."""
    proxy = await start(three_routes(upstream))

    seen = await reached(proxy, upstream, get("http://a.localhost", host="a.localhost"))

    assert (b"a", b"/") == seen


@pytest.mark.parametrize(
    ("target", "host", "status", "code"),
    [
        ("http://evil.example/a/x", "evil.example", 403, "forward-denied"),
        ("https://evil.example/a/x", "evil.example", 403, "forward-denied"),
        ("http://localhost/a/x", "a.localhost", 400, "bad-request"),
        ("http://a.localhost/x", "c.localhost", 400, "bad-request"),
        ("http://localhost:1/a/x", "localhost:2", 400, "bad-request"),
        ("http://u:p@localhost/a/x", "localhost", 400, "bad-target"),
        ("http://u@a.localhost/x", "a.localhost", 400, "bad-target"),
        ("http:///a/x", "localhost", 400, "bad-request"),
        ("http:/a/x", "localhost", 400, "bad-request"),
        ("ftp://localhost/a/x", "localhost", 400, "bad-target"),
        ("http://localhost:x/a", "localhost:x", 400, "bad-request"),
    ],
)
async def test_an_absolute_target_elsewhere_is_refused(start, upstream, target, host, status, code):
    """The proxy is no open one, and two authorities that differ are two readings."""
    proxy = await start(three_routes(upstream))

    answer = await proxy.ask(get(target, host=host))

    assert (status, code) == (answer.status, answer.code)
    assert [] == upstream.visits


@pytest.mark.parametrize(
    "target", ["localhost:443", "a.localhost:80", "evil.example:443", "[::1]:1"]
)
async def test_connect_is_refused_and_nothing_behind_it_is_read(start, upstream, target):
    """What follows a CONNECT is the tunnel's, never a request."""
    proxy = await start(three_routes(upstream))
    async with await proxy.client() as client:
        answer = await client.ask(request("CONNECT", target, host=target) + get("/a/tail"))
        client.send(get("/a/later"))
        await client.ended()

    assert (405, "method-denied", b"close") == (
        answer.status,
        answer.code,
        answer.one(b"Connection"),
    )
    assert b"" == client.received
    assert [] == upstream.visits


async def test_trace_would_echo_the_credential(proxy, upstream):
    """TRACE is 405 on every route, and the connection goes on."""
    async with await proxy.client() as client:
        answer = await client.ask(request("TRACE", "/api/x"))
        after = await client.ask(get())

    assert (405, "method-denied", 200) == (answer.status, answer.code, after.status)
    assert [b"GET"] == [each.method for each in upstream.requests]


async def test_options_of_the_whole_server_is_no_targets(proxy, upstream):
    """`OPTIONS *` names no route."""
    answer = await proxy.ask(request("OPTIONS", "*"))

    assert (400, "bad-target") == (answer.status, answer.code)
    assert [] == upstream.visits


async def test_http_1_0_without_host_is_served_by_path(proxy, upstream):
    """A browser always sends a Host, so that this is none."""
    answer = await proxy.ask(b"GET /api/x HTTP/1.0\r\n\r\n")

    assert (200, b"/x") == (answer.status, upstream.requests[0].target)


# Listeners.


async def test_localhost_is_both_families_on_one_port(start, upstream):
    """Port 0 is chosen once, and both addresses have it."""
    proxy = await start(one_route(upstream.origin) | {"listen": "localhost:0"})

    shared = [each for each in proxy.service.listeners if each.entrance.kind == "shared"]
    answers = []
    for host in ("127.0.0.1", "::1"):
        async with await Client.connect(proxy.port, host=host) as client:
            answers.append((await client.ask(get())).status)

    assert [200, 200] == answers
    assert [f"http://127.0.0.1:{proxy.port}", f"http://[::1]:{proxy.port}"] == [
        each.url for each in shared
    ]


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost"])
async def test_a_port_in_use_is_told_and_all_others_are_closed_again(upstream, address, tmp_path):
    """Either everything listens, or nothing."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        path = tmp_path / "kb.sock"
        config = one_route(upstream.origin) | {"listen": [f"unix:{path}", f"{address}:{port}"]}

        with pytest.raises(ListenError, match=f"127.0.0.1:{port}: the port is in use"):
            async with running(config):
                pass

    assert not path.exists()


async def test_a_port_in_use_leaves_no_other_file_open(upstream, tmp_path):
    """A program that starts the service itself may try again for days."""
    audit = {"file": str(tmp_path / "audit.log")}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        config = one_route(upstream.origin) | {"listen": listen, "audit": audit}
        before = descriptors()
        for _ in range(3):
            with pytest.raises(ListenError):
                async with running(config):
                    pass

    assert before - 1 == descriptors()


async def test_a_port_in_use_by_the_other_family_alone_is_told(upstream):
    """Half of localhost would be somebody else's."""
    # Below the system's own choices, or another test may have it in the first family.
    port = random.randrange(15_000, 30_000)
    config = one_route(upstream.origin) | {"listen": f"localhost:{port}"}
    told = rf"\[::1\]:{port}: the port is in use"
    taken = socket.create_server(("::1", port), family=socket.AF_INET6)
    with taken, pytest.raises(ListenError, match=told):
        async with running(config):
            pass


async def test_any_port_is_one_that_is_free_in_both_families(upstream, monkeypatch):
    """The system chooses for one family; where the other has it taken, it is asked again."""
    bind = listeners._bind_tcp
    refused: list[int] = []

    def taken_twice(host, port, listen, entrance):
        if host == "::1" and len(refused) < 2:
            refused.append(port)
            raise ListenError("taken") from OSError(errno.EADDRINUSE, "in use")
        return bind(host, port, listen, entrance)

    monkeypatch.setattr(listeners, "_bind_tcp", taken_twice)
    async with running(one_route(upstream.origin) | {"listen": "localhost:0"}) as proxy:
        ports = {proxy.port_of(0), proxy.port_of(1)}

    assert (2, 1) == (len(refused), len(ports))


@pytest.mark.parametrize(("mode", "expected"), [(None, 0o600), ("0660", 0o660)])
async def test_a_unix_socket_is_an_entrance_of_its_mode(start, upstream, tmp_path, mode, expected):
    """By path and by virtual host; the mode is the owner's alone unless the file says otherwise."""
    path = tmp_path / "kb.sock"
    listen = {"address": f"unix:{path}"} | ({} if mode is None else {"mode": mode})
    proxy = await start(one_route(upstream.origin) | {"listen": [listen]})
    async with await Client.connect(path) as client:
        await client.ask(get("/api/x"))
        await client.ask(get("/y", host="api.localhost"))
        unknown = await client.ask(get("/y", host="nobody.localhost"))

    assert [b"/x", b"/y"] == [each.target for each in upstream.requests]
    assert 421 == unknown.status
    assert expected == stat.S_IMODE(path.stat().st_mode)
    assert f"unix:{path}" == proxy.service.listeners[0].url


async def test_an_own_unix_socket_is_the_upstreams_root(start, upstream, tmp_path):
    """`listen: unix:` on a route."""
    path = tmp_path / "api.sock"
    await start(one_route(upstream.origin, listen=f"unix:{path}"))
    async with await Client.connect(path) as client:
        answer = await client.ask(get("/api/x", host="whatever"))

    assert (200, b"/api/x") == (answer.status, upstream.requests[0].target)


def left_behind(path):
    """Leave a socket file that nobody listens on."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))


async def test_a_listener_too_busy_to_accept_is_living(upstream, tmp_path):
    """To wait for its answer would hold up the start for ever; to take its place, steal it."""
    path = tmp_path / "kb.sock"
    config = one_route(upstream.origin) | {"listen": f"unix:{path}"}
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as waits:
        busy.bind(str(path))
        busy.listen(0)
        waits.connect(str(path))
        with pytest.raises(ListenError, match="another process listens there"):
            async with running(config):
                pass

    assert path.is_socket()


async def test_a_stale_socket_is_replaced_and_the_new_one_removed_at_the_end(upstream, tmp_path):
    """A crash leaves the file; a clean end does not."""
    path = tmp_path / "kb.sock"
    left_behind(path)
    config = one_route(upstream.origin) | {"listen": f"unix:{path}"}

    async with running(config), await Client.connect(path) as client:
        answer = await client.ask(get())

    assert 200 == answer.status
    assert not path.exists()


async def test_a_living_socket_is_not_taken(upstream, tmp_path):
    """The other process keeps its file and its clients."""
    path = tmp_path / "kb.sock"
    config = one_route(upstream.origin) | {"listen": f"unix:{path}"}
    async with running(config):
        with pytest.raises(ListenError, match="another process listens there"):
            async with running(config):
                pass
        async with await Client.connect(path) as client:
            answer = await client.ask(get())

    assert 200 == answer.status


async def test_a_foreign_file_is_never_removed(upstream, tmp_path):
    """Neither a file nor what a link leads to."""
    path, link = tmp_path / "precious", tmp_path / "link"
    path.write_text("data")
    link.symlink_to(path)
    for where in (path, link):
        with pytest.raises(ListenError, match="no socket"):
            async with running(one_route(upstream.origin) | {"listen": f"unix:{where}"}):
                pass

    assert "data" == path.read_text()
    assert link.is_symlink()


async def test_a_file_that_replaced_ours_stays(upstream, tmp_path):
    """Whoever took the path over meanwhile keeps it."""
    path = tmp_path / "kb.sock"
    async with running(one_route(upstream.origin) | {"listen": f"unix:{path}"}):
        path.unlink()
        path.write_text("somebody else's")

    assert "somebody else's" == path.read_text()


async def test_a_peer_on_a_socket_of_both_families_has_one_address(start, upstream):
    """The kernel writes its IPv4 address as a mapped one: log and trust see that one."""
    config = one_route(upstream.origin, forwarded=True) | {"trusted_proxies": ["127.0.0.1"]}
    proxy = await start(config)
    both = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    front, [shared, _] = proxy.service._front, proxy.service.listeners
    loop = asyncio.get_running_loop()
    server = await loop.create_server(front.protocols(shared.entrance), sock=both)
    async with await Client.connect(both.getsockname()[1]) as client:
        answer = await client.ask(get("/api/x", "X-Forwarded-For: ::ffff:203.0.113.9"))
    server.close()

    assert 200 == answer.status
    assert b"::ffff:203.0.113.9, 127.0.0.1" == upstream.requests[0].one(b"X-Forwarded-For")
    assert "203.0.113.9" == (await proxy.logged())["client"]
