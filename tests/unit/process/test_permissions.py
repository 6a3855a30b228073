"""Files that others may write or read are warned of, with what to run; the usual ones are not."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path

import pytest

from proxy.config.loader import load
from proxy.process import permissions
from proxy.process.permissions import open_to_others


TEXT = """\
listen:
  - {address: "127.0.0.1:0", tls: {cert: cert, key: key, client_ca: clients-ca}}
  - {address: "127.0.0.1:1", tls: {cert: both}}
clients_file: clients
credentials:
  unused: {origin: "https://two.example", bearer: {file: unused}}
routes:
  api:
    upstream: https://api.example
    credential: {bearer: {file: token}}
    tls: {ca: ca, client_cert: client-cert, client_key: client-key}
"""
SECRET = ["key", "both", "unused", "token", "client-key"]
STEERING = ["config.yaml", "clients", "cert", "clients-ca", "ca", "client-cert"]
USERS = 12_345
"""A group that is everybody's."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Files of a configuration, where others get to: the directories above are made so for this."""
    folder = tmp_path / "srv"
    folder.mkdir(mode=0o755)
    for name in (*SECRET, *STEERING):
        (folder / name).write_text(TEXT if name == "config.yaml" else "{}")
        (folder / name).chmod(0o600 if name in SECRET else 0o644)
    real = Path.stat

    def opened(path, **more):
        found = real(path, **more)
        if path in folder.parents:
            found = os.stat_result((found.st_mode & ~0o777 | 0o755, *found[1:]))
        return found

    monkeypatch.setattr(Path, "stat", opened)
    monkeypatch.setattr(os, "geteuid", lambda: folder.lstat().st_uid)
    return folder


@pytest.fixture
def group_of(folder, monkeypatch):
    """Let a file have another group than it has: not every user may give it one."""

    def give(name, gid=USERS):
        real = Path.stat

        def changed(path, **more):
            found = real(path, **more)
            if path.name == name:
                found = os.stat_result((*found[:5], gid, *found[6:]))
            return found

        monkeypatch.setattr(Path, "stat", changed)

    users = grp.struct_group(("users", "x", USERS, ["somebody"]))
    by_id = grp.getgrgid
    monkeypatch.setattr(grp, "getgrgid", lambda gid: users if gid == USERS else by_id(gid))
    return give


def told(folder):
    """Return what is warned of."""
    return open_to_others(load(folder / "config.yaml", {}))


def test_nothing_is_said_of_usual_modes(folder):
    """Secrets of their user alone; the rest for all to read."""
    assert [] == told(folder)


@pytest.mark.parametrize("name", [*SECRET, *STEERING])
def test_what_others_may_write_is_told(folder, name):
    """With path, mode, and what to run."""
    (folder / name).chmod(0o602)

    [warning] = told(folder)
    assert f"{folder / name} may be written by others (mode 0602)" in warning
    assert warning.endswith(f"; chmod go-w {folder / name}")
    assert (name == "config.yaml") is not warning.startswith(f"{folder / 'config.yaml'}:")


@pytest.mark.parametrize("name", SECRET)
def test_a_secret_that_others_may_read_is_told(folder, name):
    """With its place in the configuration."""
    (folder / name).chmod(0o644)

    [warning] = told(folder)
    assert (
        f"{folder / name} may be read by others (mode 0644); chmod 600 {folder / name}" in warning
    )
    assert warning.startswith(f"{folder / 'config.yaml'}:")


@pytest.mark.parametrize("named", [False, True], ids=["a route's", "named"])
def test_a_configuration_that_holds_a_secret_is_one(folder, named):
    """Whoever may read the file has the secret that `value` puts there."""
    replaced = "file: unused" if named else "file: token"
    (folder / "config.yaml").write_text(TEXT.replace(replaced, "value: FAKE-0123456789"))
    [warning] = told(folder)
    (folder / "config.yaml").chmod(0o600)

    assert "config.yaml may be read by others (mode 0644), and a secret is in it;" in warning
    assert "FAKE" not in warning
    assert [] == told(folder)


def test_a_directory_in_which_others_may_write_is_told(folder):
    """They can put another file into it; where it is sticky only their own."""
    folder.chmod(0o777)
    warnings = told(folder)
    folder.chmod(0o1777)

    assert len(SECRET) + len(STEERING) == len(warnings)
    assert f"the directory {folder} may be written by others (mode 0777)" in warnings[0]
    assert warnings[0].endswith(f"chmod go-w {folder}")
    assert [] == told(folder)


def test_a_link_can_be_replaced_too(folder):
    """By whoever may write where it stands, however safe the file is that it leads to."""
    loose = folder / "loose"
    loose.mkdir()
    (loose / "token").symlink_to(folder / "token")
    text = TEXT.replace("file: token", "file: loose/token")
    (folder / "config.yaml").write_text(text)
    before = told(folder)
    loose.chmod(0o777)

    assert ([], 1) == (before, len(told(folder)))
    assert f"the directory {loose} may be written" in told(folder)[0]


@pytest.mark.parametrize("linked", ["token", "directory"])
def test_a_link_on_the_way_can_be_replaced_too(folder, linked):
    """In a directory that is neither where the path begins nor where it ends."""
    middle, end = folder / "middle", folder / "end"
    middle.mkdir()
    end.mkdir()
    (folder / "token").rename(end / "token")
    if linked == "token":
        (middle / "link").symlink_to(end / "token")
        (folder / "token").symlink_to("middle/link")
    else:
        (middle / "link").symlink_to(end)
        (folder / "directory").symlink_to("middle/link")
        text = TEXT.replace("file: token", "file: directory/token")
        (folder / "config.yaml").write_text(text)
    before = told(folder)
    middle.chmod(0o777)

    assert ([], 1) == (before, len(told(folder)))
    assert f"the directory {middle} may be written" in told(folder)[0]


def test_where_others_do_not_get_to_modes_do_not_matter(folder):
    """A home directory, systemd's credentials."""
    for name in (*SECRET, *STEERING):
        (folder / name).chmod(0o666)
    folder.chmod(0o700)

    assert [] == told(folder)


def test_nothing_is_said_of_a_file_that_is_not_there_or_a_pipe(folder):
    """Whoever needs it says so; a pipe is gone when it was read."""
    (folder / "token").unlink()
    (folder / "key").unlink()
    os.mkfifo(folder / "key", 0o666)

    assert [] == told(folder)


def test_another_group_may_not_write(folder, group_of):
    """`users` is everybody."""
    (folder / "config.yaml").chmod(0o664)
    group_of("config.yaml")

    [warning] = told(folder)
    assert "config.yaml may be written by others (mode 0664)" in warning


@pytest.mark.parametrize("gid", [0, 54_321])
def test_groups_of_administrators_and_of_containers_may(folder, group_of, gid):
    """Kubernetes' fsGroup has no name, and root may do anything as it is."""
    (folder / "config.yaml").chmod(0o664)
    group_of("config.yaml", gid)

    assert [] == told(folder)


@pytest.mark.parametrize(("members", "quiet"), [([], True), (["me"], True), (["other"], False)])
def test_the_users_own_group_may(folder, group_of, monkeypatch, members, quiet):
    """Where each has one of the same name, files are made for it to write (umask 002)."""
    (folder / "config.yaml").chmod(0o664)
    group_of("config.yaml", USERS)
    me = pwd.struct_passwd(("me", "x", os.geteuid(), USERS, "", "/", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwuid", lambda _: me)
    group = grp.struct_group(("me", "x", USERS, members))
    monkeypatch.setattr(grp, "getgrgid", lambda _: group)

    assert quiet is (told(folder) == [])


def test_a_secret_of_somebody_else_for_a_group_is_meant(folder, group_of, monkeypatch):
    """`root:keybearer 0640` is how a service gets it; read by all it is warned of, with care."""
    (folder / "token").chmod(0o640)
    group_of("token")
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    monkeypatch.setattr(os, "getgroups", lambda: [USERS])
    quiet = told(folder)
    (folder / "token").chmod(0o644)

    [warning] = told(folder)
    assert ([], True) == (quiet, warning.endswith(f"chmod o-rwx {folder / 'token'}"))


def test_what_kubernetes_mounts_is_as_it_is(folder):
    """Secrets of mode 0644 behind the link `..data`; their directory is nobody's to change."""
    mount = folder / "mount"
    (mount / "..2026").mkdir(parents=True)
    (mount / "..2026" / "token").write_text("x")
    (mount / "..2026" / "token").chmod(0o644)
    (mount / "..data").symlink_to("..2026")
    (mount / "token").symlink_to("..data/token")
    text = TEXT.replace("file: token", "file: mount/token")
    (folder / "config.yaml").write_text(text)

    assert [] == told(folder)


def test_what_docker_mounts_is_as_it_is(folder, monkeypatch):
    """`/run/secrets/NAME` is 0444 and root's."""
    (folder / "token").chmod(0o444)
    loud = told(folder)
    monkeypatch.setattr(permissions, "_MOUNTED", (folder,))

    assert (1, []) == (len(loud), told(folder))


def test_nobody_writes_where_the_mount_is_read_only(folder, monkeypatch):
    """A ConfigMap's directory is 0777."""
    folder.chmod(0o777)
    state = os.statvfs(folder)
    read_only = os.statvfs_result((*state[:8], state.f_flag | os.ST_RDONLY, *state[9:]))
    monkeypatch.setattr(os, "statvfs", lambda _: read_only)

    assert [] == told(folder)
    assert 0o777 == stat.S_IMODE(folder.stat().st_mode)
