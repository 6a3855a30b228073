"""Read the secrets of a configuration; refuse or warn of those that were copied with too much."""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING, Final

from proxy.config.settle import binding, named_binding
from proxy.credentials.sources import SourceError, SourceMissing, from_env, from_file
from proxy.dataplane.inject import Slot


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from proxy.config.errors import Path as KeyPath, Problem
    from proxy.config.schema import Config
    from proxy.config.scheme import Scheme, Source
    from proxy.config.settle import Binding
    from proxy.secret import Secret


_WORDS: Final = (b"Bearer", b"token", b"Basic")
"""In front of a token in an `Authorization` field, and copied with it."""
_WORD: Final = re.compile(b"(?:%b) " % b"|".join(_WORDS), re.IGNORECASE)
_BLANK: Final = re.compile(rb"[^ ]+ ")
_ODD: Final = (
    (
        re.compile(rb"""(["'`]).*\1\Z|\xe2\x80[\x98-\x9f]"""),
        "has quotes around it, which are sent with the secret",
    ),
    (
        re.compile(rb"(?:export )?[A-Za-z_][A-Za-z0-9_]*=[^=]"),
        "begins with NAME=, as a line of an env file does",
    ),
    (re.compile(rb"\$\{|\$\("), "begins with a reference to a variable, which nothing fills in"),
    (re.compile(rb'\{ *"'), "is JSON, which is sent whole"),
)


class Secrets:
    """The secrets of a configuration, each read once.

    Args:
        config: settled.
        environ: what `env:` sources are read from.

    Attributes:
        known: those that were read, by the key paths of their sources.
        problems: those that cannot be had, or cannot be meant.
        missing: the problems of sources that are not there.
        warnings: of sources that may be missing and are, and of secrets in the configuration.
        odd: warnings of secrets that are not what they should be, one sentence each.
    """

    def __init__(self, config: Config, environ: Mapping[str, str]) -> None:
        self.known: dict[KeyPath, Secret] = {}
        self.problems: list[Problem] = []
        self.missing: list[Problem] = []
        self.warnings: list[str] = []
        self.odd: list[str] = []
        self._config = config
        self._environ = environ

    def read_all(self) -> None:
        """Read those of every route and of every named credential, as far as they stay readable.

        A pipe or a terminal is read once, and waits for its writer: it is left to the service.
        """
        bound = [binding(self._config, name) for name in self._config.routes]
        bound += [named_binding(self._config, name) for name in self._config.credentials]
        for each in bound:
            if each is None or any(path in self.known for path, _ in each.sources):
                continue
            if not any(_is_read_once(source) for _, source in each.sources):
                self.read(each)

    def read(self, bound: Binding) -> tuple[Secret, ...] | None:
        """Return the secrets of a credential, None if one of them cannot be had."""
        found = [
            self._one(path, source, slot, bound.scheme)
            for (path, source), slot in zip(bound.sources, slots(bound.scheme), strict=True)
        ]
        secrets = tuple(secret for secret in found if secret is not None)
        return secrets if len(secrets) == len(found) else None

    def _one(self, path: KeyPath, source: Source, slot: Slot, scheme: Scheme) -> Secret | None:
        place = (*path, source.kind)
        try:
            secret = self._read(path, source)
            if secret is not None and (added := superfluous(secret, slot, scheme.kind)):
                message = f"begins with `{added}`, which `{scheme.kind}` adds; remove that"
                raise SourceError(f"{_name(source)} {message}")  # noqa: TRY301 -- handled as others are
        except SourceError as error:
            self._unusable(place, source, error)
            return None
        if secret is not None:
            self.known[path] = secret
            if (odd := doubtful(secret, slot)) is not None:
                sentence = f"{_name(source)} {odd}; if that is no part of the secret, remove it"
                self.odd.append(str(self._config.problem_at(place, sentence)))
        return secret

    def _unusable(self, place: KeyPath, source: Source, error: SourceError) -> None:
        missing = isinstance(error, SourceMissing)
        if source.required:
            problems = self.missing if missing else self.problems
            problems.append(self._config.problem_at(place, str(error)))
        else:
            warnings = self.warnings if missing else self.odd
            warnings.append(f"{error}; its routes answer 503")

    def _read(self, path: KeyPath, source: Source) -> Secret | None:
        if source.env is not None:
            return from_env(source.env, self._environ)
        if source.file is not None:
            return from_file(source.file)
        where = self._config.problem_at((*path, "value"), "the secret itself is in the file")
        self.warnings.append(f"{where}; use `env` or `file`")
        return source.value


def superfluous(secret: Secret, slot: Slot, scheme: str) -> str | None:
    """Return what a secret begins with although its scheme adds that, None if nothing.

    Args:
        secret: as it was read.
        slot: where it goes.
        scheme: the key of the scheme, as it is written in the configuration.
    """
    for added in _added(slot, scheme):
        # Alone as well: a blank after it has been trimmed with the edges of the secret.
        word = added.rstrip(b" ")
        forms = b"%b|%b\\Z" % (re.escape(added), re.escape(word))
        if secret.looks_like(re.compile(forms, re.IGNORECASE)):
            return word.decode("utf-8")
    return None


def _added(slot: Slot, scheme: str) -> Iterator[bytes]:
    """Yield what is put in front of a secret: the field's name, words, and the last of them."""
    yield slot.name + (b"=" if slot.place == "query" else b":")
    if slot.place == "basic":
        yield b"Basic "
        if slot.before != b":":  # a password may begin with a colon, or a user's name have blanks
            yield slot.before
        return
    if scheme == "bearer":
        yield from (word + b" " for word in _WORDS)
    before = slot.before
    while before:
        yield before
        before = before.partition(b" ")[2]


def doubtful(secret: Secret, slot: Slot) -> str | None:
    """Return what is odd about a secret, None if nothing is."""
    odd = next((said for form, said in _ODD if secret.looks_like(form)), None)
    if odd is not None:
        return odd
    bare = slot.name.lower() == b"authorization" and not slot.before
    if not bare and secret.looks_like(_WORD):
        return "begins with a word of the Authorization field"
    if slot.before == b"Bearer " and secret.looks_like(_BLANK):
        return "holds a blank, as no Bearer token does (RFC 6750)"
    return None


def _is_read_once(source: Source) -> bool:
    try:
        return source.file is not None and not stat.S_ISREG(source.file.stat().st_mode)
    except OSError:
        return False  # said when it is read


def _name(source: Source) -> str:
    if source.env is not None:
        return f"the environment variable {source.env}"
    return "the secret" if source.file is None else f"the file {source.file}"


def slots(scheme: Scheme) -> Iterator[Slot]:
    """Yield where the secrets of a scheme go, in the order of its sources."""
    if scheme.access_token is not None:
        yield Slot("header", b"Access-Token")
    if scheme.bearer is not None:
        yield Slot("header", b"Authorization", b"Bearer ")
    if scheme.basic is not None:
        yield Slot("basic", b"Authorization", scheme.basic.username.encode("utf-8") + b":")
    for header in (*((scheme.header,) if scheme.header else ()), *(scheme.headers or ())):
        before, _, after = header.format.partition("{secret}")
        name = header.name.encode("ascii")
        yield Slot("header", name, before.encode("utf-8"), after.encode("utf-8"))
    if scheme.query is not None:
        yield Slot("query", scheme.query.name.encode("ascii"))
