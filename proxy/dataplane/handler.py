"""The way of a request, from top to bottom: judged, counted, sent, its answer relayed."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING

from proxy.dataplane.errors import InternalFault, KeysWanted, Refusal, UpstreamRefused
from proxy.dataplane.judge import judge
from proxy.dataplane.passage import pass_whole
from proxy.dataplane.problem import problem
from proxy.dataplane.record import CLIENT_CLOSED_REQUEST, Record
from proxy.dataplane.relay import relay
from proxy.dataplane.send import abandon, send
from proxy.upstream.errors import UpstreamError


if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.dataplane.ends import Body, Client
    from proxy.dataplane.judge import Snapshot
    from proxy.dataplane.model import Entrance, Head, Peer
    from proxy.dataplane.reserved import Health
    from proxy.observe.log import Log


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

    async def handle(  # noqa: C901, PLR0912, PLR0915 -- the whole way, on one screen
        self, head: Head, body: Body, entrance: Entrance, peer: Peer, client: Client
    ) -> bool:
        """Answer one request; return whether its connection may carry another one."""
        record = Record(self._next_id(), head, peer, close=self.draining)
        snapshot = self.snapshot
        try:
            try:
                errand = judge(head, body, entrance, record, snapshot, self._health)
            except KeysWanted as wanted:
                await wanted.keys.refresh()
                errand = judge(head, body, entrance, record, snapshot, self._health)
            if isinstance(errand, bytes):
                client.write(errand)
                return not (record.close or self.draining)
            if errand.rates and snapshot.limiter is not None:
                await snapshot.limiter.admit(errand.rates)
            with errand.places:
                record.outbound = errand.request
                record.sent_at = perf_counter()
                exchange = await send(errand.pool, errand.request, errand.upload)
                try:
                    if not pass_whole(exchange, client, head, errand.mount, record):
                        await relay(exchange, client, head, errand.mount, record)
                finally:
                    if errand.upload.complete:
                        exchange.release()
                    else:
                        await abandon(exchange)
        except Refusal as refusal:
            self._refuse(refusal, head, body, client, record)
            refusal.__traceback__ = None  # the exchange keeps it, and would be kept by it
        except UpstreamError as error:
            self._refuse(UpstreamRefused(error), head, body, client, record)
            error.__traceback__ = None
        except asyncio.CancelledError:
            if client.broken is None:
                record.status, record.error = CLIENT_CLOSED_REQUEST, "client-gone"
            else:
                # It is answered, if its answer has not begun.
                if record.status:
                    client.abort(reset=True)
                self._refuse(client.broken, head, body, client, record)
            raise
        except Exception as error:  # noqa: BLE001 -- a fault of ours must not end the process
            fault = InternalFault("A fault in Keybearer; its log says more.", cause=where(error))
            self._refuse(fault, head, body, client, record)
            error.__traceback__ = None
        finally:
            record.tell(self._log, snapshot.audit)
        return not (record.close or self.draining)

    def refuse(self, refusal: Refusal, head: Head, body: Body, peer: Peer, client: Client) -> bool:
        """Refuse a request without a look at it; return whether its connection may go on."""
        record = Record(self._next_id(), head, peer, close=self.draining)
        self._refuse(refusal, head, body, client, record)
        record.tell(self._log, self.snapshot.audit)
        return not (record.close or self.draining)

    def _refuse(
        self, refusal: Refusal, head: Head, body: Body, client: Client, record: Record
    ) -> None:
        record.error, record.cause = refusal.code, refusal.cause or None
        record.rule, record.denied = refusal.rule or record.rule, refusal.denied
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
        record.tell(self._log, self.snapshot.audit)
        return problem(refusal, record.request_id, to_head=False, close=True)


def where(error: BaseException) -> str:
    """Return the kind and place of a fault. Its text may quote a request, so it is not told."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    return f"{type(error).__name__} at {trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}"
