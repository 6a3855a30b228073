"""What goes over the wire, case by case: tables of bytes, and what plays them."""

from __future__ import annotations

import pytest


# Before they are imported: a case that fails shows what came instead.
pytest.register_assert_rewrite("tests.integration.wire.play", "tests.integration.wire.judge")
