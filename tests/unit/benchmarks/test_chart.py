"""The chart is drawn, whatever there is to draw; where matplotlib is (the extra `bench`)."""

from __future__ import annotations

import pytest

from benchmarks.chart import draw
from benchmarks.figures import Spread


def test_a_picture_is_written(tmp_path):
    pytest.importorskip("matplotlib")
    cpu = {"nginx": Spread(20, 18, 25), "Keybearer": Spread(40, 38, 44)}
    draw(tmp_path / "chart.png", {"CPU": [("µs", cpu)], "p": [("p50", cpu), ("p90", cpu)]}, "note")

    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")
