"""A published quarter: its figures and all that they come from, in one folder, sealed and chained to the publication before.

    report.json      every figure
    inputs/          what it is computed from (``inputs``)
    manifest.json    SHA-256 of each of these files and of each section of the figures, and the head of the publication before
    documents/       the report as people read it; the head is printed there
    seal.json        the head (SHA-256 of the manifest), SHA-256 of each document, and the signature, where there is a key

A chain proves something only where its head is kept by others: in the committee's minutes. Whoever can rewrite the folder can
rewrite the chain, but not the minutes, and not a signature.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecoia.errors import MissingExtraError, PublicationError
from ecoia.impact.inputs import Inputs, read_inputs, write_inputs
from ecoia.impact.recalculation import Recalculation
from ecoia.periods import Quarter
from ecoia.report import QuarterlyReport, Seal, build_report

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SCHEMA = 1
REPORT_FILE, INPUTS_FOLDER, MANIFEST_FILE = "report.json", "inputs", "manifest.json"
_MANIFEST_FIELDS = {"schema", "quarter", "restates", "published_on", "method_version", "previous", "files", "figures"}
_SEAL_FIELDS = {"schema", "quarter", "head", "documents", "public_key", "signature"}
DOCUMENTS_FOLDER, SEAL_FILE, RECALCULATION_FILE = "documents", "seal.json", "recalculation.json"


@dataclass(frozen=True)
class Published:
    """A publication that was found. ``restates``: it is that quarter computed again, beside what was published of it."""

    folder: Path
    quarter: str
    restates: bool
    head: str
    previous: str | None  # name of the publication before
    published_on: str

    @property
    def name(self) -> str:
        """That of its folder."""
        return self.folder.name

    @property
    def signed_with(self) -> str | None:
        """The public key that its signature is checked by, in base64; None where it is not signed."""
        found: str | None = _read_canonical(self.folder / SEAL_FILE)["public_key"]
        return found

    def report(self) -> dict[str, Any]:
        """The figures as published."""
        return _read_object(self.folder / REPORT_FILE)

    def inputs(self) -> Inputs:
        """What the figures were computed from."""
        return read_inputs(self.folder / INPUTS_FOLDER)

    def recalculation(self) -> Recalculation | None:
        """The bridge, of a quarter that was computed again."""
        path = self.folder / RECALCULATION_FILE
        return Recalculation.from_dict(_read_json(path)) if path.exists() else None


def publications(root: Path) -> list[Published]:
    """What was published in a folder, in the order in which it was.

    Raises:
        PublicationError: a manifest cannot be read, or the chain has no one order.
    """
    if not root.is_dir():
        return []
    found = {path.parent.name: _published(path.parent) for path in root.glob(f"[!.]*/{MANIFEST_FILE}")}
    ordered: list[Published] = []
    waiting = sorted(found.values(), key=lambda each: each.name)
    while waiting:
        last = ordered[-1].name if ordered else None
        following = [each for each in waiting if each.previous == last]
        if len(following) != 1:
            names = ", ".join(each.name for each in following or waiting)
            where = f"after {last}" if last else "at the beginning"
            raise PublicationError(f"the chain in '{root}' is broken {where}: {len(following)} publications follow it ({names})")
        ordered += following
        waiting.remove(following[0])
    return ordered


def publish(
    root: Path,
    inputs: Inputs,
    report: QuarterlyReport,
    documents: Callable[[QuarterlyReport, Path], None],
    *,
    on: date,
    catalogue_folder: Path | None,
    recalculation: Recalculation | None = None,
    key: Ed25519PrivateKey | None = None,
) -> Published:
    """Freeze a quarter.

    Args:
        root: The folder of all publications.
        inputs: What ``report`` was built from.
        report: The figures.
        documents: Writes the report as people read it into a folder; the report that it gets has its seal.
        on: The day of the publication.
        catalogue_folder: Where the catalogue was read from.
        recalculation: The bridge, of a quarter published before that is computed again.
        key: Signs the seal.

    Raises:
        PublicationError: the quarter is published already (or, to be restated, is not), holds no record, or the folder cannot be
            written.
    """
    chain = publications(root)
    quarter = Quarter.parse(report.quarter)
    same = [each for each in chain if each.quarter == report.quarter]
    if same and recalculation is None:
        raise PublicationError(
            f"{quarter} was published on {same[0].published_on} ('{same[0].folder}') and stays as it is: "
            f"'ecoia recalculate' puts what it amounts to today beside it"
        )
    if recalculation is None and report.last_record_utc is None:
        raise PublicationError(f"{quarter} holds no record, so there is nothing to freeze: check the quarter, and '--from'")
    if recalculation is not None and not same:
        raise PublicationError(f"{quarter} is not published in '{root}', so there is nothing to restate: 'ecoia publish' first")
    name = f"{quarter}-r{len(same)}" if recalculation else str(quarter)
    folder, draft = root / name, root / f".{name}-{secrets.token_hex(4)}"
    try:
        draft.mkdir(parents=True)
        (draft / REPORT_FILE).write_text(report.to_json(), encoding="utf-8")
        if recalculation is not None:
            (draft / RECALCULATION_FILE).write_text(recalculation.to_json(), encoding="utf-8")
        write_inputs(inputs, quarter, draft / INPUTS_FOLDER, catalogue_folder)
        previous = chain[-1] if chain else None
        manifest = {
            "schema": SCHEMA,
            "quarter": report.quarter,
            "restates": recalculation is not None,
            "published_on": on.isoformat(),
            "method_version": report.method_version,
            "previous": {"name": previous.name, "head": previous.head, "seal": _sha256(previous.folder / SEAL_FILE)}
            if previous
            else None,
            "files": {path: _sha256(draft / path) for path in _files(draft)},
            "figures": _figures(report.to_json()),
        }
        (draft / MANIFEST_FILE).write_bytes(_canonical(manifest))
        head = _sha256(draft / MANIFEST_FILE)
        (draft / DOCUMENTS_FOLDER).mkdir()
        seal = Seal(name, on.isoformat(), head, previous.name if previous else None, previous.head if previous else None)
        documents(replace(report, seal=seal), draft / DOCUMENTS_FOLDER)
        (draft / SEAL_FILE).write_bytes(_canonical(_seal(draft, report.quarter, head, key)))
        draft.rename(folder)
    except OSError as error:
        raise PublicationError(f"'{root}' cannot be written ({error.strerror or error}): choose another folder") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return _published(folder)


def verify(folder: Path, public_key: Ed25519PublicKey | None = None) -> Published:
    """Check one publication, by its folder alone.

    Args:
        folder: That of the publication.
        public_key: The organisation's. None: a signature is checked by the key that came with it.

    Raises:
        PublicationError: something differs from what was published; the message names the first that does.
    """
    seal, manifest = _read_canonical(folder / SEAL_FILE), _read_canonical(folder / MANIFEST_FILE)
    for what, data, fields in ((SEAL_FILE, seal, _SEAL_FIELDS), (MANIFEST_FILE, manifest, _MANIFEST_FIELDS)):
        if data.get("schema") != SCHEMA:
            raise PublicationError(f"{folder / what}: schema {data.get('schema')!r}, this ecoia verifies {SCHEMA}")
        if set(data) != fields:
            raise PublicationError(f"{folder / what} is not what was published: {', '.join(sorted(set(data) ^ fields))}")
    for what, listed in ((SEAL_FILE, seal["documents"]), (MANIFEST_FILE, manifest["files"])):
        if not isinstance(listed, dict):
            raise PublicationError(f"{folder / what} is not what was published: it lists no files")
    _check_signature(folder, seal, public_key)
    if _sha256(folder / MANIFEST_FILE) != seal["head"]:
        raise PublicationError(f"{folder / MANIFEST_FILE} is not the one that {SEAL_FILE} seals: its SHA-256 is not the head")
    if seal["quarter"] != manifest["quarter"]:
        raise PublicationError(f"{folder / SEAL_FILE} is of {seal['quarter']}, the manifest of {manifest['quarter']}")
    listed = {**manifest["files"], **{f"{DOCUMENTS_FOLDER}/{path}": digest for path, digest in seal["documents"].items()}}
    present = [path for path in _files(folder) if path not in (MANIFEST_FILE, SEAL_FILE)]
    for path in sorted({*listed, *present}):
        if path not in listed:
            raise PublicationError(f"{folder / path} was not published: it was added since")
        if path not in present:
            raise PublicationError(f"{folder / path} is missing")
        if _sha256(folder / path) != listed[path]:
            raise PublicationError(f"{folder / path} is not what was published{_which_figures(folder / path, path, manifest)}")
    report = _read_object(folder / REPORT_FILE)
    told = {"figures": _figures(json.dumps(report)), **{name: report.get(name) for name in ("quarter", "method_version")}}
    for name, value in told.items():
        if manifest[name] != value:
            raise PublicationError(f"{folder / MANIFEST_FILE} is not that of {REPORT_FILE}: '{name}' differs")
    return _published(folder)


def verify_chain(root: Path, public_key: Ed25519PublicKey | None = None) -> list[Published]:
    """Check every publication of a folder, and that each follows the one before.

    Raises:
        PublicationError: as ``verify``, or a link of the chain is not the publication before.
    """
    for path in sorted(path for name in (REPORT_FILE, SEAL_FILE) for path in root.glob(f"[!.]*/{name}")):
        if not (path.parent / MANIFEST_FILE).exists():
            raise PublicationError(f"{path.parent / MANIFEST_FILE} is missing")
    chain = publications(root)
    if not chain:
        raise PublicationError(f"'{root}' holds no publication: name the folder of one, or that of all of them")
    for before, each in zip([None, *chain], chain, strict=False):
        verify(each.folder, public_key)
        if each.name.partition("-r")[0] != each.quarter:
            raise PublicationError(f"{each.folder} was published as {each.quarter}: its folder was renamed")
        link = _read_canonical(each.folder / MANIFEST_FILE)["previous"]
        if before is not None and (link["head"], link["seal"]) != (before.head, _sha256(before.folder / SEAL_FILE)):
            raise PublicationError(f"{before.folder} is not the publication that {each.name} was chained to")
    return chain


def recompute(published: Published) -> bool:
    """Whether this version of ecoia computes the very bytes of the published figures from the published inputs."""
    inputs = published.inputs()
    told = published.report()
    return recomputed(inputs, told).to_json().encode() == (published.folder / REPORT_FILE).read_bytes()


def recomputed(inputs: Inputs, told: Mapping[str, Any]) -> QuarterlyReport:
    """The report of a published quarter from some inputs; what was published before it is as the report told it."""
    return build_report(
        inputs.rows,
        Quarter.parse(told["quarter"]),
        settings=inputs.settings,
        catalogue=inputs.catalogue,
        factors=inputs.factors,
        known_until_ns=inputs.known_until_utc_ns,
        over=True,
        published_micrograms={quarter: dict(parts) for quarter, parts in told["published_micrograms"].items()},
        restatements=tuple(Recalculation.from_dict(each) for each in told["restatements"]),
    )


def read_key(path: Path, passphrase: str | None = None) -> Ed25519PrivateKey:
    """A private key (PEM, Ed25519).

    Raises:
        PublicationError: it cannot be read, or is another kind of key.
    """
    serialization, ed25519 = _cryptography()
    pem = b""
    try:
        pem = path.read_bytes()
        key: Ed25519PrivateKey = serialization.load_pem_private_key(pem, passphrase.encode() if passphrase else None)
    except TypeError as error:  # a passphrase too many, or none
        remedy = "unset ECOIA_KEY_PASSPHRASE" if passphrase else "its passphrase is read from ECOIA_KEY_PASSPHRASE"
        raise PublicationError(f"key '{path}' cannot be read ({error}): {remedy}") from error
    except (OSError, ValueError) as error:
        remedy = "correct ECOIA_KEY_PASSPHRASE" if passphrase and b"ENCRYPTED" in pem else _HOW_TO_MAKE
        raise PublicationError(f"key '{path}' cannot be read ({error}): {remedy}") from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise PublicationError(f"key '{path}' is no Ed25519 private key: {_HOW_TO_MAKE}")
    found: Ed25519PrivateKey = key
    return found


def read_public_key(path: Path) -> Ed25519PublicKey:
    """A public key (PEM, Ed25519).

    Raises:
        PublicationError: it cannot be read, or is another kind of key.
    """
    serialization, ed25519 = _cryptography()
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, TypeError) as error:
        raise PublicationError(f"public key '{path}' cannot be read ({error}): {_HOW_TO_GIVE}") from error
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise PublicationError(f"public key '{path}' is no Ed25519 key: {_HOW_TO_GIVE}")
    found: Ed25519PublicKey = key
    return found


_HOW_TO_MAKE = "make one with 'openssl genpkey -algorithm ed25519 -out ecoia.pem'"
_HOW_TO_GIVE = "take it out of the private one with 'openssl pkey -in ecoia.pem -pubout'"


def _cryptography() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise MissingExtraError("Signing", "cryptography") from error
    return serialization, ed25519


def _seal(draft: Path, quarter: str, head: str, key: Ed25519PrivateKey | None) -> dict[str, Any]:
    documents = draft / DOCUMENTS_FOLDER
    seal: dict[str, Any] = {
        "schema": SCHEMA,
        "quarter": quarter,
        "head": head,
        "documents": {path: _sha256(documents / path) for path in _files(documents)},
        "public_key": None,
    }
    if key is None:
        return {**seal, "signature": None}
    seal["public_key"] = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    return {**seal, "signature": base64.b64encode(key.sign(_canonical(seal))).decode()}


def _check_signature(folder: Path, seal: Mapping[str, Any], public_key: Ed25519PublicKey | None) -> None:
    if seal["signature"] is None:
        if public_key is not None or seal["public_key"] is not None:
            raise PublicationError(f"{folder / SEAL_FILE} is not signed")
        return
    _, ed25519 = _cryptography()
    from cryptography.exceptions import InvalidSignature

    unsigned = {name: value for name, value in seal.items() if name != "signature"}
    try:
        told, signature = (_decoded(seal[name]) for name in ("public_key", "signature"))
        ed25519.Ed25519PublicKey.from_public_bytes(told).verify(signature, _canonical(unsigned))
    except (InvalidSignature, ValueError, TypeError) as error:
        raise PublicationError(f"{folder / SEAL_FILE}: the signature is not that of this seal") from error
    if public_key is not None and public_key.public_bytes_raw() != told:
        raise PublicationError(f"{folder / SEAL_FILE} is signed with another key than the one given")


def _decoded(text: str) -> bytes:
    """Base64, written in its one way."""
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError(text)
    return data


def _published(folder: Path) -> Published:
    manifest = _read_canonical(folder / MANIFEST_FILE)
    try:
        return Published(
            folder=folder,
            quarter=manifest["quarter"],
            restates=manifest["restates"],
            head=_sha256(folder / MANIFEST_FILE),
            previous=manifest["previous"]["name"] if manifest["previous"] else None,
            published_on=manifest["published_on"],
        )
    except (KeyError, TypeError) as error:
        raise PublicationError(f"{folder / MANIFEST_FILE} is no manifest: it lacks {error}") from error


def _figures(report: str) -> dict[str, str]:
    """The SHA-256 of each section of the figures, so that a difference has a name."""
    data = json.loads(report)
    if not isinstance(data, dict):
        raise ValueError("it is no object")  # noqa: TRY004 - as what is no JSON at all
    return {name: hashlib.sha256(_canonical(value)).hexdigest() for name, value in data.items()}


def _which_figures(path: Path, name: str, manifest: Mapping[str, Any]) -> str:
    if name != REPORT_FILE:
        return ""
    try:
        now = _figures(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return ": it is no longer a report"
    then = manifest["figures"]
    differing = [section for section in sorted({*now, *then}) if now.get(section) != then.get(section)]
    return f": section '{differing[0]}' differs" if differing else ": its figures are, its writing is not"


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in _walk(folder))


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)
        else:
            yield path


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise PublicationError(f"{path} cannot be read ({error.strerror})") from error


def _canonical(data: Any) -> bytes:
    return (json.dumps(data, ensure_ascii=False, allow_nan=False, indent=1, sort_keys=True) + "\n").encode()


def _read_json(path: Path) -> Any:
    try:
        data = json.loads(path.read_bytes())
        _canonical(data)  # what nobody can write again, as NaN, nobody published
    except OSError as error:
        raise PublicationError(f"{path} cannot be read ({error.strerror}): is this the folder of a publication?") from error
    except (ValueError, RecursionError) as error:
        raise PublicationError(f"{path} is not what was published: it cannot be read ({error})") from error
    return data


def _read_object(path: Path) -> dict[str, Any]:
    data = _read_json(path)
    if not isinstance(data, dict):
        raise PublicationError(f"{path} is not what was published: it is no object")
    return data


def _read_canonical(path: Path) -> dict[str, Any]:
    """A JSON object in the one way of writing it: a byte that changes nothing in it is found as well."""
    data = _read_object(path)
    if _canonical(data) != path.read_bytes():
        raise PublicationError(f"{path} is not what was published: it is written in another way")
    return data
