"""A clients file that is read again: by what has changed, with what the whole file would give."""

from __future__ import annotations

import gc
import os
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import example, given, strategies as st

from proxy.config import clients as clients_module
from proxy.config.blocks import blocks, without
from proxy.config.clients import ClientsFile, ClientsUnreadable, HalfWritten
from proxy.config.clients_load import Loading
from proxy.config.errors import ConfigError
from proxy.config.loader import loads
from tests.unit.config.test_clients import HASHES, MAIN


NAMES = ["alice", "bob", "carol", "dora"]
VALUES = [
    *(f"\n  key: {each}\n  routes: [a]" for each in HASHES[:3]),
    *(f" {{key: {each}, routes: '*'}}" for each in HASHES[2:5]),
    f"\n  # it's \"\n  key:\n  - {HASHES[5]}\n\n# between\n  routes:\n  - a",
    f"\n  key: {HASHES[6]}\n  routes: [a]\n  methods: [GET",
    f"\n  key: {HASHES[7]}\n  routes: [a]\n  rules: [{{paths: ['/x\n\n#  ",
    "\n  y']}]",
    f"\n  key: {HASHES[8]}\n  routes: [a]\n  methods:\n  - |+\n   GET\n\n",
    f'\n  key: {HASHES[9]}\n  routes: ["a',
    '"]',
    f" &x {{key: {HASHES[10]}, routes: [a]}}",
    " *x",
    f" {{key: {HASHES[11]},\nroutes: [a]}}",
    f" {{key: {HASHES[12]}, routes: [a, nowhere]}}",
    "",
]
LINES = ["# more", "---", "...", "%YAML 1.1", "\t", "{}", "'quoted': {}", "\ufeff", "\r", "\u2028"]
FILES = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES)).map(":".join),
        st.sampled_from(LINES),
    ),
    max_size=6,
).map(lambda parts: "".join(f"{part}\n" for part in parts))
GOOD = f"alice:{VALUES[0]}\nbob:{VALUES[3]}\n"


def outcome(load):
    """Return clients in their order, or the lines of errors."""
    try:
        return list(load().items())
    except ConfigError as error:
        return str(error)


@pytest.fixture(scope="module")
def config():
    """The configuration beside the file."""
    return loads(MAIN, name="f", base=Path("/base"), environ={})


@pytest.fixture
def path(tmp_path):
    """The file."""
    path = tmp_path / "clients.yaml"
    path.write_text(GOOD)
    return path


@given(st.lists(FILES, min_size=1, max_size=3))
@example([GOOD, GOOD + f"carol:{VALUES[8]}\n"])
@example([GOOD, "", "# nobody\n"])
def test_read_again_is_as_read_for_the_first_time(tmp_path_factory, config, texts):
    """Whatever is written; the clients, their order, or the lines of what is wrong."""
    path = tmp_path_factory.getbasetemp() / "clients.yaml"
    path.write_text(GOOD)
    again = ClientsFile(path, config, {})
    again.load()
    for text in texts:
        path.write_bytes(text.encode())
        expected = outcome(ClientsFile(path, config, {}).load)

        assert expected == outcome(again.load)


def test_only_what_has_changed_is_parsed(path, config, monkeypatch):
    """The others are the same objects."""
    file = ClientsFile(path, config, {})
    before = file.load()
    parsed = []
    client = Loading._client

    def count(self, name, *rest):
        parsed.append(name)
        return client(self, name, *rest)

    monkeypatch.setattr(Loading, "_client", count)
    path.write_text(f"carol:{VALUES[5]}\n" + GOOD)
    after = file.load()

    assert (["carol"], ["carol", "alice", "bob"]) == (parsed, list(after))
    assert after["alice"] is before["alice"]


def test_the_rest_of_a_file_stays_on_its_lines():
    """So that problems are told where they are."""
    cut = blocks(b"# head\n\nalice:\n  a: b\n# c\nbob: {}\n")

    assert cut is not None
    assert [("alice", 3), ("bob", 6)] == [(each.name, each.line) for each in cut]
    assert b"#\n" * 5 + b"bob: {}\n" == without(cut, frozenset({0}))


@pytest.mark.parametrize(
    "data", [b"\xff", b"alice: {}", b"Alice: {}\n", b"a: &x {}\n", b"---\na: {}\n", b"a: {}\r\n"]
)
def test_what_is_not_plain_is_not_cut(data):
    """It is read as a whole."""
    assert blocks(data) is None


def test_nothing_is_left_to_the_garbage_collector(path, config):
    """Of 10,000 clients that would be a stall, or memory for ever."""
    file = ClientsFile(path, config, {})
    file.load()
    gc.collect()
    gc.disable()
    try:
        path.write_text(GOOD.replace("[a]", "[b]"))
        file.load()
        found = gc.collect()
    finally:
        gc.enable()

    assert found < 10


def test_a_last_line_without_its_end_is_doubted_once(path, config):
    """Somebody may be writing it."""
    file = ClientsFile(path, config, {})
    path.write_text(GOOD.rstrip("\n"))
    assert 2 == len(file.load())
    path.write_text(GOOD[:-3])
    with pytest.raises(HalfWritten):
        file.reload()
    path.write_text(GOOD.rstrip("\n"))
    with pytest.raises(HalfWritten):
        file.reload()

    assert ["alice", "bob"] == list(file.reload())


def test_a_file_that_changes_while_it_is_read_is_read_again(path, config, monkeypatch):
    """Half of the old and half of the new would be neither."""
    fstat, calls = os.fstat, []

    def changing(descriptor):
        calls.append(descriptor)
        if len(calls) == 3:  # when it is opened, before it is read, behind that
            path.write_text(GOOD + f"carol:{VALUES[5]}\n")
        return fstat(descriptor)

    monkeypatch.setattr(os, "fstat", changing)

    assert 3 == len(ClientsFile(path, config, {}).load())
    assert len(calls) >= 6


def test_a_file_that_never_stays_the_same_is_not_waited_for(path, config, monkeypatch):
    """It is told."""
    fstat = os.fstat

    def changing(descriptor):
        with path.open("a") as file:
            file.write("#\n")
        return fstat(descriptor)

    monkeypatch.setattr(os, "fstat", changing)
    monkeypatch.setattr(clients_module, "_TRY_AGAIN_S", 0)
    with pytest.raises(ClientsUnreadable, match="written all the time"):
        ClientsFile(path, config, {}).load()


def test_a_pipe_is_not_waited_for(tmp_path, config):
    """Nobody may ever write into it."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ClientsUnreadable, match="no regular file"):
        ClientsFile(tmp_path / "pipe", config, {}).load()


def test_who_looks_up_can_end_it(path, config):
    """A proxy that stops does not wait for 10,000 clients."""

    class Ended(Exception):
        pass

    def end():
        raise Ended

    path.write_text("".join(f"c{i}: {{key: sha256:{i:064x}, routes: [a]}}\n" for i in range(200)))
    began = time.monotonic()
    with pytest.raises(Ended):
        ClientsFile(path, config, {}, look_up=end).reload()

    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "text", ["\n" * 200_000, "a:\n" + "  # x\n" * 50_000], ids=["blank", "comments"]
)
def test_many_lines_need_no_memory_of_their_own(text):
    """Of a file that is no clients file, but as large as one may be, there are millions."""
    data = text.encode()
    tracemalloc.start()
    try:
        blocks(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 4 * len(data) + 100_000
