"""``ecoia calibrate``: what this host, and others of its kind, draw at the wall by their load."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from ecoia.cli.common import Home, load_settings, number, print_table, say
from ecoia.errors import EcoiaError, UsageError
from ecoia.settings import Settings

if TYPE_CHECKING:
    from ecoia.catalogue import HostModelEntry
    from ecoia.evaluating.host_fit import HostFit
    from ecoia.evaluating.load_log import LoadLog
    from ecoia.meters import Meter


def calibrate(
    record: Annotated[
        Path | None, typer.Option("--record", metavar="FILE", help="Record this host's load, a line a minute, until Ctrl-C.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", metavar="N", min=1, help="With --record: stop after so many seconds.")
    ] = None,
    bmc: Annotated[
        Path | None, typer.Option("--bmc", metavar="FILE", help="Power at the wall: a wattmeter's, PDU's or BMC's series.")
    ] = None,
    load: Annotated[
        Path | None, typer.Option("--load", metavar="FILE", help="With --bmc: the load that --record wrote meanwhile.")
    ] = None,
    instances: Annotated[
        list[str] | None,
        typer.Option("--instances", metavar="PATTERN", help="Hosts of this kind ('*', '?').", show_default="the recorded one"),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", metavar="TEXT", help="Where the measurement is documented; with --bmc.")
    ] = None,
    use: Annotated[
        Path | None, typer.Option("--use", metavar="FILE", help="Keep the model of this host from host-models.yaml, and use it.")
    ] = None,
    home: Home = None,
) -> None:
    """Fit this host's power at the wall to its load, from a meter's series.

    First record the load beside the series for some hours of rest and work. Then fit: the model goes into host-models.yaml of the
    catalogue. Then, on each host of this kind and in guests on them, use it.

    [dim]$ ecoia calibrate --record load.csv[/dim]

    [dim]$ ecoia calibrate --bmc bmc.csv --load load.csv --instances 'node-*' --source 'PV n° 12'[/dim]

    [dim]$ ecoia calibrate --use host-models.yaml[/dim]
    """
    steps = [name for name, value in (("--record", record), ("--bmc", bmc), ("--use", use)) if value is not None]
    if len(steps) != 1:
        raise UsageError(f"{' and '.join(steps) or 'nothing'} given: give exactly one of --record, --bmc and --use")
    settings = load_settings(home, needed=("home", "ecoia.toml", "instance", "catalogue", "timezone", "vcpu_threads"))
    if record is not None:
        _record(record, seconds, settings)
    elif bmc is not None:
        if load is None or source is None:
            missing = "--load" if load is None else "--source"
            raise UsageError(f"{missing} is missing: --bmc goes with --load (what --record wrote) and --source (an auditor asks)")
        _fit(bmc, load, instances, source, settings)
    elif use is not None:
        _use(use, settings)


def _record(path: Path, seconds: float | None, settings: Settings) -> None:
    from ecoia.evaluating.load_log import LoadRecorder

    recorder = LoadRecorder(path, settings.instance, _graphics_cards())
    say(f"recording the load of '{settings.instance}' in '{path}', a line a minute; Ctrl-C ends it")
    until = None if seconds is None else time.monotonic() + seconds
    try:
        while until is None or time.monotonic() < until:
            time.sleep(1.0 if until is None else min(1.0, max(until - time.monotonic(), 0.0)))
            recorder.step()
    except KeyboardInterrupt:
        say("ended")


def _graphics_cards() -> Meter | None:
    """Return the meter of all of this host's graphics cards, whoever uses them; None if it has none.

    Raises:
        UsageError: It has some, and their power cannot be read.
    """
    from ecoia.meters import Absence, gpu, hardware

    meter = gpu.meter(hardware.ROOT, lambda: [int(name) for name in hardware.names_in("/proc") if name.isdigit()])
    if not isinstance(meter, Absence):
        return meter
    if (hardware.gpu_vendors() or frozenset()) & {hardware.NVIDIA, hardware.AMD}:
        raise UsageError(f"this host has graphics cards whose power cannot be read ({meter.why}): {meter.remedy}")
    return None


def _fit(bmc: Path, load: Path, instances: list[str] | None, source: str, settings: Settings) -> None:
    from pydantic import ValidationError

    from ecoia.catalogue.host_models import HOST_MODELS_FILE, HostModelEntry
    from ecoia.evaluating.host_fit import fit
    from ecoia.evaluating.load_log import read_load
    from ecoia.meters.wattmeter import samples_in

    if settings.catalogue is None:
        raise UsageError(
            f"no catalogue is set, and the model goes into its {HOST_MODELS_FILE}: set 'catalogue' (ECOIA_CATALOGUE)"
        )
    log = read_load(load)
    found = fit(log, samples_in(bmc))
    data = _entry(found, log, instances, source, settings)
    try:
        entry = HostModelEntry.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"{where} = {first.get('input')!r}: {first['msg']}: check the options and the series") from error
    path = _write(Path(settings.catalogue), data)
    _show(found, entry)
    say(f"written to '{path}'; 'ecoia calibrate --use {path.name}' on each such host uses it")


def _entry(fit: HostFit, log: LoadLog, instances: list[str] | None, source: str, settings: Settings) -> dict[str, object]:
    """Return the entry as the file has it. It holds for other hosts if a pattern says so; then the difference of twins counts."""
    from ecoia.catalogue.host_models import whole_gsd

    names = instances or [log.host.instance]
    days = [datetime.fromtimestamp(each, ZoneInfo(settings.timezone)).date() for each in (log.means[0].start, log.means[-1].end)]
    lag = f"series late by {fit.lag_seconds} s, R² {fit.followed:.2f}, {days[0]} to {days[1]}"
    return {
        "cpu_model": log.host.cpu_model,
        "threads": log.host.threads,
        "idle_w": round(fit.idle_w, 2),
        "busy_w": round(fit.busy_w, 3),
        **({} if fit.gpu_factor is None else {"gpu_factor": round(fit.gpu_factor, 3)}),
        "gib": log.host.gib,
        "gsd": round(whole_gsd(fit.gsd, twin=names != [log.host.instance]), 3),
        "n": fit.points,
        "instances": names,
        "from": days[0],
        "source": f"{source} ({lag})",
    }


def _write(folder: Path, data: dict[str, object]) -> Path:
    """Add the entry to ``host-models.yaml``; the one before it for the same hosts ends where it begins."""
    from ecoia.catalogue import HOST_MODELS_FILE, load
    from ecoia.catalogue.editing import Entry, with_list
    from ecoia.catalogue.saving import save
    from ecoia.catalogue.yaml_files import read_text

    known = load(folder).host_models
    path = folder / HOST_MODELS_FILE
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    old = (read_text(text)[1] or {}).get("host_models") or []
    entries = []
    for index, each in enumerate(known):
        same = (each.cpu_model, each.threads, list(each.instances)) == (data["cpu_model"], data["threads"], data["instances"])
        ends = same and each.until is None and each.start < data["from"]  # type: ignore[operator]
        entries.append(Entry(index, {**old[index], "until": data["from"]} if ends else None))
    save(folder, {HOST_MODELS_FILE: with_list(text, ["host_models"], [*entries, Entry(None, data)])})
    try:
        load(folder)
    except EcoiaError:
        save(folder, {HOST_MODELS_FILE: text})
        raise
    return path


def _show(fit: HostFit, entry: HostModelEntry) -> None:
    rows = [
        ("at rest", f"{number(fit.idle_w)} W"),
        ("each busy thread", f"{number(fit.busy_w)} W"),
        *([] if fit.gpu_factor is None else [("each watt of the graphics cards", f"{number(fit.gpu_factor)} W")]),
        ("all threads busy", f"{number(fit.idle_w + fit.busy_w * entry.threads)} W"),
        ("error of the fit (GSD)", number(fit.gsd, 4)),
        ("error in all (GSD)", number(entry.gsd, 4)),
        ("the series is late by", f"{fit.lag_seconds} s"),
        ("the load explains", f"{fit.followed:.0%} of the variance"),
        ("minutes", f"{fit.points}, and {fit.left_out} without power in the series"),
    ]
    print_table(f"{entry.threads} threads of {entry.cpu_model}", ("at the wall", "value"), rows, right=("value",))


def _use(path: Path, settings: Settings) -> None:
    from ecoia.catalogue.host_models import HOST_MODELS_FILE
    from ecoia.catalogue.loading import host_models_in
    from ecoia.meters import hardware, host_model

    if path.name != HOST_MODELS_FILE:
        raise UsageError(f"'{path}': the file is named {HOST_MODELS_FILE}, as in the catalogue")
    zone = ZoneInfo(settings.timezone)
    today = datetime.now(zone).date()
    models = [each for each in host_models_in(path.parent) if each.covers(settings.instance, today)]
    if not models:
        raise UsageError(f"no model in '{path}' holds for the instance '{settings.instance}' today: see its 'instances' and days")
    reasons = []
    for each in models:
        end = None if each.until is None else datetime.combine(each.until, datetime.min.time(), zone)
        model = host_model.HostModel(
            each.cpu_model, each.threads, each.idle_w, each.busy_w, each.gpu_factor, None if end is None else end.timestamp()
        )
        why = host_model.refusal(model, settings.vcpu_threads, hardware.ROOT)
        if why is None:
            say(f"stored in {host_model.store(settings.home, model)}; 'ecoia doctor' shows what it is used for")
            return
        reasons.append(why)
    raise UsageError(f"no model in '{path}' fits this machine: {'; '.join(dict.fromkeys(reasons))}")
