"""Profiles of hypothesis: how many examples a law is tried on, by HYPOTHESIS_PROFILE. And each test
belongs to one of make's targets, which look into some of the folders alone.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import settings


FOLDERS = {"e2e": {"e2e", "soak"}, "soak": {"soak"}, "fuzz": {"fuzz"}}
"""What the tests of a folder are marked with, one of these; in others with none."""

settings.register_profile("dev", max_examples=25, deadline=None)
settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True, print_blob=True)
settings.register_profile("deep", max_examples=20_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_collection_modifyitems(items):
    """Refuse a test that no target would run, for its mark does not fit its folder.

    Raises:
        pytest.UsageError: there is one.
    """
    for item in items:
        folder = item.path.relative_to(item.config.rootpath / "tests").parts[0]
        marks = {mark.name for mark in item.iter_markers()} & {"e2e", "soak", "fuzz"}
        expected = FOLDERS.get(folder, set())
        if not (marks & expected if expected else not marks):
            raise pytest.UsageError(f"{item.nodeid}: marked {marks or None}, for {folder}")
