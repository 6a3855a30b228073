"""Laws of edits of a clients file: what they are not about stays byte for byte."""

from __future__ import annotations

import yaml
from hypothesis import example, given, strategies as st

from proxy.access.clientsedit import MisfitError, add, proven, revoke
from proxy.access.clientstext import listing
from proxy.access.yamltext import ClientsFileError, read


NEW = f"sha256:{'c' * 64}"
NAMES = st.lists(st.sampled_from(["a", "b-1", "key", "on", "null", "z"]), unique=True, max_size=3)
HASHES = st.sampled_from([f"sha256:{digit * 64}" for digit in "0123456789ab"])
COMMENT = st.sampled_from(
    ["", "x", "ä \U0001f511: b", "{ [", "'", '"', "key: y", "- z", "#", "\t&a *b, c"]
)
BLANKS = st.sampled_from(["", " ", "  "])


@st.composite
def above(draw):
    """Lines that belong to nobody: blank ones, and comments at any column."""
    lines = draw(st.lists(st.none() | COMMENT, max_size=2))
    return [draw(BLANKS) + (f"# {text}" if text is not None else "") for text in lines]


@st.composite
def tail(draw):
    """The end of a line: nothing, blanks, or a comment."""
    return draw(st.just("") | BLANKS | COMMENT.map("  # {}".format))


@st.composite
def keys_of(draw, step):
    """The lines of `key`, in one of the ways that people write it."""
    hashes = draw(st.lists(HASHES, min_size=1, max_size=3, unique=True))
    quote = draw(st.sampled_from(["", "'", '"']))
    quoted = [f"{quote}{each}{quote}" for each in hashes]
    way = draw(st.sampled_from(["one", "brackets", "dashes", "dashes below"]))
    if way == "one":
        return hashes[:1], [f"{step}key: {quoted[0]}{draw(tail())}"]
    if way == "brackets":
        return hashes, [f"{step}key: [{', '.join(quoted)}]{draw(tail())}"]
    dash = step + (step if way == "dashes below" else "") + "- "
    lines = [f"{step}key:{draw(tail())}"]
    for each in quoted:
        lines += [*draw(above()), f"{dash}{each}{draw(tail())}"]
    return hashes, lines


@st.composite
def client(draw, name):
    """Return a client's keys and its lines, in one of the ways that people write it."""
    if draw(st.booleans()):
        hashes = draw(st.lists(HASHES, min_size=1, max_size=3, unique=True))
        key = hashes[0] if len(hashes) == 1 else f"[{', '.join(hashes)}]"
        return hashes, [f"{name}: {{key: {key}, routes: [r]}}{draw(tail())}"]
    step = draw(st.sampled_from(["  ", "    ", " "]))
    hashes, lines = draw(keys_of(step))
    more = draw(st.sampled_from([[], ["expires: 2027-06-30"], ["x: |", "  # kept", "  text"]]))
    routes = draw(st.sampled_from(["routes: [r]", 'routes: "*"', "routes: # all\n- r\n- s"]))
    parts = [lines, [f"{step}{line}" for line in more]]
    parts.append([f"{step}{line}" for line in routes.split("\n")])
    ordered = draw(st.permutations(parts))
    inside = [line for part in ordered for line in [*draw(above()), *part]]
    return hashes, [f"{name}:{draw(tail())}", *inside]


@st.composite
def files(draw):
    """Return a file as pieces of text, a client each or nobody's, and the keys of each client."""
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    pieces, keys = [], {}
    for name in draw(NAMES):
        hashes, lines = draw(client(name))
        keys[name] = hashes
        pieces.append(("", newline.join([*draw(above()), ""])))
        pieces.append((name, newline.join([*lines, ""])))
    pieces.append(("", newline.join([*draw(above()), ""])))
    return pieces, keys


def edited(text, change, *args):
    document = read(text, "f")
    return proven(document, change(document, *args))


def said(text):
    """Return what YAML says, by the ordinary way."""
    # libyaml and PyYAML's own parser do not refuse the same texts.
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    return loader(text).get_single_data() or {}


def split(pieces, name):
    at = [owner for owner, _ in pieces].index(name)
    texts = [text for _, text in pieces]
    return "".join(texts[:at]), texts[at], "".join(texts[at + 1 :])


@given(files(), st.booleans())
def test_what_was_added_is_taken_away_without_a_trace(file, ended):
    """Whatever else the file holds; a missing last line break is the one thing that is mended."""
    pieces, _ = file
    text = "".join(text for _, text in pieces)
    if not ended and not text.rstrip("\r\n").endswith("text"):
        # Not so a text of several lines: a line break behind it would be its own.
        text = text.rstrip("\r\n")

    more = edited(text, add, "zz-new", NEW, ("r", "s"))
    back = edited(more, revoke, "zz-new", None)

    assert more.startswith(text)
    assert said(more) == said(text) | {"zz-new": {"key": NEW, "routes": ["r", "s"]}}
    ends = {text, text + "\n", text + "\r\n"}
    assert back in ends if said(text) else back.startswith(text)


@given(files(), st.data())
def test_one_more_key_changes_one_client(file, data):
    """All around it stays byte for byte, and of itself all but the end of its keys."""
    pieces, keys = file
    if not keys:
        return
    name = data.draw(st.sampled_from(sorted(keys)))
    before, own, behind = split(pieces, name)
    text = before + own + behind

    more = edited(text, add, name, NEW, None)

    assert more.startswith(before)
    assert more.endswith(behind)
    wanted = said(text)
    wanted[name]["key"] = [*keys[name], NEW]
    assert said(more) == wanted
    assert [client.keys[-1] for client in listing(read(more, "f")) if client.name == name] == [
        "c" * 12
    ]
    for line in own.splitlines():
        if "#" in line:
            assert line.partition("#")[2] in more


@given(files(), st.data())
def test_a_revoked_key_is_the_only_thing_that_goes(file, data):
    """The client's other keys stay, and all around it."""
    pieces, keys = file
    several = sorted(name for name, hashes in keys.items() if len(hashes) > 1)
    if not several:
        return
    name = data.draw(st.sampled_from(several))
    gone = data.draw(st.sampled_from(keys[name]))
    before, own, behind = split(pieces, name)
    text = before + own + behind

    less = edited(text, revoke, name, gone)

    assert less.startswith(before)
    assert less.endswith(behind)
    wanted = said(text)
    wanted[name]["key"] = [each for each in keys[name] if each != gone]
    assert said(less) == wanted


@given(files(), st.data())
def test_a_revoked_client_is_the_only_thing_that_goes(file, data):
    """With its lines; what stands above and below stays byte for byte."""
    pieces, keys = file
    if not keys:
        return
    name = data.draw(st.sampled_from(sorted(keys)))
    before, own, behind = split(pieces, name)

    less = edited(before + own + behind, revoke, name, None)

    alone = len(keys) == 1
    assert less.startswith(before)
    assert less.endswith(behind)
    left = [line.strip() for line in less[len(before) :].removesuffix(behind).splitlines()]
    # Comments below its last line may be the next client's.
    assert [line for line in left if line and not line.startswith("#")] == ["{}"] * alone
    assert said(less) == {
        other: it for other, it in said(before + own + behind).items() if other != name
    }


SOUP = st.lists(
    st.sampled_from(
        [
            *("alice", "bob", "key", "routes", "<<", "sha256:" + "a" * 64, "r", "*", "|", ">-"),
            *(":", ": ", "\n", "\n  ", "\n- ", "- ", "{", "}", "[", "]", ",", '"', "'", "? "),
            *("&a ", "*a", "# c\n", "---\n", "...\n", "!!str ", "\r\n", "\t", "\u2028", "\x85"),
            *("alice: {key: ", "alice:\n  key: ", "bob: {", "}\n"),
        ]
    ),
    max_size=20,
).map("".join)


@given(SOUP, st.sampled_from([("r",), None]))
@example("alice: {key: &a x}\nbob: {key: *a}\n", None)
@example("alice: &a\n  key: x\nbob: *a\n", None)
def test_any_text_is_edited_rightly_or_refused(text, routes):
    """Never another exception, and never another change than the one that was asked for."""
    try:
        more = edited(text, add, "alice", NEW, routes)
    except (ClientsFileError, MisfitError):
        return
    before, after = said(text), said(more)
    mine = before.pop("alice", {})
    had = mine.get("key") or []
    now = after.pop("alice")

    assert before == after
    keys = had if isinstance(had, list) else [had]
    assert now.pop("key") == ([*keys, NEW] if "key" in mine and had != "" else NEW) or had == []
    mine.pop("key", None)
    assert now in (mine, {"routes": ["r"]})


@given(SOUP, st.sampled_from([None, "a"]))
def test_any_text_is_cut_rightly_or_refused(text, start):
    """The same for what is taken away."""
    try:
        less = edited(text, revoke, "alice", start)
    except (ClientsFileError, MisfitError):
        return
    before, after = said(text), said(less)
    before.pop("alice")
    after.pop("alice", None)

    assert before == after
