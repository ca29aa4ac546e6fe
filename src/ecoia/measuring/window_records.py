"""Build the records of a window that ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ecoia import losses
from ecoia import meters as metering
from ecoia.keeping.home_identity import instance_of
from ecoia.light import TYPE_CHECKING, Any, NamedTuple
from ecoia.measuring.new_ids import NewIds
from ecoia.measuring.subject import TOKEN_PARTS, RecordKey, TokenCounts
from ecoia.measuring.window import Window
from ecoia.meters import Meter
from ecoia.methods import HANDED_TO_GUEST, NOT_MEASURED, Method, shared_by
from ecoia.records import Record, Tokens
from ecoia.semconv import COMPONENTS, KIND_IDLE, KIND_LINK, KIND_OUTCOME, KIND_OVERHEAD, KIND_SPAN, MISSING

if TYPE_CHECKING:
    from ecoia.measuring.token_sharing import DeviceShares
    from ecoia.settings import Settings


class Reservation(NamedTuple):
    """Reserved capacity as records state it: the share of the host, 0 to 1, and whether idle energy is separated."""

    share: float
    idle_separated: bool


_OF_GUESTS = dict.fromkeys(("cpu", "ram"), HANDED_TO_GUEST)
"""Methods of records whose energy was handed to a virtual machine."""


class RecordBuilder:
    """Turns a window into records. Remembers which outcomes it reported, so that each is reported once.

    Args:
        settings: ``service``, ``instance``, ``scope`` and ``zone``.
        meters: At most one for each component.
        pid: The process that the records name.
        context: Facts about the machine (``meters.hardware.context``).

    Attributes:
        ids: Gives new records their ids.
    """

    def __init__(self, settings: Settings, meters: Sequence[Meter], *, pid: int, context: Mapping[str, object]) -> None:
        self._settings = settings
        self._instance = instance_of(settings)
        self._meters = meters
        self._methods = metering.methods(meters)
        self._pid = pid
        self._context = dict(context)
        self._reported_failed: dict[RecordKey, bool] = {}
        self.ids = NewIds()

    def build(
        self, window: Window, end_utc_ns: int, reservation: Reservation, shares: DeviceShares | None = None
    ) -> list[Record]:
        """Build all records of a window.

        Args:
            window: The window, which has ended.
            end_utc_ns: When it ended.
            reservation: The reserved capacity when it ended.
            shares: How weights share the energy of its devices; None: as it was attributed.
        """
        common = self._common_fields(window, (window.start_utc_ns, end_utc_ns), reservation)
        records = [*self._of_spans(window, common, shares), *self._of_other_kinds(window, common, window.lost)]
        for key, record in self._outcomes(window, common):
            self._reported_failed[key] = window.deltas[key].last_failed
            records.append(record)
        return records + self._links(window, end_utc_ns)

    def build_open(
        self, window: Window, bounds_utc_ns: tuple[int, int], reservation: Reservation, shares: DeviceShares | None = None
    ) -> list[Record]:
        """Build the records that stand for an open window if its process dies now. Changes nothing.

        They have the ids of the records that ``build`` returns when the window ends, and count the sudden end as a loss.

        Args:
            window: The window.
            bounds_utc_ns: Its start, and now.
            reservation: The reserved capacity.
            shares: See ``build``.
        """
        common = self._common_fields(window, bounds_utc_ns, reservation)
        lost = {**window.lost, losses.ENDED_SUDDENLY: 1}
        outcomes = [record for _, record in self._outcomes(window, common)]
        links = self._links(window, bounds_utc_ns[1])
        return [*self._of_spans(window, common, shares), *self._of_other_kinds(window, common, lost), *outcomes, *links]

    def _common_fields(self, window: Window, bounds_utc_ns: tuple[int, int], reservation: Reservation) -> dict[str, Any]:
        share = window.allocated / window.metered if window.metered else None
        return {
            "instance": self._instance,
            "pid": self._pid,
            "start_utc_ns": bounds_utc_ns[0],
            "end_utc_ns": bounds_utc_ns[1],
            "scope": self._settings.scope,
            "share_claimed": None if share is None else round(share, 6),
            "reserved_share": round(reservation.share, 6),
            "idle_separated": reservation.idle_separated,
            "zone": self._settings.zone,
            "context": self._context,
        }

    def _of_spans(self, window: Window, common: Mapping[str, Any], shares: DeviceShares | None) -> list[Record]:
        records = []
        for key, delta in window.deltas.items():
            energy: Mapping[str, int | None] = window.energy[(KIND_SPAN, key)]
            way = None
            if shares is not None and key in shares.microjoules:
                energy, way = {**energy, "gpu": shares.microjoules[key]}, shares.ways.get(key)
            if not (delta.spans or delta.cpu_ns or delta.in_flight_ns or delta.units_micro or any(energy.values())):
                continue
            fields = {
                "spans": delta.spans,
                "units_micro": delta.units_micro,
                "accepted_micro": delta.accepted_micro,
                "cpu_ns": delta.cpu_ns,
                "tokens": _tokens(delta.tokens),
                "quality": delta.quality,
            }
            records.append(self._record(window, common, KIND_SPAN, key, energy, way=way, **fields))
        return records

    def _of_other_kinds(self, window: Window, common: Mapping[str, Any], window_lost: Mapping[str, int]) -> list[Record]:
        records = []
        for (kind, key), energy in window.energy.items():
            if kind == KIND_SPAN:
                continue
            lost = dict(window_lost) if kind == KIND_OVERHEAD else {}
            # CPU time without a record would be recorded again by a process that measures above, so it is recorded even
            # if its energy is missing.
            if kind == KIND_IDLE or any(energy.values()) or window.cpu_ns[kind] or lost:
                records.append(self._record(window, common, kind, key, energy, cpu_ns=window.cpu_ns[kind], lost=lost))
        return records

    def _outcomes(self, window: Window, common: Mapping[str, Any]) -> list[tuple[RecordKey, Record]]:
        """Build the outcomes of runs: one record for each run, and another one if its outcome changes."""
        records = []
        no_energy: dict[str, int | None] = dict.fromkeys(COMPONENTS)
        for key, delta in window.deltas.items():
            if delta.ended and key.run_id is not None and self._reported_failed.get(key) is not delta.last_failed:
                outcome = "failed" if delta.last_failed else "ok"
                records.append((key, self._record(window, common, KIND_OUTCOME, key, no_energy, outcome=outcome)))
        return records

    def _links(self, window: Window, end_utc_ns: int) -> list[Record]:
        """Build a record of each link, which has no energy."""
        return [
            Record(
                record_id=window.record_id(KIND_LINK, link, self.ids),
                kind=KIND_LINK,
                service=None,
                phase=None,
                instance=self._instance,
                pid=self._pid,
                start_utc_ns=end_utc_ns,
                end_utc_ns=end_utc_ns,
                energy_microjoules=dict.fromkeys(COMPONENTS),
                method=dict.fromkeys(COMPONENTS, NOT_MEASURED),
                run_id=link.run_id,
                beside=link.beside,
                target=link.tracking_uri,
            )
            for link in window.links
        ]

    def _record(
        self,
        window: Window,
        common: Mapping[str, Any],
        kind: str,
        key: RecordKey | None,
        energy: Mapping[str, int | None],
        *,
        way: str | None = None,
        **more: Any,
    ) -> Record:
        if key is not None and kind in (KIND_SPAN, KIND_OUTCOME):
            start_ns, end_ns = window.bounds_of(key, (common["start_utc_ns"], common["end_utc_ns"]))
            common = {**common, "start_utc_ns": start_ns, "end_utc_ns": end_ns}
        if key is not None:
            service, phase = key.service, None if kind == KIND_IDLE else key.phase  # nothing ran at rest
        else:
            service, phase = self._settings.service if kind == KIND_IDLE else None, None
        return Record(
            record_id=window.record_id(kind, key, self.ids),
            kind=kind,
            service=service,
            phase=phase,
            energy_microjoules=energy,
            method=self._methods_of(energy, way) | (_OF_GUESTS if key is not None and key.guest is not None else {}),
            run_id=key.run_id if key else None,
            endpoint=key.endpoint if key else None,
            model_version=key.model_version if key else None,
            devices=tuple(device for meter in self._meters for device in meter.devices) if energy["gpu"] else (),
            shared_devices=tuple(sorted(window.shared_devices)) if energy["gpu"] else (),
            target=key.tracking_uri if key else None,
            **common,
            **more,
        )

    def _methods_of(self, energy: Mapping[str, int | None], way: str | None) -> dict[str, Method]:
        """Return each component's method. A component never read in the window is missing: its energy is not zero."""
        methods = {
            component: Method(MISSING, f"{method.name}:unread")
            if energy[component] is None and method.status != MISSING
            else method
            for component, method in ((component, self._methods[component]) for component in COMPONENTS)
        }
        if way is not None and energy["gpu"]:
            methods["gpu"] = shared_by(methods["gpu"], way)
        return methods


def _tokens(counts: TokenCounts) -> tuple[Tokens, ...]:
    return tuple(
        Tokens(
            provider,
            model,
            *(counts[(provider, model, told, name)] for name in ("tokens_in", "tokens_out", "requests")),
            *(counts[(provider, model, told, name)] if name in told else None for name in TOKEN_PARTS),
        )
        for provider, model, told in sorted({key[:3] for key in counts})
    )
