"""Microreact's projects, roles and files."""

from __future__ import annotations

import pytest

from proxy.standins.microreact_store import ID_ALPHABET, RefusedError, Store


OWNER, EDITOR, STRANGER = "owner@example.org", "editor@example.org", "stranger@example.org"


@pytest.fixture
def store():
    return Store({"FAKE-token": OWNER})


def refused(store, project, user, least):
    with pytest.raises(RefusedError) as caught:
        store.project(project, user, least)
    return caught.value.status


def test_an_id_has_22_characters_and_the_link_a_slug(store):
    """Both the id and the slug of the link lead to the project."""
    project = store.create(OWNER, {"meta": {"name": "A tree, 2024!"}}, "private")

    assert len(project.id) == 22
    assert set(project.id) <= set(ID_ALPHABET)
    assert f"https://microreact.org/project/{project.id}-a-tree-2024" == project.url
    assert project is store.project(f"{project.id}-another-name", OWNER, "owner")


@pytest.mark.parametrize("document", [None, "text", [], {}, {"meta": 1}, {"name": "x"}])
def test_a_document_needs_meta(store, document):
    """All else fails as the real code fails, with 500."""
    with pytest.raises(RefusedError) as caught:
        store.create(OWNER, document, "private")

    assert caught.value.status == 500


def test_blobs_are_stored_and_replaced_by_their_links(store):
    """A base64 data URI is decoded first, another text is stored as it is, a link is kept."""
    files = {
        "uri": {"id": "uri", "blob": "data:application/vnd.ms-excel;base64,YTtiCg=="},
        "text": {"id": "text", "blob": "a;b\n"},
        "link": {"id": "link", "url": "https://example.org/x.csv"},
    }

    saved = store.create(OWNER, {"meta": {}, "files": files}, "private").document["files"]

    digest = next(iter(store.files))
    assert {digest: b"a;b\n"} == store.files
    expected = {"hash": digest, "url": f"/api/files/raw?{digest}"}
    assert {"id": "uri", **expected} == saved["uri"]
    assert {"id": "text", **expected} == saved["text"]
    assert files["link"] == saved["link"]


def test_roles_decide_who_gets_a_project(store):
    """A private project is for its owner and those it is shared with, each up to the role."""
    project = store.create(OWNER, {"meta": {}}, "private")
    project.shares[EDITOR] = "editor"

    assert project is store.project(project.id, EDITOR, "editor")
    assert refused(store, project.id, EDITOR, "manager") == 403
    assert refused(store, project.id, STRANGER, "viewer") == 403
    assert refused(store, project.id, None, "viewer") == 401


def test_a_link_accessible_project_is_for_everyone_to_view(store):
    """Viewing needs no account, editing does."""
    project = store.create(OWNER, {"meta": {}}, "restricted")

    assert project is store.project(project.id, None, "viewer")
    assert refused(store, project.id, None, "editor") == 401


def test_unknown_and_missing_projects_differ(store):
    """No reference is 400, an unknown one 404."""
    assert (refused(store, "", OWNER, "viewer"), refused(store, "x", OWNER, "viewer")) == (400, 404)


def test_minted_tokens_differ_and_the_old_ones_stay(store):
    """Every call mints another token of the same user."""
    first, second = store.mint(OWNER), store.mint(OWNER)

    assert first != second
    assert {"FAKE-token": OWNER, first: OWNER, second: OWNER} == store.users
    assert first.startswith("FAKE-minted-")
