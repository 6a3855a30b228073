"""Short ways to the values that the steps of the data plane take."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from proxy.dataplane.headers import RequestRules, Stripping
from proxy.dataplane.headers_back import ResponseRules
from proxy.dataplane.inject import Injector
from proxy.dataplane.model import Head
from proxy.dataplane.policy import Policy
from proxy.dataplane.route import Route
from proxy.upstream.origin import Origin


UPSTREAM = Origin.parse("https://api.example.org")


@pytest.fixture
def make_head():
    """Return a maker of heads as the front reads them."""

    def make(*fields, method="GET", target="/", version=(1, 1), length=None, chunked=False):
        named = CIMultiDict((n.decode("latin-1"), v.decode("latin-1")) for n, v in fields)
        return Head(method, target, version, fields, CIMultiDictProxy(named), length, chunked, True)

    return make


@pytest.fixture
def make_route():
    """Return a maker of routes; whatever is not said is the plainest."""

    def make(name="up", **changes):
        values: dict[str, Any] = {
            "name": name,
            # Only the origin of a pool is looked at before something is sent.
            "pool": cast("Any", SimpleNamespace(endpoint=SimpleNamespace(origin=UPSTREAM))),
            "path": f"/{name}",
            "hosts": (f"{name}.localhost",),
            "policy": Policy(None),
            "request": RequestRules(UPSTREAM, Stripping()),
            "response": ResponseRules(),
            "injector": Injector(None, ()),
            "body_limit": None,
            "replay_buffer": 0,
        }
        return Route(**values | changes)

    return make
