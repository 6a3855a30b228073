"""Profiles of hypothesis: how many examples a law is tried on, by HYPOTHESIS_PROFILE."""

from __future__ import annotations

import os

from hypothesis import settings


settings.register_profile("dev", max_examples=25, deadline=None)
settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True, print_blob=True)
settings.register_profile("deep", max_examples=20_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))
