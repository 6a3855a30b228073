"""The way of a request, from top to bottom."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, Final

from proxy.dataplane.cors import NO_PAGE, is_preflight, preflight_answer
from proxy.dataplane.errors import InternalFault, Refusal, UpstreamRefused
from proxy.dataplane.framing import check_framing
from proxy.dataplane.guard import SANDBOX, check_origin, check_shared_origin
from proxy.dataplane.outbound import assemble
from proxy.dataplane.problem import problem
from proxy.dataplane.record import Record
from proxy.dataplane.relay import relay
from proxy.dataplane.reserved import reserved_answer
from proxy.dataplane.router import RESERVED
from proxy.dataplane.send import send
from proxy.dataplane.target import parse_target
from proxy.dataplane.upgrade import wanted
from proxy.dataplane.upload import NOTHING, upload_of
from proxy.upstream.errors import UpstreamError


if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.dataplane.cors import Page
    from proxy.dataplane.guard import Guard
    from proxy.dataplane.model import Body, Client, Entrance, Head, Peer, Snapshot
    from proxy.dataplane.reserved import Health
    from proxy.dataplane.target import Authority, Target
    from proxy.observe.log import Log


CLIENT_CLOSED_REQUEST: Final = 499
"""nginx's status for a client that left; it is logged, never sent."""


class Handler:
    """Judges and carries requests by the snapshot of the moment.

    Args:
        snapshot: replaced as a whole when the configuration changes.
        health: answers `readyz`.
        log: gets one line a request.
        next_id: makes request identifiers.
    """

    def __init__(
        self, snapshot: Snapshot, health: Health, log: Log, next_id: Callable[[], str]
    ) -> None:
        self.snapshot = snapshot
        self.leaving = False
        """The process is to end: it is not ready any more, but serves as before."""
        self.draining = False
        """Answers end their connections."""
        self._health = health
        self._log = log
        self._next_id = next_id

    async def handle(
        self, head: Head, body: Body, entrance: Entrance, peer: Peer, client: Client
    ) -> bool:
        """Answer one request; return whether its connection may carry another one."""
        record = Record(self._next_id(), head, peer)
        # A proxy keeps no connection with an HTTP/1.0 client (RFC 9112 C.2.2).
        record.close = self.draining or not head.keep_alive or head.http10
        try:
            await self._carry(head, body, entrance, peer, client, record)
        except Refusal as refusal:
            self._refuse(refusal, head, body, client, record)
        except UpstreamError as error:
            self._refuse(UpstreamRefused(error), head, body, client, record)
        except asyncio.CancelledError:
            record.status, record.error = CLIENT_CLOSED_REQUEST, "client-gone"
            raise
        except Exception as error:  # noqa: BLE001 -- a fault of ours must not end the process
            fault = InternalFault("A fault in Keybearer; its log says more.", cause=where(error))
            self._refuse(fault, head, body, client, record)
        finally:
            record.tell(self._log)
        return not (record.close or self.draining)

    async def _carry(  # noqa: PLR0915 -- the whole way, on one screen
        self,
        head: Head,
        body: Body,
        entrance: Entrance,
        peer: Peer,
        client: Client,
        record: Record,
    ) -> None:
        snapshot = self.snapshot
        # Target and framing: one reading, or none.
        target = parse_target(head.method, head.target)
        check_framing(head)
        if entrance.kind == "shared" and target.path.startswith(RESERVED):
            self._answer_reserved(head, target, client, record)
            return
        # Guard: by which name, from which page.
        authority = _admit(snapshot.guard, entrance, target)
        page = _page(snapshot.guard, entrance, head, authority)
        record.extra, record.foreign = page.lines, page.foreign
        if page.foreign and is_preflight(head):
            self._answer_preflight(head, body, page, client, record)
            return
        # Match.
        mount = snapshot.router.match(entrance, authority.host if authority else "", target.path)
        record.route = route = mount.route
        path = target.path[len(mount.prefix) :] or "/"
        if entrance.guarded and mount.base.shared and check_shared_origin(head.named):
            record.extra += SANDBOX
        # Policy, then limits.
        route.policy.check(head.method, path)
        upload = NOTHING
        if head.chunked or head.length:
            upload = upload_of(head, body, limit=route.body_limit, keep=route.replay_buffer)
            record.upload = upload
        # Strip, then inject: the credential comes last.
        fields, stripped = route.request.fields(
            head, entrance, peer, ours=page.ours, foreign=page.foreign
        )
        query = target.query
        if query:
            query, parameters = route.request.query(query)
            stripped += parameters
        record.stripped = stripped
        upgrade = wanted(head, route.upgrade) if head.upgrade else None
        injection = route.injector.inject()
        request = assemble(head.method, path, query, fields, injection, upgrade)
        # Send, relay.
        record.sent_at = perf_counter()
        exchange = await send(route.pool, request, upload)
        try:
            await relay(exchange, client, head, mount, record)
        finally:
            if upload.complete:
                exchange.release()
            else:
                await exchange.abandon()

    def _answer_reserved(self, head: Head, target: Target, client: Client, record: Record) -> None:
        record.quiet = True
        client.write(reserved_answer(head.method, target.path, self._health, close=record.close))

    def _answer_preflight(
        self, head: Head, body: Body, page: Page, client: Client, record: Record
    ) -> None:
        record.close |= not body.ended
        answer = preflight_answer(head.named, page, close=record.close)
        record.status = 204
        client.write(answer)

    def _refuse(
        self, refusal: Refusal, head: Head, body: Body, client: Client, record: Record
    ) -> None:
        record.error, record.cause = refusal.code, refusal.cause or None
        record.quiet = False
        # A body that is still coming would be read as the next request.
        record.close |= refusal.close or not body.ended
        if record.status:
            record.close = True  # the answer had begun: relay has broken it off
            return
        record.status = refusal.status
        client.write(
            problem(
                refusal,
                record.request_id,
                to_head=head.method == "HEAD",
                close=record.close,
                extra=record.extra,
            )
        )

    def refuse_unread(self, refusal: Refusal, head: Head, peer: Peer) -> bytes:
        """Return the answer to bytes that the parser could not read as a request, and log it."""
        record = Record(self._next_id(), head, peer)
        record.status, record.error, record.close = refusal.status, refusal.code, True
        record.cause = refusal.cause or None
        record.tell(self._log)
        return problem(refusal, record.request_id, to_head=False, close=True)


def _admit(guard: Guard, entrance: Entrance, target: Target) -> Authority | None:
    if target.authority is not None:
        return guard.admit_absolute(target.authority, entrance.authority, scheme=target.scheme)
    if entrance.authority is None:
        return None  # HTTP/1.0; a browser always sends one
    return guard.admit(entrance.authority, guarded=entrance.guarded)


def _page(guard: Guard, entrance: Entrance, head: Head, authority: Authority | None) -> Page:
    return check_origin(head.named, authority, guard.cors) if entrance.guarded else NO_PAGE


def where(error: BaseException) -> str:
    """Return the kind and place of a fault. Its text may quote a request, so it is not told."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    return f"{type(error).__name__} at {trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}"
