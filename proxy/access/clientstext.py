"""What a clients file's text says of clients' keys, as far as it may be shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from yaml.nodes import MappingNode, ScalarNode

from proxy.access.keys import WRITTEN_PREFIX, is_name
from proxy.access.yamltext import plain


if TYPE_CHECKING:
    from proxy.access.yamltext import Document, Pairs, Plain


SHOWN_DIGITS: Final = 12  # of 64: 10,000 clients stay far from a tie

WRITTEN: Final = re.compile(rf"{WRITTEN_PREFIX}[0-9a-fA-F]{{64}}")
# No key and no hash has these shapes, wherever somebody has put one.
ROUTE: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UNKNOWN: Final = "?"


@dataclass(frozen=True, slots=True)
class Listed:
    """A client as a list shows it.

    Attributes:
        name: the client's.
        keys: the beginnings of its keys' hashes; `?` for what is none.
        routes: their names, or `*`; none if the file names none.
        expires: the day as it is written, None for never.
    """

    name: str
    keys: tuple[str, ...]
    routes: tuple[str, ...]
    expires: str | None


def clients_of(document: Document) -> tuple[MappingNode | None, Pairs]:
    """Return the node that holds all clients, None in an empty file, and what it says.

    Raises:
        ClientsFileError: it is no clients file, or a client stands in it twice.
    """
    root = document.root
    if root is None:
        return None, ()
    if not isinstance(root, MappingNode):
        raise document.refused(root, "must be clients' names and what they may, as in `alice: …`")
    seen = set()
    for key, _ in root.value:
        if not isinstance(key, ScalarNode) or not is_name(key.value):
            raise document.refused(key, "is no client's name: a-z, then up to 62 of a-z, 0-9, -")
        if key.value in seen:
            raise document.refused(key, f"{key.value} stands twice; take one of them away")
        seen.add(key.value)
    said = plain(document, root)
    assert isinstance(said, tuple)  # noqa: S101 # for mypy; a mapping's
    return root, said


def listing(document: Document) -> tuple[Listed, ...]:
    """Return the clients, in their order.

    Raises:
        ClientsFileError: it is no clients file.
    """
    root, clients = clients_of(document)
    found = []
    for index, (name, said) in enumerate(clients):
        if root is not None and not isinstance(said, tuple):
            raise document.refused(root.value[index][0], f"{name} must be keys and values")
        found.append(listed(name, said))
    return tuple(found)


def listed(name: str, said: Plain) -> Listed:
    """Return a client as a list shows it, whatever the file says of it."""
    values = dict(said) if isinstance(said, tuple) else {}
    keys = tuple(shown(key) for key in texts(values.get("key", "")))
    routes = tuple(
        route if ROUTE.fullmatch(route) or route == "*" else _UNKNOWN
        for route in texts(values.get("routes", ""))
    )
    expires = values.get("expires", "none")
    if expires == "none":
        return Listed(name, keys, routes, None)
    known = isinstance(expires, str) and _DAY.fullmatch(expires) is not None
    return Listed(name, keys, routes, str(expires) if known else _UNKNOWN)


def shown(written_key: str) -> str:
    """Return the beginning of a key's hash; of anything else, nothing."""
    if WRITTEN.fullmatch(written_key) is None:
        return _UNKNOWN
    return written_key.removeprefix(WRITTEN_PREFIX)[:SHOWN_DIGITS].lower()


def texts(said: Plain) -> tuple[str, ...]:
    """Return what stands as one text or as a list of them; what is no text is an empty one."""
    if isinstance(said, str):
        return (said,) if said else ()
    return tuple(item if isinstance(item, str) else "" for item in said)
