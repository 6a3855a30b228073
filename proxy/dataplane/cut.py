"""Cut a client's bytes into heads and bodies, so that the parser is given one message at a time.

A parser that is given more loses what is good in front of what is bad, and cannot tell how large a
head has become; nor does it keep the request line, on which `RTSP/1.0` looks like `HTTP/1.0`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from proxy.dataplane.errors import (
    BadRequest,
    BadTarget,
    BadVersion,
    HeadersTooLarge,
    TargetTooLarge,
    UnsupportedMethod,
)
from proxy.dataplane.target import why_forbidden


if TYPE_CHECKING:
    from proxy.dataplane.errors import Refusal
    from proxy.dataplane.limits import ClientLimits


END: Final = b"\r\n\r\n"
"""Ends a head, and a body in chunks (RFC 9112 2.1, 7.1)."""

MAX_FIELDS: Final = 256
_LONGEST_METHOD: Final = 48
"""No method is longer, and every client key is: none is logged as a method."""
_STAND_IN: Final = b"POST"
"""No parser knows all methods, for any token is one (RFC 9110 9.1): it is given this one."""
_STEP: Final = 1024
_LINES: Final = 512
"""Line ends in a body in chunks that are parsed in one turn, or those in `_STEP` bytes."""

_TUNNEL: Final = b"CONNECT"
_VERSIONS: Final = (b" HTTP/1.1", b" HTTP/1.0")
_VERSION_SIZE: Final = 9
_LINE_SLACK: Final = 64
"""What a request line holds beside its target: method, version, blanks."""

_LINE: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^ \t\r\n\0]+ HTTP/[0-9]+(?:\.[0-9]+)?")
_METHOD: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NO_TARGET: Final = re.compile(rb"[\x00-\x20\x7f]")
_NON_ASCII: Final = re.compile(rb"[^\x00-\x7f]")
_LINE_BEGUN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?: [^\r\n\0]*)?\r?")
_HANDSHAKE: Final = b"\x16\x03"
"""Begins each TLS connection (RFC 8446 5.1)."""

_NO_HTTP: Final = "This is not an HTTP/1.1 request."
_BARE_LINE_FEED: Final = "Lines end with CR LF."


def end_of_head(data: bytes, limits: ClientLimits) -> int:
    """Return where the head ends that `data` begins with; 0: more of it has to come.

    Raises:
        Refusal: whatever comes, this is no head that will be read.
    """
    if not data:
        return 0  # what has come were empty lines (RFC 9112 2.2)
    end = data.find(END) + len(END)
    if end < len(END):
        _check_begun(data, limits)
        return 0
    line_end = data.find(b"\r\n")
    if data[max(line_end - _VERSION_SIZE, 0) : line_end] not in _VERSIONS:
        raise _bad_line(data[:line_end])
    if line_end > limits.target_size or end > limits.head_size:
        _check_size(data[:line_end], end, limits)
    return end


def _check_begun(data: bytes, limits: ClientLimits) -> None:
    line, ended, _ = data.partition(b"\r\n")
    # Nothing may wait here that the parser would refuse at once, for as long as a head may take.
    if ended and not line.endswith(_VERSIONS):
        raise _bad_line(line)
    if not ended and _LINE_BEGUN.fullmatch(line) is None:
        raise _no_http(line)
    if data.count(b"\n") != data.count(b"\r\n"):
        raise BadRequest(_BARE_LINE_FEED)
    _check_size(line, len(data), limits)


def _check_size(line: bytes, size: int, limits: ClientLimits) -> None:
    if len(line) > limits.target_size:
        target = line.split(b" ")[1] if line.endswith(_VERSIONS) else line[_LINE_SLACK:]
        if len(target) > limits.target_size:
            raise TargetTooLarge(f"Request targets of up to {limits.target_size} bytes are taken.")
    if size > limits.head_size:
        raise HeadersTooLarge(f"Heads of up to {limits.head_size} bytes are taken.")


def _no_http(line: bytes) -> Refusal:
    if line[: len(_HANDSHAKE)] == _HANDSHAKE:
        return BadRequest(
            "This port speaks HTTP without TLS: use http in place of https.",
            cause="TLS on a listener without it: the client's URL has to begin with http, or the "
            "listener needs `tls`",
        )
    return BadRequest(_NO_HTTP)


def _bad_line(line: bytes) -> Refusal:
    if is_request_line(line):
        return BadVersion("Keybearer speaks HTTP/1.1 and HTTP/1.0.")
    return _no_http(line)


class StandIn(NamedTuple):
    """A head that the parser reads in the place of one that it does not.

    Attributes:
        method: of the head that came.
        target: the same, bytes outside ASCII as UTF-8 with surrogate escapes.
        head: for the parser.
    """

    method: str
    target: str
    head: bytes


def stand_in(head: bytes, *, method: bool) -> StandIn | None:
    """Return what the parser can be given instead of a head that it has refused.

    It knows some methods, a few of them for other protocols, and ASCII in targets (RFC 3986 2): it
    is given a method that it knows, and a letter for each other byte. Neither has a say in where a
    request ends (RFC 9112 6.3), but for CONNECT.

    Args:
        head: as it came.
        method: the parser has not got beyond the method.

    Returns:
        None if neither is why it was refused.
    """
    line, _, fields = head.partition(b"\r\n")
    if not is_request_line(line):
        return None
    name, target, version = line.split(b" ")
    if len(name) > _LONGEST_METHOD or (target.isascii() and (name == _STAND_IN or not method)):
        return None
    known = name if name == _TUNNEL else _STAND_IN
    line = b" ".join((known, _NON_ASCII.sub(b"x", target), version))
    text = target.decode("utf-8", "surrogateescape")
    return StandIn(name.decode("ascii"), text, line + b"\r\n" + fields)


def is_request_line(head: bytes) -> bool:
    """Tell whether a head begins with a method, a target and a version."""
    return _LINE.fullmatch(head.partition(b"\r\n")[0]) is not None


def refusal_of(head: bytes, *, method: bool, fields: bool) -> Refusal:
    """Return what a head is refused with that the parser does not read.

    Args:
        head: as it came.
        method: the parser does not know the method, which is too long for `stand_in`.
        fields: there are too many fields for it.
    """
    if fields:
        return HeadersTooLarge(f"Up to {MAX_FIELDS} header fields are taken.")
    if method and is_request_line(head):
        return UnsupportedMethod(f"Methods of up to {_LONGEST_METHOD} characters are passed on.")
    found = _NO_TARGET.search(_target_of(head.partition(b"\r\n")[0]))
    if found is not None:
        return BadTarget(why_forbidden(found[0].decode("ascii"), found.start()))
    return BadRequest(_NO_HTTP)


def _target_of(line: bytes) -> bytes:
    """Return what stands between a method and a version; empty: that could be several lines."""
    method, _, rest = line.partition(b" ")
    target = rest[:-_VERSION_SIZE]
    one_line = not any(target.find(each) >= 0 for each in (b"\r", b"\n", b"\0", b" HTTP/"))
    if one_line and target == target.strip(b" \t") and _METHOD.fullmatch(method) is not None:
        return target
    return b""


def size_of_turn(data: bytes) -> int:
    """Return how much of a body in chunks is parsed in one turn of the loop.

    Each chunk costs the same, however small it is, and has two line ends. A client may send
    thousands in one segment, and others wait meanwhile.
    """
    size = lines = 0
    while size < len(data):
        step = max(size, _STEP)
        lines += data.count(b"\n", size, size + step)
        if lines > _LINES and size:
            return size
        size += step
    return len(data)


def end_of_piece(tail: bytes, data: bytes) -> int:
    """Return how far a chunked body may be parsed at once: its end is at none but such places.

    Args:
        tail: the last bytes of the body before, up to three of them.
        data: what comes next.
    """
    if tail:
        # The end may have been begun by what came before.
        straddling = (tail + data[:3]).find(END)
        if straddling >= 0:
            return straddling + len(END) - len(tail)
    end = data.find(END)
    return len(data) if end < 0 else end + len(END)
