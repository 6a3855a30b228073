"""Every rule of the file, a row each: the line that its breach is told with."""
# ruff: noqa: E501 # a rule is read best in one row

from __future__ import annotations

import pytest


def route(more="", name="a", credential="none"):
    """Return a file of one valid route and more keys in it."""
    return f"routes: {{{name}: {{upstream: 'https://x.org', credential: {credential}{more}}}}}"


def source(text):
    """Return a file whose one route takes its token from a source."""
    return f"routes: {{m: {{preset: microreact, token: {text}}}}}"


ORG = "credentials: {org: {origin: 'https://x.org', bearer: {env: N}}}\n"

LATER = ["metrics", "status", "watch", "egress", "trust", "intercept", "groups"]

ONE_PROBLEM = [
    # keys
    ("route: {}\nroutes: {a: {preset: microreact, credential: none}}", "f:1:1: route: is no key here; did you mean routes?"),
    (route(", metods: any"), "routes.a.metods: is no key here; did you mean methods?"),
    (route(", xyz: 1"), "routes.a.xyz: is no key here; known are preset, upstream"),
    (route() + "\nadmin: off", "f:2:1: admin: is not supported yet"),
    (route() + "\ncors: {allow_origin: []}", "cors.allow_origin: is no key here; did you mean allow_origins?"),
    (route(", forward: off"), "routes.a.forward: is not supported yet"),
    (route(", upgrade: [h2c]"), "routes.a.upgrade[0]: must be websocket; no other protocol"),
    (route(", upgrade: websocket"), "routes.a.upgrade: must be a list"),
    (source("{command: [op, read]}"), "routes.m.token.command: is not supported yet"),
    (source("{oauth2: {}}"), "routes.m.token.oauth2: is not supported yet"),
    (source("{stored: x}"), "routes.m.token.stored: is not supported yet"),
    (source("{app_token: {}}"), "routes.m.token.app_token: is not supported yet"),
    (source("{file: x, json: {secret: /a}}"), "routes.m.token.json: is not supported yet"),
    (source("{env: X, placeholder: y}"), "routes.m.token.placeholder: is not supported yet"),
    (route(credential="{oauth2: {token_url: x}}"), "routes.a.credential.oauth2: is not supported yet"),
    (ORG.replace("bearer", "command") + route(), "credentials.org.command: is not supported yet"),
    *((route() + f"\n{key}: x", f"f:2:1: {key}: is not supported yet; leave it out") for key in LATER),
    (route(", placeholder: x"), "routes.a.placeholder: is not supported yet"),
    (route(", echo_guard: strict"), "routes.a.echo_guard: strict is not supported yet; write on or off"),
    (route(", rules: observe"), "routes.a.rules: must be a list such as [{paths: [/api/**], action: deny}]; observe is not supported yet"),
    (route() + "\nlisten: fd:web", "listen: socket activation (fd:NAME) is not supported yet"),
    (route() + "\nlisten: {address: 'localhost:1', tls: {issue: true}}", "f:2:40: listen.tls.issue: is not supported yet"),
    (route() + "\naudit: {file: stdout}", "audit.file: stdout is not supported yet; a file of that name is ./stdout"),
    (route() + "\nclients: {c: {key: 'sha256:" + "1" * 64 + "', group: lab}}", "clients.c.group: is not supported yet"),
    (route() + "\nclients: {c: {routes: '*', jwt: {issuer: i, audience: a, jwks: {url: u}}}}", "clients.c.jwt.jwks: is not supported yet"),
    # shapes
    ("routes: []", "f:1:1: routes: must be keys and values"),
    ("routes: x", "f:1:9: routes: must be keys and values"),
    ("routes: {}", "routes: is empty"),
    ("log: {level: info}", "f:1:1: `routes` is missing"),
    ("routes: {a: x}", "routes.a: must be keys and values"),
    (route(", methods: GET"), "routes.a.methods: must be a list such as [GET, HEAD], or any"),
    (route(", methods: []"), "routes.a.methods: is empty"),
    (route(", methods: [get]"), "routes.a.methods[0]: must be a method such as GET"),
    (route(", hosts: x.org"), "routes.a.hosts: must be a list"),
    (route(", hosts: [[x.org]]"), "routes.a.hosts[0]: must be a single value"),
    (route(", rules: [x]"), "routes.a.rules[0]: must be {paths: [/api/**], action: deny}"),
    (route(", rules: [{paths: [/x]}]"), "routes.a.rules[0]: `action` is missing"),
    (route(", rules: [{paths: [x], action: deny}]"), "routes.a.rules[0].paths[0]: must begin with /"),
    (route(", rules: [{paths: [], action: deny}]"), "routes.a.rules[0].paths: is empty"),
    (route(", cookies: maybe"), "routes.a.cookies: must be strip or pass"),
    (route(", forwarded: maybe"), "routes.a.forwarded: must be true or false"),
    (route(", echo_guard: maybe"), "routes.a.echo_guard: must be true or false"),
    (route(", timeouts: {idle: 0s}"), "routes.a.timeouts.idle: must be longer than 0"),
    (route(", replay_buffer: none"), "routes.a.replay_buffer: must be a size"),
    (route(", set_headers: {Host: x}"), "routes.a.set_headers.Host: cannot be set here; say `upstream_host:`"),
    (route(', set_headers: {X-A: "a\\r\\nb"}'), "routes.a.set_headers.X-A: must be one line"),
    (route(", set_headers: {X-A: b, x_a: c}"), "routes.a.set_headers: sets one header twice"),
    (route(", set_headers: {X-A: b, x.a: c}"), "routes.a.set_headers: sets one header twice"),
    (route(", set_headers: {Content.Length: 1}"), "set_headers.Content.Length: belongs to the"),
    (route(", path: /a/"), "routes.a.path: must begin with /"),
    (route(", path: /_keybearer/x"), "routes.a.path: /_keybearer is the proxy's own"),
    (route(", tls: {client_key: k}"), "routes.a.tls: client_key needs client_cert"),
    (route(name="A"), "f:1:10: routes.A: a route's name is a host label"),
    (route() + "\nlog: {level: loud}", "log.level: must be debug, info, warning or error"),
    (route() + "\ndrain: {delay: none}", "drain.delay: must be a duration"),
    (route() + "\ntrusted_proxies: [10.0.0.1/8]", "f:2:19: trusted_proxies[0]: must be a network"),
    (route() + "\ntrusted_proxies: [unix:/kb.sock]", "f:2:19: trusted_proxies[0]: must be a network"),
    (route(", upstream_host: 'https://x.org'"), "routes.a.upstream_host: must be upstream, client, or a host"),
    (route(", upstream_host: me@x.org"), "routes.a.upstream_host: must be upstream, client, or a host"),
    (route(", upstream_host: x.org:99999"), "routes.a.upstream_host: must be upstream, client, or a host"),
    (route(", upstream_host: Client"), "routes.a.upstream_host: must be upstream, client, or a host"),
    (route() + "\nlisten: 8484", "f:2:9: listen: must say the address too"),
    (route() + "\nlisten: [example.org:80]", "listen[0]: must be an IP address or localhost"),
    (route() + "\nlisten: {address: 'localhost:1', mode: '0600'}", "listen: mode and group are for unix"),
    (route() + "\nlisten: [{address: 'unix:x', reuse_port: on}]", "listen[0]: reuse_port is for TCP"),
    (route() + "\ncors: {allow_origins: ['*']}", "f:2:24: cors.allow_origins[0]: must name each origin in full"),
    (route() + "\ncors: {allow_origins: ['https://*.x.org']}", "cors.allow_origins[0]: must name each origin in full"),
    (route() + "\ncors: {allow_origins: [https://x.org, 'null']}", "cors.allow_origins[1]: must be the origin of a page"),
    (route() + "\ncors: {allow_origins: [https://x.org/y]}", "cors.allow_origins[0]: must be scheme://host[:port]"),
    (route() + "\ncors: {allow_origins: x.org}", "cors.allow_origins: must be a list"),
    (route() + "\ncors: ['https://x.org']", "cors: must be keys and values"),
    # limits, listeners and the audit file
    (route(", limits: {rate: 1/s}"), "routes.a.limits.rate: must be a rate such as 10/second"),
    (route(", limits: {concurrency: 0}"), "routes.a.limits.concurrency: must be a number from 1 up, or none"),
    (route() + "\nlimits: {storage: disk}", "limits.storage: must be memory, or redis://HOST:PORT/NUMBER"),
    (route() + "\nlimits: {on_storage_error: pass}", "limits.on_storage_error: must be allow or deny"),
    (route(", listen: {address: '127.0.0.1:1', tls: {}}"), "routes.a.listen.tls: `cert` is missing"),
    (route(", listen: {address: '127.0.0.1:1', tls: on}"), "routes.a.listen.tls: must be {cert: PATH, key: PATH, client_ca: PATH}"),
    (route(", listen: {address: 'unix:x', tls: {cert: c}}"), "routes.a.listen: tls is for TCP"),
    (route() + "\naudit: audit.jsonl", "audit: must be {file: PATH}, or none"),
    (route() + "\naudit: {file: a, max_size: 1KiB}", "audit.max_size: must be at least 4096 bytes"),
    (route() + "\naudit: {max_size: 1MiB}", "audit: `file` is missing"),
    (route() + "\nclients_file: a\naudit: {file: ./a}", "audit.file: is the clients_file"),
    # upstream
    ("routes: {a: {credential: none}}", "routes.a: `upstream` is missing; give it, or a preset"),
    ("routes: {a: {upstream: 'https://x.org/api', credential: none}}", "put the path into the client's base URL"),
    ("routes: {a: {upstream: 'https://x.org?q', credential: none}}", "routes.a.upstream: must be an origin"),
    ("routes: {a: {upstream: 'https://u:p@x.org', credential: none}}", "routes.a.upstream: must not hold a user"),
    ("routes: {a: {upstream: 'http://x.org', credential: none}}", "or say insecure_upstream: true"),
    ("routes: {a: {upstream: 'http://127.0.0.1:1', credential: none, tls: {ca: c}}}", "routes.a.tls: has no use"),
    ("routes: {a: {upstream: 'http://127.0.0.1:8484', credential: none}}", "is an address of this proxy"),
    ("routes: {a: {upstream: 'http://x.localhost:8484', credential: none}}", "is an address of this proxy"),
    ("routes: {a: {upstream: 'http://[::ffff:127.0.0.1]:8484', credential: none}}", "is an address of this proxy"),
    ("routes: {a: {upstream: 'http://[::FFFF:7f00:1]:8484', credential: none}}", "is an address of this proxy"),
    ("routes: {a: {upstream: 'http://[0:0::1]:8484', credential: none}}", "is an address of this proxy"),
    ("routes: {a: {upstream: 'http://0.0.0.0:8484', credential: none, insecure_upstream: on}}", "is an address of this proxy"),
    ("routes: {a: {upstream: 'http://[::]:8484', credential: none, insecure_upstream: on}}", "is an address of this proxy"),
    ("routes: {a: {upstream: 'http://[::ffff:0:0]:8484', credential: none, insecure_upstream: on}}", "is an address of this proxy"),
    ("routes: {a: {upstream: 'http://127.1:8484', credential: none}}", "an IPv4 address is four decimal numbers"),
    ("listen: '[::ffff:0:0]:1'\ninsecure_open: on\nroutes: {a: {upstream: 'http://[::ffff:7f00:9]:1', credential: none}}", "is an address of this proxy"),
    ("allow_hosts: [kb]\nroutes: {a: {upstream: 'http://kb:8484', credential: none, insecure_upstream: on}}", "is an address of this proxy"),
    # credentials
    ("routes: {a: {upstream: 'https://x.org'}}", "f:1:10: routes.a: needs credential: a name"),
    ("routes: {a: {preset: microreact}}", "token: {env: MICROREACT_ACCESS_TOKEN}"),
    (route(", token: {env: N}"), "routes.a.token: stands beside credential"),
    ("routes: {a: {upstream: 'https://x.org', token: {env: N}}}", "routes.a.token: needs a preset"),
    ("routes: {a: {preset: microreakt, token: {env: N}}}", "no preset of that name; did you mean microreact?"),
    ("routes: {a: {preset: zzz, token: {env: N}}}", "there are carbonregistry, carbonregistry-sandbox, microreact"),
    (route(credential="orgg"), "routes.a.credential: no credential of that name; add it under credentials:"),
    (ORG + route(credential="orgg"), "no credential of that name; did you mean org?"),
    (ORG.replace("x.org", "y.org") + route(credential="org"), "f:2:53: routes.a.credential: is bound to another origin than this route's upstream: credentials.org.origin (line 1)"),
    ("credentials: {org: {bearer: {env: N}}}\n" + route(), "credentials.org: `origin` is missing"),
    ("credentials: {none: {origin: 'https://x.org', bearer: {env: N}}}\n" + route(), "a credential's name is"),
    (route(credential="[a]"), "routes.a.credential: must be the name of a credential, one scheme"),
    (route(credential="{}"), "routes.a.credential: has no scheme; give exactly one of"),
    (route(credential="{bearer: {env: N}, query: {name: q, secret: {env: N}}}"), "has bearer and query; give exactly one of"),
    (route(credential="{bearer: N}"), "routes.a.credential.bearer: must say where the secret is: {env: NAME}"),
    (route(credential="{bearer: {}}"), "routes.a.credential.bearer: has no source"),
    (route(credential="{headers: []}"), "routes.a.credential.headers: is empty"),
    (route(credential="{basic: {username: 'a:b', password: {env: N}}}"), "basic.username: must not hold a colon"),
    (route(credential="{header: {name: Connection, secret: {env: N}}}"), "header.name: belongs to the connection"),
    (route(credential="{header: {name: X-A, format: token, secret: {env: N}}}"), "must hold {secret} exactly once"),
    (route(credential="{headers: [{name: X-A, secret: {env: N}}, {name: x_a, secret: {env: N}}]}"), "name each header once"),
    (route(", set_headers: {authorization: x}", credential="{bearer: {env: N}}"), "routes.a.set_headers.authorization: is the credential's own header"),
    (route(", strip: {subprotocols: ['a b']}"), "routes.a.strip.subprotocols[0]: must be the name of a subprotocol"),
    (route(", strip: {subprotocols: ['a*b']}"), "routes.a.strip.subprotocols[0]: must be the name of a subprotocol"),
    (route(", strip: {subprotocols: ['*']}"), "routes.a.strip.subprotocols[0]: must be the name of a subprotocol"),
    (route(", strip: {keep: [AUTHORIZATION]}", credential="{bearer: {env: N}}"), "routes.a.strip.keep[0]: is where the credential goes"),
    (route(", strip: {keep: [api-key]}", credential="{query: {name: api_key, secret: {env: N}}}"), "strip.keep[0]: is where the credential goes"),
    (source("{env: N, file: t}"), "routes.m.token: has env and file; give exactly one of env, file, value"),
    (source("{env: eyJ.a.b}"), "routes.m.token.env: must be the name of an environment variable"),
    (source("{file: ''}"), "routes.m.token.file: must be the path of a file"),
    (source("{value: ''}"), "routes.m.token.value: it is empty"),
    (source("{env: N, required: maybe}"), "routes.m.token.required: must be true or false"),
    # entrances
    (route() + "\nlisten: none", "f:1:10: routes.a: no entrance reaches it"),
    (route() + "\nlisten: 0.0.0.0:80", "f:2:9: listen: anybody in the network could use the credentials"),
    (route() + "\nlisten: [localhost:1, '[::]:2']", "f:2:23: listen[1]: anybody in the network"),
    (route(", listen: '192.0.2.1:80'"), "routes.a.listen: anybody in the network"),
    (route(", listen: '127.0.0.1:8484'"), "routes.a.listen: the same address as the default of listen[0]"),
    (route() + "\nlisten: ['unix:a', 'unix:/base/a']", "listen[1]: the same address as listen[0] (line 2)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), ONE_PROBLEM)
def test_a_broken_rule_is_one_line(errors, text, expected):
    """One breach, one line; it has the place, the key, and what to do."""
    actual = errors(text)

    assert 1 == len(actual), actual
    assert expected in actual[0]
    assert actual[0].startswith("f:")


TIES = [
    ("path: /x", "path: /X", "f:3:58: routes.b.path: the same path as routes.a.path (line 2)"),
    ("path: /b", "cookies: strip", "f:3:3: routes.b: the same path as routes.a.path (line 2)"),
    (
        "hosts: [x.org]",
        "hosts: [X.org]",
        "routes.b.hosts: the same host as routes.a.hosts (line 2)",
    ),
    ("hosts: [b.localhost]", "path: false", "f:3:3: routes.b: the same host as routes.a.hosts"),
    ("listen: 127.0.0.1:1", "listen: localhost:1", "routes.b.listen: the same address as"),
]


@pytest.mark.parametrize(("one", "two", "expected"), TIES)
def test_a_tie_names_both_lines(errors, one, two, expected):
    """Two routes that one request could mean are an error at the second."""
    text = (
        "routes:\n"
        f"  a: {{upstream: 'https://x.org', credential: none, {one}}}\n"
        f"  b: {{upstream: 'https://x.org', credential: none, {two}}}\n"
    )
    actual = errors(text)

    assert 1 == len(actual), actual
    assert expected in actual[0]


def test_all_problems_are_told_at_once(errors):
    """In the file's order: of the text, of single keys, and across keys of what is valid."""
    actual = errors(
        """\
listen: 0.0.0.0:80
lgo: {level: info}
routes:
  a: {upstream: https://x.org/y, credential: none}
  b: {upstream: http://x.org, credential: orgg}
  b: {}
  c:
  d: {preset: microreact, token: {env: N}, path: /B, timeouts: {idle: soon}}
  e: {preset: microreact, token: {env: N}, path: /B, set_headers: {X-A: "${MISSING}"}}
  f: {preset: microreact, token: {env: N}, path: /B}
credentials:
  org: {origin: https://x.org, bearer: {env: N}, basic: {username: u, password: {env: N}}}
"""
    )
    places = [line.split(": ")[0:2] for line in actual]

    assert [
        ["f:1:9", "listen"],
        ["f:2:1", "lgo"],
        ["f:4:17", "routes.a.upstream"],
        ["f:5:17", "routes.b.upstream"],
        ["f:5:43", "routes.b.credential"],
        ["f:6:3", "routes.b"],
        ["f:7:5", "routes.c"],
        ["f:8:71", "routes.d.timeouts.idle"],
        ["f:9:73", "routes.e.set_headers.X-A"],
        ["f:10:50", "routes.f.path"],
        ["f:12:3", "credentials.org"],
    ] == places


def test_an_invalid_entry_is_not_told_as_missing(errors):
    """A route that names a credential with an error in it has no error of its own."""
    actual = errors("credentials: {org: {bearer: {env: N}}}\n" + route(credential="org"))

    assert ["f:1:15: credentials.org: `origin` is missing"] == actual


def test_a_misspelled_insecure_open_is_the_only_error(errors):
    """The open listener that it was meant for is not told as well."""
    actual = errors(route() + "\nlisten: 0.0.0.0:80\ninsecure_opne: true")

    assert 1 == len(actual)


def test_unknown_keys_without_end_are_cut(errors):
    """A file of another kind does not fill the terminal."""
    actual = errors("\n".join(f"key{number}: x" for number in range(1000)))

    assert 100 == len(actual)


def test_open_listeners_are_accepted_when_asked_for(read):
    """`insecure_open: true` and a unix socket are no errors."""
    config = read(route() + "\nlisten: [0.0.0.0:80, 'unix:kb']\ninsecure_open: true")

    assert 2 == len(config.listen)
