"""Everything that is decided about a request before it is sent, one step after another."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 -- the compiled build looks the types up
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.dataplane.authenticate import authenticate
from proxy.dataplane.browser import is_browser, is_marked
from proxy.dataplane.cors import NO_PAGE, is_preflight, preflight_answer
from proxy.dataplane.destination import Named  # noqa: TC001 -- the compiled build looks it up
from proxy.dataplane.errors import OriginDenied, PolicyDenied, Refusal
from proxy.dataplane.forwarded import public_name
from proxy.dataplane.framing import check_framing
from proxy.dataplane.gauge import NO_PLACES, Places
from proxy.dataplane.guard import (
    SANDBOX,
    Guard,  # noqa: TC001 -- the compiled build looks the types up
    advise,
    check_origin,
    check_shared_origin,
    other_prefix,
    referring_path,
)
from proxy.dataplane.misplaced import check_misplaced
from proxy.dataplane.model import (
    Audit,  # noqa: TC001 -- the compiled build looks the types up
    Clients,  # noqa: TC001 -- as above
    Limiter,  # noqa: TC001 -- as above
)
from proxy.dataplane.outbound import assemble
from proxy.dataplane.reserved import reserved_answer
from proxy.dataplane.route import Route  # noqa: TC001 -- the compiled build looks the types up
from proxy.dataplane.router import (
    RESERVED,
    Mount,
    Router,  # noqa: TC001 -- as above
)
from proxy.dataplane.target import Target, parse_target
from proxy.dataplane.upgrade import wanted
from proxy.dataplane.upload import NOTHING, upload_of


if TYPE_CHECKING:
    from proxy.dataplane.caller import Caller
    from proxy.dataplane.cors import Page
    from proxy.dataplane.ends import Body
    from proxy.dataplane.model import Entrance, Head, Rate
    from proxy.dataplane.outbound import Outbound
    from proxy.dataplane.record import Record
    from proxy.dataplane.reserved import Health
    from proxy.dataplane.target import Authority
    from proxy.dataplane.upload import Upload
    from proxy.upstream.pool import Pool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a request is judged by. A request keeps the one it began with.

    Attributes:
        router: finds the route.
        guard: knows the accepted hosts.
        routes: by name.
        clients: who may use it; None: nobody is asked who they are.
        limiter: counts requests where rates are configured, or None.
        audit: where decisions are written down, or None.
    """

    router: Router
    guard: Guard
    routes: Mapping[str, Route]
    clients: Clients | None = None
    limiter: Limiter | None = None
    audit: Audit | None = None


class Errand:
    """A request that may be sent.

    Attributes:
        mount: the route, and by which way it was asked for.
        pool: the upstream's, of the credential.
        request: what is written there.
        upload: its body.
        rates: count it, before it is sent.
        places: are taken by it, for as long as it is under way.
    """

    __slots__ = ("mount", "places", "pool", "rates", "request", "upload")

    def __init__(
        self, mount: Mount, pool: Pool, request: Outbound, upload: Upload, caller: Caller | None
    ) -> None:
        route = mount.route
        self.mount = mount
        self.pool = pool
        self.request = request
        self.upload = upload
        self.rates: tuple[Rate, ...] = ()
        self.places = NO_PLACES
        if route.rate is not None:
            self.rates = (route.rate,)
        if route.gauge is not None:
            self.places = Places((route.gauge,))
        if caller is not None and caller.rate is not None:
            self.rates = (*self.rates, caller.rate)
        if caller is not None and caller.gauge is not None:
            self.places = self.places.and_of(caller.gauge)


def judge(  # noqa: C901, PLR0912, PLR0915 -- the whole way, on one screen
    head: Head, body: Body, entrance: Entrance, record: Record, snapshot: Snapshot, health: Health
) -> Errand | bytes:
    """Return what is to be sent, or the answer where it is our own.

    Args:
        head: the client's.
        body: what comes behind it; nothing of it is read here.
        entrance: how it came in.
        record: is told what is found out.
        snapshot: what it is judged by.
        health: answers on the reserved paths.

    Raises:
        Refusal: it is not to be sent.
    """
    # Target and framing: one reading, or none.
    target = parse_target(head.method, head.target)
    check_framing(head)
    if entrance.kind == "shared" and target.path.startswith(RESERVED):
        record.quiet = True
        return reserved_answer(head.method, target.path, health, close=record.close)
    # Guard: by which name, from which page.
    authority = _admit(snapshot.guard, entrance, target)
    if target.authority is not None:
        entrance = entrance.called(target.authority, entrance.local)
    page, browser = NO_PAGE, False
    marked = entrance.guarded and is_marked(head.named)
    if marked:
        browser = is_browser(head.named)
        public = authority
        if record.peer.proxy is not None:
            public = public_name(authority, head, record.peer)
        try:
            page = check_origin(head.named, public, snapshot.guard.cors, browser=browser)
        except OriginDenied as denied:
            mount = _mount(snapshot.router, entrance, authority, target)
            advise(denied, head, target, entrance, authority, mount)
            raise
        if page.foreign and is_preflight(head):
            record.extra, record.foreign = page.lines, True
            return _preflight(head, body, page, record)
    elif entrance.guarded:
        page = snapshot.guard.cors.nobody
    record.extra, record.foreign = page.lines, page.foreign
    # Match.
    mount = snapshot.router.match(entrance, authority.host if authority else "", target.path)
    route = mount.route
    record.route = route
    path = target.path[len(mount.prefix) :]
    if not path or route.request.reveals:
        base = route.request.seen(head, entrance, record.peer, mount.base)
        mount = Mount(route, mount.prefix, base._replace(bare=not path))
    path = path or "/"
    if marked and mount.base.shared:
        if browser:
            _check_prefix(snapshot.router, entrance, authority, head, target, mount)
        if check_shared_origin(head.named, browser=browser):
            record.extra += SANDBOX
    # Strip; nothing of it counts before the rest is decided. What is taken off tells the client.
    named: list[Named] = []
    fields, stripped, offered = route.request.fields(
        head,
        entrance,
        record.peer,
        ours=page.ours,
        foreign=page.foreign,
        base=mount.base,
        named=named,
    )
    record.stripped = stripped
    # Authenticate.
    caller: Caller | None = None
    clients = snapshot.clients
    if clients is not None:
        if target.query:
            offered += route.request.offered_in(target.query)
        caller = record.caller = authenticate(clients, offered, record.peer)
    restricted = caller is not None and caller.policy.restricts
    if restricted and route.request.overrides_met and route.request.overridden(head):
        named.clear()
        fields, stripped, _ = route.request.fields(
            head,
            entrance,
            record.peer,
            ours=page.ours,
            foreign=page.foreign,
            base=mount.base,
            named=named,
            overrides=True,
        )
        record.stripped = stripped
    # Policy, then limits; those that count requests are the handler's to ask.
    record.rule = _allow(route, caller, head.method, path)
    for each in named:
        _allow_named(route, caller, head.method, each)
    if snapshot.audit is not None:
        snapshot.audit.check()
    upload = NOTHING
    if head.chunked or head.length:
        upload = upload_of(head, body, limit=route.body_limit, keep=route.replay_buffer)
        record.upload = upload
    # Inject: the credential comes last.
    query = target.query
    if query:
        query, parameters = route.request.query(query, overrides=restricted)
        stripped += parameters
    injector, pool = route.injector, route.pool
    record.injector = injector
    if clients is not None:
        check_misplaced(clients, head.method, fields, path, query)
    if caller is not None and caller.injectors:
        injector = record.injector = caller.injector(route)
        pool = route.pool_for(injector)
    upgrade = wanted(head, route.upgrade) if head.upgrade else None
    request = assemble(head.method, path, query, fields, injector.inject(), upgrade)
    return Errand(mount, pool, request, upload, caller)


def _allow(route: Route, caller: Caller | None, method: str, path: str) -> str:
    """Return the rule that allows a request; the client's comes on top of the route's."""
    rule = route.policy.check(method, path)
    return rule if caller is None else caller.check(route.name, method, path) or rule


def _mount(
    router: Router, entrance: Entrance, authority: Authority | None, target: Target
) -> Mount | None:
    try:
        return router.match(entrance, authority.host if authority else "", target.path)
    except Refusal:
        return None


def _check_prefix(
    router: Router,
    entrance: Entrance,
    authority: Authority | None,
    head: Head,
    target: Target,
    mount: Mount,
) -> None:
    """Refuse a page below another prefix that only its Referer shows to be ours.

    The sandbox has taken its origin, but not every browser leaves out the Referer then.

    Raises:
        OriginDenied: it is of another route, or does not say of which.
    """
    path = referring_path(head.named)
    if path is None:
        return
    page = _mount(router, entrance, authority, Target(path, None))
    # A page may have its path left out (`Referrer-Policy`). A proxy in front may have cut one off
    # that leads nowhere here.
    if path == "/" or (page is not None and page.route is not mount.route):
        denied = other_prefix()
        advise(denied, head, target, entrance, authority, mount)
        raise denied


def _allow_named(route: Route, caller: Caller | None, method: str, resource: Named) -> None:
    """Let a request name a resource beside its target, by the same rules."""
    if resource.refusal is not None:
        raise resource.refusal
    if resource.path is not None:
        try:
            _allow(route, caller, method, resource.path)
        except PolicyDenied as refusal:
            refusal.cause = f"{resource.field} names what is denied"
            raise
    elif route.policy.rules or (caller is not None and caller.policy.rules):
        raise PolicyDenied(
            f"The {resource.field} field names a resource in a way that cannot be compared with "
            "the rules of this route or client.",
            cause=f"{resource.field} is not compared with rules",
        )


def _admit(guard: Guard, entrance: Entrance, target: Target) -> Authority | None:
    if target.authority is not None:
        return guard.admit_absolute(
            target.authority, entrance.authority, scheme=target.scheme, local=entrance.local
        )
    if entrance.authority is None:
        return None  # HTTP/1.0; a browser always sends one
    return guard.admit(entrance.authority, guarded=entrance.guarded, local=entrance.local)


def _preflight(head: Head, body: Body, page: Page, record: Record) -> bytes:
    record.close |= not body.ended
    answer = preflight_answer(head.named, page, close=record.close)
    record.status = 204
    return answer
