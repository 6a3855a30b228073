"""Edits of a clients file's text: what is changed, what stays as it is, and what is refused."""

from __future__ import annotations

import pytest

from proxy.access.clientsedit import MisfitError, add, entry, proven, revoke
from proxy.access.clientstext import listing
from proxy.access.yamltext import ClientsFileError, read


A, B, C = (f"sha256:{digit * 64}" for digit in "abc")


def added(text, name="alice", routes=("r",)):
    document = read(text, "f")
    return proven(document, add(document, name, C, routes))


def revoked(text, name="alice", start=None):
    document = read(text, "f")
    return proven(document, revoke(document, name, start))


NEW_CLIENT = {
    "empty": ("", f"alice:\n  key: {C}\n  routes: [r]\n"),
    "comments alone": ("# who\n", f"# who\nalice:\n  key: {C}\n  routes: [r]\n"),
    "no last line break": ("# who", f"# who\nalice:\n  key: {C}\n  routes: [r]\n"),
    "behind others and their comments": (
        f"bob: # b\n    key: {A}\n    routes: '*'\n  # end\n\n",
        f"bob: # b\n    key: {A}\n    routes: '*'\n  # end\n\nalice:\n  key: {C}\n  routes: [r]\n",
    ),
    "lines that end with CRLF": (
        f"bob:\r\n  key: {A}\r\n  routes: [r]\r\n",
        f"bob:\r\n  key: {A}\r\n  routes: [r]\r\nalice:\r\n  key: {C}\r\n  routes: [r]\r\n",
    ),
    "indented": (
        f"  bob:\n    key: {A}\n    routes: [r]\n",
        f"  bob:\n    key: {A}\n    routes: [r]\n  alice:\n    key: {C}\n    routes: [r]\n",
    ),
    "empty braces": (
        "# who\n{} # none\n",
        f"# who\nalice:\n  key: {C}\n  routes: [r] # none\n",
    ),
    "braces": (
        f"{{bob: {{key: {A}, routes: [r]}}}}\n",
        f"{{bob: {{key: {A}, routes: [r]}}, alice: {{key: {C}, routes: [r]}}}}\n",
    ),
    "braces behind ---": ("--- {}\n", f"--- {{alice: {{key: {C}, routes: [r]}}}}\n"),
    "braces, a line each, with a last comma": (
        f"{{\n  bob: {{key: {A}, routes: [r]}}, # b\n}}\n",
        f"{{\n  bob: {{key: {A}, routes: [r]}},\n  alice: {{key: {C}, routes: [r]}}, # b\n}}\n",
    ),
    "JSON": (
        f'{{"bob": {{"key": "{A}", "routes": ["r"]}}}}',
        f'{{"bob": {{"key": "{A}", "routes": ["r"]}}, "alice": {{"key": "{C}", "routes": ["r"]}}}}',
    ),
    "a dash line": ("---\n", f"---\nalice:\n  key: {C}\n  routes: [r]\n"),
}


@pytest.mark.parametrize(("text", "expected"), NEW_CLIENT.values(), ids=NEW_CLIENT)
def test_a_new_client_comes_last(text, expected):
    """In the manner of the file."""
    assert added(text) == expected


def test_all_routes_are_a_quoted_star():
    """Else YAML would take it for an alias."""
    assert '  routes: "*"\n' in added("", routes=("*",))
    assert entry("a", A, ("*",), "  ")[2] == '    routes: "*"'


NEW_KEY = {
    "one key": (
        f"alice:\n  key: {A} # laptop\n  routes: [r]\n",
        f"alice:\n  key: [{A}, {C}] # laptop\n  routes: [r]\n",
    ),
    "a quoted key": (f'alice: {{key: "{A}"}}', f'alice: {{key: ["{A}", "{C}"]}}'),
    "a list in brackets": (
        f"alice:\n  key: [{A}, {B}] # two\n  routes: [r]\n",
        f"alice:\n  key: [{A}, {B}, {C}] # two\n  routes: [r]\n",
    ),
    "a list with dashes": (
        f"alice:\n  key:\n    - {A}\n    # c\n    -   {B} # b\n  # r\n  routes: [r]\n",
        f"alice:\n  key:\n    - {A}\n    # c\n    -   {B} # b\n    - {C}\n  # r\n  routes: [r]\n",
    ),
    "a list without indentation, at the end, without a line break": (
        f"alice:\n  routes: [r]\n  key:\n  - {A}",
        f"alice:\n  routes: [r]\n  key:\n  - {A}\n  - {C}",
    ),
    "an empty list": ("alice: {key: [], routes: [r]}", f"alice: {{key: [{C}], routes: [r]}}"),
    "nothing": (
        "alice:\n  key: # none yet\n  routes: [r]\n",
        f"alice:\n  key: {C} # none yet\n  routes: [r]\n",
    ),
    "an empty text": ('alice: {key: "", routes: [r]}', f"alice: {{key: {C}, routes: [r]}}"),
    "another way in": (
        "alice:\n  # c\n  certificate: {subject: CN=a}\n  routes: [r]\n",
        f"alice:\n  # c\n  key: {C}\n  certificate: {{subject: CN=a}}\n  routes: [r]\n",
    ),
    "another way in, in braces": (
        "alice: {certificate: {subject: CN=a}, routes: [r]}\n",
        f'alice: {{"key": "{C}", certificate: {{subject: CN=a}}, routes: [r]}}\n',
    ),
    "shared routes": (
        f"bob: {{key: {A}, routes: &all [r]}}\nalice:\n  routes: *all\n  key: {B}\n",
        f"bob: {{key: {A}, routes: &all [r]}}\nalice:\n  routes: *all\n  key: [{B}, {C}]\n",
    ),
}


@pytest.mark.parametrize(("text", "expected"), NEW_KEY.values(), ids=NEW_KEY)
def test_one_more_key_of_a_client(text, expected):
    """The old one works on; comments stay where they are."""
    assert added(text, routes=None) == expected


def test_routes_of_a_client_that_is_there():
    """The same ones may be named again; others are not changed by the way."""
    text = f"alice: {{key: {A}, routes: [r, s]}}\n"

    assert C in added(text, routes=("s", "r"))
    for routes in [("r",), ("*",), ("r", "s", "t")]:
        with pytest.raises(MisfitError, match="other routes"):
            added(text, routes=routes)


@pytest.mark.parametrize(
    "routes", [None, (), ("*", "r"), ("r", "r"), ("R",), ("-r",), ("a]",), ("a b",), ("",)]
)
def test_routes_that_cannot_be(routes):
    """A new client needs names or a lone star; nothing else gets into the file."""
    with pytest.raises(MisfitError):
        added("", routes=routes)


@pytest.mark.parametrize("name", ["", "Alice", "a_b", "a: b", "a\nb", "{}"])
def test_names_that_cannot_be(name):
    """Nothing else gets into the file."""
    with pytest.raises(MisfitError):
        added("", name=name)
    with pytest.raises(MisfitError):
        revoked(f"alice: {{key: {A}}}", name=name)


def test_only_a_hash_is_written():
    """A key that is given instead of its hash is not stored."""
    with pytest.raises(ValueError, match="sha256"):
        add(read("", "f"), "alice", "kb_alice_xyz", ("r",))


REVOKED = {
    "the first": (
        f"# all\n\n# a\nalice: # her\n  # in\n  key: {A}\n  r: [r] # r\n# b\nbob: {{key: {B}}}\n",
        f"# all\n\n# a\n# b\nbob: {{key: {B}}}\n",
    ),
    "the last": (
        f"bob: {{key: {B}}}\n\nalice:\n  key: {A}\n  routes:\n    - r\n# end",
        f"bob: {{key: {B}}}\n\n# end",
    ),
    "the only one": (f"# all\nalice: {{key: {A}}}\n# end\n", "# all\n{}\n# end\n"),
    "in braces, the first": (
        f"{{alice: {{key: {A}}}, bob: {{key: {B}}}}}",
        f"{{bob: {{key: {B}}}}}",
    ),
    "in braces, the last": (
        f"{{bob: {{key: {B}}}, alice: {{key: {A}}}}}",
        f"{{bob: {{key: {B}}}}}",
    ),
    "in braces, the only one": (f"{{alice: {{key: {A}}}}}", "{}"),
    "in braces, a line each": (
        f"{{\n  alice: {{key: {A}}},\n  bob: {{key: {B}}},\n}}\n",
        f"{{\n  bob: {{key: {B}}},\n}}\n",
    ),
    "in braces, a line each, the last": (
        f"{{\n  bob: {{key: {B}}}, # b\n  alice: {{key: {A}}}\n}}\n",
        f"{{\n  bob: {{key: {B}}} # b\n}}\n",
    ),
    "with shared routes": (
        f"bob: {{key: {B}, routes: &all [r]}}\nalice:\n  key: {A}\n  routes: *all # r\n",
        f"bob: {{key: {B}, routes: &all [r]}}\n",
    ),
    "with shared routes in a list": (
        f"bob: {{key: {B}, routes: [&one r]}}\nalice:\n  key: {A}\n  routes:\n  - s\n  - *one\n",
        f"bob: {{key: {B}, routes: [&one r]}}\n",
    ),
    "with a text of several lines": (
        f"alice:\n  key: {A}\n  x: |\n    # no comment\n    y\n\n# c\nbob: {{key: {B}}}\n",
        f"\n# c\nbob: {{key: {B}}}\n",
    ),
    "an empty one": (f"alice:\nbob: {{key: {B}}}\n", f"bob: {{key: {B}}}\n"),
    "CRLF": (
        f"alice:\r\n  key: {A}\r\nbob: {{key: {B}}}\r\n",
        f"bob: {{key: {B}}}\r\n",
    ),
}


@pytest.mark.parametrize(("text", "expected"), REVOKED.values(), ids=REVOKED)
def test_a_client_is_taken_away(text, expected):
    """With the comments on its lines; those around it stay."""
    assert revoked(text) == expected


REVOKED_KEY = {
    "the first of a list in brackets": (
        f"alice:\n  key: [{A}, {B}] # two\n",
        "a" * 8,
        f"alice:\n  key: [{B}] # two\n",
    ),
    "the last of a list in brackets": (
        f"alice: {{key: [{A}, {B}]}}",
        "sha256:bbbb",
        f"alice: {{key: [{A}]}}",
    ),
    "of a list with dashes": (
        f"alice:\n  key:\n  - {A} # laptop\n  # desk\n  - {B} # desk\n  routes: [r]\n",
        "AA…",
        f"alice:\n  key:\n  # desk\n  - {B} # desk\n  routes: [r]\n",
    ),
    "the last of a list with dashes": (
        f"alice:\n  key:\n    - {A}\n    - {B}",
        "b",
        f"alice:\n  key:\n    - {A}\n",
    ),
    "one beside a certificate": (
        f"alice:\n  certificate: {{subject: CN=a}}\n  key: {A} # k\n  routes: [r]\n",
        "a",
        "alice:\n  certificate: {subject: CN=a}\n  routes: [r]\n",
    ),
    "one beside a certificate, in braces": (
        f"alice: {{key: {A}, certificate: {{subject: CN=a}}, routes: [r]}}\n",
        "a",
        "alice: {certificate: {subject: CN=a}, routes: [r]}\n",
    ),
}


@pytest.mark.parametrize(("text", "start", "expected"), REVOKED_KEY.values(), ids=REVOKED_KEY)
def test_a_key_is_taken_away(text, start, expected):
    """The others stay, with their comments."""
    assert revoked(text, start=start) == expected


MISFITS = {
    "no such client": ("bob: {key: x}", None, "no client alice"),
    "an empty file": ("", None, "no client alice"),
    "the only key": (f"alice: {{key: {A}, routes: [r]}}", "a", "only key"),
    "the only key, in a list": (f"alice: {{key: [{A}], routes: [r]}}", "a", "only key"),
    "no such key": (f"alice: {{key: [{A}, {B}]}}", "c", "no key of alice .* aaaaaaaaaaaa, bbbb"),
    "two such keys": (f"alice: {{key: [{A}, sha256:{'a' * 63}b]}}", "aa", "more than one key"),
    "no hash": (f"alice: {{key: [{A}, {B}]}}", "kb_alice", "beginning of its hash"),
    "an empty hash": (f"alice: {{key: [{A}, {B}]}}", "", "beginning of its hash"),
    "no keys": ("alice: {jwt: {}}", "a", "keys are none"),
}


@pytest.mark.parametrize(("text", "start", "told"), MISFITS.values(), ids=MISFITS)
def test_what_is_not_there_is_not_taken_away(text, start, told):
    """A sentence says what is there."""
    with pytest.raises(MisfitError, match=told):
        revoked(text, start=start)


BOMB = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
REFUSED = {
    "a list": ("- alice\n", "f:1:1: must be clients' names"),
    "a text": ("alice\n", "f:1:1: must be clients' names"),
    "no YAML": ("bob: [\n", "f:2:1: not valid YAML"),
    "two documents": ("bob: {}\n---\nalice: {}\n", "f:2:1: not valid YAML"),
    "no name": ("bob: {}\nkb_x: {}\n", "f:2:1: is no client's name"),
    "a list as a name": ("? [a]\n: {}\n", "f:1:3: is no client's name"),
    "a merge of all": ("<<: {}\n", "f:1:1: is no client's name"),
    "a client twice": ("bob: {}\nalice: {}\nalice: {}\n", "f:3:1: alice stands twice"),
    "a client that is an alias": ("bob: &b {key: x}\nalice: *b\n", "f:2:1: alice is an alias"),
    "a client that is a text": ("alice: x\n", "f:1:1: alice must be keys and values"),
    "a client that is nothing": ("alice:\n", "f:1:1: alice must be keys and values"),
    "a client that others are": ("alice: &a {key: x}\nbob: *a\n", "f:1:1: it cannot be edited"),
    "a merge key": (
        "bob: &b {routes: [r]}\nalice:\n  <<: *b\n  key: x\n",
        "f:2:1: alice has a merge key",
    ),
    "two keys named key": ("alice: {key: x, key: y}\n", "f:1:1: alice has `key` twice"),
    "a key that is an alias": ("bob: {key: &k x}\nalice: {key: *k}\n", "f:1:12: is shown elsewhe"),
    "a key in lines": ("alice:\n  key: >-\n    x\n", "f:2:8: must be one text or a list"),
    "a key of keys": ("alice:\n  key: {x: y}\n", "f:2:8: must be one text or a list"),
    "a last key that is an alias": (
        "bob: {key: &k x}\nalice: {key: [y, *k]}\n",
        "f:2:14: ends with an alias",
    ),
    "keys that others have": (
        "alice: {key: &k [x]}\nbob: {key: *k}\n",
        "f:1:1: it cannot be edited",
    ),
    "a key that holds itself": ("alice: {key: &k [*k]}\n", "nested too deeply"),
    "a text of several lines, the last without an end": (
        "bob:\n  x: |\n    y",
        "f:1:1: it cannot be edited",
    ),
    "an end mark": ("bob: {}\n...\n", "f:1:1: it cannot be edited"),
    "a bomb": (BOMB, "nested too deeply, or too large"),
    "a deep one": (f"a: {'[' * 500}{']' * 500}\n", "nested too deeply"),
    "a very deep one": ("a: " + "[" * 100_000, "nested too deeply"),
}


@pytest.mark.parametrize(("text", "told"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_edited_is_refused(text, told):
    """With the place and what to do; never a value."""
    with pytest.raises(ClientsFileError) as caught:
        added(text, routes=None if "alice: " in text or "alice:\n" in text else ("r",))

    assert told in str(caught.value)


def test_a_client_whose_anchor_others_need_is_not_taken_away():
    """They would fail, or mean something else."""
    with pytest.raises(ClientsFileError, match="f:1:1: it cannot be edited safely"):
        revoked(f"alice: {{key: {A}, routes: &all [r]}}\nbob: {{key: {B}, routes: *all}}\n")


def test_a_list_shows_no_key():
    """How hashes begin, routes, the day; of what is none of these, nothing."""
    key = "kb_alice_00000000000000000000000000000000000000000001Z2x7O"
    text = (
        f"alice: {{key: [{A}, sha256:{'B' * 64}], routes: [r, s], expires: 2027-06-30}}\n"
        f"bob: {{key: {key}, routes: '*', expires: {key}}}\n"
        f"carol: {{key: [{key}, [x]], routes: [{A}, {key}, '{'c' * 64}'], expires: none}}\n"
        "dave: {certificate: {subject: CN=d}}\n"
    )

    found = listing(read(text, "f"))

    assert [(each.keys, each.routes, each.expires) for each in found] == [
        (("a" * 12, "b" * 12), ("r", "s"), "2027-06-30"),
        (("?",), ("*",), "?"),
        (("?", "?"), ("?", "?", "?"), None),
        ((), (), None),
    ]
    assert [each.name for each in found] == ["alice", "bob", "carol", "dave"]
    assert "kb_" not in repr(found)


def test_a_list_of_something_else_is_refused():
    """With the place."""
    with pytest.raises(ClientsFileError, match="f:2:1: bob must be keys and values"):
        listing(read("alice: {}\nbob: x\n", "f"))
