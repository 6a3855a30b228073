"""A fixed piece of work of the pure path's kind, to count it against.

How many instructions CPython takes depends on how it was built; for this and for the pure path it
depends on that alike. Whoever changes a line here has to store all ratios anew.
"""

from __future__ import annotations

import re
from typing import NamedTuple


PLAIN = re.compile(r"[^!\"$-\[\]-~]")
LINE = re.compile(rb"\r\n(?=[acs])(content-length|age|server|cookie):([^\r]*)", re.IGNORECASE)
DROPPED = frozenset({"connection", "cookie", "authorization", "upgrade"})
FIELDS = tuple(
    (name, b"made-up value of " + name)
    for name in (b"Host", b"User-Agent", b"Accept", b"Cookie", b"X_Own", b"Content-Type", b"ETag")
)
TARGETS = ("/alpha/api/items?project=abc&key=no", "/beta/b%2Fc/d", "/alpha")
PREFIXES = {"/alpha": ("alpha", 1), "/beta": ("beta", 2)}
ANSWER = b"\r\nServer: made-up\r\nETag: abc\r\nContent-Length: 113\r\nAccept: made-up"


class Parsed(NamedTuple):
    """A target in parts."""

    path: str
    query: str | None
    name: str = ""


class Fates(dict[bytes, bool]):
    """Whether a field stays, judged once."""

    def __missing__(self, name: bytes) -> bool:
        folded = name.decode("latin-1").lower().replace("_", "-")
        self[name] = folded not in DROPPED
        return self[name]


class Work:
    """Reads targets, filters fields, rewrites a block of lines."""

    def __init__(self) -> None:
        self._fates = Fates()
        self.done = 0

    def parse(self, raw: str) -> Parsed:
        """A target's parts; ValueError if it holds what none may."""
        if PLAIN.search(raw) is not None or not raw.startswith("/"):
            raise ValueError(raw)
        path, mark, query = raw.partition("?")
        end = path.find("/", 1)
        name, number = PREFIXES[path if end < 0 else path[:end]]
        return Parsed(path[number:].lower(), query if mark else None, name)

    def filtered(self, fields: tuple[tuple[bytes, bytes], ...]) -> bytes:
        """The lines of the fields that stay."""
        fates = self._fates
        kept = [field for field in fields if fates[field[0]]]
        parts = [b"Host: made-up\r\n"]
        for name, value in kept:
            parts += (name, b": ", value, b"\r\n")
        return b"".join(parts)

    def rewritten(self, block: bytes) -> bytes:
        """A block of lines without some of them."""
        kept: list[bytes] = []
        end = 0
        for found in LINE.finditer(block):
            kept.append(block[end : found.start()])
            end = found.end()
            name, value = found.groups()
            if name.lower() != b"server":
                kept.append(b"\r\n%b: %b" % (name, value.strip(b" \t")))
        kept.append(block[end:])
        return b"".join(kept)

    async def step(self, target: str) -> bytes:
        """The bytes that one target makes."""
        parsed = self.parse(target)
        pairs = [pair.partition("=")[0] for pair in (parsed.query or "").split("&") if pair]
        line = f"{parsed.name} {parsed.path} {'&'.join(pairs)}\r\n".encode("ascii")
        return line + self.filtered(FIELDS) + self.rewritten(ANSWER)

    def once(self) -> None:
        """All targets."""
        for target in TARGETS:
            try:
                self.step(target).send(None)
            except StopIteration as stop:
                self.done += len(stop.value)
