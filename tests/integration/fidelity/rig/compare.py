"""The runner: the same request on both ways, and what may not differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.fidelity.rig.contract import comparable, forwarded, relayed, sent
from tests.integration.fidelity.rig.wire import Wire


if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.integration.fidelity.rig.contract import Paths
    from tests.integration.fidelity.rig.shape import Shape
    from tests.integration.fidelity.rig.wire import Reply


def ask(wire: Wire, head: bytes, shape: Shape) -> Reply:
    """Send a request and return its answer; a body that waits to be asked for, waits."""
    if not shape.expects:
        wire.send(head + shape.content)
        return wire.reply(shape.method)
    wire.send(head)
    return wire.reply(shape.method, on_continue=lambda: wire.send(shape.content))


def wanted(shape: Shape, paths: Paths) -> Reply:
    """Return what the client must get: what the server says directly, less what is promised.

    Raises:
        AssertionError: the server does not do what the shape is for.
    """
    with Wire(paths.direct) as wire:
        direct = ask(wire, forwarded(shape, paths), shape)
    assert (shape.status, shape.whole) == (direct.code, direct.whole), direct
    return relayed(shape, direct)


def got(shape: Shape, paths: Paths) -> Reply:
    """Return what the client gets through the proxy, on a connection of its own."""
    with Wire(paths.proxied) as wire:
        return comparable(ask(wire, sent(shape, paths), shape))


def in_a_row(shapes: Iterable[Shape], paths: Paths) -> list[Reply]:
    """Return the answers to requests that follow each other on one connection."""
    with Wire(paths.proxied) as wire:
        return [comparable(ask(wire, sent(shape, paths), shape)) for shape in shapes]


def at_once(shapes: list[Shape], paths: Paths) -> list[Reply]:
    """Return the answers to requests that are sent in one go on one connection."""
    with Wire(paths.proxied) as wire:
        wire.send(b"".join(sent(shape, paths) + shape.content for shape in shapes))
        return [comparable(wire.reply(shape.method)) for shape in shapes]
