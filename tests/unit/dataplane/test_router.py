"""Which route: own listener, then virtual host, then path prefix."""

from __future__ import annotations

import pytest

from proxy.dataplane.errors import HostDenied, NoRoute
from proxy.dataplane.model import Entrance
from proxy.dataplane.router import Router


SHARED = Entrance("shared", "http", "localhost")

PATHS = {
    "the prefix alone": ("/api", "api"),
    "the prefix and a slash": ("/api/", "api"),
    "a path below the prefix": ("/api/x/y", "api"),
    "a double slash behind the prefix": ("/api//x", "api"),
    "the longest prefix": ("/api/v2/x", "deep"),
    "the longest prefix alone": ("/api/v2", "deep"),
    "a longer word is not the longer prefix": ("/api/v22", "api"),
    "another route": ("/other/x", "other"),
}
NO_PATHS = {
    "the root": "/",
    "a longer word": "/apix",
    "a dot behind": "/api.evil",
    "an at sign behind": "/api@evil/x",
    "parameters behind": "/api;x/y",
    "another case": "/API/x",
    "an encoded letter": "/%61pi/x",
    "an encoded slash": "/api%2fx",
    "a slash before": "//api/x",
    "a route without a path": "/hidden/x",
    "a part of a prefix": "/two",
}


@pytest.fixture
def router(make_route):
    """Return a router of a few routes."""
    return Router(
        [
            make_route("api"),
            make_route("deep", path="/api/v2"),
            make_route("other", hosts=("other.localhost", "other.example")),
            make_route("hidden", path=None),
            make_route("two", path="/two/segments"),
        ]
    )


@pytest.mark.parametrize(("path", "name"), PATHS.values(), ids=PATHS)
def test_paths_lead_to_routes(router, path, name):
    """Byte for byte, at a segment boundary, the longest first."""
    mount = router.match(SHARED, "localhost", path)

    assert name == mount.route.name
    assert path.startswith(mount.prefix)
    assert (mount.prefix.encode(), True) == (mount.base.prefix, mount.base.shared)


@pytest.mark.parametrize("path", NO_PATHS.values(), ids=NO_PATHS)
def test_other_paths_lead_nowhere(router, path):
    """There is no default route."""
    with pytest.raises(NoRoute) as caught:
        router.match(SHARED, "localhost", path)

    assert (404, "no-route") == (caught.value.status, caught.value.code)


@pytest.mark.parametrize("host", ["other.localhost", "other.example"])
def test_virtual_hosts_come_before_paths(router, host):
    """The path is the upstream's own there, even if it looks like another route's prefix."""
    mount = router.match(SHARED, host, "/api/x")

    assert ("other", "", b"", False) == (
        mount.route.name,
        mount.prefix,
        mount.base.prefix,
        mount.base.shared,
    )


@pytest.mark.parametrize("host", ["unknown.localhost", "a.api.localhost"])
def test_an_unknown_virtual_host_does_not_fall_through_to_paths(router, host):
    """Whoever asks for it means a route, and would get another one."""
    with pytest.raises(HostDenied) as caught:
        router.match(SHARED, host, "/api/x")

    assert 421 == caught.value.status


@pytest.mark.parametrize("host", ["", "localhost", "127.0.0.1", "proxy.example"])
def test_other_hosts_use_the_paths(router, host):
    """Whatever the Host rule accepts and is no virtual host."""
    assert "api" == router.match(SHARED, host, "/api/x").route.name


@pytest.mark.parametrize("host", ["", "localhost", "other.localhost", "unknown.localhost"])
def test_an_own_listener_comes_before_all(router, host):
    """Its root is the upstream's root."""
    entrance = Entrance("own", "http", host, route="hidden")

    mount = router.match(entrance, host, "/api/x")

    assert ("hidden", "", False) == (mount.route.name, mount.prefix, mount.base.shared)


def test_a_route_may_be_mounted_at_the_root(make_route):
    """`run` without a file has one route, and no prefix before it."""
    router = Router([make_route("only", path="")])

    assert [""] * 3 == [router.match(SHARED, "", p).prefix for p in ("/", "/x", "//x/y")]


@pytest.mark.parametrize(
    ("path", "name"),
    [("/two/segments/x", "deep"), ("/two/x", "root"), ("/two", "root"), ("/x", "root")],
)
def test_the_root_takes_what_no_prefix_does(make_route, path, name):
    """Also where a prefix begins alike."""
    router = Router([make_route("root", path=""), make_route("deep", path="/two/segments")])

    assert name == router.match(SHARED, "", path).route.name
