"""Laws of rewriting: a reference stays below the prefix, and names no new host."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

from hypothesis import example, given, strategies as st

from proxy.dataplane.destination import Way, lead_back
from proxy.dataplane.errors import Refusal
from proxy.dataplane.headers import RequestRules, Stripping
from proxy.dataplane.rewrite import Base, rewrite, rewrite_field
from proxy.dataplane.target import Authority
from proxy.upstream.origin import Origin


UP = Origin("https", "up.example", 443)
PREFIXED = Base(UP, b"/name", shared=True)
ROOTED = Base(UP, b"", shared=False)
PAGE_UP = "https://up.example/dir/page"
PAGE_HERE = "http://proxy.test/name/dir/page"

TOKENS = st.sampled_from(
    [
        *(
            "/",
            "\\",
            "//",
            ".",
            "..",
            "/..",
            "%2e",
            "%2E.",
            "\t",
            " ",
            "a",
            ";",
            "?",
            "#",
            "@",
            ":",
        ),
        *(
            "evil.test",
            "up.example",
            "UP.EXAMPLE",
            ":443",
            ":80",
            ":8443",
            "https:",
            "http:",
            "[",
            "]",
        ),
    ]
)
TAILS = st.lists(TOKENS, max_size=10).map("".join)
REFERENCES = TAILS | st.tuples(
    st.sampled_from(["/", "\\", "//", "https://", "http://up.example", "//up.example:443"]), TAILS
).map("".join)


def by_the_rfc(page, reference):
    """Return host and path as Python's clients resolve them; None: not at all."""
    try:
        url = urlsplit(urljoin(page, reference))
    except ValueError:
        return None
    return (url.hostname or "", url.path or "/")


def by_a_browser(page, reference):
    """Return host and path as the WHATWG's parser does: a small model of it."""
    text = re.sub(r"[\t\r\n]", "", reference).strip(" ")
    head = re.split(r"[?#]", text, maxsplit=1)[0].replace("\\", "/")
    base = urlsplit(page)
    scheme = re.match(r"(?i)(https?):", head)
    if scheme is not None:
        head = head[scheme.end() :]
        if scheme[1].lower() != base.scheme and not head.startswith("//"):
            head = "//" + head.lstrip("/")
    if head.startswith("//"):
        authority, slash, path = head.lstrip("/").partition("/")
        host = authority.rpartition("@")[2].lower()
        return (re.sub(r":\d*$", "", host).removesuffix("."), resolved(slash + path))
    if head.startswith("/"):
        return (base.hostname, resolved(head))
    return (base.hostname, resolved(base.path.rpartition("/")[0] + "/" + head))


def resolved(path):
    """Return a path without dot segments, encoded ones too."""
    kept: list[str] = []
    for segment in path.split("/")[1:]:
        dots = segment.lower().replace("%2e", ".")
        if dots == "..":
            del kept[-1:]
        elif dots != ".":
            kept.append(segment)
    return "/" + "/".join(kept)


READERS = (by_the_rfc, by_a_browser)


def leads_to_upstream(reference):
    """Tell whether a reference is one that is to be rewritten: host, or path-absolute."""
    text = reference.replace("\t", "").strip(" ")
    if re.match(r"(?i)(https?:)?//[^/\\]", text):
        hosts = {read[0] for reader in READERS if (read := reader(PAGE_UP, reference))}
        port = re.match(r"(?i)(?:https?:)?//[^/?#\\]*:8443", text)
        return hosts == {"up.example"} and port is None and "@" not in text
    return text.startswith(("/", "\\"))


def written(reference, base):
    """Return the rewritten reference."""
    return rewrite(reference.encode(), base).decode()


@given(REFERENCES)
@example("/\t../x")
@example("///x")
@example("/..;x")
@example("https://up.example\\..\\x")
def test_a_reference_to_the_upstream_stays_below_the_prefix(reference):
    """In the eyes of a client that follows the RFC, and of a browser."""
    if not leads_to_upstream(reference):
        return
    rewritten = written(reference, PREFIXED)

    for reader in READERS:
        read = reader(PAGE_HERE, rewritten)
        assert read is None or read[0] == "proxy.test"
        assert read is None or f"{read[1]}/".startswith("/name/")


@given(REFERENCES)
@example("https://up.example//evil.test")
@example("https://up.example/\t/evil.test")
@example("https://up.example\\/evil.test")
@example("https://up.example/.//evil.test")
def test_a_rewritten_reference_names_no_host_that_the_original_did_not(reference):
    """Below a prefix and at a root."""
    for base in (PREFIXED, ROOTED):
        rewritten = written(reference, base)
        for reader in READERS:
            read, before = reader(PAGE_HERE, rewritten), reader(PAGE_UP, reference)
            allowed = {"proxy.test", before[0] if before else ""}
            assert read is None or read[0] in allowed or rewritten == reference


@given(
    st.lists(st.sampled_from(["a", "/", "%2F", "?b=c", "~", "."]), max_size=8).map("".join),
    st.sampled_from(["https://up.example/", "http://UP.example:80/", "//up.example/", "/"]),
)
def test_a_plain_reference_keeps_its_meaning(tail, head):
    """What the upstream's page would lead to is what the proxy's leads to, below the prefix."""
    rewritten = written(f"{head}_{tail}", PREFIXED)

    there, here = urlsplit(urljoin(PAGE_UP, f"/_{tail}")), urlsplit(urljoin(PAGE_HERE, rewritten))
    assert ("/name" + there.path, there.query) == (here.path, here.query)


@given(st.sampled_from([b"Location", b"Link", b"Refresh", b"Set-Cookie"]), st.binary())
def test_any_value_is_rewritten_or_left(name, value):
    """An upstream may send what it likes: no exception, no line break that was not there."""
    rewritten = rewrite_field(name, value, PREFIXED)

    assert sum(map(value.count, (b"\r", b"\n"))) >= sum(map(rewritten.count, (b"\r", b"\n")))


STRIP = RequestRules(UP, Stripping()).query
HERE = (Authority("proxy.test", None),)


def led_back(reference, base, name="destination"):
    """Return a reference of a request as the upstream gets it; None: it is refused."""
    try:
        led = lead_back(
            name, reference.encode(), Way(base, HERE, "https://up.example", STRIP, []), []
        )
    except Refusal:
        return None
    return None if led is None else led.decode()


PATHS = st.lists(
    st.sampled_from(["a", "/", "%2F", ";b", "~", ".a", "%E9", "name", "?", "="]), max_size=8
).map(lambda pieces: "/" + "".join(pieces))


@given(PATHS, st.sampled_from([PREFIXED, ROOTED]), st.sampled_from(["http", "https"]))
def test_what_was_led_out_and_comes_back_is_what_it_was(path, base, scheme):
    """The inverse law: a client may name what an answer has named, whole or by its path."""
    there = f"https://up.example{path}"
    here = written(there, base)
    if here.startswith("/."):
        return  # a path of two slashes by itself would name a host

    assert there == led_back(f"{scheme}://proxy.test{here}", base)
    if not here.startswith("//"):
        assert path == led_back(here, base)


@given(REFERENCES, st.sampled_from(["destination", "if", "upload-concat"]))
@example("http://proxy.test/name/a", "destination")
@example("/name/%2e./a", "destination")
@example("https://up.example\\@evil.test/a", "destination")
def test_what_the_upstream_acts_on_is_of_its_own_whatever_is_sent(reference, name):
    """In the eyes of whoever reads it: its host, and a path below its root; or it is refused."""
    if "<" in reference or ">" in reference or (name == "upload-concat" and " " in reference):
        return
    around = {"if": ("<", "> (<urn:x>)"), "upload-concat": ("final;", "")}.get(name, ("", ""))
    led = led_back(reference.join(around), PREFIXED, name)
    if led is None or not re.match(r"(?i)[/\\]|https?:|[a-z][a-z0-9+.-]*://", reference):
        return
    led = led.removeprefix(around[0]).removesuffix(around[1])

    for reader in READERS:
        read = reader(PAGE_UP, led)
        assert read is not None
        assert "up.example" == read[0]
