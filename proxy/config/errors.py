"""What is wrong with a configuration file, told without ever showing a secret."""

from __future__ import annotations

import re
from typing import Final, NamedTuple


Path = tuple[str | int, ...]

# Somebody who writes `token: {s3cret}` has made the secret a key. So below these keys, a key is
# shown only if it is one of our own words.
_HOLDERS: Final = frozenset(
    {"token", "credential", "access-token", "bearer", "basic", "password", "header", "query"}
    | {"headers", "secret", "key", "jwt", "storage"}
)
_WORDS: Final = _HOLDERS | {
    *("env", "file", "value", "required", "command", "oauth2", "ttl", "timeout"),
    *("stored", "app_token", "json", "placeholder", "jwks", "name_claim"),
    *("username", "name", "format", "origin"),
    *("issuer", "audience", "claims", "jwks_url", "leeway"),
}
_CLIENT_KEY: Final = re.compile("kb_.{43}", re.DOTALL)
_PLAIN_KEY: Final = re.compile(r"[\w./*-]{1,64}")


class Problem(NamedTuple):
    """One thing that is wrong.

    Attributes:
        file: what the file is called in messages.
        line: first line is 1; None if the file as a whole is meant.
        column: first column is 1.
        path: the keys that lead to it, as far as they may be shown.
        message: what is wrong; what to do. Never an input value.
    """

    file: str
    line: int | None
    column: int | None
    path: Path
    message: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}:{self.column}"
        key = shown(self.path)
        return f"{where}: {key}: {self.message}" if key else f"{where}: {self.message}"


class ConfigError(Exception):
    """Everything that is wrong with a file; `str()` has one line for each problem."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


def shown(path: Path) -> str:
    """Return `routes.microreact.rules[0].paths`."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            name = key if _PLAIN_KEY.fullmatch(key) else repr(key[:64])
            text += f".{name}" if text else name
    return text


def visible(path: Path) -> Path:
    """Return a path, cut before a key that may be a secret."""
    for length in range(1, len(path) + 1):
        if not may_show(path[:length]):
            return path[: length - 1]
    return path


def may_show(path: Path) -> bool:
    """Whether the last key of a path cannot be a misplaced secret."""
    key = path[-1]
    if isinstance(key, str) and _CLIENT_KEY.match(key):
        return False
    if isinstance(key, int) or len(path) == 1:
        return True
    if path[-2] == "value":
        return False
    in_named = path[0] == "credentials" and len(path) > 2  # noqa: PLR2004 # credentials.NAME.key
    return key in _WORDS or not (in_named or path[-2] in _HOLDERS)
