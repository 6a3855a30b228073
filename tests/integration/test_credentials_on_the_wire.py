"""What a client sends of credentials never arrives; the configured one does, exactly once."""

from __future__ import annotations

import base64

import pytest

from tests.integration.rig.proxy import BEARER, ENVIRON, TOKEN, get, one_route, request
from tests.integration.rig.raw import Client


# The contract, written out: a name that gets lost in the code is missed here.
CREDENTIAL_FIELDS = [
    "Authorization",
    "Proxy-Authorization",
    "Access-Token",
    "X-Access-Token",
    "X-Api-Key",
    "Api-Key",
    "X-Auth-Token",
    "Private-Token",
    "Job-Token",
    "Deploy-Token",
    "X-Client-Secret",
    "X-Vault-Token",
    "X-Goog-Api-Key",
    "X-Amz-Security-Token",
    "Cookie",
]
CREDENTIAL_PARAMETERS = [
    "access_token",
    "api_key",
    "apikey",
    "auth_token",
    "private_token",
    "client_secret",
]
HOP_BY_HOP = ["Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Upgrade", "HTTP2-Settings"]
FORWARDING = [
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Prefix",
    "X-Real-IP",
]
CANARY = "CLIENTS-OWN-SECRET"

_SECRET = {"env": "TOKEN"}
SCHEMES = {
    "access-token": ({"access-token": _SECRET}, [(b"access-token", TOKEN.encode())]),
    "bearer": ({"bearer": _SECRET}, [(b"authorization", BEARER)]),
    "basic": (
        {"basic": {"username": "me", "password": _SECRET}},
        [(b"authorization", b"Basic " + base64.b64encode(b"me:" + TOKEN.encode()))],
    ),
    "header": (
        {"header": {"name": "X-Own", "format": "token {secret}!", "secret": _SECRET}},
        [(b"x-own", f"token {TOKEN}!".encode())],
    ),
    "headers": (
        {
            "headers": [
                {"name": "X-One", "secret": _SECRET},
                {"name": "X-Two", "format": "b {secret}", "secret": _SECRET},
            ]
        },
        [(b"x-one", TOKEN.encode()), (b"x-two", b"b " + TOKEN.encode())],
    ),
    "query": ({"query": {"name": "own_key", "secret": _SECRET}}, []),
    "none": ("none", []),
}


def spellings(name):
    """Return one name in every way that some server takes for the same."""
    return [name, name.upper(), name.lower(), name.replace("-", "_"), name.swapcase()]


def dirty_fields(also=()):
    """Return every credential field in every spelling, doubled, some named by Connection."""
    names = [*CREDENTIAL_FIELDS, *also]
    fields = [f"{each}: {CANARY}" for name in names for each in spellings(name)]
    fields += [f"{each}: {CANARY}" for name in FORWARDING for each in spellings(name)]
    return [*fields, f"Connection: keep-alive, {', '.join(names)}"]


def dirty_query(also=()):
    """Return every credential parameter in every spelling that some server takes for the same."""
    names = [*CREDENTIAL_PARAMETERS, *also]
    pairs = []
    for name in names:
        first = f"%{ord(name[0]):02x}{name[1:]}"
        dashes, dots = name.replace("_", "-"), name.replace("_", ".")
        pluses, spaces = name.replace("_", "+"), name.replace("_", "%20")
        ways = [name, name.upper(), first, dashes, dots, pluses, spaces, f"{name}[]", f"{name}[a]"]
        pairs += [f"{each}={CANARY}" for each in [*ways, f"{name}%5B%5D"]]
    return f"first=1&{'&'.join(pairs)}&{names[0]}&last=%7e;+"


async def seen_by(start, upstream, tmp_path, entrance, data, **route):
    """Send a request through an entrance and return it as the upstream saw it."""
    sock, own = tmp_path / "kb.sock", tmp_path / "own.sock"
    listen = ["127.0.0.1:0", f"unix:{own}"]
    config = one_route(upstream.origin, **route, listen=listen)
    proxy = await start(config | {"listen": ["127.0.0.1:0", f"unix:{sock}"]})
    where = {"unix": sock, "unix host": sock, "own unix": own, "own": proxy.port_of("api")}
    async with await Client.connect(where.get(entrance, proxy.port)) as client:
        answer = await client.ask(data)
    assert 200 == answer.status, answer.raw
    [seen] = upstream.requests
    return seen


ENTRANCES = {
    "prefix": ("/api", "localhost"),
    "host": ("", "api.localhost"),
    "own": ("", "localhost"),
    "unix": ("/api", "localhost"),
    "unix host": ("", "api.localhost"),
    "own unix": ("", "anything"),
}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("entrance", ENTRANCES)
async def test_no_clients_credential_arrives_and_the_configured_one_does_once(
    start, upstream, tmp_path, entrance, scheme
):
    """Whatever name, spelling, number, entrance and scheme."""
    credential, expected = SCHEMES[scheme]
    injected = [name.decode().title() for name, _ in expected]
    parameters = ["own_key"] if scheme == "query" else []
    prefix, host = ENTRANCES[entrance]
    data = get(f"{prefix}/x?{dirty_query(parameters)}", *dirty_fields(injected), host=host)

    seen = await seen_by(start, upstream, tmp_path, entrance, data, credential=credential)

    secret = f"&own_key={TOKEN}" if scheme == "query" else ""
    assert f"/x?first=1&last=%7e;+{secret}".encode() == seen.target
    assert CANARY.encode() not in seen.raw
    host_field = (b"Host", upstream.origin.removeprefix("http://").encode())
    got = [(name.lower(), value) for name, value in seen.fields if name != b"Host"]
    assert host_field in seen.fields
    assert expected == got


@pytest.mark.parametrize("name", [*CREDENTIAL_FIELDS, *HOP_BY_HOP, *FORWARDING])
@pytest.mark.parametrize("way", ["alone", "empty", "last", "named"])
async def test_each_name_is_taken_off_by_itself(proxy, upstream, name, way):
    """No name is only caught by the company it is in."""
    fields = {
        "alone": [f"{name}: {CANARY}"],
        "empty": [f"{name}:"],
        "last": ["X-A: 1", f"{name.lower().replace('-', '_')}: {CANARY}"],
        "named": [f"Connection: {name}", f"{name}: {CANARY}"],
    }[way]

    answer = await proxy.ask(get("/api/x", *fields))

    assert 200 == answer.status, answer.raw
    folded = name.lower().replace("_", "-").encode()
    got = [n for n in upstream.requests[0].names if n.replace(b"_", b"-") == folded]
    assert ([folded] if name == "Authorization" else []) == got
    assert CANARY.encode() not in upstream.requests[0].raw
    assert [BEARER] == upstream.requests[0].all(b"Authorization")


async def test_what_was_stripped_is_logged_by_name(proxy):
    """Names, never values."""
    await proxy.ask(get(f"/api/x?a=1&API.Key={CANARY}", f"x_api_KEY: {CANARY}", "Cookie: a=b"))

    line = await proxy.logged()
    assert ["x-api-key", "cookie", "?api_key"] == line["stripped"]
    assert CANARY.encode() not in proxy.log.text


@pytest.mark.parametrize("named", ["Authorization", "authorization, x-hop", "close, Authorization"])
async def test_connection_cannot_name_the_injected_field_away(proxy, upstream, named):
    """The credential is put on last (Host, framing and body stay too)."""
    fields = [f"Connection: {named}, Host", "Connection: Content-Length", "X-Hop: 1"]

    answer = await proxy.ask(request("POST", "/api/x", *fields, body=b"hello"))

    assert 200 == answer.status
    [seen] = upstream.requests
    assert ([BEARER], b"hello") == (seen.all(b"Authorization"), seen.body)
    assert upstream.origin.endswith(seen.one(b"Host").decode())


async def test_fields_named_by_connection_go(proxy, upstream):
    """In any case, with spaces, over several fields, and folded."""
    fields = ["Connection: X-One , x-two", "CONNECTION:X_Three", "X-Four: stays"]
    hops = ["x-one: 1", "X-Two: 2", "X-Three: 3", "X_One: 4"]

    await proxy.ask(get("/api/x", *fields, *hops))

    assert [b"host", b"x-four", b"authorization"] == upstream.requests[0].names


async def test_the_configuration_strips_more(start, upstream):
    """`strip.headers` and `strip.query`, folded as the fixed names are."""
    strip = {"headers": ["X-Dataverse-Key"], "query": ["key"]}
    proxy = await start(one_route(upstream.origin, strip=strip))

    await proxy.ask(get("/api/x?KEY=1&key[]=2&keys=3", "x_dataverse_KEY: 1", "X-Dataverse: 2"))

    [seen] = upstream.requests
    assert b"/x?keys=3" == seen.target
    assert [b"host", b"x-dataverse", b"authorization"] == seen.names


async def test_the_configuration_keeps_what_it_names(start, upstream):
    """`strip.keep` opts out by name; the injected name never."""
    proxy = await start(one_route(upstream.origin, strip={"keep": ["X-Api-Key", "apikey"]}))

    await proxy.ask(get("/api/x?api-key=1&apiKey=2", "x_api_key: 3", "Api-Key: 4"))

    [seen] = upstream.requests
    assert b"/x?apiKey=2" == seen.target
    assert [b"host", b"x_api_key", b"authorization"] == seen.names


async def test_cookies_pass_both_ways_where_the_configuration_says_so(start, upstream):
    """Then Domain goes and Path is re-based below the prefix."""
    upstream.answer = (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: s=1; Domain=example.org; Path=/x; HttpOnly\r\n"
        b"set-cookie: t=2\r\nContent-Length: 0\r\n\r\n"
    )
    proxy = await start(one_route(upstream.origin, cookies="pass"))

    answer = await proxy.ask(get("/api/x", "Cookie: a=b"))

    assert b"a=b" == upstream.requests[0].one(b"Cookie")
    assert [b"s=1; Path=/api/x; HttpOnly", b"t=2"] == answer.all(b"Set-Cookie")


async def test_set_headers_replace_the_clients(start, upstream):
    """Whatever the spelling; once each."""
    proxy = await start(one_route(upstream.origin, set_headers={"X-Version": "2023-06-16"}))

    await proxy.ask(get("/api/x", "x-version: 1", "X_VERSION: 2"))

    assert [(b"X-Version", b"2023-06-16"), (b"Authorization", BEARER)] == (
        upstream.requests[0].fields[-2:]
    )
    assert [b"host", b"x-version", b"authorization"] == upstream.requests[0].names


@pytest.mark.parametrize(
    ("trusted", "chain", "scheme"),
    [([], b"127.0.0.1", b"http"), (["127.0.0.0/8"], b"9.9.9.9, 8.8.8.8, 127.0.0.1", b"https")],
)
async def test_the_upstream_is_told_of_the_client_if_the_configuration_says_so(
    start, upstream, trusted, chain, scheme
):
    """`forwarded: true`; only the word of trusted proxies is passed on."""
    config = one_route(upstream.origin, forwarded=True) | {"trusted_proxies": trusted}
    proxy = await start(config)
    fields = ["X-Forwarded-For: 9.9.9.9", "X-Forwarded-For: 8.8.8.8", "X-Forwarded-Proto: https"]

    await proxy.ask(get("/api/x", *fields, "Forwarded: for=1.1.1.1", "X-Real-IP: 1.1.1.1"))

    [seen] = upstream.requests
    assert [chain] == seen.all(b"X-Forwarded-For")
    assert [scheme] == seen.all(b"X-Forwarded-Proto")
    assert [b"localhost"] == seen.all(b"X-Forwarded-Host")
    assert b"1.1.1.1" not in seen.raw


async def test_everything_else_arrives_byte_for_byte_and_nothing_is_invented(proxy, upstream):
    """Order, case, duplicates, empty values and bytes that are not UTF-8."""
    fields = [
        (b"x-B", b"2"),
        (b"X-a", b"caf\xe9 \xff\xfe"),
        (b"X-b", b"1"),
        (b"aCCept", b"*/*, a  b"),
        (b"X-Empty", b""),
        (b"x-B", b"2"),
        (b"x_under_score", b"stays"),
        (b"User-Agent", b"curl/7 \xc3\xa9"),
        (b"Via", b"1.1 other"),
        (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        (b"Expect", b""),
    ]
    lines = b"".join(b"%b: %b\r\n" % field for field in fields)

    answer = await proxy.ask(b"GET /api/x HTTP/1.1\r\nHost: localhost\r\n" + lines + b"\r\n")

    assert 200 == answer.status
    host = (b"Host", upstream.origin.removeprefix("http://").encode())
    assert [host, *fields, (b"Authorization", BEARER)] == upstream.requests[0].fields


@pytest.mark.parametrize("query", ["?", "?a", "?a=&&b", "?&", "?a=%2F%2f+%20;b", "?x=access_token"])
async def test_a_query_without_credentials_stays_byte_for_byte(proxy, upstream, query):
    """Nothing is decoded, ordered or cleaned."""
    await proxy.ask(get(f"/api/x{query}"))

    assert f"/x{query}".encode() == upstream.requests[0].target


async def test_a_query_of_nothing_but_credentials_loses_its_mark(proxy, upstream):
    """And the pair goes with one `&`."""
    async with await proxy.client() as client:
        await client.ask(get("/api/x?api_key=1"))
        await client.ask(get("/api/x?api_key=1&apikey"))
        await client.ask(get("/api/x?a&api_key=1&b"))

    assert [b"/x", b"/x", b"/x?a&b"] == [each.target for each in upstream.requests]


async def test_a_credential_in_a_trailer_is_dropped(proxy, upstream):
    """Trailers of a request are not passed on."""
    body = b"2\r\nhi\r\n0\r\nAuthorization: CLIENTS\r\nAccess-Token: CLIENTS\r\n\r\n"

    answer = await proxy.ask(
        request("POST", "/api/x", "Transfer-Encoding: chunked", "Trailer: Access-Token") + body
    )

    assert (200, b"hi") == (answer.status, upstream.requests[0].body)
    assert b"CLIENTS" not in upstream.requests[0].raw


async def test_a_secret_that_is_not_there_is_503_and_nothing_is_sent(start, upstream):
    """Never a request without its credential."""
    credential = {"bearer": {"env": "ABSENT", "required": False}}
    proxy = await start(one_route(upstream.origin, credential=credential), environ=ENVIRON)

    answer = await proxy.ask(get())

    assert (503, "credential-unavailable") == (answer.status, answer.code)
    assert answer.one(b"Retry-After") is None
    assert [] == upstream.visits
