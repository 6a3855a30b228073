"""Provision: what it warns about at every start."""

from __future__ import annotations

import asyncio

import pytest

from proxy.config.loader import loads
from proxy.observe.log import Log
from proxy.process.provision import provision
from proxy.upstream.sweep import Sweep


TEXT = """\
listen: "{}"
clients: {{}}
routes:
  api: {{upstream: "http://127.0.0.1:2", credential: none}}
"""


@pytest.mark.parametrize(("listen", "told"), [("0.0.0.0:1", True), ("127.0.0.1:1", False)])
async def test_a_start_tells_where_keys_travel_in_the_clear(tmp_path, listen, told):
    """Whether there are clients already or not; nothing listens yet."""
    config = loads(TEXT.format(listen), name="f", base=tmp_path, environ={})

    provisioned = provision(config, {}, Sweep(asyncio.get_running_loop()), Log("error"))

    begins = f"f:1:9: listen: keys and answers travel unencrypted on {listen}"
    assert [True] * told == [each.startswith(begins) for each in provisioned.warnings]
