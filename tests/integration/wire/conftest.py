"""Which loops the cases are played on."""

from __future__ import annotations

import asyncio

import uvloop


def pytest_asyncio_loop_factories(config, item):
    """Play all on uvloop, which is what runs, and what a test's name says on asyncio's loop."""
    if item.name.startswith("test_on_asyncio"):
        return {"asyncio": asyncio.new_event_loop}
    return {"uvloop": uvloop.new_event_loop}
