"""The made-up entities, projects, credits and tokens that Carbonregistry starts with."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal


if TYPE_CHECKING:
    from collections.abc import Mapping

Level = Literal["VIEW", "REQUEST", "WRITE"]

LEVELS: Final[tuple[Level, ...]] = ("VIEW", "REQUEST", "WRITE")

# Bodies link to the public origin, whichever host was asked.
API_ORIGIN: Final = "https://api.carbonregistry.com"
PUBLIC_ORIGIN: Final = "https://www.carbonregistry.com"

USER_ID: Final = "0e5f0000-0000-4000-8000-000000000001"
EXAMINER_ID: Final = "0e5f0000-0000-4000-8000-000000000002"
ORGANIZATION_ID: Final = "0a9a0000-0000-4000-8000-000000000001"
OTHER_ORGANIZATION_ID: Final = "0a9a0000-0000-4000-8000-000000000002"
APP_ID: Final = "67000"
INSTALLATION_ID: Final = "0b110000-0000-4000-8000-000000000001"
PROJECT_ID: Final = "0c0c0000-0000-4000-8000-000000000001"
INTERNAL_PROJECT_ID: Final = "0c0c0000-0000-4000-8000-000000000003"
CREDIT_ID: Final = "exPost-2-0xfa4e000000000000000000000000000000000001"
SECOND_CREDIT_ID: Final = "exAnte-7-0xfa4e000000000000000000000000000000000002"

USER_TOKEN: Final = "FAKE-cru-token-of-a-user"  # made up
EXAMINER_TOKEN: Final = "FAKE-cru-token-of-an-examiner"  # made up
ORGANIZATION_TOKEN: Final = "FAKE-crs-token-of-an-organization"  # made up
READ_ONLY_ORGANIZATION_TOKEN: Final = "FAKE-crs-read-only-organization-token"  # made up
APP_TOKEN: Final = "FAKE-jwt-of-an-app"  # made up; the real one is an RS256 JWT


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token stands for: an entity's id, its kind, and permissions with their levels."""

    entity: str
    kind: Literal["user", "organization", "app"]
    permissions: Mapping[str, Level] = field(default_factory=dict)

    def allows(self, permission: str, level: Level) -> bool:
        """Tell whether the token has `permission` at `level` or above."""
        held = self.permissions.get(permission)
        return held is not None and LEVELS.index(held) >= LEVELS.index(level)


INSTALLATION_PERMISSIONS: Final[Mapping[str, Level]] = MappingProxyType(
    {
        "organization_info": "VIEW",
        "organization_members": "VIEW",
        "organization_projects": "VIEW",
        "organization_inventory": "REQUEST",
        "organization_warehouse": "WRITE",
    }
)
_ALL: Final[Mapping[str, Level]] = {**INSTALLATION_PERMISSIONS, "organization_inventory": "WRITE"}
_READ_ONLY: Final[Mapping[str, Level]] = dict.fromkeys(INSTALLATION_PERMISSIONS, "VIEW")

GRANTS: Final[Mapping[str, Grant]] = MappingProxyType(
    {
        USER_TOKEN: Grant(USER_ID, "user"),
        EXAMINER_TOKEN: Grant(EXAMINER_ID, "user", {"examiner": "VIEW"}),
        ORGANIZATION_TOKEN: Grant(ORGANIZATION_ID, "organization", _ALL),
        READ_ONLY_ORGANIZATION_TOKEN: Grant(ORGANIZATION_ID, "organization", _READ_ONLY),
        APP_TOKEN: Grant(APP_ID, "app"),
    }
)


@dataclass(frozen=True, slots=True)
class Credit:
    """A credit that exists; how much of it each entity holds is the ledger's business."""

    id: str
    project: str
    serialization: str
    vintage: str
    supply: int

    @property
    def kind(self) -> str:
        """Return `exPost` or `exAnte`."""
        return self.id.partition("-")[0]


CREDITS: Final[Mapping[str, Credit]] = {
    CREDIT_ID: Credit(CREDIT_ID, PROJECT_ID, "ICR-ISL-901-10001-14-R-0-2021", "2021", 1000),
    SECOND_CREDIT_ID: Credit(
        SECOND_CREDIT_ID, PROJECT_ID, "ICR-ISL-901-10002-14-R-0-2024", "2024", 400
    ),
}
HOLDINGS: Final[Mapping[tuple[str, str], int]] = {
    (ORGANIZATION_ID, CREDIT_ID): 250,
    (ORGANIZATION_ID, SECOND_CREDIT_ID): 40,
    (USER_ID, CREDIT_ID): 12,
    (f"warehouse:{ORGANIZATION_ID}", CREDIT_ID): 7,
}


def project(number: int, name: str, status: str, sector: str) -> dict[str, Any]:
    """Return a project in the documented shape, with made-up values."""
    identity = f"0c0c0000-0000-4000-8000-{number:012d}"
    return {
        "id": identity,
        "num": str(900 + number),
        "fullName": name,
        "shortDescription": f"{name}, which does not exist",
        "description": f"{name} was made up for a stand-in.",
        "registry": "ICR",
        "status": status,
        "countryCode": "IS",
        "city": "Reykjavík",
        "state": "",
        "sector": {"id": str(number), "title": sector},
        "type": {"id": "removal", "title": "Sequestration / Removal"},
        "methodology": {"id": "VM0000", "title": "A made-up methodology"},
        "proponents": [organization_brief(ORGANIZATION_ID)],
        "otherBenefits": [],
        "additionalities": [],
        "location": {"lat": 64.0, "lng": -21.0},
        "startDate": "2021-01-01T00:00:00.000Z",
        "creditingPeriodStartDate": "2021-01-01T00:00:00.000Z",
        "url": f"{API_ORIGIN}/projects/{identity}",
        "publicUrl": f"{PUBLIC_ORIGIN}/explore/projects/{identity}",
    }


def organization_brief(identity: str) -> dict[str, Any]:
    """Return the few facts of an organization that other objects carry."""
    return {
        "id": identity,
        "fullName": ORGANIZATIONS[identity],
        "logo": "logo.png",
        "publicUrl": f"{PUBLIC_ORIGIN}/explore/organizations/{identity}",
    }


def organization(identity: str) -> dict[str, Any]:
    """Return an organization in the documented shape, with made-up values."""
    return {
        "createdAt": "2022-01-01T00:00:00Z",
        "updatedAt": "2022-01-01T00:00:00Z",
        "fullName": ORGANIZATIONS[identity],
        "countryCode": "IS",
        "city": "Reykjavík",
        "zip": "101",
        "physicalAddress": "Made-up Street 1",
        "registrationNumber": "000000",
        "website": "https://example.org",
        "logo": "logo.png",
        "id": identity,
        "organizationIndustries": {"code": "IND1", "name": "Industry 1"},
        "type": "projectProponent",
        "isPublic": True,
        "url": f"{API_ORIGIN}/app/organizations/{identity}",
    }


ORGANIZATIONS: Final[Mapping[str, str]] = {
    ORGANIZATION_ID: "Example Moss Ltd",
    OTHER_ORGANIZATION_ID: "Example Fern Ltd",
}
PROJECTS: Final = (
    project(1, "Example Moss Restoration", "validated", "Afforestation and reforestation"),
    project(2, "Example Basalt Storage", "registered", "Waste handling and disposal"),
    project(3, "Example Draft", "draft", "Energy industries"),
)
