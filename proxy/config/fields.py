"""The types that fields of the schema have: how a text is read, and what an editor is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic_core import core_schema

from proxy.config import addresses, grants, values
from proxy.config.subjects import subject
from proxy.secret import Secret
from proxy.upstream.origin import Origin


if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
    from pydantic_core import CoreSchema


Json = dict[str, Any]
REFERENCE: Json = {"type": "string", "pattern": r"\$\{"}  # its value is known at start only


@dataclass(frozen=True, slots=True, eq=False)
class Reads:
    """Makes a field read a text, and say in the JSON Schema what it reads.

    Attributes:
        parse: text to value; ValueError says what is expected.
        json: what an editor checks.
    """

    parse: Callable[[str], object]
    json: Json = field(default_factory=lambda: {"type": "string"})

    def __get_pydantic_core_schema__(self, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, _: CoreSchema, __: GetJsonSchemaHandler) -> Json:
        return dict(self.json)

    def read(self, value: object) -> object:
        """Return the parsed value of a scalar."""
        return self.parse(_text(value))


@dataclass(frozen=True, slots=True, eq=False)
class ReadsPath(Reads):
    """The same for what is relative to the file's directory."""

    parse_at: Callable[[str, Path], object] = addresses.file_path

    def __get_pydantic_core_schema__(self, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self.read_at)

    def read_at(self, value: object, info: ValidationInfo) -> object:
        """Return the parsed value of a scalar, with the directory that the context carries."""
        return self.parse_at(_text(value), _base(info))


def _base(info: ValidationInfo) -> Path:
    base: Path = info.context.base  # type: ignore[union-attr] # the loader always gives a context
    return base


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a single value, not keys or a list")  # noqa: TRY004 # pydantic reports ValueError only
    return value


def matching(*patterns: str, also: tuple[str, ...] = ()) -> Json:
    """Return the JSON Schema of a text of a form, or of a reference to a variable."""
    forms = "|".join(f"(?:{pattern})" for pattern in patterns)
    types = ["string", *also]
    return {
        "type": types if also else "string",
        "pattern": rf"^(?:{forms})$|\$\{{",
    }


def words(*allowed: str) -> Reads:
    """Return the reader of one of a few words."""

    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"must be {', '.join(allowed[:-1])} or {allowed[-1]}")
        return text

    return Reads(parse, {"anyOf": [{"enum": list(allowed)}, REFERENCE]})


def none_or(parse: Callable[[str], object]) -> Callable[[str], object]:
    """Return a parser that also reads `none`, as None."""
    return lambda text: None if text == "none" else parse(text)


def _none_or_path(text: str, base: Path) -> Path | None:
    return None if text == "none" else addresses.file_path(text, base)


_ANY_SCALAR: Json = {"type": ["string", "number", "boolean"]}
_SWITCH: Json = {
    "anyOf": [{"enum": [True, False, "true", "false", "on", "off", "yes", "no"]}, REFERENCE]
}
_ORIGIN: Json = matching(r"https?://[^/?#@]+/?")
_WEB_ORIGIN: Json = matching(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#@*\s]+/?")
_HEADER: Json = matching(values.FIELD_NAME)

EchoGuard = Annotated[bool, Reads(values.echo_guard, _SWITCH)]
Switch = Annotated[bool, Reads(values.switch, _SWITCH)]
Duration = Annotated[float, Reads(values.duration, matching(values.DURATION))]
Pause = Annotated[float | None, Reads(values.duration_or_none, matching(values.DURATION, "none"))]
Timeout = Annotated[float | None, Reads(values.timeout, matching(values.DURATION, "none"))]
Size = Annotated[int, Reads(values.size, matching(values.SIZE, also=("integer",)))]
HeadSize = Annotated[int, Reads(values.size_of_head, matching(values.SIZE, also=("integer",)))]
Count = Annotated[int, Reads(values.count, matching("[0-9]{1,9}", also=("integer",)))]
CountOrNone = Annotated[
    int | None, Reads(values.count_or_none, matching("[0-9]{1,9}", "none", also=("integer",)))
]
SizeOrNone = Annotated[
    int | None, Reads(values.size_or_none, matching(values.SIZE, "none", also=("integer",)))
]
Mode = Annotated[int | None, Reads(values.mode, matching(values.MODE, also=("integer",)))]
Text = Annotated[str, Reads(values.text, _ANY_SCALAR)]
OptionalText = Annotated[str | None, Reads(values.text, _ANY_SCALAR)]

RouteName = Annotated[str, Reads(values.route_name, {"pattern": f"^{values.ROUTE_NAME}$"})]
CredentialName = Annotated[str, Reads(values.credential_name)]
PresetName = Annotated[str | None, Reads(none_or(values.text))]
EnvName = Annotated[str | None, Reads(values.env_name, matching(values.ENV_NAME))]
File = Annotated[Path | None, ReadsPath(values.text)]
GivenFile = Annotated[Path, ReadsPath(values.text)]
AuditFile = Annotated[Path, ReadsPath(values.text, parse_at=addresses.audit_path)]
FileOrNone = Annotated[Path | None, ReadsPath(values.text, parse_at=_none_or_path)]
SecretText = Annotated[Secret | None, Reads(Secret, _ANY_SCALAR)]

ClientName = Annotated[str, Reads(grants.client_name, {"pattern": f"^{grants.CLIENT_NAME}$"})]
ClientRoute = Annotated[str, Reads(grants.client_route, matching(values.ROUTE_NAME))]
KeyHash = Annotated[bytes, Reads(grants.key_hash, matching(grants.KEY_HASH))]
KeySetUrl = Annotated[str, Reads(grants.key_set_url, matching(grants.KEY_SET))]
Subject = Annotated[str, Reads(subject, matching("[^=]+=.*"))]
DayOrNone = Annotated[float | None, Reads(grants.end_of_day, matching(grants.DAY, "none"))]
RateOrNone = Annotated[
    grants.RateConfig | None, Reads(grants.rate_or_none, matching(grants.RATE, "none"))
]
CountStore = Annotated[
    Literal["memory"] | Secret, Reads(grants.count_store, matching("memory", grants.REDIS))
]
FileSize = Annotated[int, Reads(grants.size_of_file, matching(values.SIZE, also=("integer",)))]

HeaderName = Annotated[str, Reads(values.header_name, _HEADER)]
Subprotocol = Annotated[str, Reads(values.subprotocol, matching(values.SUBPROTOCOL))]
SettableHeader = Annotated[str, Reads(values.settable_header, _HEADER)]
HeaderValue = Annotated[str, Reads(values.header_value, _ANY_SCALAR)]
HeaderFormat = Annotated[str, Reads(values.header_format, matching(r"[^{]*\{secret\}.*"))]
UserName = Annotated[str, Reads(values.user_name, _ANY_SCALAR)]
QueryName = Annotated[str, Reads(values.query_name, matching("[A-Za-z0-9_.~-]+"))]
Method = Annotated[str, Reads(values.method, matching("[A-Z0-9!#$%&'*+.^_`|~-]+"))]
MountPath = Annotated[
    str | None,
    Reads(values.mount_path, {"anyOf": [{"enum": [False]}, matching(values.PATH, "off|no|false")]}),
]
PathPattern = Annotated[str, Reads(values.path_pattern, matching("/[^%?#;]*"))]

Address = Annotated[
    addresses.Address,
    ReadsPath(values.text, matching(addresses.LISTEN), addresses.listen_address),
]
RouteHost = Annotated[str, Reads(addresses.route_host)]
AllowedHost = Annotated[str | addresses.Network, Reads(addresses.allowed_host)]
WebOrigin = Annotated[str, Reads(addresses.web_origin, _WEB_ORIGIN)]
TrustedProxy = Annotated[addresses.Network | Literal["unix"], Reads(addresses.trusted_proxy)]
UpstreamOrigin = Annotated[Origin, Reads(Origin.parse, _ORIGIN)]
UpstreamHost = Annotated[str, Reads(addresses.upstream_host, matching(r"[^/?#@\s]+"))]
ServerName = Annotated[str | None, Reads(none_or(addresses.host_name))]

Action = Annotated[Literal["allow", "deny"], words("allow", "deny")]
Cookies = Annotated[Literal["strip", "pass"], words("strip", "pass")]
Upgrade = Annotated[str, Reads(values.upgrade, matching(values.UPGRADE))]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"], words("debug", "info", "warning", "error")
]
LogFormat = Annotated[Literal["json", "console"] | None, words("json", "console")]
