"""A client that leaves while its upload is held is seen within a second."""

from __future__ import annotations

import time

import pytest

from tests.integration.rig.held import held_upload, leave, take_nothing
from tests.integration.rig.proxy import one_route, running
from tests.integration.rig.upstream import Upstream


pytestmark = pytest.mark.soak

SEEN_S = 1.5  # it is looked for once in a second
TRIES = 3
"""A machine that others use stalls, too; the best of so many counts."""


@pytest.mark.parametrize("how", ["FIN", "RST"])
async def test_soon(how):
    """Although its connection is not read."""
    took_s = [SEEN_S]
    while min(took_s) >= SEEN_S and len(took_s) <= TRIES:
        async with (
            Upstream(script=take_nothing) as upstream,
            running(one_route(upstream.origin)) as proxy,
        ):
            client = await held_upload(proxy)
            left = time.monotonic()
            leave(client, how)
            await proxy.logged()
            took_s.append(time.monotonic() - left)

    assert min(took_s) < SEEN_S, took_s
