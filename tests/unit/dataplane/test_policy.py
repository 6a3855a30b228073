"""What may be asked of an upstream."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from proxy.dataplane.errors import MethodDenied, PolicyDenied
from proxy.dataplane.policy import Policy, rule


def allows(policy, method, path):
    """Tell whether a policy lets a request through."""
    try:
        policy.check(method, path)
    except PolicyDenied:
        return False
    return True


@pytest.mark.parametrize(
    ("methods", "method", "passes"),
    [
        pytest.param(None, "PURGE", True, id="no methods: any will do"),
        pytest.param(["GET"], "GET", True, id="a method that is named"),
        pytest.param(["GET"], "HEAD", True, id="GET implies HEAD"),
        pytest.param(["HEAD"], "GET", False, id="HEAD does not imply GET"),
        pytest.param(["GET"], "POST", False, id="a method that is not named"),
        pytest.param(["GET"], "get", False, id="methods have case (RFC 9110 9.1)"),
        pytest.param([], "GET", False, id="none at all"),
    ],
)
def test_methods_come_first(methods, method, passes):
    """405 with `Allow`, even where a rule would say 403."""
    policy = Policy(methods, [rule(None, ["/denied"], allow=False)])
    if passes:
        policy.check(method, "/x")
        return

    with pytest.raises(MethodDenied) as caught:
        policy.check(method, "/denied")

    allow = b", ".join(m.encode() for m in sorted({*methods, *["HEAD"] * ("GET" in methods)}))
    assert (405, ((b"Allow", allow),)) == (caught.value.status, caught.value.fields)


PATTERNS = {
    "the whole path": ("/a/b", ["/a/b"], ["/a", "/a/b/c", "/x/a/b", "/a/bc", "/"]),
    "one star is one segment": ("/a/*/c", ["/a/b/c"], ["/a/c", "/a/b/b/c"]),
    "one star at the end is not empty": ("/a/*", ["/a/b"], ["/a", "/a/", "/a/b/c"]),
    "one star within a segment": ("/a/b*d", ["/a/bd", "/a/bcd"], ["/a/b/d", "/a/b"]),
    "two stars are any number": ("/a/**", ["/a", "/a/", "/a/b", "/a/b/c"], ["/ab", "/x/a"]),
    "two stars in the middle": ("/a/**/z", ["/a/z", "/a/b/c/z"], ["/a/b", "/z", "/a/bz"]),
    "two stars twice": (
        "/**/b/**/z",
        ["/b/z", "/a/b/b/c/z", "/b/z/z", "/b/z/b/z"],
        ["/z/b", "/bc/z", "/b/zz", "/z"],
    ),
    "two stars around two segments": (
        "/a/**/b/*/**/z",
        ["/a/b/c/z", "/a/b/b/c/z", "/a/x/b/b/z"],
        ["/a/b/z", "/a/b/c", "/b/c/z"],
    ),
    "two stars behind two stars": ("/a/**/**/z", ["/a/z", "/a/b/z"], ["/a", "/z"]),
    "two stars alone are all": ("/**", ["/", "/a", "/a/b"], []),
    "the root": ("/", ["/", "//"], ["/a"]),
    "a dot is a dot": ("/a.b", ["/a.b"], ["/axb"]),
    "a pattern is decoded and folded like a path": ("/%41/B//c/", ["/a/b/c"], ["/b/c"]),
}


@pytest.mark.parametrize("pattern", ["a", "a/**", "A/", "*"])
def test_a_pattern_without_its_slash_is_none_the_weaker(pattern):
    """The configuration takes none; a deny that matches nothing would let everything through."""
    assert not allows(Policy(None, [rule(None, [pattern], allow=False)]), "GET", "/a")


@pytest.mark.parametrize(("pattern", "matching", "others"), PATTERNS.values(), ids=PATTERNS)
def test_patterns_are_of_the_whole_path(pattern, matching, others):
    """The same pattern denies and allows the same plain paths."""
    deny = Policy(None, [rule(None, [pattern], allow=False)])
    allow = Policy(None, [rule(None, [pattern], allow=True)])

    assert [False] * len(matching) == [allows(deny, "GET", path) for path in matching]
    assert [True] * len(others) == [allows(deny, "GET", path) for path in others]
    assert [True] * len(matching) == [allows(allow, "GET", path) for path in matching]
    assert [False] * len(others) == [allows(allow, "GET", path) for path in others]


def test_a_long_path_costs_no_more_than_its_length():
    """Three `**` once took the cube of it: minutes for this path, in which nobody is answered."""
    policy = Policy(None, [rule(None, ["/**/x/**/x/**/z"], allow=False)])

    assert allows(policy, "GET", "/x" * 8000)
    assert not allows(policy, "GET", "/x" * 8000 + "/z")


SPELLINGS = {
    "as it is": "/api/user/access-token",
    "in capitals": "/API/User/Access-Token",
    "with a trailing slash": "/api/user/access-token/",
    "with many trailing slashes": "/api/user/access-token///",
    "with doubled slashes": "//api///user/access-token",
    "with parameters": "/api;v=1/user;x/access-token;y=z",
    "with empty parameters": "/api/user/access-token;",
    "with a letter encoded": "/api/user/%61ccess-token",
    "with a capital encoded": "/api/user/%41ccess-token",
    "with the hyphen encoded": "/api/user/access%2dtoken",
    "with the parameters' mark encoded": "/api/user/access-token%3bx",
    "with an encoded slash": "/api%2Fuser%2faccess-token",
    "with an encoded slash at the end": "/api/user/access-token%2F",
    "with an encoded slash in parameters": "/api;x%2fuser/access-token",
    "with encoded slashes before and within parameters": "/api/user%2faccess-token;d%2fe",
    "with a slash encoded twice": "/api%252Fuser%252faccess-token",
    "with slashes of both kinds": "/api%2fuser%252faccess-token",
    "with an encoded backslash": "/api%5Cuser%5caccess-token",
    "with a backslash encoded twice": "/api%255cuser/access-token",
    "with a backslash and a slash encoded": "/api%5cuser%2faccess-token",
    "with a letter encoded twice": "/api/user/%2561ccess-token",
    "with a letter and its encoding encoded": "/api/user/%25%36%31ccess-token",
    "with a slash encoded twice, in capitals": "/api%25%32%46user/access-token",
    "with half of an encoding encoded": "/api/user/%6%31ccess-token",
    "with the parameters' mark encoded twice": "/api/user/access-token%253bx",
    "with a letter as UTF-16": "/api/user/%u0061ccess-token",
    "with letters as UTF-16 in capitals": "/api/user/%U0061%U0043cess-token",
    "with a slash as UTF-16": "/api%u002fuser/access-token",
    "with a backslash as UTF-16": "/api%u005cuser/access-token",
    "with a letter as UTF-16, encoded twice": "/api/user/%25u0061ccess-token",
    "with the mark of UTF-16 encoded": "/api/user/%%750061ccess-token",
    "with a letter as UTF-16, percent-encoded": "/api/user/%u0025%u0036%u0031ccess-token",
    "with a fullwidth letter": "/api/user/%ef%bd%81ccess-token",
    "with a fullwidth letter as it is": "/api/user/\uff41ccess-token",
    "with a fullwidth letter, encoded twice": "/api/user/%25ef%25bd%2581ccess-token",
    "with a fullwidth letter as UTF-16": "/api/user/%uff41ccess-token",
    "with a fullwidth capital": "/api/user/%ef%bc%a1ccess-token",
    "with a fullwidth slash": "/api%ef%bc%8fuser/access-token",
    "with a fullwidth backslash": "/api%ef%bc%bcuser/access-token",
    "with a fullwidth percent sign": "/api/user/%ef%bc%8561ccess-token",
    "with fullwidth parameters": "/api/user/access-token%ef%bc%9bx",
    "with fullwidth dots that climb": "/api/x/%ef%bc%8e%ef%bc%8e/user/access-token",
    "with a mathematical letter": "/api/user/%f0%9d%90%9access-token",
    "with a long s": "/api/u%c5%bfer/access-token",
    "with the Kelvin sign": "/api/user/access-to%e2%84%aaen",
    "with the Kelvin sign as it is": "/api/user/access-to\u212aen",
    "with a dotless i": "/ap%c4%b1/user/access-token",
    "with a hyphen that is compatible": "/api/user/access%ef%bc%8dtoken",
    "with a zero-width space within": "/api/user/acc%e2%80%8bess-token",
    "with a zero-width joiner as it is": "/api/user/acc\u200dess-token",
    "with a zero-width space that splits an escape": "/api/user/%25e2%2580%258baccess-token",
    "with a soft hyphen within": "/api/us%c2%ader/access-token",
    "with a soft hyphen of Latin-1 within": "/api/us%ader/access-token",
    "with a soft hyphen of Latin-1 as it is": "/api/us\udcader/access-token",
    "with a byte that is not UTF-8, which Bottle leaves out": "/api/us%ffer/access-token",
    "with half a character": "/api/user%e2%82/access-token",
    "with a raw byte that is not UTF-8": "/api/\udcfeuser/access-token",
    "with such a byte, encoded twice": "/api/us%25ffer/access-token",
    "with such a byte among letters of another width": "/api/%ff%ef%bd%95ser/access-token",
    "with a variation selector": "/api/user%ef%b8%8f/access-token",
    "with a variation selector beyond the first plane": "/api/user/access%f3%a0%84%80-token",
    "with a mark of direction": "/api/user/access-%e2%80%aetoken",
    "with a byte order mark within": "/api/us%ef%bb%bfer/access-token",
    "with a Hangul filler": "/api/user/access%e3%85%a4-token",
    "with a fullwidth letter and a zero-width space": "/api/user/%ef%bd%81%e2%80%8bccess-token",
}


@pytest.mark.parametrize("path", SPELLINGS.values(), ids=SPELLINGS)
def test_every_spelling_of_a_denied_path_is_denied(path):
    """The upstream may read it in any of these ways, so one of them is enough."""
    policy = Policy(None, [rule(None, ["/api/user/access-token", "/api/auth/**"], allow=False)])

    assert not allows(policy, "GET", path)


TRIMMED = {
    "a blank": "%20",
    "many blanks": "%20%20",
    "a tab": "%09",
    "a line feed": "%0a",
    "a control character": "%1f",
    "DEL": "%7f",
    "a dot": ".",
    "dots": "...",
    "an encoded dot": "%2e",
    "a dot encoded twice": "%252e",
    "a blank encoded twice": "%2520",
    "dot, blank, dot": ".%20.",
    "a zero-width space": "%e2%80%8b",
    "a zero-width space in capitals, and a dot": "%E2%80%8B.",
    "a byte order mark": "%ef%bb%bf",
    "a soft hyphen": "%c2%ad",
    "a no-break space": "%c2%a0",
    "a no-break space of Latin-1": "%a0",
    "a blank before parameters": "%20;x",
    "a blank before a slash": "%20/",
    "a blank before an encoded slash": "%20%2f",
    "a blank behind a slash": "/%20",
    "a segment of dots": "/...",
}


@pytest.mark.parametrize("end", TRIMMED.values(), ids=TRIMMED)
def test_a_denied_path_is_denied_with_what_a_server_may_trim(end):
    """At the end of the path, and of each of its segments."""
    policy = Policy(None, [rule(None, ["/api/user/access-token"], allow=False)])

    assert not allows(policy, "GET", f"/api/user/access-token{end}")
    assert not allows(policy, "GET", f"/api{end}/user{end}/access-token{end}")


TRIMS = {
    "a blank before a name": ("/app/42", "/app/%2042"),
    "a zero-width space before a name": ("/app/42", "/app/%e2%80%8b42"),
    "only the path's end is trimmed": ("/a/*/c", "/a/%20/c%20"),
    "only the path's end is trimmed, dots elsewhere": ("/v1./c", "/v1./c."),
    "a blank behind a name that ends in a dot": ("/a.", "/a.%20"),
    "a segment of blanks falls away": ("/a/c", "/a/%20/c"),
    "a segment of blanks stays": ("/a/*/c/d", "/a/%20/c%20/d"),
    "dots that climb when the blank is gone": ("/secret", "/public/..%20/secret"),
    "a blank before dots that climb": ("/secret", "/public/%09../secret"),
    "a dot segment when the blank is gone": ("/a./secret", "/a./.%20/secret"),
    "a name in UTF-8": ("/caf\u00e9", "/caf%c3%a9%20"),
}


@pytest.mark.parametrize(("pattern", "path"), TRIMS.values(), ids=TRIMS)
def test_every_way_to_trim_is_a_reading(pattern, path):
    """Enough for a deny, too much for an allow."""
    deny = Policy(None, [rule(None, [pattern], allow=False)])
    allow = Policy(None, [rule(None, [pattern], allow=True)])

    assert [False, False] == [allows(each, "GET", path) for each in (deny, allow)]


UNLIKE = {
    "a fullwidth letter": "/publi%ef%bd%83/a",
    "a zero-width space": "/public/%e2%80%8b",
    "a zero-width space in the name": "/pub%e2%80%8blic/a",
    "a fullwidth slash": "/public/a%ef%bc%8fb",
    "a slash as UTF-16": "/public/a%u002fb",
    "a letter as UTF-16": "/publi%u0063/a",
    "fullwidth dots": "/public/%ef%bc%8e%ef%bc%8e",
}


@pytest.mark.parametrize("path", UNLIKE.values(), ids=UNLIKE)
def test_what_only_looks_like_an_allowed_path_is_not_allowed(path):
    """Some servers do not take it for that."""
    assert not allows(Policy(None, [rule(None, ["/public/*"], allow=True)]), "GET", path)


FOREIGN = [
    "/stra\xdfe/*",
    "/cafe\u0301/*",
    "/caf\xe9/*",
    "/\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2/*",
    "/\uff41/*",
]


@pytest.mark.parametrize("pattern", FOREIGN)
@pytest.mark.parametrize("form", ["raw", "encoded", "encoded, in small letters"])
def test_patterns_beyond_ascii_allow_what_they_name(pattern, form):
    """However it is written: the plainest form of the pattern counts too."""
    allow = Policy(None, [rule(None, [pattern], allow=True)])
    deny = Policy(None, [rule(None, [pattern], allow=False)])
    path = pattern.replace("*", "x") if form == "raw" else quote(pattern.replace("*", "x"))
    path = path.lower() if form.endswith("letters") else path

    assert allows(allow, "GET", path)
    assert not allows(deny, "GET", path)


WHOLE = ["/a.b", "/.git", "/a%20b", "/a..b", "/caf%c3%a0"]


@pytest.mark.parametrize("path", WHOLE)
def test_what_stands_within_a_name_is_not_trimmed(path):
    """Nor a dot before it, nor half of a letter whose last byte alone would be a blank."""
    allow = Policy(None, [rule(None, [path], allow=True)])

    assert allows(allow, "GET", path)


@pytest.mark.parametrize("part", ["%20", ".", "./", "%20/", "%e2%80%8b", "%20.", "a./", "%20../"])
@pytest.mark.parametrize("end", ["", "a", "\xe9", "%ef%bc%8f%u0061"])
def test_a_path_to_trim_costs_no_more_than_its_length(part, end):
    """Runs of blanks and dots are looked at once; their square would be minutes here."""
    policy = Policy(None, [rule(None, ["/**/x/**/x/**/z"], allow=False)])

    assert allows(policy, "GET", "/" + part * (256_000 // len(part)) + end)


NEIGHBOURS = ["/api/user", "/api/user/access-tokens", "/api/user/access%2btoken", "/api/user/%zz"]


@pytest.mark.parametrize("path", NEIGHBOURS)
def test_neighbours_of_a_denied_path_are_not_denied(path):
    """Folding goes no further than it has to."""
    policy = Policy(None, [rule(None, ["/api/user/access-token"], allow=False)])

    assert allows(policy, "GET", path)


TWO_READINGS = {
    "an encoded slash may lead below": "/public/a%2fb",
    "an encoded slash may not be one": "/public%2fa",
    "a slash encoded twice may lead below": "/public/a%252fb",
    "an encoded backslash may lead below": "/public/a%5cb",
    "a second decoding may change a letter": "/publi%2563/a",
}


@pytest.mark.parametrize("path", TWO_READINGS.values(), ids=TWO_READINGS)
def test_an_allow_needs_all_readings(path):
    """What one server takes for an allowed path and another does not is not allowed."""
    policy = Policy(None, [rule(None, ["/public/*"], allow=True)])

    assert allows(policy, "GET", "/public/a")
    assert allows(policy, "GET", "/PUBLIC//%61;x/")
    assert not allows(policy, "GET", path)


RULES = {
    "no rules: allowed": ([], True),
    "only denies that do not match: allowed": ([("GET", "/b", False)], True),
    "an allow that does not match: denied": ([("GET", "/b", True)], False),
    "the first match wins, allow": ([("GET", "/a", True), ("GET", "/a", False)], True),
    "the first match wins, deny": ([("GET", "/a", False), ("GET", "/a", True)], False),
    "a deny of a part": ([("GET", "/a", False), ("GET", "/**", True)], False),
    "a rule of another method does not match": ([("POST", "/a", False)], True),
    "an allow of another method leaves nothing": ([("POST", "/a", True)], False),
}


@pytest.mark.parametrize(("rows", "allowed"), RULES.values(), ids=RULES)
def test_rules_decide_in_order(rows, allowed):
    """First match wins; no match is deny if the list has an allow, else allow."""
    policy = Policy(None, [rule([method], [path], allow=way) for method, path, way in rows])

    assert allowed == allows(policy, "GET", "/a")


def test_a_rule_for_get_holds_for_head():
    """HEAD tells nearly as much as GET."""
    policy = Policy(None, [rule(["GET"], ["/a"], allow=False)])

    assert not allows(policy, "HEAD", "/a")
    assert allows(policy, "POST", "/a")
