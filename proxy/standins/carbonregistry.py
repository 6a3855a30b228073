"""The stand-in of Carbonregistry.com: who is asked in which order before a route answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from proxy.standins import nestjs
from proxy.standins.carbonregistry_call import Call
from proxy.standins.carbonregistry_data import GRANTS
from proxy.standins.carbonregistry_ledger import Ledger
from proxy.standins.carbonregistry_routes import ROUTES
from proxy.standins.server import KEEP_ALIVE_S, Standin


if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.standins.carbonregistry_data import Grant
    from proxy.standins.carbonregistry_routes import Route
    from proxy.standins.message import Answer, Head, Request

API_VERSIONS: Final = frozenset({"2023-06-16"})
# Express's default; the real limit is not documented.
BODY_LIMIT_BYTES: Final = 100 * 1024

# passport-http-bearer's expression.
_BEARER: Final = re.compile(r"(\S+)\s+(\S+)")


class Carbonregistry(Standin):
    """Carbonregistry.com on loopback: v0.5 and v1 as documented, errors as NestJS makes them.

    Args:
        grants: what each accepted token stands for.
        body_limit: bytes.
        keep_alive_s: seconds that an idle connection stays open.
    """

    def __init__(
        self,
        *,
        grants: Mapping[str, Grant] = GRANTS,
        body_limit: int = BODY_LIMIT_BYTES,
        keep_alive_s: float = KEEP_ALIVE_S,
    ) -> None:
        super().__init__(body_limit=body_limit, keep_alive_s=keep_alive_s)
        self.ledger = Ledger(grants)

    def early(self, head: Head, body_bytes: int) -> Answer | None:
        """Refuse too long a body before anything else, as Express's body parser does."""
        if body_bytes > self.body_limit:
            return nestjs.refusal(head, nestjs.HttpError(413, "request entity too large"))
        return None

    def answer(self, request: Request) -> Answer:
        """Parse the body, find the route, check version and token, call the route."""
        head = request.head
        try:
            body = nestjs.parse_body(request)
            route, params = _route(head)
            _check_version(head)
            token, grant = self._authenticate(head)
            call = Call(self.ledger, head, token, grant, params, body)
            return nestjs.json(head, route.handler(call))
        except nestjs.HttpError as error:
            return nestjs.refusal(head, error)

    def _authenticate(self, head: Head) -> tuple[str, Grant]:
        found = _BEARER.fullmatch(head.header("authorization"))
        if found is None or found[1].lower() != "bearer" or found[2] not in self.ledger.grants:
            raise nestjs.HttpError(401)
        return found[2], self.ledger.grants[found[2]]


def _check_version(head: Head) -> None:
    version = head.header("x-icr-api-version")
    if version and version not in API_VERSIONS:
        raise nestjs.HttpError(400, f"API version {version} is not supported")


def _route(head: Head) -> tuple[Route, dict[str, str]]:
    # Decoding is the reading that is the more dangerous to a proxy's deny rules.
    path = unquote(head.path)
    for route in ROUTES:
        params = route.match(head.method, path)
        if params is not None:
            return route, params
    raise nestjs.HttpError(404, f"Cannot {head.method} {head.path}")
