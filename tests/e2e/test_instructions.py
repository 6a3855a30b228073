"""The pure path has not become slower, counted in instructions: seconds would depend on who else
uses the machine.
"""

from __future__ import annotations

import pytest

from benchmarks.cachegrind import count
from benchmarks.instructions import KEY_BAR, ROUTES_BAR, counted, key_check, load_stored
from benchmarks.pure_path import HEADS
from tests.e2e.rig.tools import tool


# The whole file is one count: 10 s of CPU time, and far more on a busy machine.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def counts():
    """Count once."""
    tool("valgrind")
    return count()


@pytest.fixture(scope="module")
def rows(counts):
    """Compare with what is stored."""
    return {row.kind: row for row in counted(counts, load_stored())}


@pytest.mark.parametrize("kind", HEADS)
def test_a_request_takes_no_more_instructions_than_are_stored(rows, kind):
    """At most 15 % more, relative to work that is counted in the same run."""
    assert [] == rows[kind].failures()


def test_a_hundred_routes_cost_what_one_does(rows):
    """At most 5 % more, some of them a segment deeper than the one that is asked for."""
    assert ROUTES_BAR > max(row.routes for row in rows.values())


def test_a_client_s_key_takes_little_of_a_request(counts):
    """At most 10 %, among a thousand clients."""
    assert KEY_BAR > key_check(counts)
