"""The proxy's own paths on shared listeners, for whoever watches over the process."""

from __future__ import annotations

from typing import Protocol

from proxy.dataplane.errors import MethodDenied, NoRoute
from proxy.dataplane.problem import own_answer
from proxy.dataplane.router import RESERVED


class Health(Protocol):
    """Knows how the process does."""

    def ready(self) -> bool:
        """Whether requests can be served now."""
        ...


def reserved_answer(method: str, path: str, health: Health, *, close: bool) -> bytes:
    """Return the answer to `healthz` (alive) or `readyz` (ready to serve).

    It says yes or no and nothing of routes or credentials, for it is given to anybody.

    Raises:
        NoRoute: neither of the two.
        MethodDenied: neither GET nor HEAD.
    """
    name = path.removeprefix(RESERVED)
    if name not in ("healthz", "readyz"):
        raise NoRoute("This path is reserved; `healthz` and `readyz` are answered below it.")
    if method not in ("GET", "HEAD"):
        raise MethodDenied("Ask with GET.", fields=((b"Allow", b"GET, HEAD"),))
    good = name == "healthz" or health.ready()
    return own_answer(
        200 if good else 503,
        b"text/plain; charset=utf-8",
        b"ok\n" if good else b"not ready\n",
        to_head=method == "HEAD",
        close=close,
    )
