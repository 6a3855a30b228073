"""Laws of the policy: no spelling slips by a deny, no second reading into an allow."""

from __future__ import annotations

import fnmatch
import re
from itertools import product
from urllib.parse import quote, unquote_to_bytes

from hypothesis import given, strategies as st

from proxy.dataplane.errors import PolicyDenied
from proxy.dataplane.policy import Policy, _fold, _regex, readings, rule


DENIED = "/api/user/access-token"
DENY = Policy(None, [rule(None, [DENIED], allow=False)])
ALLOW = Policy(None, [rule(None, [DENIED, "/public/*"], allow=True)])

TRIMMED = st.sampled_from(
    ["", "", "", "%20", "%0A%09", ".", "%2E.", "%e2%80%8b", "%2520", "%c2%a0."]
)
PARAMETERS = st.sampled_from(["", "", ";", ";a=b", "%3bc"])
SEPARATORS = st.sampled_from(["/", "/", "//", "///", "%2f", "%2F", "%5c", "%252f", "%255C"])
TOKENS = st.sampled_from(
    [
        *("/", "//", "%2f", "%252f", "%5C", "%255c", ";", ";x", "%3b", "%253B", "api", "user"),
        *("access-token", "API", "%61", "%2561", "pi", "public", "x", "%", "%25", "2f", "/public/"),
        *("%20", "%09", ".", "%2e", "%e2%80%8b", "%252e", "%c3%a9", "%a0", "\xe9", "%u002f"),
        *("%ef%bc%8f", "\uff41", "\u200d", "%25u0061", "\udcad", "%ef%bc%85", "\u212a", "%u"),
    ]
)
MOST_READINGS = 256
"""More than any path that was found has: 2 decodings by 4 slashes, cut, trimmed, alike."""
PATHS = st.lists(TOKENS, max_size=10).map(lambda tokens: "/" + "".join(tokens))


def allows(policy, path):
    """Tell whether a policy lets a path through."""
    try:
        policy.check("GET", path)
    except PolicyDenied:
        return False
    return True


@st.composite
def spellings(draw, path):
    """Draw a path that some server takes for `path`."""

    def letter(character):
        code = f"{ord(character):02x}"
        ways = [character, character.upper(), f"%{code}", f"%{code.upper()}", f"%25{code}"]
        wide = chr(ord(character) + 0xFEE0)
        ways += [f"%u00{code}", f"%25U00{code}", f"%u{ord(wide):04X}", wide, quote(wide)]
        ways += [f"{character}\u200b", f"{character}%c2%ad", quote(quote(f"\ufe0f{wide}"))]
        return draw(st.sampled_from([*ways, "".join(f"%{ord(c):02x}" for c in f"%{code}")]))

    segments = ["".join(map(letter, segment)) for segment in path.split("/")[1:]]
    text = "".join(
        draw(SEPARATORS) + segment + draw(TRIMMED) + draw(PARAMETERS) for segment in segments
    ) + draw(st.sampled_from(["", "/", "//", "%2f", "/;x", "/%20", "%20/"]))
    return text if text.startswith("/") else f"/{text}"


def trims(blanks, *, everywhere, keeps_empty=False):
    """Return a server's own way to trim: the path's end, or the ends of every segment."""

    def trim(text):
        if not everywhere:
            return re.sub(f"[{blanks}]+$", "", text)
        parts = [(re.sub(f"[{blanks}]+$", "", part), part) for part in text.split("/")]
        return "/".join(bare or (part if keeps_empty else "") for bare, part in parts)

    return trim


BLANK = "\\s\u200b"
TRIMMERS = [
    str,
    *(trims(chars, everywhere=False) for chars in (BLANK, f"{BLANK}.")),
    *(
        trims(chars, everywhere=True, keeps_empty=keeps)
        for chars in (BLANK, f"{BLANK}.")
        for keeps in (True, False)
    ),
]


def servers(path):
    """Yield what servers take a path for: an own, naive model of each kind of them."""
    choices = product((1, 2), *[(True, False)] * 3, TRIMMERS)
    for times, slash, backslash, early, trim in choices:
        text = path.encode("utf-8", "surrogateescape")
        for _ in range(times):
            bare = re.sub(rb";[^/]*", b"", text) if early else text
            text = unquote_to_bytes(bare if slash else re.sub(rb"(?i)%2f", b"%252f", bare))
        if backslash:
            text = text.replace(b"\\", b"/")
        text = re.sub(rb"/+", b"/", re.sub(rb";[^/]*", b"", text)).rstrip(b"/")
        read = trim(text.lower().decode("utf-8", "surrogateescape"))
        yield re.sub("/+", "/", read).rstrip("/") or "/"


@given(spellings(DENIED))
def test_every_spelling_of_a_denied_path_is_denied(path):
    """Any subset of its bytes encoded, once or twice; case, doubled slashes, parameters."""
    assert not allows(DENY, path)


@given(PATHS)
def test_what_any_server_takes_for_a_denied_path_is_denied(path):
    """The same, from the servers' side."""
    if DENIED in servers(path):
        assert not allows(DENY, path)


@given(PATHS | spellings(DENIED) | spellings("/public/x"))
def test_what_is_allowed_is_allowed_in_every_servers_eyes(path):
    """An allow needs all readings."""
    if allows(ALLOW, path):
        matching = re.compile(rf"{re.escape(DENIED)}|/public/[^/]+")
        assert all(matching.fullmatch(read) for read in servers(path))


@given(st.lists(st.sampled_from(["a", "B", "/", "-", "%41", ".x"]), max_size=8).map("".join))
def test_rules_of_all_paths_decide_about_all(path):
    """`/**` leaves nothing out."""
    everything = [rule(None, ["/**"], allow=False)]

    assert not allows(Policy(None, everything), f"/{path}")


@given(PATHS)
def test_the_readings_of_a_path_are_few_and_those_of_its_percent_encoding(path):
    """Raw bytes are no spelling of their own, and no path has more readings for being longer."""
    text = path.encode("utf-8", "surrogateescape")
    encoded = re.sub(rb"[\x80-\xff]", lambda found: b"%%%02x" % found[0][0], text).decode("ascii")

    assert set(readings(path)) == set(readings(encoded))
    assert len(readings(path * 20)) <= MOST_READINGS


SEGMENTS = st.lists(st.sampled_from(["a", "b", "ab"]), max_size=7)
PATTERNS = st.lists(st.sampled_from(["a", "b", "*", "**", "**"]), min_size=1, max_size=6)


def fits(pattern, segments):
    """Tell whether a pattern fits, by trying every way."""
    if not pattern:
        return not segments
    first, *rest = pattern
    if first == "**":
        return any(fits(rest, segments[at:]) for at in range(len(segments) + 1))
    return bool(segments) and first in ("*", segments[0]) and fits(rest, segments[1:])


@given(PATTERNS, SEGMENTS.filter(bool))
def test_patterns_fit_if_there_is_any_way_to_fit(pattern, segments):
    """Though the expressions do not try every way."""
    policy = Policy(None, [rule(None, ["/" + "/".join(pattern)], allow=False)])

    assert fits(pattern, segments) is not allows(policy, "/" + "/".join(segments))


PIECES = st.lists(st.sampled_from(["/", "//", "a", "b", "A", "*", "**", "%2f", ";x"]), max_size=7)
ASKED = st.lists(st.sampled_from(["/", "a", "b", "*", "c"]), max_size=7)


@given(PIECES.map("".join), ASKED.map("".join))
def test_a_rule_means_the_same_however_it_is_compared(pattern, path):
    """Whole paths and beginnings are compared as they are, the rest by an expression of all."""
    folded = _fold(unquote_to_bytes(pattern))
    expected = re.compile(_regex(folded), re.DOTALL).fullmatch(_fold(path.encode())) is not None

    assert expected == rule(None, [pattern], allow=True).matches([_fold(path.encode())])


LETTERS = st.text("ab.", max_size=12)


@given(st.lists(st.text("ab.", max_size=3), min_size=2, max_size=5).map("*".join), LETTERS)
def test_a_segment_fits_if_there_is_any_way_to_fit(pattern, segment):
    """Though each part between two `*` is sought once only."""
    if "**" in pattern or not segment.strip(".") or not pattern.strip("*."):
        return
    policy = Policy(None, [rule(None, [f"/x/{pattern}/y"], allow=False)])

    assert fnmatch.fnmatchcase(segment, pattern) is not allows(policy, f"/x/{segment}/y")
