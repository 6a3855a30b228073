"""Read a secret from where the configuration says it is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from proxy.characters import UTF_16
from proxy.secret import Secret, SecretError


if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


MAX_SIZE: Final = 64 * 1024
"""Bytes of a secret's file: no header carries more, and /dev/zero never ends."""


class SourceError(Exception):
    """A secret that cannot be had. The message names the source, never the value."""


class SourceMissing(SourceError):
    """There is no such variable or file, or it cannot be read."""


def from_env(name: str, environ: Mapping[str, str]) -> Secret:
    """Return the secret in an environment variable.

    Raises:
        SourceMissing: the variable is not set.
        SourceError: it is no secret.
    """
    if name not in environ:
        raise SourceMissing(f"the environment variable {name} is not set; set it, or use a file")
    # The bytes that were passed, whatever the locale has made of them.
    return _secret(os.fsencode(environ[name]), f"the environment variable {name}")


def from_file(path: Path) -> Secret:
    """Return the secret in a file.

    Raises:
        SourceMissing: the file cannot be read.
        SourceError: it is no secret.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise SourceMissing(f"the file {path} cannot be read: {error.strerror}") from None
    if len(data) > MAX_SIZE:
        raise SourceError(f"the file {path} is over {MAX_SIZE} bytes; that is no secret")
    if data.startswith(UTF_16):
        raise SourceError(f"the file {path} is no secret: it is UTF-16; save it as UTF-8")
    return _secret(data, f"the file {path}")


def _secret(data: bytes, source: str) -> Secret:
    try:
        return Secret.of_bytes(data)
    except SecretError as error:
        raise SourceError(f"{source} is no secret: {error}") from None
