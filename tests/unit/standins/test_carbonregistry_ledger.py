"""Carbonregistry's holdings, certificates and pages."""

from __future__ import annotations

import pytest

from proxy.standins.carbonregistry_call import Call
from proxy.standins.carbonregistry_data import (
    CREDIT_ID,
    GRANTS,
    ORGANIZATION_ID,
    ORGANIZATION_TOKEN,
    READ_ONLY_ORGANIZATION_TOKEN,
    SECOND_CREDIT_ID,
    USER_ID,
)
from proxy.standins.carbonregistry_ledger import Ledger
from proxy.standins.message import Head
from proxy.standins.nestjs import HttpError


@pytest.fixture
def ledger():
    return Ledger(GRANTS)


def amounts(ledger, entity):
    return {credit["id"]: credit["amount"] for credit in ledger.inventory(entity)}


def test_a_move_takes_and_gives(ledger):
    """What leaves one entity arrives at the other."""
    ledger.move(ORGANIZATION_ID, USER_ID, [(CREDIT_ID, 50), (SECOND_CREDIT_ID, 40)])

    assert amounts(ledger, ORGANIZATION_ID) == {CREDIT_ID: 200}
    assert amounts(ledger, USER_ID) == {CREDIT_ID: 62, SECOND_CREDIT_ID: 40}


def test_a_move_is_all_or_nothing(ledger):
    """If the second credit does not suffice the first stays, too."""
    before = dict(ledger.holdings)

    with pytest.raises(HttpError, match="400"):
        ledger.move(ORGANIZATION_ID, USER_ID, [(CREDIT_ID, 1), (SECOND_CREDIT_ID, 41)])

    assert before == ledger.holdings


def test_a_retirement_leaves_a_certificate(ledger):
    """Retired credits are gone from every inventory."""
    words = {"reason": "Corsia", "comment": "flights", "beneficiaryName": "Example Org"}
    ledger.retire(ORGANIZATION_ID, CREDIT_ID, 250, words)

    [certificate] = ledger.retirements

    assert amounts(ledger, ORGANIZATION_ID) == {SECOND_CREDIT_ID: 40}
    assert (
        certificate["amount"],
        certificate["reason"],
        certificate["beneficiary"],
        certificate["organizationId"],
    ) == (250, "Corsia", "Example Org", ORGANIZATION_ID)


def test_levels_are_ordered():
    """Who may write may also view, not the other way round."""
    writer, reader = GRANTS[ORGANIZATION_TOKEN], GRANTS[READ_ONLY_ORGANIZATION_TOKEN]

    assert writer.allows("organization_inventory", "VIEW")
    assert reader.allows("organization_inventory", "VIEW")
    assert not reader.allows("organization_inventory", "REQUEST")
    assert not writer.allows("examiner", "VIEW")


@pytest.mark.parametrize(
    ("query", "items", "pagination"),
    [
        ("", list(range(10)), (25, 0, 3, 1, None)),
        ("limit=10&page=2", [20, 21, 22, 23, 24], (25, 2, 3, None, 1)),
        ("limit=25&page=0", list(range(25)), (25, 0, 1, None, None)),
        ("limit=10&page=9", [], (25, 9, 3, None, 8)),
    ],
)
def test_pages_count_from_zero(ledger, query, items, pagination):
    """The next page is the one whose number `nextPage` says."""
    head = Head("GET", f"/projects?{query}", "1.1", (), keep_alive=True)
    call = Call(ledger, head, "", GRANTS[ORGANIZATION_TOKEN], {}, {})

    page = call.page("items", range(25))

    keys = ("total", "currentPage", "pageCount", "nextPage", "prevPage")
    assert {"pagination": dict(zip(keys, pagination, strict=True)), "items": items} == page
