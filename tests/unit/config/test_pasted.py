"""What is pasted along with a text: each file names the line, the column and the character."""

from __future__ import annotations

import io

import pytest
import yaml

from proxy.access.clientsfile import add
from proxy.access.yamltext import ClientsFileError
from proxy.config import source
from proxy.config.errors import ConfigError
from proxy.config.loader import loads
from proxy.config.pieces import Pieces
from proxy.config.source import entries, parse


PARSERS = [yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)]
ROUTE = "routes:\n  up:\n    upstream: https://a.example\n    credential: none\n"
PASTED = {
    "a no-break space for a space": (
        ROUTE.replace("upstream: ", "upstream:\u00a0"),
        "f:3:14: the invisible character U+00A0 NO-BREAK SPACE is here; remove it, or type a",
    ),
    "a no-break space that indents": (
        ROUTE.replace("    upstream", "  \u00a0 upstream"),
        "f:3:3: the invisible character U+00A0",
    ),
    "a no-break space behind a value": (
        ROUTE.replace("none", "none\u00a0"),
        "f:4:21: the invisible character U+00A0",
    ),
    "within a key": (
        ROUTE.replace("upstream", "up\u200bstream"),
        "f:3:7: the invisible character U+200B ZERO WIDTH SPACE",
    ),
    "within quotes": (
        ROUTE.replace("https://a.example", '"https://a\u00ad.example"'),
        "f:3:25: the invisible character U+00AD SOFT HYPHEN",
    ),
    "on the second line of a value": (
        "a: 'b\n  c\u202ed'\n",
        "f:2:4: the invisible character U+202E RIGHT-TO-LEFT OVERRIDE",
    ),
    "a byte order mark within": (
        "a: b\n\ufeffc: d\n",
        "f:2:1: the invisible character U+FEFF ZERO WIDTH NO-BREAK SPACE is here; remove it",
    ),
    "an ideographic space": ("a:\u3000b\nc: d\n", "f:1:3: the invisible character U+3000 IDEOG"),
    "a line separator": ("a: b\u2028c: d\n", "f:1:5: a control character (U+2028 LINE SEPARATOR)"),
    "a next line": ("# a\u0085b: c\n", "f:1:4: a control character (U+0085 NEXT LINE)"),
    "an escape": ("a: \x1b[0mb\n", "f:1:4: a control character (U+001B ESCAPE)"),
    "quotes of a word processor": (
        "a: \u201cb\u201d\n",
        'f:1:4: U+201C LEFT DOUBLE QUOTATION MARK only looks like " (U+0022 QUOTATION MARK); type',
    ),
    "single ones": ("a: [\u2018b\u2019]\n", "f:1:5: U+2018 LEFT SINGLE QUOTATION MARK only looks"),
    "a wide colon": ("a\uff1ab\nc: d\n", "f:1:2: U+FF1A FULLWIDTH COLON only looks like : (U+003A"),
    "a wide colon alone": ("a\uff1ab\n", "f:1:2: U+FF1A FULLWIDTH COLON only looks"),
    "a wide colon in braces": ("a: {env\uff1aB}\n", "f:1:5: U+FF1A FULLWIDTH COLON only looks"),
    "a dash for a list": ("a:\n  \u2013 b\n", "f:2:3: U+2013 EN DASH only looks like - (U+002D HY"),
    "above what cannot be read": (
        "a: b\nc:\u00a0d\n\n  e: f: g\n",
        "f:2:3: the invisible character U+00A0",
    ),
}
FINE = {
    "in a comment": "a: b # Zitat:\u00a0\u201cx\u201d\n# \u200b\nc: d\n",
    "written as an escape": 'a: "b\\u00a0c"\n',
    "quotes within a text": "a: say \u201chello\u201d\n",
    "quotes within quotes": 'a: "\u201cb\u201d"\n',
    "a dash within a text": "a: one \u2013 two\n",
    "line ends of DOS": "a: b\r\nc: d\r\n",
    "any script": "a: \u043f\u0440\u0438\u0432\u0435\u0442 \U0001f511\n",
}


@pytest.mark.parametrize("loader", PARSERS)
@pytest.mark.parametrize(("text", "told"), PASTED.values(), ids=PASTED)
def test_the_configuration_names_it(text, told, loader, monkeypatch):
    """By libyaml and by PyYAML's own parser; where the line can be read, and where it cannot."""
    monkeypatch.setattr(source, "_LOADER", loader)
    with pytest.raises(ConfigError) as caught:
        parse(text, "f")

    assert str(caught.value).replace("not valid YAML: ", "").startswith(told)


@pytest.mark.parametrize("loader", PARSERS)
@pytest.mark.parametrize(("text", "told"), PASTED.values(), ids=PASTED)
def test_a_clients_file_names_it(text, told, loader, monkeypatch):
    """Which is read in pieces."""
    monkeypatch.setattr(source, "_LOADER", loader)
    with pytest.raises(ConfigError) as caught:
        list(entries(Pieces(io.BytesIO(text.encode()), "f", 10**6)))

    assert str(caught.value).replace("not valid YAML: ", "").startswith(told)


@pytest.mark.parametrize("loader", PARSERS)
@pytest.mark.parametrize("text", FINE.values(), ids=FINE)
def test_what_does_no_harm_is_read(text, loader, monkeypatch):
    """A comment may hold anything that a line can."""
    monkeypatch.setattr(source, "_LOADER", loader)

    assert "a" in parse(text, "f").entries
    assert ["a"] == [key.text for key, _ in entries(Pieces(io.BytesIO(text.encode()), "f", 99))][:1]


CLIENT = "alice: # \u00a0\n  key: sha256:" + "1" * 64 + "\n  routes: [a]\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (CLIENT.replace("key: ", "key:\u00a0"), ":2:7: .*U.00A0 NO-BREAK SPACE"),
        (CLIENT.replace("routes", "rou\u200btes"), ":3:6: the invisible character U.200B"),
        (CLIENT.replace("[a]", "[a\u00ad]"), ":3:13: the invisible character U.00AD"),
        (CLIENT.replace("[a]", "\uff3ba, b: c]"), ":3:11: not valid YAML: U.FF3B FULLWIDTH LEFT"),
        (CLIENT.replace("[a]", "[\x07]"), ":3:12: not valid YAML: the control .* U.0007 BELL"),
        (CLIENT.replace("\u00a0", "\xfc"), "is not UTF-8 text .byte 0xFC.; save"),
    ],
)
def test_an_edit_of_it_names_it(tmp_path, text, told):
    """`keybearer keys` changes nothing then."""
    path = tmp_path / "clients.yaml"
    data = text.encode("latin-1" if told.startswith("is") else "utf-8")
    path.write_bytes(data)
    with pytest.raises(ClientsFileError, match=told):
        add(path, "bob", f"sha256:{'2' * 64}", ("a",))

    assert data == path.read_bytes()


def test_an_edit_minds_no_comment(tmp_path):
    """Nor what is written as an escape."""
    path = tmp_path / "clients.yaml"
    path.write_text(CLIENT + '  expires: "none\\u00a0"\n')
    add(path, "bob", f"sha256:{'2' * 64}", ("a",))

    assert "bob:" in path.read_text()


def test_the_message_shows_nothing_else(tmp_path):
    """A secret may be what it stands in."""
    text = ROUTE.replace("none", "{bearer: {value: canary\u00a0x}}")
    with pytest.raises(ConfigError) as caught:
        loads(text, name="f", base=tmp_path, environ={})

    assert "U+00A0" in str(caught.value)
    assert "canary" not in str(caught.value)
