"""What it means to add and to revoke a client's key in a clients file's text."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from yaml.nodes import MappingNode, SequenceNode

from proxy.access.clientstext import ROUTE, WRITTEN, clients_of, listed, shown, texts
from proxy.access.keys import WRITTEN_PREFIX, is_name
from proxy.access.yamledit import (
    with_first,
    with_item,
    with_last_in_braces,
    without_item,
    without_pair,
)
from proxy.access.yamltext import Splice, is_alias, plain, read


if TYPE_CHECKING:
    from collections.abc import Sequence

    from yaml.nodes import Node

    from proxy.access.clientstext import Listed
    from proxy.access.yamltext import Document, Pairs, Plain


_STEP: Final = "  "
_BEGINNING: Final = re.compile(r"[0-9a-f]{1,64}")
_OTHER_WAYS: Final = frozenset({"jwt", "certificate"})


class MisfitError(ValueError):
    """What is asked for does not fit what the file says; the message says why."""


@dataclass(frozen=True, slots=True)
class Change:
    """An edit, and what the file must say after it: nothing else may differ.

    Attributes:
        splices: what takes the place of what.
        wanted: all clients, as they are to be.
        at: what it is about, for messages.
        about: for the caller: the client as it then is, or was with what is taken away.
    """

    splices: Sequence[Splice]
    wanted: Pairs
    at: Node | None
    about: Listed


def entry(name: str, written_key: str, routes: Sequence[str], indent: str = "") -> list[str]:
    """Return the lines of a new client.

    Args:
        name: the client's.
        written_key: `sha256:…`.
        routes: what it may use; `("*",)` for all.
        indent: blanks before each line.
    """
    granted = '"*"' if tuple(routes) == ("*",) else f"[{', '.join(routes)}]"
    return [
        f"{indent}{name}:",
        f"{indent}{_STEP}key: {written_key}",
        f"{indent}{_STEP}routes: {granted}",
    ]


def add(document: Document, name: str, written_key: str, routes: Sequence[str] | None) -> Change:
    """Return the change that gives a client one more key; the client is made if it is new.

    Args:
        document: the file.
        name: the client's.
        written_key: `sha256:…`.
        routes: what a new client may use, `("*",)` for all; None, or what the file says, for a
            client that is there.

    Raises:
        MisfitError: a new client without routes, or another client's routes changed by the way.
        ClientsFileError: the file cannot be edited safely.
    """
    _check(name, written_key, routes)
    root, clients = clients_of(document)
    index = _index(clients, name)
    if root is None or index is None:
        if routes is None:
            raise MisfitError(
                f"{name} is a new client; say which routes it may use: --routes A,B, or '*' for all"
            )
        granted: Plain = "*" if tuple(routes) == ("*",) else list(routes)
        pairs: Pairs = (("key", written_key), ("routes", granted))
        lines = entry(name, written_key, routes)
        as_json = json.dumps({name: dict(pairs)})[1:-1]
        splices = _new_client(document, root, lines, as_json)
        return Change(splices, (*clients, (name, pairs)), root, listed(name, pairs))
    key, client, said = _editable(document, root, index)
    if routes is not None and set(routes) != set(texts(dict(said).get("routes", ""))):
        raise MisfitError(f"{name} is there with other routes; change them in the file")
    splices, pairs = _new_key(document, client, said, written_key)
    return Change(splices, _replaced(clients, index, pairs), key, listed(name, pairs))


def revoke(document: Document, name: str, start: str | None) -> Change:
    """Return the change that takes a client or one of its keys away.

    Args:
        document: the file.
        name: the client's.
        start: how the hash of the key begins; None for the client with all it has.

    Raises:
        MisfitError: no such client; not one key of that beginning; or the client's only way in.
        ClientsFileError: the file cannot be edited safely.
    """
    root, clients = clients_of(document)
    index = _index(clients, name)
    if root is None or index is None:
        raise MisfitError(f"there is no client {name}" if is_name(name) else "no client's name")
    if start is None:
        rest = (*clients[:index], *clients[index + 1 :])
        at, about = root.value[index][0], listed(*clients[index])
        return Change(without_pair(document, root, index), rest, at, about)
    key, client, said = _editable(document, root, index)
    which = _match(name, texts(dict(said).get("key", "")), start)
    splices, left = _without_key(document, client, said, which, name)
    gone = listed(name, (("key", texts(dict(said)["key"])[which]),))
    return Change(splices, _replaced(clients, index, left), key, gone)


def proven(document: Document, change: Change) -> str:
    """Return the text after a change, once it is certain that it says what is wanted.

    Raises:
        ClientsFileError: something else would have changed too.
    """
    text = document.spliced(change.splices)
    try:
        after = read(text, document.name)
        said = plain(after, after.root) or ()
    except Exception:  # noqa: BLE001 -- whatever is wrong with it, it is not written
        raise document.unsafe(change.at) from None
    if said != change.wanted:
        raise document.unsafe(change.at)
    return text


def _check(name: str, written_key: str, routes: Sequence[str] | None) -> None:
    if not is_name(name):
        raise MisfitError("a client's name is a-z, then up to 62 of a-z, 0-9 and -")
    if WRITTEN.fullmatch(written_key) is None:
        raise ValueError("a key is written as sha256: and 64 hexadecimal digits")
    if routes is not None and tuple(routes) != ("*",):
        if not routes or not all(map(ROUTE.fullmatch, routes)):
            raise MisfitError("routes are names such as microreact, or * alone for all")
        if len(set(routes)) < len(routes):
            raise MisfitError("a route is named twice")


def _index(clients: Pairs, name: str) -> int | None:
    return next((index for index, (found, _) in enumerate(clients) if found == name), None)


def _replaced(clients: Pairs, index: int, pairs: Pairs) -> Pairs:
    return (*clients[:index], (clients[index][0], pairs), *clients[index + 1 :])


def _editable(document: Document, root: MappingNode, index: int) -> tuple[Node, MappingNode, Pairs]:
    """Return a client's name, its mapping and what that says, if what is done to it is clear."""
    key, client = root.value[index]
    if is_alias(client, key.end_mark.index):
        raise document.refused(key, f"{key.value} is an alias (*); write it out and try again")
    said = plain(document, client)
    if not isinstance(client, MappingNode) or not isinstance(said, tuple):
        raise document.refused(key, f"{key.value} must be keys and values")
    names = [name for name, _ in said]
    if "<<" in names:
        raise document.refused(key, f"{key.value} has a merge key (<<); write it out and try again")
    if names.count("key") > 1:
        raise document.refused(key, f"{key.value} has `key` twice; make it one list and try again")
    return key, client, said


def _new_client(
    document: Document, root: MappingNode | None, lines: list[str], as_json: str
) -> list[Splice]:
    """Put a client behind the others, in the manner of the file: lines, braces or JSON."""
    text, newline = document.text, document.newline
    if root is None:
        return [_at_the_end(document, lines)]
    start, end = root.start_mark.index, root.end_mark.index
    if not root.flow_style:
        indent = " " * root.value[0][0].start_mark.column
        return [_at_the_end(document, [indent + line for line in lines])]
    if not root.value and document.is_first(start) and text[start] == "{":
        indent = text[document.line_start(start) : start]
        return [Splice(start, end, (newline + indent).join(lines))]
    if root.value and root.value[0][0].style == '"':
        return with_last_in_braces(document, root, as_json)
    name, *pairs = (line.strip() for line in lines)
    return with_last_in_braces(document, root, f"{name} {{{', '.join(pairs)}}}")


def _at_the_end(document: Document, lines: list[str]) -> Splice:
    end = len(document.text)
    begun = end > document.line_start(end)
    return Splice(end, end, document.newline.join(["", *lines, ""] if begun else [*lines, ""]))


def _new_key(
    document: Document, client: MappingNode, said: Pairs, written_key: str
) -> tuple[list[Splice], Pairs]:
    for at, (name, keys) in enumerate(said):
        if name == "key":
            key, value = client.value[at]
            splices = with_item(document, value, key.end_mark.index, written_key)
            return splices, (*said[:at], (name, _one_more(keys, written_key)), *said[at + 1 :])
    return with_first(document, client, "key", written_key), (("key", written_key), *said)


def _one_more(keys: Plain, written_key: str) -> Plain:
    if isinstance(keys, str):
        return [keys, written_key] if keys else written_key
    return [*keys, written_key] if isinstance(keys, list) else written_key


def _match(name: str, keys: Sequence[str], start: str) -> int:
    """Return which key has a hash that begins so."""
    start = start.lower().removeprefix(WRITTEN_PREFIX).removesuffix("…")
    if _BEGINNING.fullmatch(start) is None:
        raise MisfitError("a key is told by the beginning of its hash, as `keys list` shows it")
    begins = WRITTEN_PREFIX + start
    found = [at for at, key in enumerate(keys) if key.lower().startswith(begins)]
    if len(found) == 1:
        return found[0]
    has = ", ".join(map(shown, keys)) or "none"
    which = "more than one key" if found else "no key"
    raise MisfitError(f"{which} of {name} begins so; its keys are {has}")


def _without_key(
    document: Document, client: MappingNode, said: Pairs, which: int, name: str
) -> tuple[list[Splice], Pairs]:
    at = next(at for at, (found, _) in enumerate(said) if found == "key")
    key, value = client.value[at]
    keys = said[at][1]
    if len(texts(keys)) == 1:
        if not _OTHER_WAYS & dict(said).keys():
            raise MisfitError(
                f"it is {name}'s only key; make another first (`keys new {name}`), or take the "
                f"client away (`keys revoke {name}`)"
            )
        return without_pair(document, client, at), (*said[:at], *said[at + 1 :])
    if not isinstance(value, SequenceNode) or not isinstance(keys, list):
        raise document.unsafe(key)
    if is_alias(value, key.end_mark.index):
        raise document.refused(key, "is shown elsewhere by an alias (*); write it out there")
    left: Plain = [*keys[:which], *keys[which + 1 :]]
    return without_item(document, value, which), (*said[:at], ("key", left), *said[at + 1 :])
