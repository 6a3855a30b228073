"""Tools that must be there, and a stand-in beside the command."""

from __future__ import annotations

import pytest

from proxy.standins.microreact import Microreact
from tests.e2e.rig.background import background
from tests.e2e.rig.command import keybearer
from tests.e2e.rig.tools import prepared


@pytest.fixture(scope="session", autouse=True)
def tools():
    """Fail at once, and say what to install, if a tool is missing."""
    keybearer()
    with prepared():
        yield


@pytest.fixture
def microreact():
    """The stand-in of Microreact."""
    with background(Microreact()) as standin:
        yield standin
