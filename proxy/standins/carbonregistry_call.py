"""One authenticated call of Carbonregistry, and what its handlers ask of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from proxy.standins.nestjs import HttpError


if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from proxy.standins.carbonregistry_data import Grant, Level
    from proxy.standins.carbonregistry_ledger import Ledger
    from proxy.standins.message import Head


@dataclass(frozen=True, slots=True)
class Call:
    """`params` are the path's placeholders, `body` is the JSON object or empty."""

    ledger: Ledger
    head: Head
    token: str
    grant: Grant
    params: Mapping[str, str]
    body: Mapping[str, Any]

    def need(self, permission: str, level: Level = "VIEW") -> None:
        """Refuse with 403 a token without `permission` at `level`."""
        if not self.grant.allows(permission, level):
            raise HttpError(403, "Forbidden resource")

    def need_entity(self, entity: str, permission: str, level: Level = "VIEW") -> None:
        """Refuse with 403 a token that may not act so for `entity`: only its own one counts.

        A user needs no permission for what is his own.
        """
        if self.grant.entity != entity:
            raise HttpError(403, "Forbidden resource")
        if self.grant.kind != "user":
            self.need(permission, level)

    def page(self, key: str, items: Sequence[Any]) -> dict[str, Any]:
        """Return the zero-based page that `limit` and `page` ask for, with `pagination`."""
        limit, page = self._number("limit", 10, least=1), self._number("page", 0, least=0)
        count = math.ceil(len(items) / limit)
        pagination = {
            "total": len(items),
            "currentPage": page,
            "pageCount": count,
            "nextPage": page + 1 if page + 1 < count else None,
            "prevPage": page - 1 if page else None,
        }
        return {"pagination": pagination, key: list(items[page * limit : (page + 1) * limit])}

    def _number(self, name: str, default: int, *, least: int) -> int:
        value = self.head.query(name)
        if not value:
            return default
        if not (value.isascii() and value.isdigit() and int(value) >= least):
            raise HttpError(400, [f"{name} must not be less than {least}"])
        return int(value)
