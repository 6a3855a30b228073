"""Carbonregistry's state in memory: tokens, who holds which credits, what was retired."""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from proxy.standins.carbonregistry_data import (
    API_ORIGIN,
    CREDITS,
    HOLDINGS,
    ORGANIZATIONS,
    PROJECTS,
    PUBLIC_ORIGIN,
    organization_brief,
)
from proxy.standins.nestjs import HttpError


if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from proxy.standins.carbonregistry_data import (
        Grant,
    )


class Ledger:
    """Everything the registry remembers; `grants` maps a token to what it may do."""

    def __init__(self, grants: Mapping[str, Grant]) -> None:
        self.grants = dict(grants)
        self.holdings = dict(HOLDINGS)
        self.retirements: list[dict[str, Any]] = []

    def mint(self, grant: Grant, app: str) -> dict[str, Any]:
        """Issue a token with `grant`; return the documented token object, the token in clear."""
        token = f"FAKE-minted-{secrets.token_hex(24)}"
        self.grants[token] = grant
        now = datetime.now(UTC)
        return {
            "id": str(uuid.uuid4()),
            "createdAt": _stamp(now),
            "updatedAt": _stamp(now),
            "token": token,
            "expiresAt": _stamp(now + timedelta(hours=1)),
            "isActive": True,
            "permissions": dict(grant.permissions),
            "appId": app,
        }

    def inventory(self, entity: str) -> list[dict[str, Any]]:
        """Return the credits that `entity` holds, in the documented shape."""
        return [
            describe_credit(credit) | {"amount": amount}
            for (holder, credit), amount in self.holdings.items()
            if holder == entity and amount
        ]

    def move(self, entity: str, receiver: str | None, amounts: Iterable[tuple[str, int]]) -> None:
        """Take amounts of credits from `entity`, all or none.

        Args:
            entity: who holds them.
            receiver: who gets them; None takes them out of circulation.
            amounts: pairs of a credit's id and how much of it.

        Raises:
            HttpError: 400 if `entity` does not hold so much.
        """
        after = dict(self.holdings)
        for credit, amount in amounts:
            after[entity, credit] = after.get((entity, credit), 0) - amount
            if after[entity, credit] < 0:
                raise HttpError(400, "Insufficient credits")
            if receiver is not None:
                after[receiver, credit] = after.get((receiver, credit), 0) + amount
        self.holdings = after

    def retire(self, entity: str, credit: str, amount: int, words: Mapping[str, Any]) -> None:
        """Retire credits for good and certify it; `words` are the request's texts."""
        self.move(entity, None, [(credit, amount)])
        described = describe_credit(credit)
        owner = {"organizationOwner": organization_brief(entity)} if entity in ORGANIZATIONS else {}
        self.retirements.append(
            {
                "createdAt": _stamp(datetime.now(UTC)),
                "id": str(uuid.uuid4()),
                "isClaimed": True,
                "reason": words["reason"],
                "comment": words["comment"],
                "beneficiary": words["beneficiaryName"],
                "organizationId": entity,
                **owner,
                "serialization": described["serialization"],
                "vintage": described["vintage"],
                "amount": amount,
                "project": described["project"],
            }
        )


def describe_credit(identity: str) -> dict[str, Any]:
    """Return a credit in the documented shape, without owner and amount."""
    credit = CREDITS[identity]
    project = next(project for project in PROJECTS if project["id"] == credit.project)
    return {
        "id": credit.id,
        "tokenId": credit.id.split("-")[1],
        "tokenAddress": credit.id.split("-")[2],
        "project": {
            "id": credit.project,
            "fullName": project["fullName"],
            "url": f"{API_ORIGIN}/projects/{credit.project}",
            "publicUrl": f"{PUBLIC_ORIGIN}/explore/projects/{credit.project}",
            "num": project["num"],
        },
        "serialization": credit.serialization,
        "vintage": credit.vintage,
        "supply": credit.supply,
        "unit": "tonne",
        "type": credit.kind,
    }


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
