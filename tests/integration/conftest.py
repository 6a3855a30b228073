"""Both event loops for whatever stands on the proxy, and servers that end with their test."""

from __future__ import annotations

import asyncio
import contextlib
import os

import pytest
import uvloop

from tests.integration.rig.proxy import one_route, running
from tests.integration.rig.upstream import Upstream


# Stand-ins, commands that bring their own loop, and what the control plane does beside it.
_ON_ONE_LOOP = (
    "test_standin",
    "test_commands",
    "test_clients_forgotten",
    "test_clients_reload",
    "test_keys_command",
    "test_rate_store",
    "test_tls_reload",
    "test_private",
    "test_run_command",
    "test_signals",
    "test_wire_observed",
)


def pytest_asyncio_loop_factories(config, item):
    """Run a test of the proxy on uvloop and on asyncio's own loop."""
    if item.path.name.startswith(_ON_ONE_LOOP):
        return {"asyncio": asyncio.new_event_loop}
    asks = any("loop_factories" in mark.kwargs for mark in item.iter_markers("asyncio"))
    if "ON_UVLOOP_ALONE" in os.environ and not asks:
        return {"uvloop": uvloop.new_event_loop}
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture
async def upstream():
    """An upstream that answers 200 to everything, until the test says otherwise."""
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
async def proxy(upstream):
    """A proxy with the route `api` to `upstream`."""
    async with running(one_route(upstream.origin)) as proxy:
        yield proxy


@pytest.fixture
async def start():
    """Start a proxy with a configuration of the test's own; it ends with the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(config, **more):
            return await stack.enter_async_context(running(config, **more))

        yield start


@pytest.fixture
async def serve():
    """Start an upstream of the test's own; it ends with the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def serve(*args, **more):
            return await stack.enter_async_context(Upstream(*args, **more))

        yield serve
