"""Full files moved out of the way."""

from __future__ import annotations

import pytest

from proxy.access.rotation import rotate


def contents(path):
    """Return name and content of each file beside a path."""
    return {each.name: each.read_text() for each in sorted(path.parent.iterdir())}


@pytest.mark.parametrize(
    ("before", "keep", "after"),
    [
        ({"a": "0"}, 1, {"a.1": "0"}),
        ({"a": "0", "a.1": "1"}, 1, {"a.1": "0"}),
        ({"a": "0", "a.1": "1"}, 2, {"a.1": "0", "a.2": "1"}),
        ({"a": "0", "a.1": "1", "a.2": "2"}, 2, {"a.1": "0", "a.2": "1"}),
        ({"a": "0", "a.2": "2"}, 2, {"a.1": "0", "a.2": "2"}),
        ({"a": "0", "a.1": "1", "a.3": "3"}, 3, {"a.1": "0", "a.2": "1", "a.3": "3"}),
        ({"a": "0", "a.1": "1", "a.9": "9"}, 1, {"a.1": "0", "a.9": "9"}),
    ],
    ids=[
        "the first",
        "the only one is replaced",
        "an older one moves on",
        "the oldest is replaced",
        "a gap is filled, and nothing behind it moves",
        "a gap in the middle is filled",
        "what is beyond the last stays",
    ],
)
def test_files_move_on_by_one(tmp_path, before, keep, after):
    """The youngest is `.1`, and no more are pushed out than must be."""
    for name, text in before.items():
        (tmp_path / name).write_text(text)

    rotate(tmp_path / "a", keep)

    assert after == contents(tmp_path / "a")


def test_a_link_in_the_way_is_replaced_and_not_followed(tmp_path):
    """What it leads to stays as it is."""
    (tmp_path / "else").write_text("untouched")
    (tmp_path / "a").write_text("0")
    (tmp_path / "a.1").symlink_to("else")

    rotate(tmp_path / "a", 1)

    assert {"a.1": "0", "else": "untouched"} == contents(tmp_path / "a")
