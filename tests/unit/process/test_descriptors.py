"""How many connections fit into the system's limit on open files."""

import resource

import pytest

from proxy.process.descriptors import OTHERS, room_for


@pytest.fixture
def limit(monkeypatch):
    """Return what sets the limits, soft and hard, that the system tells."""
    limits = [0, 0]

    def setrlimit(_, new):
        limits[:] = new

    monkeypatch.setattr(resource, "getrlimit", lambda _: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", setrlimit)

    def told(soft, hard):
        limits[:] = soft, hard
        return limits

    return told


@pytest.mark.parametrize(
    ("soft", "hard", "room", "raised"),
    [
        (100_000, 100_000, 10_000, 100_000),
        (1024, 100_000, 10_000, 20_000 + OTHERS),
        (1024, 4096, (4096 - OTHERS) // 2, 4096),
        (256, 256, (256 - OTHERS) // 2, 256),
        (64, 64, 1, 64),
        (256, resource.RLIM_INFINITY, 10_000, 20_000 + OTHERS),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 10_000, resource.RLIM_INFINITY),
    ],
)
def test_the_soft_limit_is_raised_as_far_as_is_needed(limit, soft, hard, room, raised):
    """And what then does not fit is left away."""
    limits = limit(soft, hard)

    assert (room, raised) == (room_for(10_000), limits[0])
