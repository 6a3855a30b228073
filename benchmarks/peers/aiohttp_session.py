"""A proxy as people write it with aiohttp: an `Application` before a `ClientSession`, on uvloop."""

from __future__ import annotations

import argparse
import logging
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web
from multidict import CIMultiDict
from yarl import URL

from benchmarks.peers import CREDENTIAL_HEADER, PREFIX, TOKEN, Launch


if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from multidict import CIMultiDictProxy

    from benchmarks.peers import Site


HOP_BY_HOP = ("Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade")
SESSION = web.AppKey("session", ClientSession)
LOG_LINE = '%a %t "%r" %s %b %Tf'


class AiohttpSession:
    """This module, run as a program; access log to a file."""

    name = "aiohttp"

    def launch(self, site: Site) -> Launch:
        """The proxy's command."""
        options = [str(site.port), site.upstream.origin, str(site.directory / "access.log")]
        if site.upstream.ca:
            options += ["--ca", str(site.upstream.ca)]
        return Launch([sys.executable, "-m", __name__, *options])


def without(headers: CIMultiDictProxy[str], names: tuple[str, ...]) -> CIMultiDict[str]:
    """The header fields less those named."""
    kept = CIMultiDict(headers)
    for name in names:
        kept.popall(name, None)
    return kept


async def answer(request: web.Request) -> web.StreamResponse:
    """Sends a request on with the credential, and streams what comes back."""
    headers = without(request.headers, (*HOP_BY_HOP, "Host", "Authorization", "Cookie"))
    headers[CREDENTIAL_HEADER] = TOKEN
    async with request.app[SESSION].request(
        request.method,
        URL(request.raw_path.removeprefix(PREFIX), encoded=True),
        headers=headers,
        data=request.content if request.can_read_body else None,
        allow_redirects=False,
        skip_auto_headers=("User-Agent", "Content-Type"),
    ) as upstream:
        response = web.StreamResponse(
            status=upstream.status,
            reason=upstream.reason,
            headers=without(upstream.headers, HOP_BY_HOP),
        )
        await response.prepare(request)
        async for piece in upstream.content.iter_any():
            await response.write(piece)
        await response.write_eof()
        return response


def application(origin: str, ca: Path | None) -> web.Application:
    """The proxy before an origin, whose certificate is verified against the CA if there is one."""
    context = ssl.create_default_context(cafile=ca) if ca else True

    async def session(app: web.Application) -> AsyncIterator[None]:
        async with ClientSession(
            origin,
            connector=TCPConnector(limit=0, ssl=context),
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(total=None),
            auto_decompress=False,
        ) as app[SESSION]:
            yield

    app = web.Application()
    app.cleanup_ctx.append(session)
    app.router.add_route("*", f"{PREFIX}/{{rest:.*}}", answer)
    return app


def main() -> None:
    """Serves until it is ended."""
    parser = argparse.ArgumentParser(prog=f"python -m {AiohttpSession.__module__}")
    parser.add_argument("port", type=int)
    parser.add_argument("origin")
    parser.add_argument("log", type=Path)
    parser.add_argument("--ca", type=Path)
    options = parser.parse_args()
    log = logging.getLogger("access")  # noqa: TID251 - what aiohttp's users have
    log.setLevel(logging.INFO)
    log.addHandler(logging.FileHandler(options.log))
    web.run_app(
        application(options.origin, options.ca),
        host="127.0.0.1",
        port=options.port,
        access_log=log,
        access_log_format=LOG_LINE,
        print=None,
        loop=uvloop.new_event_loop(),
    )


if __name__ == "__main__":
    main()
