"""Every case of the wire table."""

from __future__ import annotations

import pytest

from tests.integration.wire.play import play
from tests.integration.wire.rows import TABLE


def _id(case):
    return f"{case.row}: {case.name}"


@pytest.mark.parametrize("case", TABLE, ids=_id)
async def test_case(case):
    """What goes on and what comes back are what the case says, to the byte."""
    await play(case)


@pytest.mark.parametrize("case", TABLE[::4], ids=_id)
async def test_on_asyncio(case):
    """A quarter of them on the other loop: only the transports differ."""
    await play(case)
