"""What is counted is the way of a request: it is carried, not refused on the way."""

from __future__ import annotations

import pytest

from benchmarks.pure_path import HEADS, KEYED, NAME, PATH, carrier
from benchmarks.reference import Work
from proxy.dataplane.outbound import assemble


@pytest.fixture
def sent(monkeypatch):
    """Return the requests that are put together."""
    found = []

    def watched(*arguments):
        found.append(assemble(*arguments))
        return found[-1]

    monkeypatch.setattr("proxy.dataplane.judge.assemble", watched)
    return found


@pytest.mark.parametrize("routes", [1, 100])
@pytest.mark.parametrize("kind", HEADS)
def test_a_request_is_carried(sent, kind, routes):
    """To its route, without what the client had, with the credential."""
    record = carrier(routes)(HEADS[kind])

    assert record.route is not None
    assert NAME == record.route.name
    assert "cookie" in record.stripped
    [request] = sent
    assert request.head.startswith(f"{HEADS[kind].method} {PATH}".encode())
    assert b"Access-Token: " in request.head
    assert b"Cookie" not in request.head
    assert b"access_token" not in request.head


def test_the_reference_stays_the_same():
    """All stored ratios are relative to it: most changes of what it does change this length."""
    work = Work()
    work.once()

    assert 884 == work.done


@pytest.mark.parametrize(("gateway", "client"), [(True, "bench"), (False, None)])
def test_a_key_is_checked_where_it_is_counted(sent, gateway, client):
    """And nowhere else."""
    record = carrier(1, gateway=gateway)(KEYED)

    assert client == (record.caller and record.caller.name)
    assert b"kb_bench" not in sent[0].head
