"""A client of the gateway: what the file says of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from proxy.config import fields as f
from proxy.config.keys import Keys, default, none
from proxy.config.rules import Methods, Rule


class JwtConfig(Keys):
    """Tokens of an issuer: every claim must have the value that is given."""

    later = frozenset({"jwks", "name_claim"})

    issuer: f.Text
    audience: f.Text
    claims: dict[f.Text, f.Text] = default({})
    jwks_url: f.KeySetUrl
    leeway: f.Duration = default("30s")


class CertificateConfig(Keys):
    """A certificate by its subject: RFC 4514, in the spelling of `subjects.subject`."""

    subject: f.Subject


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str) else value


Keyed = Annotated[
    Annotated[tuple[f.KeyHash, ...], Field(min_length=1)],
    BeforeValidator(
        _one_or_more,
        json_schema_input_type=f.KeyHash | Annotated[list[f.KeyHash], Field(min_length=1)],
    ),
]


def _all_or_some(value: object) -> object:
    return None if value == "*" else value


Granted = Annotated[
    Annotated[tuple[f.ClientRoute, ...], Field(min_length=1)] | None,
    BeforeValidator(
        _all_or_some,
        json_schema_input_type=Literal["*"] | Annotated[list[f.ClientRoute], Field(min_length=1)],
    ),
]


def _some_way_in(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [{"required": [way]} for way in ("key", "jwt", "certificate")]


class ClientConfig(Keys):
    """One client.

    `key` are SHA-256 digests; `routes` is None for every route; `expires` is in seconds since
    1970; `credentials` maps routes to named credentials.
    """

    model_config = ConfigDict(json_schema_extra=_some_way_in)
    later = frozenset({"group"})

    key: Annotated[Keyed, Field(repr=False)] = ()
    jwt: JwtConfig | None = none()
    certificate: CertificateConfig | None = none()
    routes: Granted
    methods: Methods = default("any")
    rules: tuple[Rule, ...] = ()
    credentials: dict[f.RouteName, f.CredentialName] = default({})
    rate: f.RateOrNone = default("none")
    concurrency: f.CountOrNone = default("none")
    expires: f.DayOrNone = default("none")

    @model_validator(mode="after")
    def _can_come_in(self) -> ClientConfig:
        if not self.key and self.jwt is None and self.certificate is None:
            raise ValueError(
                "has no key, jwt or certificate to be known by; `keybearer keys new NAME` makes a "
                "key"
            )
        return self
