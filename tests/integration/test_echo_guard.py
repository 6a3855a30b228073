"""Echo guard: what the upstream shows of the injected secret reaches no client."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from urllib.parse import quote

import pytest

from tests.integration.rig.command import invoke, ready
from tests.integration.rig.proxy import BEARER, TOKEN, get, one_route


SECRET = "canary/7f3a+b52c=08d1\xe9"
RAW = SECRET.encode()
STARS = b"*" * len(TOKEN)
MASKED = b"Bearer " + STARS


def answer_of(body=b"", *fields, kind="application/json", status="200 OK", chunked=False):
    """Return an answer's bytes."""
    told = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", told, *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def showing(request):
    """Answer what a debug page would: the request's head, in JSON and in a field."""
    fields = {name.decode(): value.decode("latin-1") for name, value in request.fields}
    body = json.dumps({"target": request.target.decode(), "headers": fields}).encode()
    return answer_of(body, f"X-Auth: {fields.get('Authorization')}")


async def test_a_page_that_shows_the_request_does_not_show_the_token(proxy, upstream):
    """In body and field; the rest, and the lengths, stay as they are; the log counts."""
    upstream.answer = showing

    answer = await proxy.ask(get("/api/x", "X-Own: mine"))

    body = json.loads(answer.body)
    assert MASKED.decode() == body["headers"]["Authorization"]
    assert "mine" == body["headers"]["X-Own"]
    assert MASKED == answer.one(b"X-Auth")
    assert len(answer.body) == int(answer.one(b"Content-Length") or 0)
    assert BEARER == upstream.requests[0].one(b"Authorization")
    assert 2 == (await proxy.logged())["echo_masked"]


async def test_an_answer_without_the_token_is_not_counted(proxy, upstream):
    """The line of an ordinary request has no such field."""
    upstream.answer = answer_of(b'{"a": "b"}', "X-Part: " + TOKEN[:-1])

    answer = await proxy.ask(get())

    assert (b'{"a": "b"}', TOKEN[:-1].encode()) == (answer.body, answer.one(b"X-Part"))
    assert "echo_masked" not in await proxy.logged()


async def test_the_whole_head_is_masked(proxy, upstream):
    """Reason, names, values, a redirect's query; behind HEAD too, and in informational heads."""
    upstream.answer = (
        f"HTTP/1.1 103 Early {TOKEN}\r\nLink: </x?key={TOKEN}>\r\n\r\n"
        f"HTTP/1.1 302 Go {TOKEN}\r\nX-{TOKEN}: 1\r\n"
        f"Location: {upstream.origin}/y?key={TOKEN}&b=1\r\nContent-Length: 0\r\n\r\n"
    ).encode()

    for method in ("GET", "HEAD"):
        answer = await proxy.ask(get().replace(b"GET", method.encode()), to_head=method == "HEAD")

        assert b"HTTP/1.1 302 Go " + STARS == answer.line
        assert b"/api/y?key=" + STARS + b"&b=1" == answer.one(b"Location")
        assert b"1" == answer.one(b"X-" + STARS)
        assert [b"HTTP/1.1 103 Early %b\r\nLink: </api/x?key=%b>\r\n\r\n" % (STARS, STARS)] == (
            answer.interim
        )
    assert 5 == (await proxy.logged(2))["echo_masked"]


FORMS = {
    "as it is": RAW,
    "latin-1": SECRET.encode("latin-1"),
    "UTF-8 read as latin-1, and written as UTF-8": RAW.decode("latin-1").encode(),
    "JSON": json.dumps(SECRET)[1:-1].encode(),
    "JSON of PHP": json.dumps(SECRET)[1:-1].replace("/", "\\/").encode(),
    "JSON of what was read as latin-1": json.dumps(RAW.decode("latin-1"))[1:-1].encode(),
    "a parameter": quote(RAW, safe="").encode(),
    "a parameter in lower case": quote(RAW, safe="").encode().replace(b"%2F", b"%2f"),
}
SCHEMES = {
    "bearer": {"bearer": {"env": "CANARY"}},
    "access-token": {"access-token": {"env": "CANARY"}},
    "basic": {"basic": {"username": "me", "password": {"env": "CANARY"}}},
    "header": {"header": {"name": "X-K", "format": "token {secret}", "secret": {"env": "CANARY"}}},
    "query": {"query": {"name": "key", "secret": {"env": "CANARY"}}},
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
async def test_each_form_is_masked_in_body_and_head(start, upstream, form):
    """With its length, so that the length told stays true."""
    proxy = await start(
        one_route(upstream.origin, credential=SCHEMES["bearer"]), environ={"CANARY": SECRET}
    )
    upstream.answer = answer_of(b"<" + form + b">", f"X: {form.decode('latin-1')}")

    answer = await proxy.ask(get())

    stars = b"*" * len(form)
    assert (b"<" + stars + b">", stars) == (answer.body, answer.one(b"X"))


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
async def test_what_each_scheme_sends_is_masked(start, upstream, scheme):
    """The upstream shows the whole request; the secret and Basic are looked for in the answer."""
    proxy = await start(one_route(upstream.origin, credential=scheme), environ={"CANARY": SECRET})
    upstream.answer = showing
    basic = base64.b64encode(b"me:" + RAW)

    answer = await proxy.ask(get())

    sent = upstream.requests[0].raw
    assert any(each in sent for each in (RAW, basic, quote(RAW, safe="").encode()))
    assert not any(each in answer.raw for each in (*FORMS.values(), basic, RAW[:-1]))
    assert b"****************" in answer.body


async def test_each_secret_of_a_route_is_masked(start, upstream):
    """`headers:` puts on several; a short one among them is not looked for."""
    names = {"ID": "canary-id-0123456789", "KEY": "canary-key-0123456789", "PIN": "1234"}
    credential = {"headers": [{"name": f"X-{name}", "secret": {"env": name}} for name in names]}
    proxy = await start(one_route(upstream.origin, credential=credential), environ=names)
    upstream.answer = showing

    headers = json.loads((await proxy.ask(get())).body)["headers"]

    assert ["*" * 20, "*" * 21, "1234"] == [headers[f"X-{name}"] for name in names]


@pytest.mark.parametrize(
    "kind",
    [
        "text/html",
        "text/event-stream; charset=utf-8",
        "application/xml",
        "application/hal+json",
        "application/problem+json",
        "application/javascript",
        "application/x-www-form-urlencoded",
    ],
)
async def test_each_piece_of_a_text_is_masked(proxy, upstream, kind):
    """As it comes, in a chunk of its own length: nothing waits for the next one."""
    chunk, seen = (b"%x\r\n<%b>\r\n" % (len(TOKEN) + 2, each) for each in (TOKEN.encode(), STARS))
    asked: asyncio.Queue[bool] = asyncio.Queue()

    async def stream(visit):
        await visit.request()
        visit.send(answer_of(kind=kind, chunked=True))
        while await asked.get():
            visit.send(chunk)
        visit.send(b"0\r\n\r\n")

    upstream.script = stream
    async with await proxy.client() as client:
        client.send(get())
        await client.until(b"\r\n\r\n")
        for count in (1, 2, 3):
            asked.put_nowait(True)
            await client.until(seen * count)
        asked.put_nowait(False)
        answer = await client.answer()

    assert (b"<" + STARS + b">") * 3 == answer.body
    assert 3 == (await proxy.logged())["echo_masked"]


async def test_a_secret_in_two_pieces_passes(proxy, upstream):
    """By design: a tail that is held back would tell what the secret begins with."""
    token, asked = TOKEN.encode(), asyncio.Event()

    async def stream(visit):
        await visit.request()
        visit.send(answer_of(token, kind="text/plain")[:-5])
        await asked.wait()
        visit.send(token[-5:])

    upstream.script = stream
    async with await proxy.client() as client:
        client.send(get())
        await client.until(token[:-5])
        asked.set()
        answer = await client.answer()

    assert token == answer.body
    assert "echo_masked" not in await proxy.logged()


GZIPPED = gzip.compress(TOKEN.encode(), compresslevel=0)
UNTOUCHED = {
    "compressed": answer_of(GZIPPED, "Content-Encoding: gzip"),
    "binary": answer_of(b"\0" + TOKEN.encode(), kind="application/octet-stream"),
    "an image": answer_of(TOKEN.encode(), kind="image/png"),
    "of no type": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(TOKEN) + TOKEN.encode(),
    "a range": answer_of(
        TOKEN.encode(), f"Content-Range: bytes 0-{len(TOKEN) - 1}/99", status="206 Partial"
    ),
    "chunked, binary": answer_of(
        b"%x\r\n%b\r\n0\r\n\r\n" % (len(TOKEN), TOKEN.encode()),
        kind="application/octet-stream",
        chunked=True,
    ),
}


@pytest.mark.parametrize("whole", [True, False], ids=["at once", "head first"])
@pytest.mark.parametrize("answer", UNTOUCHED.values(), ids=UNTOUCHED)
async def test_other_bodies_pass_as_they_are(proxy, upstream, answer, whole):
    """Behind a head that is masked all the same."""
    first, _, body = answer.partition(b"\r\n\r\n")
    head = first + b"\r\nX: " + TOKEN.encode() + b"\r\n\r\n"
    asked = asyncio.Event()

    async def send(visit):
        await visit.request()
        visit.send(head + body if whole else head)
        if not whole:
            await asked.wait()
            visit.send(body)

    upstream.script = send
    async with await proxy.client() as client:
        client.send(get())
        await client.until(b"\r\n\r\n")
        asked.set()
        got = await client.answer()

    assert TOKEN.encode() in got.body
    assert got.body in body
    assert STARS == got.one(b"X")
    assert 1 == (await proxy.logged())["echo_masked"]


@pytest.mark.parametrize("word", ["off", "false", "no"])
async def test_the_guard_can_be_switched_off(start, upstream, word):
    """For a tool that has to read its own token."""
    proxy = await start(one_route(upstream.origin, echo_guard=word))
    upstream.answer = showing

    answer = await proxy.ask(get())

    assert BEARER.decode() == json.loads(answer.body)["headers"]["Authorization"]
    assert BEARER == answer.one(b"X-Auth")
    assert [] == list(proxy.service.provisioned.warnings)


SHORT = "canary-15-chars"


@pytest.mark.parametrize("guard", ["on", "off"])
async def test_a_short_secret_passes_and_is_warned_about_once(start, upstream, guard):
    """With its place, not its value; one for all routes that share it, none where it is off."""
    route = {"upstream": upstream.origin, "credential": "shared", "echo_guard": guard}
    shared = {"origin": upstream.origin, "bearer": {"env": "SHORT"}}
    config = one_route(upstream.origin) | {"credentials": {"shared": shared}}
    config["routes"] |= {"one": route, "two": route}
    proxy = await start(config, environ={"SHORT": SHORT, "TOKEN": TOKEN})
    upstream.answer = showing

    answer = await proxy.ask(get("/one/x"))

    assert f"Bearer {SHORT}" == json.loads(answer.body)["headers"]["Authorization"]
    warnings = proxy.service.provisioned.warnings
    assert (1 if guard == "on" else 0) == len(warnings)
    assert all("credentials.shared.bearer: the secret is under 16" in each for each in warnings)
    assert SHORT not in f"{warnings}"


async def test_a_secret_that_is_shown_is_not_logged(start, upstream):
    """The line tells that and how often (target, Authorization, X-Auth), in no form what."""
    proxy = await start(
        one_route(upstream.origin, credential=SCHEMES["basic"]), environ={"CANARY": SECRET}
    )
    upstream.answer = showing

    await proxy.ask(get(f"/api/x?q={quote(SECRET)}"))
    line = await proxy.logged()

    assert 3 == line["echo_masked"]
    for form in (*FORMS.values(), base64.b64encode(b"me:" + RAW), b"canary"):
        assert form not in proxy.log.text


@pytest.mark.parametrize(
    ("source", "args", "warned"),
    [
        ({"value": SHORT}, [], True),
        ({"value": SHORT}, ["--json"], True),
        ({"env": "SHORT"}, [], False),
        ({"env": "SHORT"}, ["--probe"], True),
        ({"env": "SHORT"}, ["--probe", "--json"], True),
        ({"env": "CANARY"}, ["--probe"], False),
    ],
)
async def test_check_warns_of_a_short_secret(upstream, tmp_path, monkeypatch, source, args, warned):
    """As far as it looks: without --probe it reads no secret but those in the file."""
    monkeypatch.setenv("SHORT", SHORT)
    monkeypatch.setenv("CANARY", "canary-0123456789")
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps(one_route(upstream.origin, credential={"bearer": source})))

    status, out, err = await asyncio.to_thread(invoke, "check", "-c", str(file), *args)

    assert (0, "") == (status, err)
    assert warned is ("the secret is under 16 characters" in out)
    assert SHORT not in out


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_run_warns_of_a_short_secret(upstream, tmp_path):
    """One line of the log at start."""
    (tmp_path / "config.yaml").write_text(json.dumps(one_route(upstream.origin)))
    async with ready(cwd=tmp_path, TOKEN=SHORT) as command:
        command.process.terminate()
        status, err = await command.end()

    assert 0 == status
    assert 1 == err.count("the secret is under 16 characters, too short for echo_guard")
    assert SHORT not in command.out + err
