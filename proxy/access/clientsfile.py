"""A clients file, edited under a lock and replaced at once: nobody reads half of an edit."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from proxy.access import clientsedit, clientstext, keys
from proxy.access.editlock import Patience, locked
from proxy.access.yamltext import ClientsFileError, read
from proxy.characters import NotUtf8, decoded, place_after


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from proxy.access.clientsedit import Change
    from proxy.access.clientstext import Listed
    from proxy.access.yamltext import Document


NEW_MODE: Final = 0o600

_MIB: Final = keys.MAX_FILE_SIZE >> 20
_BOM: Final = "\ufeff"
_PATIENCE: Final = Patience()


def add(
    path: Path,
    name: str,
    written_key: str,
    routes: Sequence[str] | None,
    *,
    patience: Patience = _PATIENCE,
) -> Listed:
    """Give a client one more key, and return how it then stands; it is made if it is new.

    Args:
        path: the clients file; it is made if it is not there (mode 0600).
        name: the client's.
        written_key: `sha256:…`.
        routes: what a new client may use, `("*",)` for all; None, or what the file says, for a
            client that is there.
        patience: how to wait for another editor.

    Raises:
        MisfitError: it does not fit what the file says.
        ClientsFileError: the file cannot be read, or not be edited safely.
        BusyError: another editor does not end.
        OSError: it cannot be written.
    """
    return _edit(
        path, patience, lambda document: clientsedit.add(document, name, written_key, routes)
    )


def revoke(
    path: Path, name: str, key_hash_prefix: str | None, *, patience: Patience = _PATIENCE
) -> Listed:
    """Take a client or one of its keys away, and return what was taken.

    Args:
        path: the clients file.
        name: the client's.
        key_hash_prefix: how the hash of the key begins; None for the whole client.
        patience: how to wait for another editor.

    Raises:
        MisfitError: there is no such client or key, or it is the client's only way in.
        ClientsFileError: the file cannot be read, or not be edited safely.
        BusyError: another editor does not end.
        OSError: it cannot be written.
    """
    return _edit(
        path, patience, lambda document: clientsedit.revoke(document, name, key_hash_prefix)
    )


def listing(path: Path) -> tuple[Listed, ...]:
    """Return the clients of a file, in their order; no key is shown whole.

    Raises:
        ClientsFileError: it cannot be read, or is no clients file.
    """
    data, _ = _contents(Path(os.path.realpath(path)), path)
    if data is None:
        raise ClientsFileError(str(path), None, "cannot be read: there is no such file")
    return clientstext.listing(read(_text(data, path).removeprefix(_BOM), str(path)))


def _edit(path: Path, patience: Patience, decide: Callable[[Document], Change]) -> Listed:
    # A link stays one: what it leads to is replaced, by whatever name editors know it.
    target = Path(os.path.realpath(path))
    with locked(target.parent, patience):
        if os.path.realpath(path) != str(target):  # it was waited for
            raise ClientsFileError(str(path), None, "was changed meanwhile; try again")
        data, before = _contents(target, path)
        text = _text(data or b"", path)
        mark = _BOM if text.startswith(_BOM) else ""
        document = read(text.removeprefix(_BOM), str(path))
        change = decide(document)
        after = (mark + clientsedit.proven(document, change)).encode()
        if len(after) > keys.MAX_FILE_SIZE:
            raise ClientsFileError(str(path), None, f"would be over {_MIB} MiB")
        _replace(target, after, before)
    return change.about


def _contents(target: Path, path: Path) -> tuple[bytes | None, os.stat_result | None]:
    """Return a file's bytes and its state; None if there is none."""
    try:
        # Not to wait for a pipe's other end.
        with os.fdopen(os.open(target, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            state = os.fstat(file.fileno())
            if not stat.S_ISREG(state.st_mode):
                raise ClientsFileError(str(path), None, "is no regular file")
            data = file.read(keys.MAX_FILE_SIZE + 1)
    except FileNotFoundError:
        return None, None
    except OSError as error:
        message = f"cannot be read: {error.strerror or 'input error'}"
        raise ClientsFileError(str(path), None, message) from None
    if len(data) > keys.MAX_FILE_SIZE:
        raise ClientsFileError(str(path), None, f"is over {_MIB} MiB; this is no clients file")
    return data, state


def _text(data: bytes, path: Path) -> str:
    try:
        return decoded(data)
    except NotUtf8 as error:
        place = None if error.whole else place_after(error.before)
        raise ClientsFileError(str(path), place, error.message) from None


def _replace(target: Path, data: bytes, before: os.stat_result | None) -> None:
    """Put a new file in the place of one, with its mode and owner: the old or the new, no other."""
    new = target.with_name(f".{target.name}.new")
    # Under the lock it can only be what a killed editor has left.
    new.unlink(missing_ok=True)
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, NEW_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            _like(file.fileno(), before)
            os.fsync(file.fileno())
        _unchanged(target, before)
        new.rename(target)
    except BaseException:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise
    _sync(target.parent)


def _like(descriptor: int, before: os.stat_result | None) -> None:
    """Give a new file the owner and mode of the one it replaces."""
    if before is None:
        os.fchmod(descriptor, NEW_MODE)
        return
    now = os.fstat(descriptor)
    if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
        # Where that is not allowed the edit fails: the service may read by that owner's right.
        os.fchown(descriptor, before.st_uid, before.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(before.st_mode))


def _unchanged(target: Path, before: os.stat_result | None) -> None:
    """Refuse to replace what an editor that knows no lock has written meanwhile."""
    try:
        now = target.stat()
    except FileNotFoundError:
        now = None
    if _identity(now) != _identity(before):
        raise ClientsFileError(str(target), None, "was changed meanwhile; try again")


def _identity(state: os.stat_result | None) -> tuple[int, int, int, int] | None:
    return state and (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns)


def _sync(directory: Path) -> None:
    """Have the new name written, too; the file itself is."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
