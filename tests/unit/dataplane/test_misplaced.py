"""A client's key where it would be passed on, whole or in part."""

from __future__ import annotations

from base64 import b64encode
from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.dataplane.errors import BadRequest
from proxy.dataplane.misplaced import check_misplaced


CLIENTS = cast("Any", SimpleNamespace(has={"alice"}.__contains__))
WHOLE = "kb_alice_" + "a" * 49
PIECE = WHOLE[:17]  # 8 characters of what is secret


def basic(pair: str) -> str:
    return f"Basic {b64encode(pair.encode()).decode()}"


def passes(fields: str, target: str, method: str = "GET") -> None:
    """Check a request on its way to the upstream."""
    path, _, query = target.partition("?")
    check_misplaced(CLIENTS, method, fields.encode(), path, query or None)


@pytest.mark.parametrize(
    ("fields", "target"),
    [
        (f"X-Custom: {WHOLE}\r\n", "/"),
        (f"User-Agent: x/{WHOLE[:30]}\r\n", "/"),
        (f"User-Agent: x/{PIECE}\r\n", "/"),
        (f"X-Custom: {PIECE.upper()}\r\n", "/"),
        (f"X-Custom: kb_mallory_{'a' * 16}\r\n", "/"),
        (f"X-Custom: kb_report_12345678{PIECE}\r\n", "/"),
        (f"X-Custom: kb_x_{PIECE}\r\n", "/"),
        (f"X-Custom: {basic(f'me:{WHOLE}')}\r\n", "/"),
        (f"X-Custom: {basic(f'me:{WHOLE}').replace('Basic', 'BaSIC')}\r\n", "/"),
        (f"X-Custom: Basic\t{basic(f'me:{WHOLE}')[6:]}\r\n", "/"),
        (f"X-Custom: Basic {basic(f'me:{WHOLE}')}\r\n", "/"),
        (f"X-Custom: a; basic  {basic(f'{PIECE}:x')[6:].rstrip('=')}\r\n", "/"),
        (f"X-Custom: {basic(f'{PIECE}:xy')[:31]}\r\n", "/"),
        ("", f"/{WHOLE}/x"),
        ("", f"/{PIECE}"),
        ("", f"/?k={WHOLE.replace('_', '%5F')}"),
        ("", f"/?k={PIECE.replace('_', '%255f')}"),
        ("", f"/?k={WHOLE.replace('b', '%62').replace('a', '%61')}"),
        ("", f"/{WHOLE.replace('k', '%256b')}"),
        ("", f"/{WHOLE.replace('b', '%252562')}"),
        ("", f"/{WHOLE.replace('_', '%25%35f')}"),
    ],
)
def test_a_key_is_not_passed_on(fields, target):
    with pytest.raises(BadRequest) as refused:
        passes(fields, target)
    assert "kb_" not in str(refused.value)


def test_a_method_may_be_a_piece_of_a_key():
    """Any token is one."""
    with pytest.raises(BadRequest):
        passes("", "/", PIECE)
    passes("", "/", "VERSION_CONTROL")


@pytest.mark.parametrize(
    "target",
    ["/", "/kb_articles/12", "/kb_report_20240101", "/kb_alice_1234567", "/?kb=1", "/?kb_alice=12"],
)
@pytest.mark.parametrize("value", ["kb", "Basic", "Basic ====", f"Basic {'kb_a' * 9}", "basic é_"])
def test_what_is_no_key_passes(target, value):
    passes(f"User-Agent: {value}\r\n", target)
