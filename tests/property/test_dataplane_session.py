"""The TLS session: however its bytes are cut, what is said arrives; other bytes end it."""

from __future__ import annotations

import contextlib
import ssl

import trustme
from hypothesis import given, settings, strategies as st

from proxy.dataplane.session import Session


AUTHORITY = trustme.CA()
SERVER = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
AUTHORITY.issue_cert("localhost").configure_cert(SERVER)


class Far:
    """The client's end, in memory."""

    def __init__(self) -> None:
        context = ssl.create_default_context(cadata=AUTHORITY.cert_pem.bytes().decode())
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.shaken = False

    def shake(self) -> None:
        """Go on with the handshake."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
            self.shaken = True

    def read(self) -> bytes:
        """Return what has come."""
        data = b""
        with contextlib.suppress(ssl.SSLWantReadError):
            while piece := self.tls.read(65536):
                data += piece
        return data


def pieces(data, sizes):
    """Cut bytes; the last size goes on."""
    size = 1
    while data:
        size = next(sizes, size)
        yield data[:size]
        data = data[size:]


def take(session, data):
    """Take bytes as the transport does; return what was said."""
    session.receive(data)
    return session.read() if session.established or session.shake() else b""


def met(sizes=()):
    """Return a session and its client, which have agreed."""
    session, far = Session(SERVER), Far()
    sizes = iter(sizes)
    for _ in range(4):
        far.shake()
        for piece in pieces(far.outgoing.read(), sizes):
            take(session, piece)
        far.incoming.write(session.outgoing())
    assert session.established
    assert far.shaken
    return session, far


SIZES = st.lists(st.integers(1, 3000), max_size=20)


@given(SIZES, st.lists(st.binary(min_size=1, max_size=40_000), max_size=4))
@settings(max_examples=15)
def test_what_is_said_arrives_however_it_is_cut(sizes, said):
    """Both ways, and then its end."""
    session, far = met(sizes)
    for data in said:
        far.tls.write(data)
        session.write(data)
    with contextlib.suppress(ssl.SSLError):
        far.tls.unwrap()
    cut = pieces(far.outgoing.read(), iter([*sizes, 1000]))
    heard = b"".join(take(session, piece) for piece in cut)
    far.incoming.write(session.outgoing())

    assert b"".join(said) == heard
    assert session.ended


@given(SIZES)
@settings(max_examples=8)
def test_its_end_is_heard(sizes):
    """Behind all that was said, and without waiting for the client's."""
    session, far = met()
    session.write(b"last words")
    session.end()
    for piece in pieces(session.outgoing(), iter(sizes)):
        far.incoming.write(piece)

    assert b"last words" == far.read()
    assert b"" == far.tls.read(1)  # which raises unless TLS has been ended


@given(st.binary(min_size=1, max_size=2000), SIZES)
def test_other_bytes_raise_one_error_or_wait(data, sizes):
    """Before the handshake: nothing is ever taken for what a client says."""
    session = Session(SERVER)
    with contextlib.suppress(ssl.SSLError):
        for piece in pieces(data, iter(sizes)):
            assert b"" == take(session, piece)

    assert not session.established


@given(st.binary(min_size=1, max_size=2000), st.integers(0, 60), SIZES)
@settings(max_examples=15)
def test_changed_bytes_are_never_heard(noise, at, sizes):
    """Behind the handshake: a record that was changed is none."""
    session, far = met()
    far.tls.write(b"canary")
    record = far.outgoing.read()
    changed = record[:at] + noise + record[at + len(noise) :]
    heard = b""
    with contextlib.suppress(ssl.SSLError):
        for piece in pieces(changed, iter(sizes)):
            heard += take(session, piece)

    # What stands in front of broken bytes may be heard or not, as with a reset below TCP.
    assert heard in ((b"", b"canary") if changed.startswith(record) else (b"",))
