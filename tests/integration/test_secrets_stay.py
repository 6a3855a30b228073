"""A canary is looked for wherever the proxy tells anything; each sink has a control."""

from __future__ import annotations

import asyncio
import base64
import json
from urllib.parse import quote

import pytest

from proxy.config.errors import ConfigError
from proxy.config.json_schema import json_schema
from proxy.config.loader import loads
from proxy.secret import Secret
from tests.integration.rig.command import invoke, ready
from tests.integration.rig.proxy import get, one_route, request
from tests.integration.rig.upstream import OK


ENV = "canary-ENV-7f3a91\xe9"
FILE = "canary-FILE-b52c08"
VALUE = "canary-VALUE-e1d94f"
CLIENT = "canary-CLIENT-06aa7b"
CANARIES = [ENV, FILE, VALUE, CLIENT]


def forms(secret):
    """Return what a secret looks like wherever it may leak: as it is, and encoded."""
    raw = secret.encode()
    return [
        raw,
        secret.encode("latin-1"),
        base64.b64encode(raw).rstrip(b"="),
        base64.b64encode(b"me:" + raw).rstrip(b"="),
        quote(raw).encode(),
        json.dumps(secret)[1:-1].encode(),
        repr(secret)[1:-1].encode(),
        raw[:14],
    ]


def leaks(text):
    """Return the canaries found in a text, in any form."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    return [secret for secret in CANARIES if any(form in data for form in forms(secret))]


@pytest.mark.parametrize("secret", CANARIES)
def test_the_search_finds_what_is_there(secret):
    """The positive control of all the others."""
    for form in forms(secret):
        assert [secret] == leaks(b"before " + form + b" after")


@pytest.fixture
def config(tmp_path, upstream):
    """Return a configuration with a secret of each source and place, and the environment."""
    (tmp_path / "secret").write_text(FILE + "\n")
    route = {"upstream": upstream.origin}
    return {
        "listen": "127.0.0.1:0",
        "credentials": {"shared": {"origin": upstream.origin, "bearer": {"value": VALUE}}},
        "routes": {
            "env": route | {"credential": {"bearer": {"env": "CANARY"}}},
            "file": route | {"credential": {"access-token": {"file": str(tmp_path / "secret")}}},
            "value": route | {"credential": "shared"},
            "basic": route
            | {"credential": {"basic": {"username": "me", "password": {"env": "CANARY"}}}},
            "query": route
            | {"credential": {"query": {"name": "key", "secret": {"env": "CANARY"}}}},
            "header": route
            | {"credential": {"header": {"name": "X-Own", "secret": {"value": VALUE}}}},
        },
    }


ENVIRON = {"CANARY": ENV}


async def exchanges(proxy, upstream):
    """Make every kind of exchange with every route; return all that the client saw."""
    seen = b""
    dirty = [f"Authorization: Bearer {CLIENT}", f"Access-Token: {CLIENT}", f"Cookie: a={CLIENT}"]
    broken = [
        OK,
        b"nonsense\r\n\r\n",
        b"",
        b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n",
    ]
    for name in proxy.service.provisioned.snapshot.routes:
        for answer in broken:
            upstream.answer = answer
            async with await proxy.client() as client:
                client.send(get(f"/{name}/x?access_token={CLIENT}&b=1", *dirty))
                if answer:
                    await client.answer()
                else:
                    await upstream.bell.until(lambda: upstream.visits)
                seen += client.received
    upstream.answer = OK
    for data in (
        get("/nowhere", *dirty),
        get("/env/../x", *dirty),
        get("/env/x", *dirty, "Origin: https://evil.example"),
        get("/env/x", *dirty, host="evil.example"),
        request("TRACE", "/env/x", *dirty),
        request("POST", "/env/x", *dirty, "Transfer-Encoding: gzip, chunked"),
        get("/env/x", *dirty, f"X-A: {CLIENT}\x00"),
        get("/env/x", f"{CLIENT} : x"),
        f"GET /{CLIENT}\x01 HTTP/1.1\r\n\r\n".encode(),
        f"{CLIENT} / HTTP/1.1\r\n\r\n".encode(),
        get("/env/x", f"X-A: {CLIENT * 5000}"),
        get("/env/x", *[f"X-A: {CLIENT}"] * 300),
        request("POST", "/env/x", "Transfer-Encoding: chunked") + f"{CLIENT}\r\n".encode(),
    ):
        answer = await proxy.ask(data)
        assert 400 <= answer.status
        seen += answer.raw
    return seen


async def test_no_answer_and_no_log_line_holds_a_secret(start, upstream, config, capfd):
    """Whatever goes wrong, on either side; stdout and stderr stay empty."""
    proxy = await start(config, environ=ENVIRON)

    seen = await exchanges(proxy, upstream)
    await proxy.logged(6 * 4 + 13)

    assert [] == leaks(seen)
    assert [] == leaks(proxy.log.text)
    assert ("", "") == capfd.readouterr()
    arrived = b"".join(each.raw for each in upstream.requests)
    # The controls: the secrets were there, and the sinks hold what they are to hold.
    assert {ENV, FILE, VALUE} == set(leaks(arrived))
    assert b"urn:keybearer:error:bad-request" in seen
    assert b'"stripped":["authorization","access-token","cookie","?access_token"]' in proxy.log.text


async def test_no_repr_holds_a_secret(start, config):
    """Of the service and of everything that hangs on it, however deep."""
    proxy = await start(config, environ=ENVIRON)

    texts = reachable(proxy.service)

    assert [] == [text for text in texts if leaks(text)]
    assert any("Secret(********)" in text for text in texts)
    assert any(text.startswith("<Pool http://127.0.0.1") for text in texts)


def inside(item):
    """Return what an object holds: its items, or the values of its attributes and slots."""
    if isinstance(item, dict):
        return list(item.values())
    if isinstance(item, list | tuple | set | frozenset):
        return list(item)
    if not type(item).__module__.startswith("proxy."):
        return []
    slots = (getattr(cls, "__slots__", ()) for cls in type(item).__mro__)
    names = [name for each in slots for name in ([each] if isinstance(each, str) else each)]
    return [getattr(item, name, None) for name in names] + list(
        getattr(item, "__dict__", {}).values()
    )


def reachable(root):
    """Return repr and str of every object of ours that can be reached."""
    texts, seen, todo = [], set(), [root]
    while todo:
        item = todo.pop()
        if id(item) in seen or isinstance(item, bytes | str | int | type):
            continue
        seen.add(id(item))
        if type(item).__module__.startswith("proxy."):
            texts += [repr(item), str(item)]
        # A secret's own slot is what all this is about.
        todo += [] if isinstance(item, Secret) else inside(item)
    return texts


WRONG = {
    "unknown key": ("listen", {"listenn": "x"}),
    "wrong type": ("routes", {"routes": VALUE}),
    "secret as the source": (None, {"token": VALUE}),
    "secret as the credential": (None, {"credential": VALUE}),
    "secret as the scheme": (None, {"credential": {VALUE: {"env": "X"}}}),
    "secret in the upstream": (None, {"upstream": f"https://me:{VALUE}@example.org"}),
    "secret in the query": (None, {"upstream": f"https://example.org/?key={VALUE}"}),
    "two sources": (None, {"credential": {"bearer": {"value": VALUE, "env": "X"}}}),
    "two lines": (None, {"credential": {"bearer": {"value": f"{VALUE}\nx"}}}),
    "invisible": (None, {"credential": {"bearer": {"value": f"{VALUE}\u200bx"}}}),
    "secret in a header": (None, {"set_headers": {"X": f"{VALUE}\n"}}),
    "interpolated": (None, {"upstream": "${CANARY}"}),
}


@pytest.mark.parametrize(("key", "change"), WRONG.values(), ids=WRONG)
def test_no_configuration_error_holds_a_secret(tmp_path, key, change):
    """The place is told, the value never."""
    config = one_route("https://example.org")
    if key is None:
        config["routes"]["api"] |= change
    else:
        config |= change
    with pytest.raises(ConfigError) as caught:
        loads(json.dumps(config), name="f.yaml", base=tmp_path, environ=ENVIRON)

    told = f"{caught.value} {caught.value!r} {caught.value.args!r}"
    assert [] == leaks(told)
    assert "f.yaml:1:" in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [{"env": "TWO_LINES"}, {"env": "NBSP"}, {"file": "two-lines"}, {"file": "binary"}],
)
async def test_no_secret_that_is_none_is_told(start, upstream, tmp_path, source):
    """A source that holds no usable secret is named; what it holds is not."""
    (tmp_path / "two-lines").write_text(f"{FILE}\nmore\n")
    (tmp_path / "binary").write_bytes(FILE.encode() + b"\0")
    environ = {"TWO_LINES": f"{ENV}\nmore", "NBSP": f"{ENV}\u00a0x"}
    config = one_route(upstream.origin, credential={"bearer": source})
    with pytest.raises(ConfigError) as caught:
        await start(config, environ=environ, base=tmp_path)

    assert [] == leaks(f"{caught.value} {caught.value!r}")
    assert next(iter(source.values())) in str(caught.value)
    assert None is caught.value.__cause__


def test_the_schema_knows_no_secret():
    """It is made of the models alone; the control is that it is one."""
    text = json.dumps(json_schema())

    assert [] == leaks(text)
    assert '"routes"' in text


@pytest.mark.parametrize("args", [["check"], ["check", "--probe"], ["check", "--probe", "--json"]])
async def test_check_tells_no_secret(config, tmp_path, monkeypatch, args):
    """Neither for people nor for programs, also when the probe is answered."""
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CANARY", ENV)

    status, out, err = await asyncio.to_thread(invoke, *args)

    assert 0 == status, err
    assert [] == leaks(out + err)
    assert "env CANARY" in out


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_run_tells_no_secret(config, tmp_path, upstream):
    """From its first line to its last, with requests in between that go wrong."""
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    async with ready(cwd=tmp_path, CANARY=ENV) as command:
        async with await command.client() as client:
            for target in ("/env/x", "/nowhere"):
                client.send(get(target, f"Cookie: {CLIENT}"))
                await client.until(b"200 OK" if "env" in target else b"no-route")
            client.send(f"{CLIENT}\0".encode())
            await client.ended()
        command.process.terminate()
        status, err = await command.end()

    assert 0 == status
    assert [] == leaks(command.out + err)
    assert [] == leaks(client.received)
    assert "credential ready" in command.out
    assert '"route":"env"' in err
    assert ENV.encode() in upstream.requests[0].raw
