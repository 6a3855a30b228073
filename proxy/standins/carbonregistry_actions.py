"""Carbonregistry's two irreversible actions: transfer and retire credits."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from proxy.standins.carbonregistry_data import CREDITS
from proxy.standins.nestjs import HttpError


if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy.standins.carbonregistry_call import Call


def transfer(call: Call) -> Any:
    """Move credits to an entity's id, a public key, or an e-mail address (held in escrow)."""
    body = call.body
    credits_ = body.get("credits")
    receiver = _receiver(body.get("to"))
    problems = [*_missing_texts(call, ["fromId"])]
    if receiver is None:
        problems.append("to must be an object")
    if not isinstance(credits_, list) or not all(map(_is_amount, credits_)):
        problems.append("each value in credits must be a known credit and an amount")
    if problems:
        raise HttpError(400, problems)
    call.need_entity(body["fromId"], "organization_inventory", "WRITE")
    amounts = [(credit["id"], credit["amount"]) for credit in body["credits"]]
    call.ledger.move(body["fromId"], receiver, amounts)
    return _done()


def retire(call: Call) -> Any:
    """Take credits out of circulation for good and issue a certificate."""
    body = call.body
    problems = [*_missing_texts(call, ["fromId", "reason", "beneficiaryName", "comment"])]
    if not _is_amount(body.get("credit")):
        problems.append("credit must be a known credit and an amount")
    if problems:
        raise HttpError(400, problems)
    call.need_entity(body["fromId"], "organization_inventory", "WRITE")
    credit = body["credit"]
    call.ledger.retire(body["fromId"], credit["id"], credit["amount"], body)
    return _done()


def _done() -> dict[str, Any]:
    return {"transactionId": str(uuid.uuid4()), "success": True}


def _missing_texts(call: Call, names: Iterable[str]) -> list[str]:
    return [f"{name} must be a string" for name in names if not _is_text(call.body.get(name))]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_amount(value: Any) -> bool:
    # The documents name the type of this object, not its fields: `id` and `amount` are inferred
    # from the inventory they are taken from.
    if not isinstance(value, dict) or value.get("id") not in CREDITS:
        return False
    amount = value.get("amount")
    return isinstance(amount, int) and not isinstance(amount, bool) and amount > 0


def _receiver(to: Any) -> str | None:
    if not isinstance(to, dict):
        return None
    return next((to[key] for key in ("id", "publicKey", "email") if _is_text(to.get(key))), None)
