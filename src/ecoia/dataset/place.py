"""Where a dataset lies: a folder of this machine, or an address that pyarrow reaches (S3, Google, Azure, HDFS, fsspec).

Credentials come from the environment, as every client of such a store takes them (``AWS_ACCESS_KEY_ID``, ``AWS_PROFILE``,
``GOOGLE_APPLICATION_CREDENTIALS``...). An address that holds one is refused, and messages quote no more than ``Place.public``.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ecoia.errors import DatasetError, MissingExtraError, UsageError
from ecoia.keeping.destinations import public_text
from ecoia.keeping.file_system import sync

try:
    from pyarrow import ArrowException, fs
except ImportError as error:  # pragma: no cover - a base install
    raise MissingExtraError("A dataset", str(error.name)) from error

_KNOWN = "a folder, or an address that begins with s3://, gs://, abfs://, hdfs:// or fsspec+<protocol>:// (needs 'fsspec')"
_CONTAINER_FIRST = frozenset({"abfs", "abfss"})
"""Schemes of addresses such as ``abfs://container@account/folder``. In others, what stands before ``@`` is a credential."""

_REVEALING = r"[?&#;][^=&]*(?:key|secret|token|pass|pwd|credential|sig)[^=&]*="
_DRAFT = re.compile(r"(?:^|/)\.[^/]*$")


class Place:
    """A folder that holds a dataset. Names are paths within it, with ``/``.

    Args:
        uri: A folder of this machine, or an address.

    Attributes:
        public: The address without its parameters, for messages.

    Raises:
        UsageError: the address cannot be used, or holds a credential.
        DatasetError: its store does not answer.

    Example:
        >>> import tempfile
        >>> place = Place(tempfile.mkdtemp())
        >>> place.write("a/b", b"content")
        >>> place.sizes()
        {'a/b': 7}
    """

    def __init__(self, uri: str) -> None:
        scheme, is_address, rest = uri.partition("://")
        named = re.sub(r"^[\w.-]+@", "", rest) if scheme in _CONTAINER_FIRST else rest
        if is_address and ("@" in named or re.search(_REVEALING, named, re.IGNORECASE)):
            raise UsageError(
                f"the address '{scheme}://...' holds a credential, which commands and logs would show: leave it out, and set the "
                "store's usual variables (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE...)"
            )
        self.public = re.split("[?#]", uri, maxsplit=1)[0] if is_address else str(Path(uri).expanduser().absolute())
        with self._saying("reached"):
            try:
                self._fs, root = fs.FileSystem.from_uri(uri if is_address else self.public)
            except (ImportError, ValueError, TypeError) as error:
                why = public_text(" ".join(str(error).split()).replace(uri, self.public), uri)
                raise UsageError(f"'{self.public}' cannot be used ({why}): give {_KNOWN}") from error
        self._root = root.rstrip("/")
        self._is_here = isinstance(self._fs, fs.LocalFileSystem)

    def read(self, name: str, most_bytes: int) -> bytes:
        """Return what a file holds.

        Raises:
            FileNotFoundError: there is none.
            DatasetError: it is larger than ``most_bytes``, or cannot be read.
        """
        with self._saying("read", name), self._fs.open_input_stream(self._path(name), compression=None) as stream:
            content = bytes(stream.read(most_bytes + 1))
        if len(content) > most_bytes:
            raise DatasetError(f"'{self.public}/{name}' has more than {most_bytes:,} bytes, so it is no part of a dataset")
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write a file as a whole: a reader, or a crash, finds none of it or all of it.

        On this machine, and where fsspec writes, the file is written beside and renamed. An object store shows an object once it
        is whole.

        Raises:
            DatasetError: it cannot be written.
        """
        path = self._path(name)
        with self._saying("written", name):
            if self._is_here:
                _write_here(Path(path), content)
                return
            self._fs.create_dir(path.rpartition("/")[0])
            draft = self._draft(path) if isinstance(self._fs, fs.PyFileSystem) else path
            with self._fs.open_output_stream(draft, compression=None) as stream:
                stream.write(content)
            if draft != path:
                self._fs.move(draft, path)

    def sizes(self) -> dict[str, int]:
        """Return the bytes of every file by name, drafts left out.

        Raises:
            DatasetError: the folder cannot be listed.
        """
        with self._saying("listed"):
            found = self._fs.get_file_info(fs.FileSelector(self._root or "/", recursive=True, allow_not_found=True))
        prefix = len(self._root) + 1 if self._root else 0
        files = {each.path[prefix:]: each.size for each in found if each.type == fs.FileType.File}
        return {name: size for name, size in files.items() if not _DRAFT.search(name)}

    def remove(self, name: str) -> None:
        """Remove a file; none is fine.

        Raises:
            DatasetError: it cannot be removed.
        """
        with self._saying("removed", name), suppress(FileNotFoundError):
            self._fs.delete_file(self._path(name))

    @property
    def is_here(self) -> bool:
        """Whether it is a folder of this machine, and no object store."""
        return self._is_here

    def local_path(self, name: str) -> Path | None:
        """Return the path of a file on this machine; None where the place is an object store."""
        return Path(self._path(name)) if self._is_here else None

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _draft(self, path: str) -> str:
        folder, _, name = path.rpartition("/")
        return f"{folder}/.{name}-{secrets.token_hex(4)}"

    @contextmanager
    def _saying(self, done: str, name: str = "") -> Iterator[None]:
        """Turn an error of the store into ours, which names the place and holds no secret."""
        try:
            yield
        except FileNotFoundError:
            raise
        except (OSError, ArrowException) as error:
            why = getattr(error, "strerror", None) or " ".join(str(error).split())
            where = f"{self.public}/{name}" if name else self.public
            raise DatasetError(
                f"'{where}' cannot be {done} ({public_text(why)[:300]}): check the address, that its store answers, and that "
                "this machine may use it"
            ) from error


def _write_here(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            sync(file.fileno())
        os.replace(draft, path)  # noqa: PTH105 - one call, whole or not at all
    finally:
        draft.unlink(missing_ok=True)
