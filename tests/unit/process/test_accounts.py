"""Accounts: what cannot be kept is told, and then nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config.errors import ConfigError
from proxy.config.loader import loads
from proxy.observe.log import Log
from proxy.process.accounts import Accounts


TEXT = """\
limits: {storage: "redis://:Canary7wQz4LmX2pR9@127.0.0.1:65536/0"}
audit: {file: audit.jsonl}
routes:
  api: {upstream: "http://127.0.0.1:1", credential: none, limits: {rate: 1/day}}
"""


def opened():
    """Return the descriptors of this process."""
    return [descriptor for descriptor in sorted(Path("/dev/fd").iterdir()) if descriptor.exists()]


def test_an_audit_beside_a_store_that_is_none_is_closed(tmp_path):
    config = loads(TEXT, name="config.yaml", base=tmp_path, environ={})
    log = Log("error")
    before = opened()

    with pytest.raises(ConfigError) as caught:
        Accounts(config, log)

    assert str(caught.value).startswith("config.yaml:1:19: limits.storage: ")
    assert 1 == len(str(caught.value).splitlines())
    assert "Canary" not in repr(caught.value) + str(caught.value)
    assert (tmp_path / "audit.jsonl").exists(), "it has been open"
    assert before == opened()
