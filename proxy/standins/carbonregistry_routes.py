"""Carbonregistry's routes: what each one answers, and which permission it needs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from proxy.standins.carbonregistry_actions import retire, transfer
from proxy.standins.carbonregistry_data import (
    CREDITS,
    INSTALLATION_ID,
    INSTALLATION_PERMISSIONS,
    INTERNAL_PROJECT_ID,
    ORGANIZATION_ID,
    ORGANIZATIONS,
    PROJECTS,
    Grant,
    organization,
)
from proxy.standins.nestjs import HttpError


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from proxy.standins.carbonregistry_call import Call

Project = dict[str, Any]

_PUBLIC_PROJECTS: Final = [each for each in PROJECTS if each["id"] != INTERNAL_PROJECT_ID]


def whoami(call: Call) -> Any:
    """Say whose token was used; the real body is not documented."""
    grant = call.grant
    return {"id": grant.entity, "type": grant.kind, "permissions": dict(grant.permissions)}


def projects(call: Call) -> Any:
    """List the public projects, for any token; `search` is v1's."""
    wanted = call.head.query("search").lower()
    return call.page("projects", [p for p in _PUBLIC_PROJECTS if wanted in p["fullName"].lower()])


def project(call: Call) -> Any:
    """Return one public project, for any token."""
    return _one(_PUBLIC_PROJECTS, call.params["id"])


def project_of_credit(call: Call) -> Any:
    """Return the project that issued a credit, by its id or its serialization."""
    asked = {call.head.query("creditId"), call.head.query("serialization")}
    for credit in CREDITS.values():
        if asked & {credit.id, credit.serialization}:
            return _one(_PUBLIC_PROJECTS, credit.project)
    raise HttpError(404, "Project not found")


def internal_projects(call: Call) -> Any:
    """List all projects, drafts too, for an examiner."""
    call.need("examiner")
    return call.page("projects", PROJECTS)


def internal_project(call: Call) -> Any:
    """Return any project, for an examiner."""
    call.need("examiner")
    return _one(PROJECTS, call.params["id"])


def an_organization(call: Call) -> Any:
    """Return the token's organization."""
    _need_organization(call, "organization_info")
    return organization(call.params["id"])


def addresses(call: Call) -> Any:
    """Return the organization's public wallet addresses."""
    _need_organization(call, "organization_info")
    wallet = {"publicKey": f"0x{call.params['id'].replace('-', ''):0>40}", "isDefault": True}
    return {"organization": organization(call.params["id"]), "addresses": [wallet]}


def inventory(call: Call) -> Any:
    """Return what the organization holds (v0.5)."""
    _need_organization(call, "organization_inventory")
    identity = call.params["id"]
    credits_ = [{"organizationId": identity, **each} for each in call.ledger.inventory(identity)]
    return {"credits": credits_, "organizationId": identity}


def inventory_requests(call: Call) -> Any:
    """List the requests against the inventory; there are none."""
    _need_organization(call, "organization_inventory")
    return call.page("creditRequests", [])


def organization_retirements(call: Call) -> Any:
    """List what the organization retired."""
    _need_organization(call, "organization_info")
    own = [r for r in call.ledger.retirements if r["organizationId"] == call.params["id"]]
    return call.page("retirements", own)


def warehouse(call: Call) -> Any:
    """Return what the organization laid into its warehouse."""
    _need_organization(call, "organization_warehouse")
    identity = call.params["id"]
    stored = call.ledger.inventory(f"warehouse:{identity}")
    owner = {"inventoryId": f"warehouse-{identity}", "organizationId": identity}
    return {"credits": [{**credit, **owner} for credit in stored], "organizationId": identity}


def reservations(call: Call) -> Any:
    """List the reservations of the warehouse; there are none."""
    _need_organization(call, "organization_warehouse")
    return call.page("reservations", [])


def retirements(call: Call) -> Any:
    """List every retirement, for any token."""
    return call.page("retirements", call.ledger.retirements)


def entity_inventory(call: Call) -> Any:
    """Return what a user or an organization holds (v1)."""
    identity = call.params["id"]
    call.need_entity(identity, "organization_inventory")
    owner = "organizationId" if identity in ORGANIZATIONS else "userId"
    entity = {owner: identity, "id": identity}
    credits_ = [{owner: identity, **each} for each in call.ledger.inventory(identity)]
    return {"credits": credits_, "entity": entity}


def mint_app_token(call: Call) -> Any:
    """Issue a token of the app itself: one of the routes a proxy has to deny."""
    _need_app(call)
    return call.ledger.mint(Grant(call.grant.entity, "app"), call.grant.entity)


def mint_installation_token(call: Call) -> Any:
    """Issue a token for the organization that installed the app: another one to deny."""
    _need_app(call)
    if call.params["id"] != INSTALLATION_ID:
        raise HttpError(404, "Installation not found")
    grant = Grant(ORGANIZATION_ID, "organization", INSTALLATION_PERMISSIONS)
    return call.ledger.mint(grant, call.grant.entity)


def revoke_token(call: Call) -> Any:
    """Invalidate the token that was used."""
    del call.ledger.grants[call.token]
    return {"success": True}


def _one(among: Sequence[Project], identity: str) -> Project:
    for each in among:
        if each["id"] == identity:
            return each
    raise HttpError(404, "Project not found")


def _need_organization(call: Call, permission: str) -> None:
    if call.grant.kind != "organization":
        raise HttpError(403, "Forbidden resource")
    call.need_entity(call.params["id"], permission)


def _need_app(call: Call) -> None:
    if call.grant.kind != "app":
        raise HttpError(403, "Forbidden resource")


@dataclass(frozen=True, slots=True)
class Route:
    """A method, a path with `{id}`, and its handler."""

    method: str
    path: str
    handler: Callable[[Call], Any]

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """Return the placeholders' values if this is the route; HEAD takes GET's.

        Express folds case and forgives one trailing slash.
        """
        if self.method != ("GET" if method == "HEAD" else method):
            return None
        pattern = self.path.replace("{id}", "(?P<id>[^/]+)")
        found = re.fullmatch(f"{pattern}/?", path, re.IGNORECASE)
        return found.groupdict() if found else None


# The first match wins.
ROUTES: Final = (
    Route("GET", "/whoami", whoami),
    Route("GET", "/projects", projects),
    Route("GET", "/projects/internal", internal_projects),
    Route("GET", "/projects/internal/{id}", internal_project),
    Route("GET", "/projects/find/project", project_of_credit),
    Route("GET", "/projects/{id}", project),
    Route("GET", "/organizations/{id}", an_organization),
    Route("GET", "/organizations/{id}/addresses", addresses),
    Route("GET", "/organizations/{id}/inventory", inventory),
    Route("GET", "/organizations/{id}/inventory/requests", inventory_requests),
    Route("GET", "/organizations/{id}/retirements", organization_retirements),
    Route("GET", "/organizations/{id}/warehouse/inventory", warehouse),
    Route("GET", "/organizations/{id}/warehouse/inventory/reservations", reservations),
    Route("GET", "/retirements/list", retirements),
    Route("POST", "/app/accessTokens", mint_app_token),
    Route("POST", "/app/installations/{id}/accessTokens", mint_installation_token),
    Route("DELETE", "/app/installations/token", revoke_token),
    Route("GET", "/v1/projects", projects),
    Route("GET", "/v1/retirements", retirements),
    Route("GET", "/v1/utils/internal/projects", internal_projects),
    Route("GET", "/v1/{id}/inventory", entity_inventory),
    Route("POST", "/v1/transfer", transfer),
    Route("POST", "/v1/retire", retire),
)
