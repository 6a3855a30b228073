"""Tools that must be there, and the command before an upstream."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler

import pytest
import uvloop

from tests.e2e.rig.command import keybearer, running
from tests.e2e.rig.tools import prepared
from tests.soak.rig.upstream import upstream


@pytest.fixture(scope="session", autouse=True)
def tools():
    """Fail at once, and say what to install, if a tool is missing."""
    keybearer()
    with prepared("slowhttptest"):
        yield


@pytest.fixture(autouse=True)
def _quiet():
    """Let a test take minutes without a dump of where it is; its own timeout still ends it."""
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def start(tmp_path):
    """Start an upstream and the command before it, as the route `api`; both end with the test."""
    with contextlib.ExitStack() as stack:

        def start(serve):
            origin = stack.enter_context(upstream(serve))
            route = {"upstream": origin, "credential": {"bearer": {"value": "FAKE-token"}}}
            config = {"listen": "127.0.0.1:0", "routes": {"api": route}}
            return stack.enter_context(running(tmp_path, config))

        yield start


def pytest_asyncio_loop_factories(config, item):
    """Run the proxy on uvloop and on asyncio's own loop, where it is not the command."""
    if "command" in item.name:
        return {"asyncio": asyncio.new_event_loop}
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
