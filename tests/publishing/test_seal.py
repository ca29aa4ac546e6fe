"""The seal covers what people read, against somebody who can rewrite the whole folder and compute every digest anew."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ecoia.errors import PublicationError
from ecoia.impact.inputs import read_inputs
from ecoia.periods import Quarter
from ecoia.publishing.publication import publications, read_publication
from ecoia.publishing.sealed_files import canonical
from ecoia.publishing.signing import signed
from ecoia.publishing.verification import check_heads, verify, verify_chain
from ecoia.records.id_sets import RecordIds, ids_of
from ecoia.report import QuarterlyReport
from support.publications import DOCUMENT, as_schema_1, published, resealed

Q3, Q4 = Quarter(2026, 3), Quarter(2026, 4)
KEY = Ed25519PrivateKey.generate()


@pytest.fixture(scope="module")
def chains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chains")
    for quarter in (Q3, Q4):
        published(folder / "unsigned", quarter, folder / "cat")
        published(folder / "signed", quarter, folder / "cat", key=KEY)
    return folder


@pytest.fixture
def unsigned(chains: Path, tmp_path: Path) -> Path:
    shutil.copytree(chains / "unsigned", tmp_path / "unsigned")
    return tmp_path / "unsigned"


@pytest.fixture
def sealed(chains: Path, tmp_path: Path) -> Path:
    shutil.copytree(chains / "signed", tmp_path / "signed")
    return tmp_path / "signed"


def edit(folder: Path) -> None:
    """Change the energy that the page shows."""
    page = folder / "documents" / DOCUMENT
    text = page.read_text(encoding="utf-8")
    assert text.startswith("4.0")
    page.write_text(text.replace("4.0", "2.0", 1), encoding="utf-8")


def test_the_manifest_lists_every_file_but_itself_and_its_seal(unsigned: Path) -> None:
    folder = unsigned / "2026Q4"
    listed = json.loads((folder / "manifest.json").read_bytes())["files"]
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert set(listed) == present - {"manifest.json", "seal.json"}
    assert f"documents/{DOCUMENT}" in listed


def test_a_document_carries_the_digest_of_its_figures_and_the_previous_head(unsigned: Path) -> None:
    first, second = publications(unsigned)
    _, digest, previous_head = (second.folder / "documents" / DOCUMENT).read_text(encoding="utf-8").split("\n")
    assert digest == json.loads((second.folder / "manifest.json").read_bytes())["files"]["report.json"]
    assert previous_head == first.head
    assert second.seal().figures_digest == digest


def test_an_edited_page_is_named_even_by_its_folder_alone(unsigned: Path) -> None:
    edit(unsigned / "2026Q4")
    with pytest.raises(PublicationError, match=f"documents/{DOCUMENT} is not what was published"):
        verify(unsigned / "2026Q4")


def test_an_edited_page_cannot_keep_the_head_of_the_minutes(unsigned: Path) -> None:
    head = read_publication(unsigned / "2026Q4").head
    assert check_heads(verify_chain(unsigned), [head]) is not None
    edit(unsigned / "2026Q4")
    forged = resealed(unsigned / "2026Q4")
    checked = verify_chain(unsigned)
    assert forged != head
    with pytest.raises(PublicationError, match=f"no publication here has the head {head}"):
        check_heads(checked, [head])


def test_an_edited_page_of_an_earlier_quarter_breaks_the_chain_to_the_head_of_the_last(unsigned: Path) -> None:
    edit(unsigned / "2026Q3")
    resealed(unsigned / "2026Q3")
    with pytest.raises(PublicationError, match="2026Q3 is not the publication that 2026Q4 was chained to"):
        verify_chain(unsigned)


def test_a_head_decides_for_its_publication_and_those_before(unsigned: Path) -> None:
    checked = verify_chain(unsigned)
    assert check_heads(checked, []) is None
    assert check_heads(checked, [checked[0].head]) == checked[0]
    assert check_heads(checked, [each.head for each in checked]) == checked[1]


def _signature_removed(folder: Path) -> None:
    edit(folder)
    resealed(folder)


def _signature_nulled(folder: Path) -> None:
    seal = json.loads((folder / "seal.json").read_bytes())
    (folder / "seal.json").write_bytes(canonical(seal | {"signature": None}))


def _signature_and_key_nulled(folder: Path) -> None:
    seal = json.loads((folder / "seal.json").read_bytes())
    (folder / "seal.json").write_bytes(canonical(seal | {"signature": None, "public_key": None}))


def _signed_anew(folder: Path) -> None:
    edit(folder)
    resealed(folder, Ed25519PrivateKey.generate())


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        (_signature_removed, "2026Q4/seal.json is not signed, and 2026Q3 before it is: signing ended there"),
        (_signature_nulled, "2026Q4/seal.json is not signed"),
        (_signature_and_key_nulled, "2026Q4/seal.json is not signed, and 2026Q3 before it is"),
        (_signed_anew, "2026Q4/seal.json is signed with another key .* than 2026Q3 before it"),
    ],
)
def test_a_chain_that_was_signed_and_no_longer_is_is_refused(attack: Callable[[Path], None], message: str, sealed: Path) -> None:
    verify_chain(sealed, [KEY.public_key()])
    attack(sealed / "2026Q4")
    with pytest.raises(PublicationError, match=message):
        verify_chain(sealed)
    with pytest.raises(PublicationError, match=r"seal\.json is (not signed|signed with another key)"):
        verify_chain(sealed, [KEY.public_key()])


def test_a_key_that_the_organisation_changed_is_given_with_the_one_before(tmp_path: Path) -> None:
    other = Ed25519PrivateKey.generate()
    published(tmp_path / "pub", Q3, tmp_path / "cat", key=KEY)
    published(tmp_path / "pub", Q4, tmp_path / "cat", key=other)
    keys = [KEY.public_key(), other.public_key()]
    assert len(verify_chain(tmp_path / "pub", keys)) == 2
    with pytest.raises(PublicationError, match="another key than the one given"):
        verify_chain(tmp_path / "pub", keys[1:])


def test_signing_may_begin_but_not_end(tmp_path: Path) -> None:
    published(tmp_path / "pub", Q3, tmp_path / "cat")
    published(tmp_path / "pub", Q4, tmp_path / "cat", key=KEY)
    assert [each.signed_with is not None for each in verify_chain(tmp_path / "pub")] == [False, True]
    assert len(verify_chain(tmp_path / "pub", [KEY.public_key()])) == 2, "the signature is over the first head and seal, too"
    with pytest.raises(PublicationError, match=r"2026Q4/seal\.json is signed with another key"):
        verify_chain(tmp_path / "pub", [Ed25519PrivateKey.generate().public_key()])
    with pytest.raises(PublicationError, match=r"2026Q4 is signed, .* give the key with --key"):
        published(tmp_path / "pub", Quarter(2027, 1), tmp_path / "cat")
    assert [path.name for path in sorted((tmp_path / "pub").iterdir())] == ["2026Q3", "2026Q4"]


def test_an_unsigned_chain_is_not_the_organisations_by_its_key(unsigned: Path) -> None:
    with pytest.raises(PublicationError, match=r"2026Q4/seal\.json is not signed"):
        verify_chain(unsigned, [KEY.public_key()])


def _publication_elsewhere(root: Path) -> str:
    (root / "2026Q4").rename(root.parent / "elsewhere")
    (root / "2026Q4").symlink_to(root.parent / "elsewhere")
    return r"2026Q4 is a link that leads to '.*elsewhere'"


def _inputs_elsewhere(root: Path) -> str:
    (root / "2026Q4/inputs").rename(root.parent / "elsewhere")
    (root / "2026Q4/inputs").symlink_to(root.parent / "elsewhere")
    return r"2026Q4/inputs is a link that leads to '.*elsewhere'"


def _page_elsewhere(root: Path) -> str:
    (root / "2026Q4/documents" / DOCUMENT).rename(root.parent / "elsewhere")
    (root / "2026Q4/documents" / DOCUMENT).symlink_to("../../../elsewhere")
    return rf"documents/{DOCUMENT} is a link that leads to '\.\./\.\./\.\./elsewhere'"


def _link_beside(root: Path) -> str:
    (root / "2027Q1").symlink_to("/")
    return "2027Q1 is a link that leads to '/'"


def _emptied(root: Path) -> str:
    shutil.rmtree(root / "2026Q4")
    (root / "2026Q4").mkdir()
    return "2026Q4 is empty: a publication that was here is gone"


def _hollow(root: Path) -> str:
    (root / "2027Q1/documents/below").mkdir(parents=True)
    return "2027Q1 is empty"


def _pages_alone(root: Path) -> str:
    (root / "2027Q1/documents").mkdir(parents=True)
    (root / "2027Q1/documents" / DOCUMENT).write_text("a quarter that nobody published", encoding="utf-8")
    return "2027Q1/manifest.json is missing, so nothing vouches for what stands there"


def _reduced_to_pages(root: Path) -> str:
    for name in ("manifest.json", "seal.json", "report.json"):
        (root / "2026Q4" / name).unlink()
    return "2026Q4/manifest.json is missing"


def _called_a_restatement(root: Path) -> str:
    (root / "2026Q4").rename(root / "2026Q4-r1")
    return "2026Q4-r1 was published as 2026Q4: its folder was renamed"


def _called_final(root: Path) -> str:
    (root / "2026Q4").rename(root / "2026Q4-r1 final")
    return "2026Q4-r1 final was published as 2026Q4"


def _documents_gone(root: Path) -> str:
    (root / "2026Q4/documents" / DOCUMENT).unlink()
    return f"documents/{DOCUMENT} is missing"


@pytest.mark.parametrize(
    "attack",
    [
        _publication_elsewhere, _inputs_elsewhere, _page_elsewhere, _link_beside, _emptied, _hollow, _documents_gone,
        _pages_alone, _reduced_to_pages, _called_a_restatement, _called_final,
    ],
)  # fmt: skip
def test_links_empty_folders_and_false_names_are_named(attack: Callable[[Path], str], unsigned: Path) -> None:
    message = attack(unsigned)
    with pytest.raises(PublicationError, match=message):
        verify_chain(unsigned)


@pytest.mark.parametrize("name", ["2026Q3", "2026Q4-r1", "2026q4", "final"])
def test_a_publication_alone_has_its_name_too(name: str, unsigned: Path) -> None:
    shutil.copytree(unsigned / "2026Q4", unsigned.parent / name)
    with pytest.raises(PublicationError, match=f"{name} was published as 2026Q4: its folder was renamed"):
        verify(unsigned.parent / name)


@pytest.mark.parametrize("change", [{"restates": "no"}, {"restates": 0}, {"published_on": "20270115"}, {"schema": True}])
def test_a_field_in_another_form_is_refused(change: dict[str, object], unsigned: Path) -> None:
    path = unsigned / "2026Q4/manifest.json"
    path.write_bytes(canonical(json.loads(path.read_bytes()) | change))
    resealed(unsigned / "2026Q4")
    with pytest.raises(PublicationError, match=r"is not a manifest|schema True"):
        verify(unsigned / "2026Q4")


def test_publishing_without_a_document_leaves_no_empty_folder(unsigned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(report: QuarterlyReport, folder: Path) -> None:
        pass

    monkeypatch.setattr("support.publications.one_document", none)
    found = published(unsigned, Quarter(2027, 1), unsigned.parent / "cat")
    assert not (found.folder / "documents").exists()
    verify_chain(unsigned)
    (found.folder / "documents").mkdir()
    with pytest.raises(PublicationError, match="documents was not published: the empty folder was added since"):
        verify_chain(unsigned)


class TestSchema3:
    """A publication whose rows name their records by ranges says that an older ecoia cannot read it."""

    def test_it_is_of_schema_3_as_is_what_follows_it_and_nothing_before(self, tmp_path: Path) -> None:
        root, sequenced = tmp_path / "pub", f"{'0' * 32}:1:7"
        for quarter, record_id in ((Quarter(2026, 2), "r"), (Q3, sequenced), (Q4, "r")):
            published(root, quarter, tmp_path / "cat", record_id=record_id)
        assert [each.schema for each in verify_chain(root)] == [2, 3, 3]
        (row,) = read_inputs(root / "2026Q3" / "inputs").rows
        assert ids_of(row) == RecordIds.of([sequenced])


class TestSchema1:
    """What was published before heads covered documents still verifies, by its own rules."""

    @pytest.fixture
    def old(self, tmp_path: Path) -> Path:
        published(tmp_path / "pub", Q3, tmp_path / "cat")
        as_schema_1(tmp_path / "pub" / "2026Q3")
        published(tmp_path / "pub", Q4, tmp_path / "cat")
        return tmp_path / "pub"

    def test_it_is_verified_and_its_head_said_not_to_cover_the_documents(self, old: Path) -> None:
        assert [each.head_covers_documents for each in verify_chain(old)] == [False, True]

    def test_its_edited_page_is_found_by_its_seal_and_by_what_follows(self, old: Path) -> None:
        edit(old / "2026Q3")
        with pytest.raises(PublicationError, match=f"documents/{DOCUMENT} is not what was published"):
            verify_chain(old)
        manifest = json.loads((old / "2026Q3/manifest.json").read_bytes())
        seal = json.loads((old / "2026Q3/seal.json").read_bytes())
        seal["documents"][DOCUMENT] = hashlib.sha256((old / "2026Q3/documents" / DOCUMENT).read_bytes()).hexdigest()
        (old / "2026Q3/seal.json").write_bytes(canonical(seal))
        assert verify(old / "2026Q3").quarter == manifest["quarter"], "which is why its own head proves nothing of its documents"
        with pytest.raises(PublicationError, match="2026Q3 is not the publication that 2026Q4 was chained to"):
            verify_chain(old)

    def test_a_publication_of_today_cannot_be_passed_off_as_an_old_one(self, unsigned: Path) -> None:
        head = read_publication(unsigned / "2026Q4").head
        edit(unsigned / "2026Q4")
        seal = {"schema": 1, "quarter": "2026Q4", "head": head, "documents": {}}
        (unsigned / "2026Q4/seal.json").write_bytes(canonical(signed(seal, None)))
        with pytest.raises(PublicationError, match="is of schema 1, the manifest of 2"):
            verify(unsigned / "2026Q4")
        resealed(unsigned / "2026Q4")
        as_schema_1(unsigned / "2026Q4")
        verify(unsigned / "2026Q4")
        with pytest.raises(PublicationError, match="2026Q4 is of schema 1, and 2026Q3 before it of 2"):
            verify_chain(unsigned)

    def test_the_method_of_today_is_not_published_in_the_old_schema(self, unsigned: Path) -> None:
        folder = unsigned / "2026Q3"
        as_schema_1(folder)
        figures = json.loads((folder / "report.json").read_bytes()) | {"method_version": "2"}
        (folder / "report.json").write_bytes(canonical(figures))
        manifest = json.loads((folder / "manifest.json").read_bytes()) | {"method_version": "2"}
        (folder / "manifest.json").write_bytes(canonical(manifest))
        resealed(folder)
        as_listed = json.loads((folder / "manifest.json").read_bytes())
        documents = {path[10:]: as_listed["files"].pop(path) for path in [*as_listed["files"]] if path.startswith("documents/")}
        (folder / "manifest.json").write_bytes(canonical(as_listed))
        head = hashlib.sha256(canonical(as_listed)).hexdigest()
        seal = {"schema": 1, "quarter": "2026Q3", "head": head, "documents": documents}
        (folder / "seal.json").write_bytes(canonical(signed(seal, None)))
        with pytest.raises(PublicationError, match="is of schema 1 and of method 2: no ecoia published that"):
            verify(folder)

    def test_a_schema_that_no_version_writes_is_refused(self, unsigned: Path) -> None:
        path = unsigned / "2026Q4/seal.json"
        path.write_bytes(canonical(json.loads(path.read_bytes()) | {"schema": 5}))
        with pytest.raises(PublicationError, match="schema 5, this ecoia verifies 1 and 2 and 3 and 4"):
            verify(unsigned / "2026Q4")
