"""Which clients are warned about: those that have expired, those that are open to all."""

from __future__ import annotations

from hypothesis import given, strategies as st

from proxy.config.client_warnings import Doubtful, doubtful
from proxy.config.clients import ClientConfig


JWT = {"issuer": "i", "audience": "j", "jwks_url": "https://x.org/k"}
NAMES = st.lists(st.text("ab", min_size=1, max_size=5), unique=True).map(tuple)


def made(**keys):
    """Return a client."""
    return ClientConfig.model_validate({"key": f"sha256:{'0' * 64}", "routes": "*", **keys})


def warnings(clients, now):
    """Return what is told of clients."""
    return doubtful(clients, now=now).sentences()


def test_an_expired_client_is_warned_about():
    """Not refused: a day that comes must not stop a gateway from starting."""
    clients = {"old": made(expires="1970-01-01"), "new": made(expires="2999-01-01"), "any": made()}

    assert [] == warnings(clients, now=86399.0)
    assert ["clients that have expired: old"] == warnings(clients, now=86400.0)


def test_of_many_expired_clients_some_are_named():
    """One line."""
    (actual,) = warnings({f"c{n}": made(expires="1970-01-01") for n in range(12)}, now=1e9)

    assert actual.endswith("c8, c9 and 2 more")


def test_a_jwt_without_claims_is_warned_about():
    """Whoever gets a token of the issuer for the audience comes in."""
    job = made(jwt=JWT | {"claims": {"a": "b"}})
    (actual,) = warnings({"ci": made(jwt=JWT), "job": job}, now=0.0)

    assert actual.startswith("clients.ci.jwt names no claims")


def test_of_many_that_are_open_to_all_some_are_named():
    """A line each, and one for the rest."""
    actual = warnings({f"c{n}": made(jwt=JWT) for n in range(25)}, now=0.0)

    assert [f"clients.c{n}.jwt" for n in range(20)] == [line.split()[0] for line in actual[:20]]
    assert ["5 more clients have a jwt without claims"] == actual[20:]


def test_as_many_as_are_told_have_no_rest():
    """Nobody is told of none."""
    names = tuple(f"c{n}" for n in range(20))
    actual = Doubtful(names, names[:10]).sentences()

    assert not [line for line in actual if "more" in line]


def test_only_what_is_new_is_told_again():
    """For the reason that is new, too."""
    before = Doubtful(("a", "b"), ("a",))

    assert Doubtful(("c",), ("b",)) == Doubtful(("a", "c"), ("a", "b")).since(before)
    assert [] == before.since(before).sentences()
    assert before == before.since(Doubtful())


@given(NAMES, NAMES, NAMES, NAMES)
def test_what_is_told_is_bounded_and_complete(open_to_all, expired, was_open, was_expired):
    """Whatever was told before: each new one is named or counted."""
    new = Doubtful(open_to_all, expired).since(Doubtful(was_open, was_expired))

    assert set(open_to_all) - set(was_open) == set(new.open_to_all)
    assert set(expired) - set(was_expired) == set(new.expired)
    told = new.sentences()
    assert len(told) == min(len(new.open_to_all), 21) + bool(new.expired)
