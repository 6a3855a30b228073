"""The whole table, and where the rows are that no raw exchange can show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.integration.wire import (
    authority,
    chunks_in,
    credentials,
    framing_in,
    head_syntax,
    odd_bytes,
    pipelines,
    targets,
    time_limits,
    upstream_answers,
    upstream_faults,
)


if TYPE_CHECKING:
    from tests.integration.wire.case import Case


ROWS: Final = range(1, 67)

TABLE: Final[list[Case]] = [
    *framing_in.CASES,
    *odd_bytes.CASES,
    *chunks_in.CASES,
    *head_syntax.CASES,
    *authority.CASES,
    *targets.CASES,
    *credentials.CASES,
    *pipelines.CASES,
    *upstream_faults.CASES,
    *upstream_answers.CASES,
    *time_limits.CASES,
]

ELSEWHERE: Final[dict[int, tuple[str, str]]] = {
    58: ("wire/test_peers.py", "test_58_a_client_that_does_not_read_is_let_go_of"),
    59: ("wire/test_peers.py", "test_59_one_connection_too_many"),
    62: ("test_lifecycle.py", "test_what_is_under_way_is_served_to_its_end"),
    63: ("test_lifecycle.py", "test_what_is_under_way_is_served_to_its_end"),
    66: ("wire/test_peers.py", "test_66_no_descriptors_left"),
}
"""Load and life cycle: the file below `tests/integration` and the test in it."""
