"""`keybearer demo`: see the main job done, on local stand-ins and with made-up tokens."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from proxy.cli.fail import Failure
from proxy.observe.log import Log
from proxy.process.demo import demo as start_demo
from proxy.process.listeners import ListenError
from proxy.process.loop import new_loop
from proxy.process.signals import Stop, heed_no_more
from proxy.secret import MASK


if TYPE_CHECKING:
    from proxy.process.demo import Answer, Demo, Step
    from proxy.standins.message import Received


_SHOWN = 300
"""Characters of a body that are shown."""


@click.command()
@click.option("--once", is_flag=True, help="End after the requests, with 0 or 1.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="The proxy's; any by default."
)
@click.pass_obj
def demo(exposed: list[str], /, *, once: bool, port: int) -> None:
    """Serve Microreact and Carbonregistry.com, both as local stand-ins with made-up tokens."""
    log = Log("warning" if once else "info", "console")
    for way in exposed:
        log.events.warning("exposed", detail=way)
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            sys.exit(runner.run(_run(log, once=once, port=port)))
    except ListenError as error:
        raise Failure(str(error)) from error
    finally:
        heed_no_more()
        log.flush()


async def _run(log: Log, *, once: bool, port: int) -> int:
    stop = Stop(log)
    async with start_demo(log, port=port) as running:
        _say("Keybearer runs with this configuration (the tokens are made up):\n")
        _say(_indented(running.config, "    ") + "\n")
        faults = 0
        number = 0
        async for step in running.steps():
            number += 1
            _show(number, step)
            faults += bool(step.fault)
            if stop.asked.is_set():
                return 0
        _say("all requests were served" if not faults else f"{faults} requests went wrong")
        if not once:
            _say(_try_it(running))
            await stop.asked.wait()
        return 1 if faults else 0


def _show(number: int, step: Step) -> None:
    _say(f"{number}. {step.title}")
    _say(_indented(_request(step.sent), "    the tool sends      "))
    seen = "nothing" if step.seen is None else _received(step.seen)
    _say(_indented(seen, "    the upstream sees   "))
    _say(_indented(_answer(step.answer), "    the tool gets       "))
    if step.fault:
        _say(f"    WRONG               {step.fault}")
    _say("")


def _request(sent: str) -> str:
    head, _, body = sent.replace("\r\n", "\n").partition("\n\n")
    return head + ("\n\n" + _cut(body) if body else "")


def _received(seen: Received) -> str:
    lines = [f"{seen.method} {seen.target} HTTP/1.1"]
    for name, value in seen.headers:
        scheme = "Bearer " if value.startswith("Bearer ") else ""
        hidden = name.lower() in ("access-token", "authorization")
        lines.append(f"{name}: {scheme + MASK if hidden else value}")
    return "\n".join(lines)


def _answer(answer: Answer) -> str:
    told = [f"{answer.status} {answer.reason}"]
    told += [f"{name}: {value}" for name, value in answer.fields if name.lower() == "location"]
    return "\n".join([*told, _cut(answer.body.decode("utf-8", "replace"))])


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"


def _indented(text: str, label: str) -> str:
    first, *rest = text.splitlines()
    blank = " " * len(label)
    return "\n".join([label + first, *(blank + line for line in rest)])


def _try_it(running: Demo) -> str:
    base = f"http://{running.authority}"
    return f"""
It stays up. Try, in another terminal:

    curl -L {base}/microreact/api/user/projects/
    curl {base}/carbonregistry/whoami
    curl {base}/carbonregistry-org/whoami
    curl -X POST {base}/carbonregistry/v1/retire        # denied: read-only by default
    curl -H 'Host: evil.example' {base}/microreact/     # denied: not our name

Ctrl-C ends it.
"""


def _say(text: str) -> None:
    print(text, flush=True)
