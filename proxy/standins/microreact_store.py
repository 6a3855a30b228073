"""Microreact's state in memory: users and their tokens, projects and who may see them, files."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, NoReturn


Role = Literal["viewer", "editor", "manager", "owner"]

ROLES: Final[tuple[Role, ...]] = ("viewer", "editor", "manager", "owner")
# short-uuid's flickrBase58.
ID_ALPHABET: Final = "123456789abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ"
ID_LENGTH: Final = 22
# The real one builds links from its configuration, never from Host.
PUBLIC_ORIGIN: Final = "https://microreact.org"

_DATA_URI: Final = re.compile(r"data:[^,/]*+/[^,]*;base64,")
_NO_SLUG: Final = re.compile(r"[^a-z0-9]++")


class RefusedError(Exception):
    """A request that the application refuses; `status` and the text that is body and reason."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def now() -> str:
    """Return the present time as JavaScript prints it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(slots=True)
class Project:
    """One project; `access` is `private` or `restricted` (whoever has the link may view)."""

    id: str
    owner: str
    document: dict[str, Any]
    access: str
    binned: bool = False
    shares: dict[str, Role] = field(default_factory=dict)
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)

    @property
    def url(self) -> str:
        """Return the public link, with the name as a slug."""
        slug = _NO_SLUG.sub("-", str(self.document["meta"].get("name", "")).lower())
        return f"{PUBLIC_ORIGIN}/project/{'-'.join(filter(None, [self.id, slug.strip('-')]))}"

    def role_of(self, user: str | None) -> Role | None:
        """Return the strongest role of `user` (None is anonymous), or None."""
        if user == self.owner:
            return "owner"
        if user in self.shares:
            return self.shares[user]
        return "viewer" if self.access == "restricted" else None


class Store:
    """Everything Microreact remembers; `users` maps a token to its user's e-mail address."""

    def __init__(self, users: dict[str, str]) -> None:
        self.users = users
        self.projects: dict[str, Project] = {}
        self.files: dict[str, bytes] = {}
        self.teams: dict[str, str] = {}

    def mint(self, user: str) -> str:
        """Return a new token of `user`; the old ones stay valid, as they do at Microreact."""
        token = f"FAKE-minted-{secrets.token_hex(24)}"
        self.users[token] = user
        return token

    def create(self, owner: str, document: Any, access: str) -> Project:
        """Save a new project. A document without `meta` is refused with 500."""
        project = Project(new_id(), owner, self._saved(document), access)
        self.projects[project.id] = project
        return project

    def replace(self, project: Project, document: Any) -> None:
        """Save `document` in the place of the old one."""
        project.document = self._saved(document)
        project.updated_at = now()

    def project(self, reference: str, user: str | None, least: Role) -> Project:
        """Return the project of an id or a slug `<id>-title`, if `user` has the role `least`.

        Raises:
            RefusedError: 400 without a reference, 404 unknown, 403 without the role (401 if the
                caller is anonymous).
        """
        if not reference:
            raise RefusedError(400, "Bad Request")
        found = self.projects.get(reference[:ID_LENGTH])
        if found is None:
            raise RefusedError(404, "Not Found")
        role = found.role_of(user)
        if role is None or ROLES.index(role) < ROLES.index(least):
            _forbid(user)
        return found

    def keep_file(self, content: bytes) -> dict[str, str]:
        """Store `content` and return its `{hash, url}`: the SHA-1 and a root-relative link."""
        digest = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        self.files[digest] = content
        return {"hash": digest, "url": f"/api/files/raw?{digest}"}

    def _saved(self, document: Any) -> dict[str, Any]:
        if not isinstance(document, dict) or not isinstance(document.get("meta"), dict):
            raise RefusedError(500, "Internal Server Error")
        saved: dict[str, Any] = dict(document)
        if isinstance(saved.get("files"), dict):
            saved["files"] = {key: self._unblob(file) for key, file in saved["files"].items()}
        return saved

    def _unblob(self, file: Any) -> Any:
        if not isinstance(file, dict) or not isinstance(file.get("blob"), str):
            return file
        blob: str = file["blob"]
        prefix = _DATA_URI.match(blob)
        content = base64.b64decode(blob[prefix.end() :]) if prefix else blob.encode()
        return {k: v for k, v in file.items() if k != "blob"} | self.keep_file(content)


def new_id() -> str:
    """Return a fresh 22-character id."""
    return "".join(secrets.choice(ID_ALPHABET) for _ in range(ID_LENGTH))


def _forbid(user: str | None) -> NoReturn:
    if user is None:
        raise RefusedError(401, "Unauthorized")
    raise RefusedError(403, "Forbidden")
