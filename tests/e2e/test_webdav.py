"""WebDAV on a real nginx, by curl, and a real nginx in front: who copies what to where."""

from __future__ import annotations

import pytest

from tests.e2e.rig.clients import curl
from tests.e2e.rig.command import running
from tests.e2e.rig.nginx import nginx


pytestmark = pytest.mark.e2e

DAV = "dav_methods PUT DELETE MKCOL COPY MOVE;\n    create_full_put_path on;"
FRONT = """\
location / {{
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_pass http://127.0.0.1:{port};
    }}
"""


@pytest.fixture
def served(tmp_path):
    """The directory that nginx serves, and its origin."""
    files = tmp_path / "nginx" / "www"
    (files / "open").mkdir(parents=True)
    (files / "secret").mkdir()
    (files / "open" / "a").write_text("a")
    with nginx(tmp_path / "nginx", DAV) as origin:
        yield files, origin


@pytest.fixture
def dav(served, tmp_path):
    """A proxy with the route `dav`, which denies what is secret."""
    directory = tmp_path / "proxy"
    directory.mkdir()
    route = {
        "upstream": served[1],
        "credential": "none",
        "listen": "127.0.0.1:0",
        "rules": [{"paths": ["/secret/**"], "action": "deny"}],
    }
    config = {"listen": "127.0.0.1:0", "trusted_proxies": ["127.0.0.1"], "routes": {"dav": route}}
    with running(directory, config) as proxy:
        yield proxy


def copied(base, to, method="COPY", *more):
    """Copy `open/a` by curl; return the status."""
    told = ["-o", "/dev/null", "-w", "%{http_code}", "-X", method, "-H", f"Destination: {base}{to}"]
    return int(curl(*told, *more, f"{base}/open/a").stdout)


def entrances(dav):
    """Return the ways to the route."""
    shared = dav.listening[0]
    return [f"{shared}/dav", f"http://dav.localhost:{dav.port}", dav.listening[1]]


@pytest.mark.parametrize("entrance", [0, 1, 2])
def test_a_file_is_copied_and_moved_by_every_entrance(served, dav, entrance):
    """The server answers that the destination is its own."""
    files, _ = served
    base = entrances(dav)[entrance]

    statuses = (copied(base, "/open/new%20name"), copied(base, "/open/moved", "MOVE"))

    assert (204, 204) == statuses
    assert {"new name", "moved"} == {each.name for each in (files / "open").iterdir()}


@pytest.mark.parametrize("entrance", [0, 1, 2])
def test_nothing_is_copied_to_where_a_rule_denies_it(served, dav, entrance):
    """However it is spelled."""
    files, _ = served
    base = entrances(dav)[entrance]

    for to in ("/secret/a", "/open/..%2fsecret/a", "/%73ecret/a", "/open/../secret/a"):
        assert copied(base, to) in {400, 403}
    assert [] == list((files / "secret").iterdir())


def test_a_proxy_in_front_says_who_copies(served, dav, tmp_path):
    """By its own name for us; and what the client writes into its field is not believed."""
    files, _ = served
    directory = tmp_path / "front"
    (directory / "www").mkdir(parents=True)
    with nginx(directory, FRONT.format(port=dav.port)) as front:
        forged = ["-H", "X-Forwarded-For: 203.0.113.9", "--interface", "127.0.0.2"]
        status = copied(f"{front}/dav", "/open/b", "COPY", *forged)
    dav.stop()

    assert 204 == status
    assert (files / "open" / "b").exists()
    assert ["127.0.0.2"] == [line["client"] for line in dav.log if line["event"] == "request"]
