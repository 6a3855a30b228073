"""The stand-in of Microreact: who is asked in which order before a route answers."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from proxy.standins import nextjs
from proxy.standins.message import Answer
from proxy.standins.microreact_routes import ROUTES, Call
from proxy.standins.microreact_store import RefusedError, Store
from proxy.standins.server import KEEP_ALIVE_S, Standin


if TYPE_CHECKING:
    from proxy.standins.message import Head, Request
    from proxy.standins.microreact_routes import Route

USER: Final = "researcher@example.org"
COLLEAGUE: Final = "colleague@example.org"
SESSION_USER: Final = "browser@example.org"
USER_TOKEN: Final = "FAKE-microreact-token-of-a-researcher"  # made up
COLLEAGUE_TOKEN: Final = "FAKE-microreact-token-of-a-colleague"  # made up
SESSION_COOKIE: Final = "next-auth.session-token"

BODY_LIMIT_BYTES: Final = 128 * 1024 * 1024


class Microreact(Standin):
    """Microreact v292 on loopback, as its source and measurements show it.

    Args:
        token: the token of `USER`; `COLLEAGUE_TOKEN` is another user's and always works.
        session: a cookie value that signs `SESSION_USER` in and wins over any token.
        redirect_to: an origin; every request is then sent there by an absolute `Location`.
        body_limit: bytes; the text of the 413 stays the real one's.
        keep_alive_s: seconds that an idle connection stays open.
    """

    def __init__(
        self,
        *,
        token: str = USER_TOKEN,
        session: str | None = None,
        redirect_to: str | None = None,
        body_limit: int = BODY_LIMIT_BYTES,
        keep_alive_s: float = KEEP_ALIVE_S,
    ) -> None:
        super().__init__(body_limit=body_limit, keep_alive_s=keep_alive_s)
        self.session = session
        self.redirect_to = redirect_to
        self.store = Store({token: USER, COLLEAGUE_TOKEN: COLLEAGUE})

    def early(self, head: Head, body_bytes: int) -> Answer | None:
        """Redirect, refuse an unknown path or too long a body; all of it before authentication."""
        if self.redirect_to:
            return nextjs.redirect(self.redirect_to + head.target)
        if target := nextjs.cleaned(head.target):
            return nextjs.redirect(target)
        route = _route(head)
        if route is None:
            return nextjs.page_not_found()
        if body_bytes > self.body_limit and not route.raw:
            message = "Body exceeded 128mb limit"
            return nextjs.text(413, message, reason=message)
        return None

    def answer(self, request: Request) -> Answer:
        """Parse the body, authenticate, call the route."""
        route = _route(request.head)
        if route is None:
            return nextjs.page_not_found()
        try:
            body = request.body if route.raw else nextjs.parse_body(request)
            user = self._authenticate(request.head, route)
            return self._call(route, Call(self.store, request.head, body, user), request)
        except nextjs.InvalidJsonError as error:
            return nextjs.text(400, str(error), reason=str(error))
        except RefusedError as refused:
            return nextjs.text(refused.status, refused.text, reason=refused.text)

    def _call(self, route: Route, call: Call, request: Request) -> Answer:
        if request.body_bytes > self.body_limit:
            return nextjs.text(500, "Internal Server Error")
        try:
            result: Any = route.handler(call)
        except RefusedError:
            if route.wrapped:
                raise
            return nextjs.text(500, "Internal Server Error")
        return result if isinstance(result, Answer) else nextjs.json(call.head, result)

    def _authenticate(self, head: Head, route: Route) -> str | None:
        """Return the caller. A token that is there but wrong is 500, whatever the route needs."""
        if route.caller == "none":
            return None
        if self.session and _cookie(head) == self.session:
            return SESSION_USER
        token = head.header("access-token")
        if token:
            if token not in self.store.users:
                raise RefusedError(500, "Internal Server Error")
            return self.store.users[token]
        if route.caller == "user":
            raise RefusedError(401, "Unauthorized")
        return None


def _route(head: Head) -> Route | None:
    # Whether the real one decodes is not known; this is the reading that is the more dangerous to
    # a proxy's deny rules, so that one that misses `%2D` is seen.
    return ROUTES.get(unquote(head.path))


def _cookie(head: Head) -> str | None:
    try:
        morsel = SimpleCookie(head.header("cookie")).get(SESSION_COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel else None
