"""Write records to the journal, retry what could not be written, and start the delivery helper."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from ecoia import losses
from ecoia.errors import JournalError
from ecoia.instrument.mlflow_run import tracking_uri
from ecoia.keeping import run_signs
from ecoia.keeping.home_identity import open_home
from ecoia.keeping.journal_writer import ANNOUNCE_SHARE, Writer
from ecoia.keeping.open_windows import OpenWindow, are_there_others
from ecoia.light import TYPE_CHECKING
from ecoia.records import Record

if TYPE_CHECKING:
    from ecoia.processes.notices import OwnNotice
    from ecoia.settings import Settings

SHORTEST_AWAIT_SECONDS = 1.0
"""With ``exit_seconds`` below this, the exit does not wait for a delivery."""

_HELPER_CHECK_SECONDS = 60.0
_MAX_UNWRITTEN = 10_000
"""Records kept in memory while the journal cannot be written."""

_MOST_ADOPTED = 20
"""Windows of dead processes that a measured process adopts when it starts; more of them wait for the next one."""


class RecordWriter:
    """The journal of one process. It is opened at the first write.

    Args:
        settings: ``home``, ``journal_max_mb``, ``delivery`` and ``exit_seconds``.
        complain: Logs once, in the host's log, what is wrong.
        notice: States how much CPU time is in records, for processes that measure this one too.

    Attributes:
        lost: Losses by cause. The recorder moves them into the next window.
    """

    def __init__(self, settings: Settings, complain: Callable[[str], None], notice: OwnNotice | None) -> None:
        self._settings = settings
        self._max_bytes = round(settings.journal_max_mb * 1e6)
        self._complain = complain
        self._notice = notice
        self._writer: Writer | None = None
        self._open_window: OpenWindow | None = None
        self._target_ids: dict[str, str] = {}
        self._can_be_sent = False  # some record has a destination that a helper can find
        self._unwritten: list[Record] = []
        self._next_helper_check = 0.0
        self.lost: Counter[str] = Counter()

    @property
    def journal_file(self) -> tuple[str, str] | None:
        """The journal's home and the name of this process's files in it; None until the first write."""
        return None if self._writer is None else (self._writer.home, self._writer.name)

    def write(self, records: Sequence[Record]) -> bool:
        """Append records to the journal, after those that could not be written before. A failure is counted and logged.

        Returns:
            Whether all records so far are in the journal.
        """
        waiting = [*self._unwritten, *records]
        if not waiting:
            return True
        try:
            writer = self._open()
            writer.append(self._with_target_ids(waiting))
        except JournalError as error:
            self._keep(waiting)
            self._complain(str(error))
            return False
        self._unwritten = []
        self._clear(writer)
        self._update_notice(writer, waiting)
        if writer.unsynced is not None:
            self._complain(f"the journal's file system refuses fsync ({writer.unsynced.strerror}): a power cut may cost records")
        if writer.used_share >= ANNOUNCE_SHARE:
            self._complain(
                f"the journal uses {writer.used_share:.0%} of its cap (journal_max_mb): deliver, then archive old days"
            )
        self._tell_run_open(waiting)
        self._start_helper()
        return True

    def _tell_run_open(self, records: Iterable[Record]) -> None:
        if run_signs.any_of_user(records):
            run_signs.give(self._settings.home, run_signs.OPEN)

    def tell_run_ended(self) -> None:
        """Tell the helper that a run ended, and that its records are written as far as they can be."""
        run_signs.give(self._settings.home, run_signs.ENDED)

    def _open(self) -> Writer:
        if self._writer is None:
            open_home(self._settings.home)
            self._writer = Writer(self._settings.home, self._max_bytes)
            self._open_window = OpenWindow(self._settings.home, self._writer.name)
            if self._notice is not None:
                self._notice.writes_to(self._writer.folder, self._writer.name)
        return self._writer

    def _keep(self, records: list[Record]) -> None:
        """Retry with the next window. Records beyond the limit are dropped, oldest first, and counted with their own losses."""
        self._unwritten = records[-_MAX_UNWRITTEN:]
        for dropped in records[:-_MAX_UNWRITTEN]:
            self.lost.update(dropped.lost)
            self.lost[losses.UNWRITTEN_RECORDS] += 1

    def _update_notice(self, writer: Writer, records: Sequence[Record]) -> None:
        file, size_bytes = writer.position
        day, _, _ = file.partition("/")
        if self._notice is not None and not self._notice.add(sum(record.cpu_ns for record in records), day, size_bytes):
            self.lost[losses.CLAIM_UNWRITTEN] += 1

    # the open window

    def keep(self, records: Sequence[Record]) -> None:
        """Keep what is not in the journal yet where the death of this process cannot take it. A failure is counted.

        Args:
            records: Those of the open window, as ``RecordBuilder.build_open`` returns them.
        """
        try:
            writer = self._open()
            if self._open_window is not None:
                self._open_window.keep(self._with_target_ids([*self._unwritten, *records]), writer.position)
                self._tell_run_open(records)
        except (JournalError, OSError):
            self.lost[losses.OPEN_WINDOW_UNKEPT] += 1

    def _clear(self, writer: Writer) -> None:
        """Keep nothing more of what is in the journal. Do it before the notice says so, or its CPU time would seem kept too."""
        if self._open_window is not None and not self._open_window.empty:
            try:  # noqa: SIM105 - contextlib is not loaded for this
                self._open_window.keep([], writer.position)
            except OSError:  # a reader finds their ids in the journal
                pass

    def adopt(self) -> None:
        """Take into the journal what processes that ended suddenly have kept. A failure is logged, and left to the next one."""
        try:
            if are_there_others(self._settings.home, self._open().name):
                from ecoia.keeping.adoption import adopt  # most processes are alone, or end properly
                from ecoia.keeping.journal import Journal

                adopt(Journal(self._settings.home, self._max_bytes), _MOST_ADOPTED, own=self._open().name)
        except JournalError as error:
            self._complain(str(error))

    # destinations

    def _with_target_ids(self, records: Sequence[Record]) -> list[Record]:
        """Replace tracking URIs, which may contain paths and hosts, by ids that only this host can resolve."""
        default = tracking_uri(self._lose) or os.environ.get("MLFLOW_TRACKING_URI") or None
        if self._target_ids:
            from ecoia.keeping.known_already import TARGETS_FILE

            if not os.path.exists(f"{self._settings.home}/{TARGETS_FILE}"):
                self._target_ids.clear()  # the home was removed
                self._can_be_sent = False
        targets = [self._target_id(record.target or default) for record in records]
        return [  # a copy costs more than all else here
            record if record.target == target else record.copy_with(target=target)
            for record, target in zip(records, targets, strict=True)
        ]

    def _lose(self, cause: str) -> None:
        self.lost[cause] += 1

    def _target_id(self, uri: str | None) -> str | None:
        if uri is None:
            return None
        if uri not in self._target_ids:
            self._target_ids[uri] = self._known_target(uri) or self._register_target(uri)
        return self._target_ids[uri]

    def _known_target(self, uri: str) -> str | None:
        from ecoia.keeping.known_already import known_target  # only programs that set a URI pay for it

        target = known_target(self._settings.home, uri)
        self._can_be_sent |= target is not None
        return target

    def _register_target(self, uri: str) -> str:
        from ecoia.keeping.destinations import is_readable, public_uri, register_target  # costs a short script most of its time

        target = register_target(self._settings.home, uri)
        self._can_be_sent |= is_readable(public_uri(uri))  # records with an unreadable URI are sent by hand only
        return target

    def _start_helper(self) -> None:
        settings = self._settings
        if settings.delivery != "helper" or not self._can_be_sent or time.monotonic() < self._next_helper_check:
            return
        self._next_helper_check = time.monotonic() + _HELPER_CHECK_SECONDS
        from ecoia.keeping.known_already import helper_runs

        if helper_runs(settings.home):
            return
        from ecoia.keeping.helper_start import spawn_helper  # once for all processes that run while a helper does

        try:
            spawn_helper(settings)
        except OSError as error:
            self._complain(f"the delivery helper cannot be started ({error}); 'ecoia deliver' sends what is in the journal")

    # the end

    def await_delivery(self) -> None:
        """Wait at most ``exit_seconds`` until the helper has sent the last records. Short waits are skipped."""
        settings = self._settings
        if self._writer is None or not self._can_be_sent:
            return
        if settings.delivery == "helper" and settings.exit_seconds >= SHORTEST_AWAIT_SECONDS:
            from ecoia.keeping.helper_start import await_delivery

            file, size_bytes = self._writer.position
            await_delivery(settings.home, file, size_bytes, settings.exit_seconds)

    def end(self) -> None:
        """State that nothing more will be recorded. What could not be written is left to the next process."""
        if self._unwritten:
            self.keep([])
        elif self._open_window is not None:
            self._open_window.remove()
        if self._notice is not None:
            self._notice.end()

    def let_go(self) -> None:
        """Close the journal's files; in a forked child the parent's, because their locks would outlive the parent."""
        if self._writer is not None:
            self._writer.close()
        if self._open_window is not None:
            self._open_window.close()
