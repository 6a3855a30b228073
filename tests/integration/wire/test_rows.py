"""The table is whole: every row, every name once, and cases that can tell."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.wire.case import MARK, OneOf, Ours
from tests.integration.wire.rows import ELSEWHERE, ROWS, TABLE


if TYPE_CHECKING:
    from tests.integration.wire.case import Case


def sent_by(case: Case) -> bytes:
    """Return all that a case sends."""
    sent = (case.sent,) if isinstance(case.sent, bytes) else case.sent
    return b"".join(step for step in sent if isinstance(step, bytes))


def test_every_row_has_its_case_or_its_test():
    """A row that nothing shows would be a promise."""
    shown = {case.row for case in TABLE} | set(ELSEWHERE)

    assert set(ROWS) == shown


def test_there_are_many_cases():
    """Fewer means that a comprehension has lost its values."""
    assert 1000 < len(TABLE)


def test_every_name_is_there_once():
    """A failing name leads to one line."""
    names = Counter((case.row, case.name) for case in TABLE)

    assert [] == [name for name, count in names.items() if count > 1]


@pytest.mark.parametrize("row", ELSEWHERE)
def test_what_is_shown_elsewhere_is_there(row):
    """A test that was renamed would leave its row to nobody."""
    file, name = ELSEWHERE[row]
    text = (Path(__file__).parents[1] / file).read_text()

    assert f"def {name}(" in text


def test_what_is_refused_has_left_its_mark():
    """Without one in the request, an answer that quotes it would not be noticed."""
    unmarked = [
        case.name
        for case in TABLE
        if isinstance(case.answer, Ours | OneOf) and sent_by(case) and MARK not in sent_by(case)
    ]

    assert ["an empty line and silence"] == unmarked
