"""README and docs say what is true: what they name exists, and what exists is named."""

from __future__ import annotations

import io
import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from multidict import CIMultiDict

from proxy.access.keys import written
from proxy.cli.main import commands
from proxy.config import rules, schema
from proxy.config.client import CertificateConfig, ClientConfig, JwtConfig
from proxy.config.loader import loads
from proxy.config.presets import names as preset_names
from proxy.config.scheme import SCHEMES, SOURCES
from proxy.dataplane import errors as refusals
from proxy.dataplane.headers import (
    CLIENT_CREDENTIAL_PARAMETERS,
    CLIENT_CREDENTIALS,
    HOP_BY_HOP,
)
from proxy.dataplane.headers_back import RESPONSE_REMOVED, REWRITTEN
from proxy.dataplane.model import Head, Peer
from proxy.dataplane.policy import Policy, rule
from proxy.dataplane.problem import problem
from proxy.dataplane.record import Record
from proxy.observe.log import Log
from proxy.upstream import errors as failures


if TYPE_CHECKING:
    from proxy.config.keys import Keys


ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
ARCHITECTURE = ROOT / "docs" / "ARCHITECTURE.md"
DOCUMENTS = (
    README,
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / ".github").glob("*.md")),
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)")
FILE = re.compile(r"`((?:proxy|tests|docs|deploy|benchmarks)/[\w./-]*)`")
KEY = re.compile(r"kb_[a-z][a-z0-9-]*_[0-9A-Za-z]{49}")
COMMAND = re.compile(r"(?:^\$ |`)keybearer ([^`\n]*)", re.MULTILINE)
NESTED: dict[str, type[Keys]] = {
    "listen: {address, mode, group, reuse_port, tls}": schema.Listen,
    "listen: {tls: {cert, key, client_ca}}": schema.ListenTls,
    "audit": schema.AuditConfig,
    "jwt": JwtConfig,
    "certificate": CertificateConfig,
    "cors": schema.Cors,
    "drain": schema.Drain,
    "log": schema.Log,
    "rules": rules.Rule,
    "strip": schema.Strip,
    "limits": schema.Limits,
    "timeouts": schema.Timeouts,
    "tls": schema.Tls,
}


def read(document):
    return document.read_text("utf-8")


def blocks(document, language):
    return [text for found, text in FENCE.findall(read(document)) if found == language]


def section(title):
    """Return one section of README, from its heading to the next of the same level or above."""
    level = title.partition(" ")[0]
    _, _, rest = read(README).partition(f"\n{title}\n")
    assert rest, title
    return re.split(rf"^#{{2,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text):
    """Return the cells of every row of the tables in a text, heads and rulers left out."""
    found = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    rulers = {index for index, cells in enumerate(found) if set("".join(cells)) <= {"-"}}
    heads = {index - 1 for index in rulers}
    return [cells for index, cells in enumerate(found) if index not in rulers | heads]


def anchors(document):
    """Return the anchors that a document's headings make."""
    headings = re.findall(r"^#+ (.*)$", read(document), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def called(text):
    """Return the command line of each `keybearer …`, without what a shell takes off."""
    return [shlex.split(line.partition(">")[0], comments=True) for line in COMMAND.findall(text)]


def subclasses(kind):
    for each in kind.__subclasses__():
        yield each
        yield from subclasses(each)


every_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=[str(each.relative_to(ROOT)) for each in DOCUMENTS]
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(text, id=f"{document.name}-{number}")
        for document in DOCUMENTS
        for number, text in enumerate(blocks(document, "yaml"), 1)
    ],
)
def test_every_configuration_that_is_shown_is_one(text, tmp_path):
    """It loads, with no variable set."""
    config = loads(text, name="block", base=tmp_path, environ={})

    assert config.routes


def test_no_configuration_that_is_shown_takes_a_key_that_is_shown():
    """Somebody copies it, and everybody who reads it too could come in."""
    texts = [path.read_text() for path in (*DOCUMENTS, *ROOT.glob("config.*.yaml"))]
    keys = {key for text in texts for key in KEY.findall(text)}
    hashes = {written(key) for key in keys}

    assert len(keys) > 1
    assert [] == [each for each in hashes if any(each in text for text in texts)]


def test_every_command_that_is_shown_exists():
    """With the options it is shown with."""
    missing = section("## What it does not do")
    shown = called(read(README).replace(missing, ""))
    context = click.Context(commands)

    assert {"run", "demo", "check", "schema", "presets", "healthcheck"} <= {
        line[0] for line in shown
    }
    for name, *rest in shown:
        if name.startswith("-"):
            options = {option for param in commands.params for option in param.opts}
            assert name in options
            continue
        command = commands.get_command(context, name)
        assert command is not None, name
        if isinstance(command, click.Group) and rest:
            assert rest[0] in command.commands, (name, rest)
            command = command.commands[rest[0]]
        options = {option for param in command.params for option in param.opts}
        assert {word for word in rest if word.startswith("-")} <= options, (name, rest)


def test_what_is_said_to_be_missing_is_missing():
    """A row about a missing command goes when the command comes."""
    cells = [row[0] for row in rows(section("## What it does not do"))]
    absent = [line[0] for cell in cells for line in called(cell)]
    context = click.Context(commands)

    assert "exec" in absent
    assert not set(absent) & set(commands.list_commands(context))


@every_document
def test_links_between_files_resolve(document):
    """Their anchors too."""
    for path, anchor in LINK.findall(read(document)):
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), (path, anchor)


@every_document
def test_every_file_that_is_named_exists(document):
    """Modules, tests and directories, wherever a document names them."""
    gone = [name for name in FILE.findall(read(document)) if not (ROOT / name).exists()]

    assert [] == gone


def test_every_module_is_in_the_architecture():
    """And every package."""
    named = set(FILE.findall(read(ARCHITECTURE)))
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "proxy").rglob("*.py")}
    packages = {f"{name.removesuffix('__init__.py')}" for name in modules if "__init__" in name}
    files = {name for name in modules if "__init__" not in name}

    assert set() == (files | packages - {"proxy/"}) - named


def test_every_key_is_in_the_table():
    """With the keys below it."""
    table = {row[0].strip("`"): " ".join(row) for row in rows(section("## Configuration"))}
    keys = {*schema.Config.key_names(), *schema.RouteConfig.key_names()}
    keys |= {*ClientConfig.key_names()} - {"methods", "rules"} | {"methods`, `rules"}

    assert keys == {name for name in table if ":" not in name}
    for name, model in NESTED.items():
        assert [] == [key for key in model.key_names() if key not in table[name]], name
    for word in (*SCHEMES, *SOURCES):
        assert f"{{{word}: " in section("## Configuration")


def test_every_name_that_is_stripped_is_in_the_table():
    """Each as it is compared: lower case."""
    text = section("## Headers").lower()
    names = CLIENT_CREDENTIALS | CLIENT_CREDENTIAL_PARAMETERS | HOP_BY_HOP | REWRITTEN
    names |= RESPONSE_REMOVED - {"transfer-encoding"}

    assert set() == {name for name in names if f"`{name}`" not in text}


def test_every_error_is_in_the_table():
    """With its status; and nothing else is."""
    kinds = [
        *(kind for kind in subclasses(refusals.Refusal) if kind is not refusals.UpstreamRefused),
        *subclasses(failures.UpstreamError),
    ]
    expected = {(kind.code, str(kind.status)) for kind in kinds}

    assert expected == {(row[0].strip("`"), row[1]) for row in rows(section("## Errors"))}


def test_the_problem_that_is_shown_is_ours():
    """Byte for byte, but for its identifier."""
    (shown,) = re.findall(r"HTTP/1\.1 403.*?\n\n\{.*?\}$", read(README), re.DOTALL | re.MULTILINE)
    document = json.loads(shown.partition("\n\n")[2])
    policy = Policy(None, [rule(None, ["/**"], allow=False)])
    with pytest.raises(refusals.PolicyDenied) as raised:
        policy.check("GET", "/api/user/access-token")
    answer = problem(raised.value, document["request_id"], to_head=False, close=False)

    assert answer.decode().replace("\r\n", "\n") == shown


def test_the_log_line_that_is_shown_has_the_fields_of_one():
    """In their order."""
    (shown,) = blocks(README, "json")
    stream = io.BytesIO()
    log = Log(stream=stream)
    head = Head("GET", "/", (1, 1), (), CIMultiDict(), None, chunked=False, keep_alive=True)
    Record("id", head, Peer("unix")).tell(log)
    log.flush()

    assert list(json.loads(stream.getvalue())) == list(json.loads(shown))


def test_the_line_of_the_audit_that_is_shown_has_the_fields_of_one():
    """In their order."""
    (shown,) = re.findall(r'^\{.*"event":"audit".*\}$', read(README), re.MULTILINE)
    head = Head("GET", "/", (1, 1), (), CIMultiDict(), None, chunked=False, keep_alive=True)
    line = Record("id", head, Peer("unix")).decision("now")

    assert list(json.loads(line)) == list(json.loads(shown))


def test_the_list_of_make_is_make_helps():
    """As `make help` would print it."""
    targets = re.findall(r"^([a-z0-9-]+):.*## (.*)$", read(ROOT / "Makefile"), re.MULTILINE)
    (shown,) = [text for text in blocks(README, "console") if text.startswith("$ make help")]

    assert [f"  make {name:<12} {text}" for name, text in targets] == shown.splitlines()[1:]


def test_every_preset_is_told():
    """In the changelog."""
    told = read(ROOT / "CHANGELOG.md")

    assert [] == [name for name in preset_names() if f"`{name}`" not in told]
