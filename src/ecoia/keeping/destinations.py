"""Destinations of records: MLflow tracking URIs, each with a local id, the *target*, in ``targets.json`` of the home.

A record carries the id only (``Record.target``), so no address leaves the host with it. Measured processes load this module,
so it uses the standard library only.

Secrets are never written and never shown. Of a URI, only the form that ``public_uri`` gives is: the parts that are known to hold
no secret. The id is made of that form alone: from a digest of the whole, a weak password could be found by trying. Delivery takes
the whole URI from ``MLFLOW_TRACKING_URI`` if the two have the same public form.
"""

from __future__ import annotations

import json
import os
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, unquote, unquote_plus, urlencode

from ecoia.errors import JournalError
from ecoia.keeping.file_system import LockableFile, sync
from ecoia.keeping.known_already import TARGETS_FILE

UNREADABLE = "(not readable)"
"""Ends the public form of a URI that can be read in several ways, or in none: any part of it may be a secret."""

_WITHOUT_ADDRESS = frozenset({"databricks", "databricks-uc", "uc"})
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]{0,30}"
_HIDDEN = rf"(?:{_SCHEME}:)?{re.escape(UNREADABLE)}"
_DATABASES = frozenset({"postgresql", "postgres", "mysql", "mariadb", "mssql", "oracle"})
_ADDRESS = r"(?:\[[\w:.%]+\]|[\w.-]*)(?::(\d{0,5}))?(/[^?&=;@#]*)?"
_USER = r"[^:/?#@]*:(?:(?![?&#;][^=@]*=)[^@])*@"
_PLACES = {
    **dict.fromkeys(("host", "hostaddr", "server", "address", "addr", "unix_socket"), "host"),
    **dict.fromkeys(("dbname", "database", "initial catalog", "service"), "database"),
    **{name: name for name in ("dsn", "port")},
}
_PLACE = r"(?:tcp:)?[\w.,/\\-]+(?::\d+)?"
_MOST_PORT = 65_535
_MOST_URI_CHARACTERS = 4_000
_MOST_CHARACTERS = 255
"""Longest name of a file or host. What is longer is no place: a token, perhaps."""

_REVEALING_WORDS = "pass|pwd|secret|token|key|credential"
_SECRET_VARIABLES = rf"(?i:(?:MLFLOW|DATABRICKS|AWS|AZURE|GOOGLE|PG)\w*(?:{_REVEALING_WORDS}))"
_ADDRESS_IN_TEXT = r"\b[A-Za-z][\w+.-]{0,30}://[^\s'\"<>@]{0,4000}@[^\s'\"<>]{0,4000}"
_SECRET_IN_TEXT = rf"(?i)([?&;][^?=&;\s/]{{0,60}}(?:{_REVEALING_WORDS})[^?=&;\s/]{{0,60}}=)[^&;\s/'\"]*"
_SHORTEST_SECRET = 3


def public_uri(uri: str) -> str:
    """Return the form of a tracking URI that may be stored and shown: scheme, host, port and path.

    Left out are the user, the password, parameters and the fragment, except parameters that give the host or the database. A
    relative path becomes absolute, as the helper works from another folder. Where the parts cannot be told apart for certain, the
    scheme and ``UNREADABLE`` are all there is. Never raises.

    Example:
        >>> public_uri("https://me:secret@mlflow.example/path?token=abc&x=1")
        'https://mlflow.example/path'
        >>> public_uri("postgresql://me:sec/ret@db.example:5432/mlflow")
        'postgresql://db.example:5432/mlflow'
        >>> public_uri("https://me:sec/ret@mlflow.example")
        'https:(not readable)'
    """
    scheme, separator, rest = uri.partition("://")
    if not separator or re.fullmatch(_SCHEME, scheme) is None:
        scheme = ""
    if not is_readable(uri):
        return uri
    try:
        found = _public(scheme.lower(), rest, uri) if uri.isprintable() and len(uri) <= _MOST_URI_CHARACTERS else None
    except (OSError, ValueError):  # the current folder is gone; no path can be made of it
        found = None
    return found if found is not None else f"{scheme}:{UNREADABLE}" if scheme else UNREADABLE


def _public(scheme: str, rest: str, uri: str) -> str | None:
    """Return the public form of a printable URI; None if its parts cannot be told apart."""
    if uri in _WITHOUT_ADDRESS:
        return uri
    if not scheme:
        path = _local_path(*_cut(uri[5:], "[?#]")) if uri.startswith("file:") else _local_path(uri)
        return None if path is None else path.as_uri()
    if scheme.partition("+")[0] == "sqlite":
        name, parameters = _cut(rest, "[?]")
        if name in ("", "/", "/:memory:"):
            return uri.partition("?")[0]
        path = _local_path(unquote(name[1:]), parameters) if name.startswith("/") else None
        return None if path is None else f"{uri.partition('://')[0]}:///{path}"
    if scheme == "file" and rest.startswith("/"):
        name, parameters = _cut(rest, "[?#]")
        return None if _local_path(unquote(name), parameters) is None else f"file://{name}"
    is_database = scheme.partition("+")[0] in _DATABASES
    address, parameters = _without_user(rest, is_database)
    found = None if address is None else re.fullmatch(_ADDRESS, address)
    if address is None or found is None or int(found[1] or 0) > _MOST_PORT or (not is_database and address[:1] in ("", "/", ":")):
        return None
    folder = unquote(found[2] or "")
    if re.fullmatch(_ADDRESS, folder) is None or not folder.isprintable() or _too_long(address.split("/")):
        return None
    places = _places(parameters) if is_database else {}
    if places is None:
        return None
    return f"{uri.partition('://')[0]}://{address}" + (f"?{urlencode(sorted(places.items()), safe='/:,')}" if places else "")


def _cut(text: str, marks: str) -> tuple[str, str]:
    """Return a text up to the first of some marks, and the rest."""
    found = re.search(marks, text)
    return (text, "") if found is None else (text[: found.start()], text[found.start() :])


def _local_path(text: str, parameters: str = "") -> Path | None:
    """Return the absolute path that a text names; None if it may be an address without its scheme, or hold parameters."""
    path = Path(text)
    strange = "[?&;]|:.*@" if path.is_absolute() else "[?&;=#@:]"
    if re.search(strange, text) or "@" in parameters or not text.isprintable() or _too_long(path.parts):
        return None
    return path.absolute()


def _too_long(names: Iterable[str]) -> bool:
    return any(len(name.encode("utf-8", "replace")) > _MOST_CHARACTERS for name in names)


def _without_user(rest: str, is_database: bool) -> tuple[str | None, str]:
    """Return host, port and path of what follows ``://``, and its parameters. Without one certain reading: None, and nothing.

    HTTP clients end the user and password at the last ``@`` before any ``/``, ``?`` or ``#``. SQLAlchemy takes these characters
    as part of a password.
    """
    before, _ = _cut(rest, "[/?#]")
    if rest.count("@") == before.count("@"):
        rest = rest[before.rfind("@") + 1 :]
    elif is_database and rest.count("@") == 1 and re.match(_USER, rest):
        rest = rest.partition("@")[2]
    else:
        return None, ""
    return _cut(rest, "[?#;]")[0], rest.partition("?")[2]


def _places(parameters: str) -> dict[str, str] | None:
    """Return the parameters of a database that say where it is; None if one of them may say more than that."""
    named = parse_qsl(parameters.partition("#")[0], keep_blank_values=True)
    for name, value in named:
        if name.lower() == "odbc_connect":
            named += [(key.strip(), text.strip()) for key, _, text in (pair.partition("=") for pair in value.split(";"))]
    places = {_PLACES[name.lower()]: value for name, value in named if name.lower() in _PLACES}
    return places if all(re.fullmatch(_PLACE, value) and not _too_long([value]) for value in places.values()) else None


def is_readable(public: str) -> bool:
    """Return whether a public form says which destination it is, so that records can be sent there.

    Example:
        >>> is_readable(public_uri("https://mlflow.example")), is_readable(public_uri("https://mlflow.example:port"))
        (True, False)
    """
    return re.fullmatch(_HIDDEN, public) is None


def public_text(text: str, *uris: str | None) -> str:
    """Return another program's message without the secrets of the addresses that it quotes, whole or in pieces.

    Args:
        text: The message.
        uris: Addresses that the program used. ``MLFLOW_TRACKING_URI`` is known already.

    Example:
        >>> public_text("no answer from https://me:secret@mlflow.example")
        'no answer from https://mlflow.example'
        >>> public_text("not a port: 'sec'", "https://me:sec/ret@mlflow.example")
        "not a port: '***'"
    """
    known = {uri for uri in (*uris, os.environ.get("MLFLOW_TRACKING_URI")) if uri}
    for uri in sorted(known, key=len, reverse=True):
        text = text.replace(uri, public_uri(uri))
    secrets = {value for name, value in os.environ.items() if re.match(_SECRET_VARIABLES, name)}
    for secret in sorted(secrets.union(*map(_hidden_pieces, known)), key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return re.sub(_SECRET_IN_TEXT, r"\1***", re.sub(_ADDRESS_IN_TEXT, lambda found: public_uri(found[0]), text))


def _hidden_pieces(uri: str) -> set[str]:
    """Return everything in a URI that its public form does not show, in the forms and pieces in which a message may quote it."""
    shown = public_uri(uri)
    if shown == uri:
        return set()
    rest = ("" if shown == UNREADABLE else uri.partition("://")[2]) or uri
    user = rest.rpartition("@")[0]
    pieces = {user, b64encode(unquote(user).encode("utf-8", "replace")).decode("ascii")}
    for text in (rest, unquote(rest), unquote_plus(unquote_plus(rest))):
        pieces.update(re.split(r"[/?#@:&=;]", text), re.split(r"[^\w-]+", text))
    words = set(re.split(r"[^\w-]+", shown)) | set(re.split(r"[/?#@:&=;]", shown))
    return pieces - words


def sqlite_file(uri: str) -> Path | None:
    """Return the database file of a SQLite URI, or None for any other URI and for a database in memory.

    Example:
        >>> sqlite_file("sqlite:////var/ml.db?timeout=5").as_posix()
        '/var/ml.db'
    """
    scheme, _, rest = uri.partition(":///")
    if scheme.partition("+")[0] != "sqlite":
        return None
    path = unquote(rest.partition("?")[0])
    return None if path in ("", ":memory:") else Path(path)


def register_target(home: str | Path, uri: str) -> str:
    """Return the local id of a tracking URI, and store it when it is new. The same URI always has the same id.

    Args:
        home: The journal's home.
        uri: The URI as the program set it; a relative SQLite path is taken from the current folder.

    Raises:
        JournalError: the home cannot be written.

    Example:
        >>> import tempfile
        >>> home = tempfile.mkdtemp()
        >>> target = register_target(home, "https://mlflow.example")
        >>> read_targets(home)[target]
        'https://mlflow.example'
    """
    import hashlib  # loads OpenSSL, 3 MB: only programs that set a URI pay for it

    stored = public_uri(uri)
    target = hashlib.sha256(stored.encode()).hexdigest()[:12]
    folder = Path(home)
    if read_targets(folder).get(target) == stored:
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _one_writer(folder / ".targets.lock"):
            write_atomically(folder / TARGETS_FILE, json.dumps({**read_targets(folder), target: stored}, indent=2) + "\n")
    except OSError as error:
        raise JournalError(
            f"journal home '{folder}' cannot be written ({error.strerror}): make it writable or set ECOIA_HOME"
        ) from error
    return target


def read_targets(home: str | Path) -> dict[str, str]:
    """Return every known target: id -> the public form of its URI.

    A file that cannot be read counts as empty, and the next ``register_target`` replaces it.

    Example:
        >>> read_targets("no-such-home")
        {}
    """
    try:
        data = json.loads((Path(home) / TARGETS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    # An earlier version stored more of some URIs.
    return {str(k): public_uri(str(v)) for k, v in data.items()} if isinstance(data, dict) else {}


def with_credentials(public: str) -> str:
    """Return ``MLFLOW_TRACKING_URI`` if it has this public form; otherwise that form.

    Example:
        >>> with_credentials("sqlite:////var/ml.db")
        'sqlite:////var/ml.db'
    """
    own = os.environ.get("MLFLOW_TRACKING_URI")
    return own if own and is_readable(public) and public_uri(own) == public else public


def write_atomically(path: Path, text: str) -> None:
    """Replace a file as a whole, durably, readable by its owner only. A kill at any point leaves the old file or the new one.

    Raises:
        OSError: the folder cannot be written.
    """
    draft = path.with_name(f".{path.name}-{os.urandom(4).hex()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            sync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _one_writer(path: Path) -> Iterator[None]:
    file = LockableFile(path, os.O_WRONLY | os.O_CREAT)
    try:
        file.lock(wait=True)
        yield
    finally:
        file.close()
