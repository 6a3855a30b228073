"""A response and the flow that it holds."""

from __future__ import annotations

import asyncio

import pytest

from proxy.upstream.response import Response


class RecordingFlow:
    """Remembers whether it is held."""

    def __init__(self):
        self.calls = []

    def pause_reading(self):
        """Be held."""
        self.calls.append("pause")

    def resume_reading(self):
        """Be let go."""
        self.calls.append("resume")


@pytest.fixture
def flow():
    """Return a flow that remembers."""
    return RecordingFlow()


@pytest.fixture
async def make_response(flow):
    """Return a maker of responses that have been fed."""

    def make(*pieces, to_head=False, asked=None):
        response = Response(asyncio.get_running_loop(), flow, to_head=to_head, asked=asked)
        for piece in pieces:
            response.feed(piece)
        return response

    return make
