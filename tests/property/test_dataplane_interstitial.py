"""The page that asks a person: whatever the target and the sender, it is one link to the target."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import quote_from_bytes

from hypothesis import assume, given, strategies as st

from proxy.dataplane.errors import Refusal
from proxy.dataplane.interstitial import interstitial
from proxy.dataplane.target import parse_target


class Read(HTMLParser):
    """What a browser reads: elements with their attributes, and text."""

    def __init__(self, page):
        super().__init__()
        self.elements = []
        self.text = ""
        self.feed(page.decode())

    def handle_starttag(self, tag, attrs):
        """Keep an element."""
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        """Keep text."""
        self.text += data


PLAIN = Read(interstitial(parse_target("GET", "/x"), "nobody"))
HOSTILE = st.sampled_from(
    ["/", "//", "?", "<script>", '"', "'", "&quot;", "</a>", "{link}", "%0d%0a", "javascript:", ":"]
)
# Bytes of a target beyond ASCII come as characters or as lone surrogates.
TEXT = st.characters(min_codepoint=0x21) | st.integers(0xDC80, 0xDCFF).map(chr)
TARGETS = st.lists(HOSTILE | TEXT, max_size=20).map(lambda parts: "/" + "".join(parts))


@given(TARGETS, st.text(max_size=40))
def test_the_page_is_one_link_to_what_was_asked_for(raw, sender):
    """Byte for byte; two slashes at its beginning are no host."""
    try:
        target = parse_target("GET", raw)
    except Refusal:
        assume(False)
    page = Read(interstitial(target, sender))

    assert [tag for tag, _ in PLAIN.elements] == [tag for tag, _ in page.elements]
    [link] = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    asked = "".join(
        each if each.isascii() else quote_from_bytes(each.encode("utf-8", "surrogateescape"))
        for each in raw
    )
    assert link == (f"/.{asked}" if asked.startswith("//") else asked)
    assert link.isascii()
    assert link.isprintable()
