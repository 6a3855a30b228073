"""Pydantic's errors as problems with a place and a sentence of our own.

Pydantic's messages quote the input, which may be a secret; so only the type of an error, the names
of our models and the sentences of our own parsers are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from proxy.config.errors import may_show
from proxy.config.interpolate import Broken
from proxy.config.keys import Keys
from proxy.config.scheme import NAME_TAG, SCHEME_TAG


if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import ValidationError

    from proxy.config.errors import Path, Problem
    from proxy.config.keys import Context
    from proxy.config.nodes import Positions


MAX_PROBLEMS: Final = 100  # nobody reads more, and looking for similar keys takes its time

_MAPPINGS: Final = {
    "Source": "must say where the secret is: {env: NAME}, {file: PATH} or {value: TEXT}",
    "Basic": "must be {username: TEXT, password: SOURCE}",
    "HeaderScheme": "must be {name: X-Api-Key, secret: SOURCE}",
    "QueryScheme": "must be {name: api_key, secret: SOURCE}",
    "Rule": "must be {paths: [/api/**], action: deny}",
    "ClientConfig": "must be {key: sha256:…, routes: [NAME]}, as `keybearer keys new NAME` prints",
    "JwtConfig": "must be {issuer: …, audience: …, jwks_url: …, claims: {NAME: TEXT}}",
    "CertificateConfig": "must be {subject: CN=…}",
    "ListenTls": "must be {cert: PATH, key: PATH, client_ca: PATH}",
    "AuditConfig": "must be {file: PATH}, or none",
    "Listen": "must be an address such as localhost:8484, or {address: …}",
}
_LISTS: Final = {
    "rules": (
        "must be a list such as [{paths: [/api/**], action: deny}]; observe is not supported yet"
    ),
    "methods": "must be a list such as [GET, HEAD], or any",
    "routes": 'must be a list of names, or "*" for every route',
    "key": "must be sha256: and 64 hex digits, or a list of such",
}
_MISSING: Final = {
    "upstream": "`upstream` is missing; give it, or a preset",
    "routes": '`routes` is missing; name those that the client may use, or "*"',
}
_NO_ROUTES: Final = "`routes` is missing; a file needs at least one route"
_OTHERS: Final = {
    "too_short": "is empty; give it at least one entry",
    "union_tag_not_found": (
        "must be the name of a credential, one scheme such as {bearer: {env: NAME}}, or none"
    ),
}


def close_to(word: str, known: Sequence[str]) -> str:
    """Return `; did you mean …?` if a known word is similar, else an empty text."""
    close = _closest(word, known)
    return f"; did you mean {close}?" if close else ""


def is_like(word: str, known: Sequence[str]) -> bool:
    """Whether a known word is similar."""
    return _closest(word, known) is not None


def _closest(word: str, known: Sequence[str]) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415 -- most files are right

    return next(iter(get_close_matches(word, known, n=1)), None)


def problems(
    error: ValidationError,
    tree: object,
    context: Context,
    positions: Positions,
    *,
    above: Path = (),
) -> Iterator[Problem]:
    """Yield a problem for each error, but for those below a value already reported.

    Args:
        error: what validation raised.
        tree: the file as plain values.
        context: what validation was given.
        positions: where things stand in the file.
        above: the key path of what was validated, if that is not the whole tree.
    """
    found = error.errors(include_url=False, include_input=False)
    holders = {detail["loc"][:length] for detail in found for length in range(len(detail["loc"]))}
    for detail in found[:MAX_PROBLEMS]:
        path = (*above, *plain_path(detail["loc"]))
        # Pydantic counts only the valid entries of a list before it says that there are too few.
        is_echo = detail["type"] == "too_short" and detail["loc"] in holders
        kind = detail["type"]
        if is_echo or _is_broken(tree, path) or _is_replaced(kind, tree, path, context):
            continue
        if kind == "extra_forbidden":
            message = _unknown_key(tree, path, context)
        else:
            message = _sentence(kind, path, detail.get("ctx", {}))
        at_key = kind == "extra_forbidden" or detail["loc"][-1:] == ("[key]",)
        yield positions.problem(path, message, at_key=at_key)


def plain_path(loc: tuple[int | str, ...]) -> Path:
    """Return pydantic's path without the parts that are not keys of the file."""
    return tuple(part for part in loc if part not in {NAME_TAG, SCHEME_TAG, "[key]"})


def _sentence(kind: str, path: Path, ctx: dict[str, Any]) -> str:
    key = path[-1] if path else ""
    if kind == "value_error":
        return str(ctx["error"])
    if kind == "missing":
        if path == ("routes",):
            return _NO_ROUTES
        return _MISSING.get(str(key), f"`{key}` is missing")
    if kind in {"model_type", "dict_type"}:
        return _MAPPINGS.get(ctx.get("class_name", ""), "must be keys and values (key: value)")
    if kind == "tuple_type":
        return _LISTS.get(str(key), "must be a list, as in [one, two]")
    return _OTHERS.get(kind, "has a value that does not fit here")


def _unknown_key(tree: object, path: Path, context: Context) -> str:
    model = context.models.get(id(_at(tree, path[:-1])), Keys)
    key = str(path[-1])
    if key in model.later:
        return "is not supported yet; leave it out"
    known = model.key_names()
    what = "is no key here" if may_show(path) else "holds a key that is none of its own"
    return what + (close_to(key, known) or f"; known are {', '.join(known)}")


def _is_replaced(kind: str, tree: object, path: Path, context: Context) -> bool:
    """Return whether a key is missing beside one that is not supported yet, and is told alone."""
    mapping = _at(tree, path[:-1])
    model = context.models.get(id(mapping), Keys)
    return kind == "missing" and isinstance(mapping, dict) and not model.later.isdisjoint(mapping)


def _at(tree: object, path: Path) -> object:
    node = tree
    for part in path:
        if isinstance(node, dict):
            if part in node:
                node = node[part]
        elif isinstance(node, list) and isinstance(part, int) and part < len(node):
            node = node[part]
    return node


def _is_broken(tree: object, path: Path) -> bool:
    return any(isinstance(_at(tree, path[:length]), Broken) for length in range(len(path) + 1))
