"""Destinations of records: MLflow tracking URIs, each with a local id, the *target*, in ``targets.json`` of the home.

A record carries the id only (``Record.target``), so no address leaves the host with it. Measured processes load this module,
so it uses the standard library only.

Passwords are never written. The stored URI has none; delivery takes them from ``MLFLOW_TRACKING_URI`` where the two URIs
are otherwise equal, or from MLflow's own ``MLFLOW_TRACKING_USERNAME`` and ``MLFLOW_TRACKING_PASSWORD``.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from ecoia.errors import JournalError
from ecoia.keeping.file_system import LockableFile, sync

_REVEALING_WORDS = "pass|pwd|secret|token|key|credential"
_SECRET_PARAMETERS = re.compile(_REVEALING_WORDS, re.IGNORECASE)
_USER_IN_TEXT = re.compile(r"//[^/\s]*@")
_SECRET_IN_TEXT = re.compile(rf"([?&][^=&\s/]*(?:{_REVEALING_WORDS})[^=&\s/]*=)[^&\s/'\"]*", re.IGNORECASE)


def public_uri(uri: str) -> str:
    """Return a URI without credentials: neither ``user:password@`` nor parameters whose name suggests a secret.

    Example:
        >>> public_uri("https://me:secret@mlflow.example/path?token=abc&x=1")
        'https://mlflow.example/path?x=1'
    """
    parts = urlsplit(uri)
    if not parts.scheme:
        return uri
    netloc = parts.netloc.rpartition("@")[2]
    query = urlencode([(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if not _SECRET_PARAMETERS.search(k)])
    if netloc == parts.netloc and len(parse_qsl(parts.query, keep_blank_values=True)) == len(parse_qsl(query, True)):
        return uri  # urlunsplit would drop slashes of sqlite:////...
    return urlunsplit((parts.scheme, netloc, parts.path, query, parts.fragment))


def public_text(text: str) -> str:
    """Return another program's message without the credentials of the addresses that it quotes.

    Example:
        >>> public_text("no answer from https://me:secret@mlflow.example")
        'no answer from https://mlflow.example'
    """
    return _SECRET_IN_TEXT.sub(r"\1***", _USER_IN_TEXT.sub("//", text))


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


def absolute_uri(uri: str) -> str:
    """Make a relative SQLite path or folder of a URI absolute, as the helper works from another folder.

    Example:
        >>> absolute_uri("https://mlflow.example")
        'https://mlflow.example'
    """
    path = sqlite_file(uri)
    if path is not None:
        head, _, query = uri.partition("?")
        prefix = head[: head.index(":///") + 4]
        return prefix + str(path.absolute()) + (f"?{query}" if query else "")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", uri):
        if uri.startswith("file:") and not uri.startswith("file:/"):
            return Path(uri.removeprefix("file:")).absolute().as_uri()
        return uri
    return uri if uri.startswith("databricks") else Path(uri).absolute().as_uri()


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

    stored = public_uri(absolute_uri(uri))
    target = hashlib.sha256(stored.encode()).hexdigest()[:12]
    folder = Path(home)
    if read_targets(folder).get(target) == stored:
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _one_writer(folder / ".targets.lock"):
            write_atomically(folder / "targets.json", json.dumps({**read_targets(folder), target: stored}, indent=2) + "\n")
    except OSError as error:
        raise JournalError(
            f"journal home '{folder}' cannot be written ({error.strerror}): make it writable or set ECOIA_HOME"
        ) from error
    return target


def read_targets(home: str | Path) -> dict[str, str]:
    """Return every known target: id -> URI without credentials.

    A file that cannot be read counts as empty, and the next ``register_target`` replaces it.

    Example:
        >>> read_targets("no-such-home")
        {}
    """
    try:
        data = json.loads((Path(home) / "targets.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in data.items()} if isinstance(data, dict) else {}


def with_credentials(uri: str) -> str:
    """Return ``MLFLOW_TRACKING_URI`` with its credentials if it equals ``uri`` without them; otherwise ``uri``.

    Example:
        >>> with_credentials("sqlite:////var/ml.db")
        'sqlite:////var/ml.db'
    """
    own = os.environ.get("MLFLOW_TRACKING_URI")
    return own if own and public_uri(absolute_uri(own)) == uri else uri


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
