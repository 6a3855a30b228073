"""The client of large bodies: what it sends, what it takes, and what it takes for an error."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from benchmarks.bodies import BUFFER_SIZE, Client, Exchange
from benchmarks.pacer import AnswerError


HEAD = b"GET / HTTP/1.1\r\n\r\n"
SIZE = 2 * BUFFER_SIZE + 3


def answer(size, announced=None):
    """An answer with so many bytes of body."""
    length = size if announced is None else announced
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + bytes(size)


@pytest.fixture
def serve():
    """The client's end of a connection; its other end reads so much, answers, and so on."""
    ours, theirs = socket.socketpair()
    ours.settimeout(20)
    threads = []
    taken = []

    def run(size, answers):
        for each in answers:
            data = b""
            while len(data) < size and (piece := theirs.recv(size - len(data))):
                data += piece
            taken.append(data)
            with contextlib.suppress(BrokenPipeError):  # who meets an error reads no further
                theirs.sendall(each)
        theirs.shutdown(socket.SHUT_WR)

    def begin(size, *answers):
        threads.append(threading.Thread(target=run, args=(size, answers)))
        threads[-1].start()
        return ours, taken

    yield begin
    ours.close()
    for thread in threads:
        thread.join()
    theirs.close()


def test_an_answer_is_taken_whole_and_the_next_one_after_it(serve):
    line, taken = serve(len(HEAD), answer(SIZE), answer(SIZE))
    client = Client(line, Exchange(HEAD, received=SIZE))

    assert client.ask() > 0
    assert client.ask() > 0
    assert taken == [HEAD, HEAD]
    assert line.recv(1) == b""


@pytest.mark.parametrize("size", [0, 1, BUFFER_SIZE, SIZE])
def test_a_body_is_sent_whole_and_no_more(serve, size):
    line, taken = serve(len(HEAD) + size, answer(9), answer(9))
    client = Client(line, Exchange(HEAD, sent=size))

    client.ask()
    client.ask()

    assert taken == [HEAD + bytes(size)] * 2


@pytest.mark.parametrize(
    ("answered", "says"),
    [
        (answer(SIZE - 1), f"{SIZE - 1} bytes instead"),
        (answer(SIZE - 1, announced=SIZE), "closed"),
        (answer(SIZE + 1, announced=SIZE), "more was answered"),
        (b"HTTP/1.1 200 OK\r\n", "closed"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "unexpected"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "unexpected"),
    ],
    ids=["shorter", "cut off", "longer", "no head", "a failure", "no length"],
)
def test_another_answer_is_an_error(serve, answered, says):
    line, _ = serve(len(HEAD), answered)

    with pytest.raises(AnswerError, match=says):
        Client(line, Exchange(HEAD, received=SIZE)).ask()
