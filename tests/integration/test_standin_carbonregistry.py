"""Carbonregistry's stand-in: documented answers, inferred errors, permissions, tokens, assets."""

from __future__ import annotations

import httpx
import pytest

from proxy.standins.carbonregistry import Carbonregistry
from proxy.standins.carbonregistry_data import (
    APP_TOKEN,
    CREDIT_ID,
    EXAMINER_TOKEN,
    INSTALLATION_ID,
    INTERNAL_PROJECT_ID,
    ORGANIZATION_ID,
    ORGANIZATION_TOKEN,
    OTHER_ORGANIZATION_ID,
    PROJECT_ID,
    READ_ONLY_ORGANIZATION_TOKEN,
    USER_ID,
    USER_TOKEN,
    Grant,
)


OWN = f"/organizations/{ORGANIZATION_ID}"
INVENTORY = f"/v1/{ORGANIZATION_ID}/inventory"
INFO_TOKEN = "FAKE-organization-token-for-information-only"
TRANSFER = {"to": {"id": USER_ID}, "fromId": ORGANIZATION_ID}
RETIRE = {
    "fromId": ORGANIZATION_ID,
    "reason": "Corsia",
    "beneficiaryName": "Example Org",
    "comment": "flights",
    "credit": {"id": CREDIT_ID, "amount": 50},
}


@pytest.fixture
async def registry():
    async with Carbonregistry() as standin:
        yield standin


@pytest.fixture
async def client(registry):
    registry.ledger.grants[INFO_TOKEN] = Grant(
        ORGANIZATION_ID, "organization", {"organization_info": "VIEW"}
    )
    async with httpx.AsyncClient(base_url=registry.url, trust_env=False) as client:
        yield client


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


async def held(client, target=INVENTORY, token=ORGANIZATION_TOKEN):
    answer = await client.get(target, headers=bearer(token))
    return {credit["id"]: credit["amount"] for credit in answer.json()["credits"]}


@pytest.mark.parametrize("token", [USER_TOKEN, ORGANIZATION_TOKEN, APP_TOKEN])
@pytest.mark.parametrize("path", ["/projects", "/v1/projects", "/Projects/"])
async def test_any_token_lists_the_public_projects(client, path, token):
    """A page of projects with `pagination`, framed as Express frames it."""
    answer = await client.get(f"{path}?limit=1&page=0", headers=bearer(token))

    body = answer.json()
    assert [project["id"] for project in body["projects"]] == [PROJECT_ID]
    assert body["projects"][0]["url"] == f"https://api.carbonregistry.com/projects/{PROJECT_ID}"
    assert body["pagination"] == {
        "total": 2,
        "currentPage": 0,
        "pageCount": 2,
        "nextPage": 1,
        "prevPage": None,
    }
    assert [name for name, _ in answer.headers.raw] == [
        b"X-Powered-By",
        b"Content-Type",
        b"ETag",
        b"Content-Length",
        b"Date",
        b"Connection",
        b"Keep-Alive",
    ]
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": USER_TOKEN},
        {"Authorization": f"Basic {USER_TOKEN}"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer"},
        {"Access-Token": USER_TOKEN},
        [("Authorization", "Bearer dummy"), ("Authorization", f"Bearer {USER_TOKEN}")],
    ],
)
async def test_no_right_bearer_is_401(client, headers):
    """Of two Authorization fields Node keeps the first, so a dummy in front spoils the token."""
    answer = await client.get("/projects", headers=headers)

    assert (answer.status_code, answer.json()) == (
        401,
        {"statusCode": 401, "message": "Unauthorized"},
    )


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/projects/internal", USER_TOKEN, 403),
        ("/projects/internal", EXAMINER_TOKEN, 200),
        (f"/projects/internal/{INTERNAL_PROJECT_ID}", EXAMINER_TOKEN, 200),
        (f"/projects/{INTERNAL_PROJECT_ID}", EXAMINER_TOKEN, 404),
        ("/v1/utils/internal/projects", ORGANIZATION_TOKEN, 403),
        (f"/projects/find/project?creditId={CREDIT_ID}", USER_TOKEN, 200),
        ("/projects/find/project", USER_TOKEN, 404),
        (OWN, READ_ONLY_ORGANIZATION_TOKEN, 200),
        (OWN, USER_TOKEN, 403),
        (f"/organizations/{OTHER_ORGANIZATION_ID}", ORGANIZATION_TOKEN, 403),
        (f"{OWN}/addresses", INFO_TOKEN, 200),
        (f"{OWN}/inventory", INFO_TOKEN, 403),
        (f"{OWN}/inventory", READ_ONLY_ORGANIZATION_TOKEN, 200),
        (f"{OWN}/inventory/requests", READ_ONLY_ORGANIZATION_TOKEN, 200),
        (f"{OWN}/retirements", INFO_TOKEN, 200),
        (f"{OWN}/warehouse/inventory", INFO_TOKEN, 403),
        (f"{OWN}/warehouse/inventory", ORGANIZATION_TOKEN, 200),
        (f"{OWN}/warehouse/inventory/reservations", ORGANIZATION_TOKEN, 200),
        (f"/v1/{USER_ID}/inventory", USER_TOKEN, 200),
        (f"/v1/{USER_ID}/inventory", ORGANIZATION_TOKEN, 403),
        ("/retirements/list", USER_TOKEN, 200),
        ("/projects?limit=0", USER_TOKEN, 400),
    ],
)
async def test_permissions_decide(client, path, token, status):
    """A token is for its own entity and for what it was given."""
    answer = await client.get(path, headers=bearer(token))

    assert answer.status_code == status
    if status >= 400:
        assert answer.json()["statusCode"] == status


async def test_version_is_checked(client):
    """The documented version is taken, any other is 400."""
    answers = [
        await client.get("/whoami", headers={**bearer(USER_TOKEN), "x-icr-api-version": version})
        for version in ("2023-06-16", "1999-01-01")
    ]

    assert [answer.status_code for answer in answers] == [200, 400]
    assert (answers[0].json()["id"], answers[1].json()["error"]) == (USER_ID, "Bad Request")


async def test_unknown_routes_and_methods_are_404(client):
    """NestJS names them; no token is asked for."""
    answer = await client.post("/projects")

    assert answer.json() == {
        "message": "Cannot POST /projects",
        "error": "Not Found",
        "statusCode": 404,
    }


async def test_bodies_are_judged_first(client):
    """Too long and malformed ones are refused before the route is looked for."""
    long = await client.post("/nowhere", content=b"x" * 102_401)
    malformed = await client.post(
        "/nowhere", content=b"{", headers={"Content-Type": "application/json"}
    )

    assert (long.status_code, malformed.status_code) == (413, 400)


async def test_a_transfer_moves_credits(client):
    """What the organization gives, the user has; more than there is moves nothing."""
    credits_ = [{"id": CREDIT_ID, "amount": 50}]
    too_much = [{"id": CREDIT_ID, "amount": 5000}]
    answers = [
        await client.post(
            "/v1/transfer", json={**TRANSFER, "credits": each}, headers=bearer(ORGANIZATION_TOKEN)
        )
        for each in (credits_, too_much)
    ]

    assert [answer.status_code for answer in answers] == [200, 400]
    assert (set(answers[0].json()), answers[0].json()["success"]) == (
        {"transactionId", "success"},
        True,
    )
    assert (await held(client))[CREDIT_ID] == 200
    assert (await held(client, f"/v1/{USER_ID}/inventory", USER_TOKEN))[CREDIT_ID] == 62


async def test_a_retirement_is_final_and_certified(client):
    """Retired credits are gone, and everyone sees the certificate."""
    answer = await client.post("/v1/retire", json=RETIRE, headers=bearer(ORGANIZATION_TOKEN))
    listed = await client.get("/v1/retirements", headers=bearer(USER_TOKEN))

    assert (answer.status_code, (await held(client))[CREDIT_ID]) == (200, 200)
    [certificate] = listed.json()["retirements"]
    assert (certificate["amount"], certificate["beneficiary"]) == (50, "Example Org")


@pytest.mark.parametrize("path", ["/v1/transfer", "/v1/retire"])
@pytest.mark.parametrize("token", [READ_ONLY_ORGANIZATION_TOKEN, USER_TOKEN])
async def test_assets_need_write_permission(client, path, token):
    """A read-only token, or another entity's, moves nothing."""
    body = {**RETIRE, **TRANSFER, "credits": [{"id": CREDIT_ID, "amount": 1}]}
    answer = await client.post(path, json=body, headers=bearer(token))

    assert (answer.status_code, answer.json()["message"]) == (403, "Forbidden resource")
    assert (await held(client))[CREDIT_ID] == 250


@pytest.mark.parametrize("path", ["/v1/transfer", "/v1/retire"])
async def test_invalid_bodies_are_explained_in_a_list(client, path):
    """The validation pipe names every field."""
    answer = await client.post(path, json={}, headers=bearer(ORGANIZATION_TOKEN))

    assert (answer.status_code, answer.json()["message"][0]) == (400, "fromId must be a string")


@pytest.mark.parametrize(
    ("path", "reads_inventory"),
    [
        ("/app/accessTokens", 403),
        (f"/app/installations/{INSTALLATION_ID}/accessTokens", 200),
        (f"/APP/Installations/{INSTALLATION_ID}/access%54okens/", 200),
    ],
)
async def test_a_minted_token_works_until_it_is_revoked(client, path, reads_inventory):
    """The documented object holds a usable token in clear: hence the deny rules."""
    minted = (await client.post(path, headers=bearer(APP_TOKEN))).json()
    headers = bearer(minted["token"])

    public = await client.get("/projects", headers=headers)
    inventory = await client.get(f"{OWN}/inventory", headers=headers)
    revoked = await client.delete("/app/installations/token", headers=headers)
    after = await client.get("/projects", headers=headers)

    assert {"id", "token", "permissions", "expiresAt", "isActive", "appId"} <= set(minted)
    assert [public.status_code, inventory.status_code] == [200, reads_inventory]
    assert [revoked.status_code, after.status_code] == [200, 401]


async def test_only_an_app_mints(client):
    """An organization's token mints nothing, nor does an unknown installation."""
    path = f"/app/installations/{INSTALLATION_ID}/accessTokens"
    organization = await client.post(path, headers=bearer(ORGANIZATION_TOKEN))
    unknown = await client.post("/app/installations/x/accessTokens", headers=bearer(APP_TOKEN))

    assert (organization.status_code, unknown.status_code) == (403, 404)
