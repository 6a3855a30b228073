"""Laws of the echo guard: any form of any secret is masked with as many stars, and nothing else."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from urllib.parse import quote, quote_plus

from hypothesis import assume, given, strategies as st
from multidict import CIMultiDict

from proxy.characters import unseen
from proxy.credentials.fixed import FixedCredential
from proxy.dataplane.echo import SHORTEST
from proxy.dataplane.inject import Injector, Slot
from proxy.dataplane.model import Head, Peer
from proxy.dataplane.record import Record
from proxy.secret import Secret


PLAIN = "abcXYZ019-_."
SIGNS = "!\"#$%&'()*+,/:;<=>?@[\\]^`{|}~ \xe9\xff\u043f\u20ac\U0001f511"
SECRETS = (
    st.text(PLAIN + SIGNS, min_size=SHORTEST, max_size=40)
    | st.text(st.characters(max_codepoint=255), min_size=SHORTEST, max_size=40)
    | st.text(st.characters(codec="utf-8"), min_size=SHORTEST, max_size=40)
).filter(lambda text: not unseen(text) and text == text.strip() and not text.startswith("\ufeff"))
TEXTS = st.binary(max_size=60) | st.text(PLAIN + SIGNS, max_size=60).map(str.encode)


def encodings(text):
    """Return those that can carry a text."""
    return ("utf-8",) if max(text) > "\xff" else ("utf-8", "latin-1")


def escaped(found):
    """Return a character as JSON may write it: in UTF-16."""
    units = found[0].encode("utf-16-be").hex().upper()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def of_json(secret):
    """Return what encoders of JSON make of a secret."""
    wide, narrow = (json.dumps(secret, ensure_ascii=each)[1:-1] for each in (False, True))
    hidden = re.sub("[^0-9A-Za-z._-]", escaped, secret)
    texts = [narrow, narrow.replace("/", "\\/"), hidden]
    return [*map(wide.encode, encodings(secret)), *map(str.encode, texts)]


def of_urls(secret):
    """Return what encoders of URLs and forms make of a secret, in either case of the digits."""
    forms = [*map(secret.encode, encodings(secret))]
    for encoding in encodings(secret):
        for safe in ("", "/", "!'()*~"):
            for encode in (quote, quote_plus):
                upper = encode(secret, safe=safe, encoding=encoding)
                lower = re.sub("%..", lambda found: found[0].lower(), upper)
                forms += [upper.encode(), lower.encode()]
    return forms


def of_any(secret):
    """Return what may come back of a secret, of servers that read it as latin-1, too."""
    texts = (secret, secret.encode().decode("latin-1"))
    return [form for text in texts for form in of_json(text) + of_urls(text)]


def of_basic(secret):
    """Return what may come back of Basic, in URLs, in JSON, without its padding."""
    sent = b64encode(b"me:" + secret.encode())
    bare = sent.rstrip(b"=")
    quoted = quote(sent, safe="").encode()
    return [sent, bare, quoted, sent.replace(b"/", b"\\/"), *of_any(secret)]


def echo_of(secret, slot):
    """Return the guard that comes with the injection of a secret."""
    return Injector(FixedCredential("c", (Secret(secret),)), (slot,)).inject().echo


def record_of():
    """Return the record of a request."""
    head = Head("GET", "/", (1, 1), (), CIMultiDict(), None, False, True)
    return Record("id", head, Peer("127.0.0.1"))


def masked(echo, data):
    """Return the data as the relay would write it, and the count."""
    record = record_of()
    return (echo.mask(data, record) if echo.suspects(data) else data), record.echo_masked


SLOTS = {
    Slot("header", b"X", b"token "): of_any,
    Slot("query", b"k"): of_any,
    Slot("basic", b"A", b"me:"): of_basic,
}


@given(SECRETS, st.sampled_from(list(SLOTS)), TEXTS, TEXTS, st.data())
def test_every_form_of_a_secret_is_masked(secret, slot, before, after, data):
    """Wherever it stands, with its length; lines apart, so that nothing else can be meant."""
    form = data.draw(st.sampled_from(SLOTS[slot](secret)))
    around = [masked(echo_of(secret, slot), each) for each in (before, after)]

    text, count = masked(echo_of(secret, slot), before + b"\n" + form + b"\n" + after)

    (before, one), (after, two) = around
    assert before + b"\n" + b"*" * len(form) + b"\n" + after == text
    assert one + 1 + two == count


@given(SECRETS, st.sampled_from(list(SLOTS)), TEXTS)
def test_a_text_without_the_secret_is_untouched(secret, slot, text):
    """Whatever else it holds, parts of the secret among it."""
    raw = secret.encode()
    text = b"\n".join([text, raw[1:], raw[:8], raw[8:], raw[:-3], text])
    assume(not any(form in text for form in SLOTS[slot](secret)))

    assert (text, 0) == masked(echo_of(secret, slot), text)


@given(
    SECRETS.filter(lambda secret: "*" not in secret),
    st.sampled_from(list(SLOTS)),
    st.lists(TEXTS, min_size=2, max_size=4),
)
def test_nothing_of_a_form_is_left(secret, slot, texts):
    """Nor is the length changed, when forms stand close together in any text."""
    forms = SLOTS[slot](secret)
    text = b"".join(each + form for each, form in zip(texts, forms, strict=False))

    seen, count = masked(echo_of(secret, slot), text)

    assert len(text) == len(seen)
    assert not [form for form in forms if form in seen]
    assert count >= 1
