"""Tokens over a real server of keys, and a count of the signatures that are checked."""

from __future__ import annotations

import asyncio

import pytest

from proxy.access.fetch import Fetcher
from proxy.access.keyset import is_signed
from proxy.access.tokens import Tokens
from proxy.upstream.sweep import Sweep
from tests.unit.access.issuer_rig import (
    Clock,
    KeyServer,
    Lines,
    Signer,
    key_set,
    spec,
)


@pytest.fixture
def clock():
    """Return a clock that stands still."""
    return Clock()


@pytest.fixture
def lines():
    """Return what is logged."""
    return Lines()


@pytest.fixture
async def server():
    """Return a server of one key."""
    async with KeyServer() as running:
        running.tell(key_set(Signer()))
        yield running


@pytest.fixture
async def make(server, clock, lines):
    """Return a maker of tokens over the server."""
    made = []

    def build(*rules, limit_s=5.0, before=None):
        fetch = Fetcher(Sweep(asyncio.get_running_loop()), limit_s=limit_s)
        tokens = Tokens([spec(server.url, *rules)], fetch, clock, lines.log, before=before)
        made.append(tokens)
        return tokens

    yield build
    for tokens in made:
        await tokens.close()


@pytest.fixture
def counted(monkeypatch):
    """Return the tokens whose signature was checked."""
    checked = []

    def count(token, key):
        checked.append(token)
        return is_signed(token, key)

    monkeypatch.setattr("proxy.access.tokens.is_signed", count)
    return checked
