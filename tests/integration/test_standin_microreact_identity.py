"""Who Microreact's stand-in takes a caller for: minted tokens, sessions, other routes."""

from __future__ import annotations

import httpx
import pytest

from proxy.standins.microreact import SESSION_COOKIE, USER_TOKEN, Microreact


TOKEN = {"Access-Token": USER_TOKEN}
SESSION = "FAKE-session"
COOKIE = {"Cookie": f"theme=dark; {SESSION_COOKIE}={SESSION}"}
DOCUMENT = {"meta": {"name": "A tree"}}


async def ask(standin, method, path, **request):
    async with httpx.AsyncClient(base_url=standin.url, trust_env=False) as client:
        return await client.request(method, path, **request)


@pytest.fixture
async def microreact():
    async with Microreact(session=SESSION) as standin:
        yield standin


async def test_a_minted_token_works(microreact):
    """Whoever reaches that route holds a credential for five years: hence the deny rule."""
    first = await ask(microreact, "GET", "/api/user/access-token", headers=TOKEN)
    minted = {"Access-Token": first.json()["token"]}
    second = await ask(microreact, "GET", "/api/user/access%2Dtoken", headers=minted)

    created = await ask(microreact, "POST", "/api/projects/create", json=DOCUMENT, headers=minted)
    own = await ask(microreact, "GET", "/api/user/projects", headers=TOKEN)

    assert first.json()["token"].startswith("FAKE-minted-")
    assert first.json()["token"] != second.json()["token"]
    assert [each["id"] for each in own.json()] == [created.json()["id"]]


async def test_minting_needs_a_token(microreact):
    """An anonymous caller gets none."""
    answer = await ask(microreact, "GET", "/api/user/access-token")

    assert (answer.status_code, answer.text) == (401, "Unauthorized")


async def test_a_session_wins_over_the_token(microreact):
    """A cookie that slips through makes the caller someone else."""
    target = "/api/projects/create?access=private"
    created = await ask(microreact, "POST", target, json=DOCUMENT, headers={**COOKIE, **TOKEN})

    answer = await ask(
        microreact, "GET", f"/api/projects/json?project={created.json()['id']}", headers=TOKEN
    )

    assert (created.status_code, answer.status_code) == (200, 403)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (COOKIE, 200),
        ({**COOKIE, "Access-Token": "garbage"}, 200),
        ({**TOKEN, "Cookie": f"{SESSION_COOKIE}=another"}, 200),
        ({"Cookie": f"{SESSION_COOKIE}=another"}, 401),
    ],
)
async def test_only_a_right_session_signs_in(microreact, headers, status):
    """A wrong cookie leaves the header to decide."""
    answer = await ask(microreact, "GET", "/api/user/projects", headers=headers)

    assert answer.status_code == status


async def test_sessions_are_off_unless_asked_for():
    """Without the switch the cookie is nothing."""
    async with Microreact() as standin:
        answer = await ask(standin, "GET", "/api/user/projects", headers=COOKIE)

    assert answer.status_code == 401


async def test_everything_can_be_redirected_to_another_host():
    """The absolute Location that a proxy must neither follow nor leak the token to."""
    async with Microreact(redirect_to="http://127.0.0.1:9") as standin:
        answer = await ask(
            standin, "POST", "/api/projects/create?a=b", json=DOCUMENT, headers=TOKEN
        )

    location = "http://127.0.0.1:9/api/projects/create?a=b"
    assert (answer.status_code, answer.headers["location"]) == (308, location)
    assert answer.headers["refresh"] == f"0;url={location}"


async def test_conversion_needs_no_token(microreact):
    """An old payload becomes a document that can be created; a document stays as it is."""
    old = {"name": "Old", "data": "id\n1\n"}

    converted = await ask(microreact, "POST", "/api/schema/convert", json=old)
    again = await ask(microreact, "POST", "/api/schema/convert", json=converted.json())
    created = await ask(
        microreact, "POST", "/api/projects/create", json=converted.json(), headers=TOKEN
    )

    assert converted.json()["meta"] == {"name": "Old"}
    assert again.json() == converted.json()
    assert created.status_code == 200


async def test_a_short_team_name_is_the_one_json_error(microreact):
    """All other errors are bare text."""
    short = await ask(microreact, "POST", "/api/teams/create", json={"name": "x"}, headers=TOKEN)
    good = await ask(
        microreact, "POST", "/api/teams/create", json={"name": "long enough"}, headers=TOKEN
    )

    error = {"error": "Team name must be at least 8 characters long"}
    assert (short.status_code, short.json()) == (400, error)
    assert good.json()["url"] == f"https://microreact.org/team/{good.json()['id']}"


async def test_access_is_shown_and_changed(microreact):
    """A manager may close a project that everyone could see."""
    created = await ask(microreact, "POST", "/api/projects/create", json=DOCUMENT, headers=TOKEN)
    project = created.json()["id"]
    target = f"/api/projects/access?project={project}"

    before = await ask(microreact, "GET", target, headers=TOKEN)
    change = await ask(microreact, "POST", target, json={"access": "private"}, headers=TOKEN)
    anonymous = await ask(microreact, "GET", f"/api/projects/json?project={project}")

    assert (before.json()["accessLevel"], before.json()["shares"]) == ("restricted", [])
    assert (change.text, anonymous.status_code) == ("true", 401)


async def test_a_file_beyond_the_limit_is_500():
    """The store reads its own body, after authentication, and its refusal comes out as 500."""
    async with Microreact(body_limit=10) as standin:
        anonymous = await ask(standin, "POST", "/api/files/store", content=b"x" * 11)
        known = await ask(standin, "POST", "/api/files/store", content=b"x" * 11, headers=TOKEN)

    assert (anonymous.status_code, known.status_code) == (401, 500)
