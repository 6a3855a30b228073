"""Where clients put their keys: the values of those fields and parameters, as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_plus

from proxy.dataplane.headers import fold, fold_bytes, fold_parameter
from proxy.judged import Judged


if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy.dataplane.model import Head


KEY_FIELDS: Final = frozenset({"authorization", "proxy-authorization", "access-token", "x-api-key"})
"""On every route. All of them are stripped, so a dummy in one of them does no harm."""


class Slots:
    """The places of one route that a client's key may stand in.

    Args:
        fields: names of header fields beside `KEY_FIELDS`: those that the credential goes into.
        parameters: the same for the query.
    """

    def __init__(self, fields: Iterable[str] = (), parameters: Iterable[str] = ()) -> None:
        self._fields = KEY_FIELDS.union(map(fold, fields))
        self._parameters = frozenset(map(fold_parameter, parameters))
        self._fates: Judged[bytes, bool] = Judged(self._is_slot)

    def _is_slot(self, name: bytes) -> bool:
        return fold_bytes(name) in self._fields

    def values(self, head: Head, query: str | None) -> list[str]:
        """Return what stands in the slots of a request, in order."""
        fates = self._fates
        found: list[str] = []
        for field in head.fields:
            if fates[field[0]]:
                found.append(field[1].decode("latin-1"))  # noqa: PERF401 -- compiled, it is cheaper
        if query and self._parameters:
            found += self._in_query(query)
        return found

    def _in_query(self, query: str) -> list[str]:
        pairs = [pair.partition("=") for pair in query.split("&")]
        return [
            unquote_plus(value, "latin-1")
            for name, _, value in pairs
            if fold_parameter(unquote_plus(name, "latin-1")) in self._parameters
        ]
