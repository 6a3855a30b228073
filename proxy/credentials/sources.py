"""Read a secret from where the configuration says it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy.secret import Secret, SecretError


if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


MAX_SIZE: Final = 64 * 1024
"""Bytes of a secret's file: no header carries more, and /dev/zero never ends."""


class SourceError(Exception):
    """A secret that cannot be had. The message names the source, never the value."""


def from_env(name: str, environ: Mapping[str, str]) -> Secret:
    """Return the secret in an environment variable.

    Raises:
        SourceError: the variable is not set, or is no secret.
    """
    if name not in environ:
        raise SourceError(f"the environment variable {name} is not set; set it, or use a file")
    return _secret(environ[name], f"the environment variable {name}")


def from_file(path: Path) -> Secret:
    """Return the secret in a file.

    Raises:
        SourceError: the file cannot be read, or is no secret.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise SourceError(f"the file {path} cannot be read: {error.strerror}") from None
    if len(data) > MAX_SIZE:
        raise SourceError(f"the file {path} is over {MAX_SIZE} bytes; that is no secret")
    return _secret(data.decode("latin-1"), f"the file {path}")


def _secret(text: str, source: str) -> Secret:
    try:
        return Secret(text)
    except SecretError as error:
        raise SourceError(f"{source} is no secret: {error}") from None
