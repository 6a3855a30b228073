"""Credentials as they are written: where a secret comes from, and how it is put on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from proxy.config import fields as f
from proxy.config.keys import Keys, default, exactly_one, none


if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy.config.errors import Path


SCHEMES: Final = ("access-token", "bearer", "basic", "header", "query", "headers")
SOURCES: Final = ("env", "file", "value")
LATER_SOURCES: Final = frozenset({"stored", "command", "oauth2", "app_token"})
# Names that the union of `credential:` puts into pydantic's paths; they are cut out of ours.
NAME_TAG: Final = "<name>"
SCHEME_TAG: Final = "<scheme>"


class Source(Keys):
    """Where a secret comes from: exactly one of `env`, `file`, `value`."""

    model_config = ConfigDict(json_schema_extra=exactly_one(SOURCES))
    later = LATER_SOURCES | {"ttl", "timeout", "json", "placeholder"}

    env: f.EnvName = none()
    file: f.File = none()
    value: f.SecretText = none()
    required: f.Switch = default("true")

    @model_validator(mode="after")
    def _one(self) -> Source:
        _exactly_one(self, SOURCES, "source")
        return self

    @property
    def kind(self) -> Literal["env", "file", "value"]:
        """Which of the three it is."""
        if self.env is not None:
            return "env"
        return "file" if self.file is not None else "value"


class Basic(Keys):
    """RFC 7617."""

    username: f.UserName
    password: Source


class HeaderScheme(Keys):
    """A header of any name; `{secret}` in `format` is replaced."""

    name: f.SettableHeader
    format: Annotated[f.HeaderFormat, Field(repr=False)] = default("{secret}")
    secret: Source


class QueryScheme(Keys):
    """A query parameter."""

    name: f.QueryName
    secret: Source


class Scheme(Keys):
    """How a secret is put on: exactly one key."""

    model_config = ConfigDict(json_schema_extra=exactly_one(SCHEMES))
    later = LATER_SOURCES

    access_token: Source | None = Field(default=None, alias="access-token")
    bearer: Source | None = none()
    basic: Basic | None = none()
    header: HeaderScheme | None = none()
    query: QueryScheme | None = none()
    headers: Annotated[tuple[HeaderScheme, ...], Field(min_length=1)] | None = none()

    @model_validator(mode="after")
    def _one(self) -> Scheme:
        _exactly_one(self, SCHEMES, "scheme")
        return self

    @property
    def kind(self) -> str:
        """The key that is given, as it is written."""
        return next(key for key in SCHEMES if getattr(self, key.replace("-", "_")) is not None)

    def sources(self) -> Iterator[tuple[Path, Source]]:
        """Yield the sources, each with its key path below the scheme."""
        if (plain := self.access_token or self.bearer) is not None:
            yield (self.kind,), plain
        if self.basic is not None:
            yield ("basic", "password"), self.basic.password
        if (named := self.header or self.query) is not None:
            yield (self.kind, "secret"), named.secret
        for index, header in enumerate(self.headers or ()):
            yield ("headers", index, "secret"), header.secret

    def header_names(self) -> tuple[str, ...]:
        """Return the names of the headers it puts on."""
        if self.access_token is not None:
            return ("Access-Token",)
        if self.bearer is not None or self.basic is not None:
            return ("Authorization",)
        single = () if self.header is None else (self.header,)
        return tuple(header.name for header in (*single, *(self.headers or ())))


class NamedCredential(Scheme):
    """A scheme with a name, and the only origin it is ever sent to."""

    origin: f.UpstreamOrigin


def _exactly_one(model: Keys, keys: tuple[str, ...], what: str) -> None:
    given = [key for key in keys if getattr(model, key.replace("-", "_")) is not None]
    if len(given) != 1:
        found = f"has {' and '.join(given)}" if given else f"has no {what}"
        raise ValueError(f"{found}; give exactly one of {', '.join(keys)}")


def _credential_tag(value: object) -> str | None:
    if isinstance(value, str):
        return NAME_TAG
    return SCHEME_TAG if isinstance(value, dict | Scheme) else None


CredentialChoice = Annotated[
    Annotated[str | None, f.Reads(f.none_or(str)), Tag(NAME_TAG)]
    | Annotated[Scheme, Tag(SCHEME_TAG)],
    Discriminator(_credential_tag),
]
