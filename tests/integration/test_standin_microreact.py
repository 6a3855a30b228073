"""Microreact's stand-in answers as the real one was documented, read and measured."""

from __future__ import annotations

import gzip

import httpx
import pytest

from proxy.standins.microreact import (
    COLLEAGUE,
    COLLEAGUE_TOKEN,
    USER_TOKEN,
    Microreact,
)


TOKEN = {"Access-Token": USER_TOKEN}
COLLEAGUES = {"Access-Token": COLLEAGUE_TOKEN}
JSON = {"Content-Type": "application/json"}
DOCUMENT = b'{"meta":{"name":"A tree"}}'
CREATE = "/api/projects/create"


@pytest.fixture
async def microreact():
    async with Microreact(body_limit=4096) as standin:
        yield standin


@pytest.fixture
async def client(microreact):
    async with httpx.AsyncClient(base_url=microreact.url, trust_env=False) as client:
        yield client


async def created(client, headers=TOKEN, query="?access=private"):
    answer = await client.post(CREATE + query, content=DOCUMENT, headers={**JSON, **headers})
    return answer.json()["id"]


def brief(answer):
    reason = answer.extensions["reason_phrase"].decode()
    return answer.status_code, reason, answer.text, answer.headers.get("content-type")


UNAUTHORIZED = (401, "Unauthorized", "Unauthorized", None)
SERVER_ERROR = (500, "Internal Server Error", "Internal Server Error", None)
INVALID_JSON = (400, "Invalid JSON", "Invalid JSON", None)
TOO_LONG = (413, "Body exceeded 128mb limit", "Body exceeded 128mb limit", None)
BEARER = {"Access-Token": f"Bearer {USER_TOKEN}"}
TWICE = [("Access-Token", USER_TOKEN), ("access-token", USER_TOKEN), *JSON.items()]
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
AS_TEXT = {"Content-Type": "text/plain"}


@pytest.mark.parametrize(
    ("method", "headers", "body", "expected"),
    [
        pytest.param("POST", JSON, DOCUMENT, UNAUTHORIZED, id="no-token"),
        pytest.param("POST", {**JSON, "Access-Token": ""}, DOCUMENT, UNAUTHORIZED, id="empty"),
        pytest.param("POST", {**JSON, "Access-Token": "x"}, DOCUMENT, SERVER_ERROR, id="wrong"),
        pytest.param("POST", {**JSON, **BEARER}, DOCUMENT, SERVER_ERROR, id="bearer-inside"),
        pytest.param("POST", TWICE, DOCUMENT, SERVER_ERROR, id="doubled"),
        pytest.param(
            "POST",
            {**JSON, "Authorization": f"Bearer {USER_TOKEN}"},
            DOCUMENT,
            UNAUTHORIZED,
            id="in-authorization",
        ),
        pytest.param("POST", {**JSON, **TOKEN}, b"{", INVALID_JSON, id="not-json"),
        pytest.param("POST", JSON, b"{", INVALID_JSON, id="json-before-auth"),
        pytest.param("POST", {**JSON, **TOKEN}, gzip.compress(DOCUMENT), INVALID_JSON, id="gzip"),
        pytest.param("POST", JSON, b"x" * 4097, TOO_LONG, id="too-long-before-auth"),
        pytest.param("POST", {**JSON, **TOKEN}, b"{}", SERVER_ERROR, id="without-meta"),
        pytest.param("POST", {**FORM, **TOKEN}, DOCUMENT, SERVER_ERROR, id="json-as-form"),
        pytest.param("POST", {**AS_TEXT, **TOKEN}, DOCUMENT, SERVER_ERROR, id="json-as-text"),
        pytest.param("GET", TOKEN, b"", SERVER_ERROR, id="get"),
        pytest.param(
            "HEAD", TOKEN, b"", (500, "Internal Server Error", "", None), id="head-without-body"
        ),
        pytest.param("OPTIONS", {}, b"", UNAUTHORIZED, id="options"),
    ],
)
async def test_create_refuses_as_measured(client, method, headers, body, expected):
    """Each row of the measured table: status, reason phrase, bare text, no content type."""
    answer = await client.request(method, CREATE, content=body, headers=headers)

    assert brief(answer) == expected


@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
async def test_create_answers_json_whatever_the_method(client, method):
    """The documented fields, the public link, and Next.js's headers."""
    answer = await client.request(method, CREATE, content=DOCUMENT, headers={**JSON, **TOKEN})

    body = answer.json()
    assert brief(answer)[0::3] == (200, "application/json; charset=utf-8")
    assert {"etag", "vary"} <= set(answer.headers)
    assert body == {
        "id": body["id"],
        "version": 2,
        "url": f"https://microreact.org/project/{body['id']}-a-tree",
        "role": "owner",
        "isOwner": True,
        "isManager": True,
        "isEditor": True,
    }


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/api/projects/create/?access=private", "/api/projects/create?access=private"),
        ("//api/projects/create/?access=private", "/api/projects/create/?access=private"),
    ],
)
async def test_slashes_are_redirected_before_all_else(microreact, client, target, location):
    """308 with a root-relative Location, its query and Refresh, even without a token."""
    answer = await client.post(microreact.url + target, content=b"{")

    assert brief(answer) == (308, "Permanent Redirect", location, None)
    assert answer.headers["location"] == location
    assert answer.headers["refresh"] == f"0;url={location}"


async def test_an_unknown_route_is_an_html_page(client):
    """Next.js says who it is there, and there only."""
    answer = await client.get("/api/views", headers=TOKEN)

    assert brief(answer)[0::3] == (404, "text/html; charset=utf-8")
    assert answer.headers["x-powered-by"] == "Next.js"


async def test_a_project_is_read_and_replaced(client):
    """What was created comes back with dates and `_`; an update replaces the whole of it."""
    project = await created(client)
    changed = {"meta": {"name": "Another"}, "tables": {}}

    update = await client.post(
        f"/api/projects/update?project={project}", json=changed, headers=TOKEN
    )
    read = await client.post(f"/api/projects/json?project={project}-slug", headers=TOKEN)

    link = f"https://microreact.org/project/{project}-another"
    assert update.json() == {"role": "owner", "id": project, "url": link}
    assert (read.json()["meta"]["name"], read.json()["tables"]) == ("Another", {})
    assert {"createdAt", "updatedAt"} <= set(read.json()["meta"])
    assert (read.json()["_"]["id"], read.json()["_"]["url"]) == (project, link)


@pytest.mark.parametrize(
    ("headers", "query", "expected"),
    [
        (COLLEAGUES, "?access=private", (403, "Forbidden", "Forbidden", None)),
        ({}, "?access=private", UNAUTHORIZED),
        ({"Access-Token": "x"}, "", SERVER_ERROR),
    ],
)
async def test_reading_is_for_those_who_may(client, headers, query, expected):
    """Signed in but not allowed, anonymous, and wrong are three different things."""
    project = await created(client, query=query)

    answer = await client.get(f"/api/projects/json?project={project}", headers=headers)

    assert brief(answer) == expected


async def test_a_link_accessible_project_needs_no_token(client):
    """Anything but `access=private` is for whoever has the link."""
    project = await created(client, query="?access=public")

    answer = await client.get(f"/api/projects/json?project={project}")

    assert (answer.status_code, answer.json()["_"]["role"]) == (200, "viewer")


async def test_update_of_a_foreign_project_is_500(client):
    """That route does not turn a refusal into its status; the reading one does."""
    project = await created(client)

    update = await client.post(
        f"/api/projects/update?project={project}", json={"meta": {}}, headers=COLLEAGUES
    )
    unknown = await client.get("/api/projects/json?project=unknown", headers=TOKEN)

    assert brief(update) == SERVER_ERROR
    assert brief(unknown) == (404, "Not Found", "Not Found", None)


async def test_files_are_stored_and_need_a_referer(client):
    """SHA-1 of the raw bytes; the project in Referer decides who may have them."""
    project = await created(client)
    stored = await client.post("/api/files/store", content=b"a,b\n", headers=TOKEN)
    link = stored.json()["url"]
    referer = {"Referer": f"https://microreact.org/project/{project}-a-tree"}

    with_it = await client.get(link, headers={**TOKEN, **referer})
    without = await client.get(link, headers=TOKEN)
    older = await client.get(link.replace("raw", "get"))

    assert stored.json()["hash"] == "2fbdd1b4fa7011d804f484d0bd32bff7f526d812"
    assert (with_it.content, without.status_code >= 400) == (b"a,b\n", True)
    assert with_it.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert (older.status_code, older.headers["location"]) == (307, link)


async def test_sharing_gives_a_role_and_the_bin_hides(client):
    """A manager shares, an owner throws away; a wrong role is refused in text."""
    project = await created(client)

    wrong = await client.post(
        f"/api/shares/add?id={project}", json={"emails": [], "role": "owner"}, headers=TOKEN
    )
    shared = await client.post(
        f"/api/shares/add?id={project}",
        json={"emails": [COLLEAGUE], "role": "editor"},
        headers=TOKEN,
    )
    seen = await client.get(f"/api/projects/json?project={project}", headers=COLLEAGUES)
    listed = await client.get("/api/user/projects", headers=TOKEN)
    binned = await client.post(f"/api/projects/bin?project={project}", json={}, headers=TOKEN)
    hidden = await client.get("/api/user/projects", headers=TOKEN)

    assert brief(wrong) == (400, "invalid role", "invalid role", None)
    assert [shared.text, binned.text] == ["true", "true"]
    assert seen.json()["_"]["role"] == "editor"
    assert ([each["id"] for each in listed.json()], hidden.json()) == ([project], [])
