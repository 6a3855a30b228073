"""Files that others may write or read: what decides where credentials go, and the secrets."""

from __future__ import annotations

import os
import shlex
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from proxy.config.settle import binding, named_binding
from proxy.process.watch import directories


if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy.config.errors import Path as KeyPath
    from proxy.config.schema import Config
    from proxy.config.settle import Binding


_ADMINISTRATORS: Final = frozenset({0, 80} if sys.platform == "darwin" else {0})
"""Groups that may do anything as it is."""
_MOUNTED: Final = (Path("/run/secrets"), Path("/var/run/secrets"))
"""Where Docker, Podman and Kubernetes mount secrets, for all of a container to read."""
_KUBERNETES_LINK: Final = "..data"
_WRITE: Final = 0o022
_READ: Final = 0o044
_SEARCH: Final = 0o011
_GROUP: Final = 0o070
_ALL: Final = 0o007


class _File(NamedTuple):
    """A file that is worth a look.

    Attributes:
        key: where the configuration names it; empty: the configuration itself.
        path: absolute.
        secret: it must not be read by others either.
    """

    key: KeyPath
    path: Path
    secret: bool


def open_to_others(config: Config) -> list[str]:
    """Return a warning for each file that others may write, or read although it is secret."""
    faults: dict[Path, str] = {}
    for file in _files(config):
        fault = None if file.path in faults else _fault(file)
        if fault is not None:
            placed = config.problem_at(file.key, fault)
            faults[file.path] = str(placed) if file.key else fault
    return list(faults.values())


def _files(config: Config) -> Iterator[_File]:
    sources = [each for bound in _bound(config) for each in bound.sources]
    if config.file is not None:
        written = any(source.value is not None for _, source in sources)
        yield _File((), config.file, secret=written)
    if config.clients_file is not None:
        yield _File(("clients_file",), config.clients_file, secret=False)
    for path, source in sources:
        if source.file is not None:
            yield _File((*path, "file"), source.file, secret=True)
    for path, listen in config.listeners():
        if listen.tls is not None:
            tls = listen.tls
            yield from _tls((*path, "tls"), {"cert": tls.cert, "key": tls.key}, tls.client_ca)
    for name, route in config.routes.items():
        shown = {"client_cert": route.tls.client_cert, "client_key": route.tls.client_key}
        yield from _tls(("routes", name, "tls"), shown, route.tls.ca)


def _bound(config: Config) -> list[Binding]:
    bound = [binding(config, name) for name in config.routes]
    bound += [named_binding(config, name) for name in config.credentials]
    return [each for each in bound if each is not None]


def _tls(path: KeyPath, pair: dict[str, Path | None], authority: Path | None) -> Iterator[_File]:
    (certificate, shown), (key, private) = pair.items()
    if private is not None:
        yield _File((*path, key), private, secret=True)
    if shown is not None:  # it holds the key as well, where there is no other file for it
        yield _File((*path, certificate), shown, secret=private is None)
    if authority is not None:
        name = "client_ca" if certificate == "cert" else "ca"
        yield _File((*path, name), authority, secret=False)


def _fault(file: _File) -> str | None:
    try:
        status = file.path.stat()
        if not stat.S_ISREG(status.st_mode):
            return None
        real = Path(os.path.realpath(file.path))
        # Where the path or a link on its way can be replaced, and last where the file is.
        ways = [place / real.name for place in sorted(directories((file.path,)))]
        reach = _ALL | _GROUP
        for end in (*ways, real):
            reach, replaceable = _walk(end, status.st_gid)
            if replaceable is not None:
                return (
                    f"the directory {replaceable} may be written by others "
                    f"(mode {_mode(replaceable.stat())}), who could put another {file.path.name} "
                    f"into it; chmod go-w {shlex.quote(str(replaceable))}"
                )
    except OSError:
        return None  # whoever needs it says so
    named = f"{file.path} may be"
    if file.secret and _is_read(file.path, status, reach):
        what = "" if file.key else ", and a secret is in it"
        return f"{named} read by others (mode {_mode(status)}){what}; {_advice(file.path, status)}"
    if _written(file.path, status) & reach:
        advice = f"chmod go-w {shlex.quote(str(file.path))}"
        return f"{named} written by others (mode {_mode(status)}): {_danger(file)}; {advice}"
    return None


def _danger(file: _File) -> str:
    return (
        "that is no secret any more"
        if file.secret and file.key
        else "they could have credentials sent to them"
    )


def _walk(path: Path, group: int) -> tuple[int, Path | None]:
    """Return which classes of others reach a file, and a directory in which they can replace it."""
    reach = _ALL | _GROUP
    for directory in reversed(path.parents):
        status = directory.stat()
        if not status.st_mode & stat.S_ISVTX and _written(directory, status) & reach:
            return reach, directory
        if not status.st_mode & _SEARCH & _ALL:
            reach &= ~_ALL
            if not (status.st_mode & _SEARCH & _GROUP and status.st_gid == group):
                reach &= ~_GROUP
    return reach, None


def _written(path: Path, status: os.stat_result) -> int:
    """Return which classes of others may write; nobody does where the mount is read-only."""
    mode = _others(status, _WRITE)
    return 0 if mode and os.statvfs(path).f_flag & os.ST_RDONLY else mode


def _is_read(path: Path, status: os.stat_result, reach: int) -> bool:
    mode = _others(status, _READ) & reach
    if status.st_uid != os.geteuid() or status.st_uid == 0:
        mode &= ~_GROUP  # somebody else's, or root's: the group is there for a reason, often for us
    return bool(mode) and not _is_mounted(path)


def _others(status: os.stat_result, bits: int) -> int:
    """Return which of some permissions others have: not a group that its owner has for himself."""
    mode = status.st_mode & bits
    if mode & _GROUP and _is_own_group(status.st_gid, status.st_uid):
        mode &= ~_GROUP
    return mode


def _is_own_group(gid: int, uid: int) -> bool:
    """Return whether nobody else is in a group, as far as is known without asking about everybody.

    Most systems give each user a group of the same name. A group without a name is a container's:
    Kubernetes gives it to volumes for our sake (fsGroup).
    """
    import grp  # noqa: PLC0415 -- only where a group may do anything
    import pwd  # noqa: PLC0415 -- the same

    if gid in _ADMINISTRATORS:
        return True
    try:
        group = grp.getgrgid(gid)
    except KeyError:
        return True
    try:
        owner = pwd.getpwuid(uid)
    except KeyError:
        return False
    alone = not {*group.gr_mem} - {owner.pw_name}
    return alone and owner.pw_gid == gid and group.gr_name == owner.pw_name


def _is_mounted(path: Path) -> bool:
    """Return whether an orchestrator has put a secret here: its mode is not the user's choice."""
    if any(path.is_relative_to(mount) for mount in _MOUNTED):
        return True
    return any((parent / _KUBERNETES_LINK).is_symlink() for parent in path.parents)


def _advice(path: Path, status: os.stat_result) -> str:
    quoted = shlex.quote(str(path))
    if status.st_uid == os.geteuid():
        return f"chmod 600 {quoted}"
    if status.st_gid in {os.getegid(), *os.getgroups()}:
        return f"chmod o-rwx {quoted}"
    return f"chown {os.geteuid()} {quoted} && chmod 600 {quoted}"


def _mode(status: os.stat_result) -> str:
    return f"{stat.S_IMODE(status.st_mode):04o}"
