"""A short way from a text to a configuration or to the lines of its errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config.errors import ConfigError
from proxy.config.loader import loads


@pytest.fixture
def read():
    """Return the configuration of a text."""

    def read(text, **environ):
        return loads(text, name="f", base=Path("/base"), environ=environ)

    return read


@pytest.fixture
def errors(read):
    """Return the lines of the errors of a text."""

    def errors(text, **environ):
        with pytest.raises(ConfigError) as caught:
            read(text, **environ)
        return str(caught.value).splitlines()

    return errors
