"""What may be opened as an audit file."""

from __future__ import annotations

import os
import re
import stat

import pytest

from proxy.access import place
from proxy.access.audit import AuditError


STRANGER = 54321


def test_a_new_file_is_its_owners_alone(stage):
    """Whatever the umask allows; an inherited descriptor would outlive us."""
    before = os.umask(0)
    try:
        audit = stage.audit()
    finally:
        os.umask(before)

    assert 0o600 == stat.S_IMODE(stage.path.stat().st_mode)
    assert not os.get_inheritable(audit._journal._file.descriptor)


def test_what_is_there_already_stays(stage):
    """Lines come behind it, and its mode is the operator's."""
    stage.path.write_text("before\n")
    stage.path.chmod(0o640)

    stage.audit().line(b"after")

    assert ["before", "after"] == stage.lines()
    assert 0o640 == stat.S_IMODE(stage.path.stat().st_mode)


def directory(path):
    """Put a directory in the way."""
    path.mkdir()


def no_parent(path):
    """Take the directory away."""
    path.parent.rmdir()


def pipe(path):
    """Put a pipe in the way that nobody reads."""
    os.mkfifo(path)


def loop(path):
    """Put a link in the way that leads to itself."""
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (no_parent, "cannot be opened: No such file or directory; its directory has to be there"),
        (directory, "cannot be opened: Is a directory; it has to be a file that"),
        (pipe, "cannot be opened: Neither a file nor a device; it has to be"),
        (loop, "cannot be opened: Too many levels of symbolic links; it has to be"),
    ],
)
def test_what_cannot_be_appended_to_is_an_error_at_start(stage, prepare, message):
    """It says why, and what to do."""
    prepare(stage.path)

    with pytest.raises(AuditError, match=re.escape(message)):
        stage.audit()


def test_a_link_of_another_user_is_not_followed(stage, monkeypatch):
    """It would have us write to a file of that user's choice."""
    target = stage.path.with_name("target")
    stage.path.symlink_to(target)
    if os.geteuid():
        monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
    else:
        os.lchown(stage.path, STRANGER, STRANGER)

    with pytest.raises(AuditError, match="A symbolic link of another user"):
        stage.audit()

    assert not target.exists()


def test_a_link_that_is_put_there_meanwhile_is_not_followed(stage, monkeypatch):
    """Between looking and opening."""
    target = stage.path.with_name("target")
    stage.path.symlink_to(target)
    monkeypatch.setattr(place, "_followed", lambda path: path)

    with pytest.raises(AuditError, match="Too many levels of symbolic links"):
        stage.audit()

    assert not target.exists()


def test_a_link_of_ours_is_followed_and_what_it_leads_to_is_rotated(stage):
    """The link stays."""
    real = stage.path.with_name("real")
    stage.path.symlink_to("real")
    audit = stage.audit(max_size=10)

    audit.line(b"first line")
    audit.line(b"second")

    assert ["second"] == stage.lines()
    assert stage.path.is_symlink()
    assert "first line\n" == real.with_name("real.1").read_text()
