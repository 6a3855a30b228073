"""The proxy on both event loops, in front of a server that the module names."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

from tests.integration.fidelity.rig.contract import Paths
from tests.integration.fidelity.rig.servers import proxy_to


LOOPS = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture(scope="module", params=list(LOOPS))
def paths(server, request):
    """Both ways to the module's server."""
    with proxy_to(server, LOOPS[request.param]) as proxy:
        yield Paths(server, proxy.port)
