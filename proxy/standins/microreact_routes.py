"""Microreact's API routes: what each one takes, who may call it and what it answers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from proxy.standins import nextjs
from proxy.standins.message import Answer
from proxy.standins.microreact_store import (
    PUBLIC_ORIGIN,
    ROLES,
    RefusedError,
    new_id,
)


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from proxy.standins.message import Head
    from proxy.standins.microreact_store import (
        Project,
        Role,
        Store,
    )

_REFERRING_PROJECT: Final = re.compile(r"/project/([^/?#]+)")
_SHARED_AT_MOST: Final = 30


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated call. `user` is None for an anonymous one."""

    store: Store
    head: Head
    body: Any
    user: str | None

    @property
    def caller(self) -> str:
        """Return the user of a route that has none but signed-in ones."""
        return self.user or ""

    def project(self, least: Role, key: str = "project") -> Project:
        """Return the project named in the query, if the caller has the role `least`."""
        return self.store.project(self.head.query(key), self.user, least)

    def field(self, name: str) -> Any:
        """Return a field of a JSON body, None if there is none."""
        return self.body.get(name) if isinstance(self.body, dict) else None


@dataclass(frozen=True, slots=True)
class Route:
    """How a route is called.

    `raw` bodies are not parsed. A `wrapped` route turns a refusal into its status and text; an
    unwrapped one into 500.
    """

    handler: Callable[[Call], Any]
    caller: Literal["user", "optional", "none"] = "user"
    raw: bool = False
    wrapped: bool = False


def create(call: Call) -> Any:
    """Save a new project; only `access=private` is private."""
    access = "private" if call.head.query("access") == "private" else "restricted"
    project = call.store.create(call.caller, call.body, access)
    return {"id": project.id, "version": 2, "url": project.url} | _standing(project, call.user)


def update(call: Call) -> Any:
    """Replace a project's document."""
    project = call.project("editor")
    call.store.replace(project, call.body)
    return {"role": project.role_of(call.user), "id": project.id, "url": project.url}


def read(call: Call) -> Any:
    """Return a project's document with its dates and `_`."""
    project = call.project("viewer")
    dates = {"createdAt": project.created_at, "updatedAt": project.updated_at}
    facts = {"id": project.id, "version": 2, "url": project.url}
    return project.document | {
        "meta": project.document["meta"] | dates,
        "_": facts | _standing(project, call.user),
    }


def throw_away(call: Call) -> Any:
    """Put a project into the bin, or take it out with `{"binned": false}`."""
    call.project("owner").binned = call.field("binned") is not False
    return True


def access(call: Call) -> Any:
    """Return who may see a project, or with POST change it."""
    project = call.project("manager")
    if call.head.method == "POST":
        if call.field("access") not in {"private", "restricted"}:
            raise RefusedError(400, "Bad Request")
        project.access = call.field("access")
        return True
    return {
        "id": project.id,
        "alias": None,
        "linkUrl": project.url,
        "aliasUrl": None,
        "accessLevel": project.access,
        "shares": [{"email": email, "role": role} for email, role in project.shares.items()],
    }


def store_file(call: Call) -> Any:
    """Store raw bytes of any content type."""
    return call.store.keep_file(call.body)


def raw_file(call: Call) -> Any:
    """Return a stored file to a viewer of the project that `Referer` names."""
    referring = _REFERRING_PROJECT.search(call.head.header("referer"))
    call.store.project(referring[1] if referring else "", call.user, "viewer")
    content = call.store.files.get(call.head.raw_query)
    if content is None:
        raise RefusedError(404, "Not Found")
    cache = ("Cache-control", "private, max-age=31536000, immutable")
    return Answer(200, (cache,), content, chunked=True)


def get_file(call: Call) -> Any:
    """Redirect the older link of a file to the present one."""
    return nextjs.redirect(f"/api/files/raw?{call.head.raw_query}", status=307)


def convert(call: Call) -> Any:
    """Turn the payload of the old API into a `.microreact` document; needs no token."""
    if not isinstance(call.body, dict):
        raise RefusedError(400, "Bad Request")
    if "meta" in call.body:
        return call.body
    file = {"id": "data-file-1", "format": "text/csv", "name": "data.csv"}
    return {
        "meta": {"name": call.body.get("name", "")},
        "datasets": {"dataset-1": {"id": "dataset-1", "file": "data-file-1", "idFieldName": "id"}},
        "files": {"data-file-1": file | {"blob": call.body.get("data", "")}},
        "tables": {"table-1": {"title": "Metadata", "dataset": "dataset-1"}},
        "schema": f"{PUBLIC_ORIGIN}/schema/v1.json",
    }


def add_shares(call: Call) -> Any:
    """Share a project with up to 30 addresses; the real one sends each an e-mail."""
    project = call.project("manager", key="id")
    emails, role = call.field("emails"), call.field("role")
    if role not in ROLES[:-1]:
        raise RefusedError(400, "invalid role")
    if not isinstance(emails, list) or len(emails) > _SHARED_AT_MOST:
        raise RefusedError(400, "invalid emails")
    project.shares.update(dict.fromkeys(emails, role))
    return True


def create_team(call: Call) -> Any:
    """Create a team; a short name is answered by the API's one JSON error."""
    name = str(call.field("name") or "")
    if len(name) < 8:
        message = "Team name must be at least 8 characters long"
        return nextjs.json(call.head, {"error": message}, status=400)
    team = new_id()
    call.store.teams[team] = name
    return {"id": team, "url": f"{PUBLIC_ORIGIN}/team/{team}"}


def mint_token(call: Call) -> Any:
    """Return a fresh token of whoever is authenticated: the route a proxy has to deny."""
    return {"token": call.store.mint(call.caller)}


def own_projects(call: Call) -> Any:
    """List the caller's projects that are not in the bin."""
    return [
        {"id": project.id, "name": project.document["meta"].get("name"), "url": project.url}
        for project in call.store.projects.values()
        if project.owner == call.user and not project.binned
    ]


def _standing(project: Project, user: str | None) -> dict[str, Any]:
    role = project.role_of(user)
    rank = ROLES.index(role) if role else 0
    return {
        "role": role,
        "isOwner": rank >= ROLES.index("owner"),
        "isManager": rank >= ROLES.index("manager"),
        "isEditor": rank >= ROLES.index("editor"),
    }


# Only `access` looks at the method.
ROUTES: Final[Mapping[str, Route]] = {
    "/api/projects/create": Route(create),
    "/api/projects/update": Route(update),
    "/api/projects/json": Route(read, caller="optional", wrapped=True),
    "/api/projects/bin": Route(throw_away),
    "/api/projects/access": Route(access),
    "/api/files/store": Route(store_file, raw=True),
    "/api/files/raw": Route(raw_file, caller="optional"),
    "/api/files/get": Route(get_file, caller="none"),
    "/api/schema/convert": Route(convert, caller="none"),
    "/api/shares/add": Route(add_shares, wrapped=True),
    "/api/teams/create": Route(create_team),
    "/api/user/access-token": Route(mint_token),
    "/api/user/projects": Route(own_projects),
}
