"""What may be asked of an upstream."""

from __future__ import annotations

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


WHOLE = ["/a.b", "/.git", "/a%20b", "/a%e2%80%8bb", "/a..b", "/caf%c3%a0"]


@pytest.mark.parametrize("path", WHOLE)
def test_what_stands_within_a_name_is_not_trimmed(path):
    """Nor a dot before it, nor half of a letter whose last byte alone would be a blank."""
    allow = Policy(None, [rule(None, [path], allow=True)])

    assert allows(allow, "GET", path)


@pytest.mark.parametrize("part", ["%20", ".", "./", "%20/", "%e2%80%8b", "%20.", "a./", "%20../"])
@pytest.mark.parametrize("end", ["", "a"])
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
