"""Writing several files of the catalogue: all of them, or none."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from ecoia.errors import EcoiaError


def save(folder: Path, texts: Mapping[str, str]) -> None:
    """Write some files of a folder. A reader finds each file either old or new; a failure leaves all of them old.

    Args:
        folder: The folder.
        texts: New content by name of file.

    Raises:
        EcoiaError: The folder cannot be written; nothing has changed.

    Example:
        ``save(folder, {"targets.yaml": text, "committees.yaml": other})`` writes both files, or none.
    """
    before: dict[str, bytes | None] = {}
    drafts = {name: folder / f".{name}-{secrets.token_hex(4)}" for name in texts}
    done: list[str] = []
    try:
        for name, text in texts.items():
            before[name] = (folder / name).read_bytes() if (folder / name).exists() else None
            drafts[name].write_bytes(text.encode())
            if before[name] is not None:
                shutil.copymode(folder / name, drafts[name])
        for name, draft in drafts.items():
            draft.replace((folder / name).resolve())  # a link stays one
            done.append(name)
    except OSError as error:
        for name in done:
            content = before[name]
            if content is None:
                (folder / name).unlink(missing_ok=True)
            else:
                (folder / name).write_bytes(content)
        raise EcoiaError(f"'{folder}' cannot be written ({error.strerror}): make it writable; nothing was changed") from error
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
