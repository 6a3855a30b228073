"""Which query pairs go upstream."""

from __future__ import annotations

import pytest

from proxy.dataplane.headers import RequestRules, Stripping
from proxy.upstream.origin import Origin


UP = Origin.parse("https://up.example")
RULES = RequestRules(
    UP,
    Stripping(
        injected_parameters=frozenset({"My-Key"}),
        parameters=frozenset({"sig"}),
        keep=frozenset({"apikey", "my_key"}),
    ),
)

# DESIGN 3, copied; `apikey` is kept above.
FIXED = ["access_token", "api_key", "auth_token", "private_token", "client_secret", "token"]

CHANGED = {
    "the only pair goes with its mark": ("access_token=x", None, ["?access_token"]),
    "the first pair goes with one ampersand": ("api_key=x&a=b", "a=b", ["?api_key"]),
    "the last pair goes with one ampersand": ("a=b&api_key=x", "a=b", ["?api_key"]),
    "one in the middle": ("a=b&api_key=x&c=d", "a=b&c=d", ["?api_key"]),
    "both of two": ("api_key=x&api_key=y", None, ["?api_key", "?api_key"]),
    "other ampersands stay": ("&a&&api_key=x&&b&", "&a&&&b&", ["?api_key"]),
    "without a value": ("a&access_token", "a", ["?access_token"]),
    "with an equals sign in the value": ("api_key=x=y==", None, ["?api_key"]),
    "in capitals": ("ACCESS_Token=x", None, ["?access_token"]),
    "with a hyphen": ("access-token=x", None, ["?access_token"]),
    "with a dot": ("access.token=x", None, ["?access_token"]),
    "with a plus": ("access+token=x", None, ["?access_token"]),
    "with an encoded space": ("access%20token=x", None, ["?access_token"]),
    "with an encoded underscore": ("access%5ftoken=x", None, ["?access_token"]),
    "with every byte encoded": ("%61%70%69%5F%6B%65%79=x", None, ["?api_key"]),
    "as a list": ("access_token[]=x", None, ["?access_token"]),
    "as an encoded list": ("access_token%5B0%5D=x", None, ["?access_token"]),
    "with spaces before": ("%20+access_token=x", None, ["?access_token"]),
    "with a bracket that nothing closes": ("access[token=x&a", "a", ["?access_token"]),
    "with an encoded bracket that nothing closes": ("api%5Bkey=x", None, ["?api_key"]),
    "as a list that nothing closes": ("api_key[=x", None, ["?api_key"]),
    "the injected name, even if kept": ("my_key=x&My-Key=y", None, ["?my_key", "?my_key"]),
    "a configured name": ("SIG=x&a", "a", ["?sig"]),
}

UNCHANGED = {
    "no query": None,
    "an empty query": "",
    "a kept name": "apikey=x",
    "a longer name": "access_tokens=x",
    "a shorter name": "access=x",
    "a prefixed name": "x_access_token=x",
    "a list of another name": "access[token]=x",
    "a bracket that only closes": "access]token=x",
    "a name encoded twice": "access%255ftoken=x",
    "a credential in a value": "a=access_token%3Dx",
    "a name that is a value": "a=b=access_token",
    "bytes of all kinds": "q=%zz+%E9&&;a=b&=&%&[]=/?",
}


GUARDED = RequestRules(UP, Stripping(overrides=True, keep=frozenset({"x_method_override"})))
OVERRIDES = {
    "as Rails has it": ("_method=DELETE&a", "a", ["?_method"]),
    "in capitals": ("a&_METHOD=DELETE", "a", ["?_method"]),
    "encoded": ("%5Fme%74hod=PUT", None, ["?_method"]),
    "with a dot, as PHP reads it": (".method=PUT", None, ["?_method"]),
    "with a space, as PHP reads it": ("%20_method=PUT", None, ["?_method"]),
    "as a list": ("_method[]=PUT", None, ["?_method"]),
    "as Salesforce has it": ("_HttpMethod=PATCH", None, ["?_httpmethod"]),
    "as a field": ("X-HTTP-Method-Override=PUT", None, ["?x_http_method_override"]),
    "a path": ("x_astro_path=/admin", None, ["?x_astro_path"]),
    "behind a semicolon": ("a=b;_method=PUT&c", "a=b&c", ["?_method"]),
    "before a semicolon": ("_method=PUT;a;;b", "a;;b", ["?_method"]),
    "between semicolons": ("a;_method;_method=x;b", "a;b", ["?_method", "?_method"]),
    "beside a credential": ("_method=x&token=y", None, ["?_method", "?token"]),
    "kept": ("x-method-override=x;y", "x-method-override=x;y", []),
    "other names": ("method=x&a_method=y;b&_methods", "method=x&a_method=y;b&_methods", []),
}


@pytest.mark.parametrize(("query", "kept", "stripped"), OVERRIDES.values(), ids=OVERRIDES)
def test_parameters_that_name_another_method_or_path(query, kept, stripped):
    """They are stripped where a route or a client has rules, and nowhere else."""
    assert (kept, stripped) == GUARDED.query(query)
    if "token" not in query:
        assert (query, []) == RequestRules(UP, Stripping()).query(query)


def test_a_clients_rules_count_too():
    """On a route that has none."""
    rules = RequestRules(UP, Stripping())

    assert ("a", ["?_method"]) == rules.query("a&_method=PUT", overrides=True)
    assert ("a&_method=PUT", []) == rules.query("a&_method=PUT")


@pytest.mark.parametrize("name", FIXED)
def test_fixed_names_are_stripped(name):
    """On every route."""
    assert ("a=b", [f"?{name}"]) == RULES.query(f"{name}=x&a=b")


@pytest.mark.parametrize(("query", "kept", "stripped"), CHANGED.values(), ids=CHANGED)
def test_credentials_are_stripped_from_queries(query, kept, stripped):
    """The pair goes with one `&`, the rest stays byte for byte, names alone are told."""
    assert (kept, stripped) == RULES.query(query)


@pytest.mark.parametrize("query", UNCHANGED.values(), ids=UNCHANGED)
def test_other_queries_are_unchanged(query):
    """Byte for byte."""
    assert (query, []) == RULES.query(query)


def test_apikey_is_stripped_unless_it_is_kept():
    """`strip.keep` opts out by name."""
    assert (None, ["?apikey"]) == RequestRules(UP, Stripping()).query("ApiKey=x")
