"""``ecoia watch``: measure a program that already runs, from outside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecoia.cli.common import Home, load_settings, say
from ecoia.errors import UsageError
from ecoia.semconv import PHASES

if TYPE_CHECKING:
    from ecoia.watching.server_metrics import ServerMetrics


def watch(
    service: Annotated[
        str | None,
        typer.Option("--service", "-s", metavar="ID", help="Id of the AI service that it works for; rules name it themselves."),
    ] = None,
    phase: Annotated[
        str | None,
        typer.Option("--phase", "-p", metavar="PHASE", help=f"One of {', '.join(PHASES)}.", show_default="inference"),
    ] = None,
    pid: Annotated[int | None, typer.Option("--pid", metavar="N", help="A process and all its descendants.")] = None,
    cgroup: Annotated[str | None, typer.Option("--cgroup", metavar="PATH", help="A control group.")] = None,
    unit: Annotated[str | None, typer.Option("--unit", metavar="NAME", help="A systemd unit, also when it restarts.")] = None,
    rules: Annotated[
        Path | None, typer.Option("--rules", metavar="FILE", help="Which pods, units and groups work for which service.")
    ] = None,
    pod_logs: Annotated[
        Path | None, typer.Option("--pod-logs", metavar="FOLDER", help="The kubelet's logs.", show_default="/var/log/pods")
    ] = None,
    guests: Annotated[
        Path | None,
        typer.Option("--guests", metavar="FOLDER", help="With --rules: hand virtual machines their energy, in a folder each."),
    ] = None,
    run_id: Annotated[
        str | None, typer.Option("--run", metavar="ID", help="The MLflow run that it works for, which shows its energy.")
    ] = None,
    metrics_url: Annotated[
        str | None,
        typer.Option("--metrics-url", metavar="URL", help="Metrics page of a server of language models: counts its tokens."),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option("--engine", metavar="NAME", help="vllm, sglang, tgi or llamacpp.", show_default="found by the page"),
    ] = None,
    metrics_remote: Annotated[
        bool, typer.Option("--metrics-remote", help="Let the page have an address that is not loopback.")
    ] = False,
    seconds: Annotated[float | None, typer.Option("--seconds", metavar="N", help="Stop after so many seconds.")] = None,
    home: Home = None,
) -> None:
    """Measure a program that already runs, from outside.

    Name one target: a process with its descendants, a control group, or a systemd unit. Stops when the target ends, on SIGTERM or
    on Ctrl-C. Processes in it that measure themselves are left out. With --rules, measures everything on this host that the file
    maps to a service, as it comes and goes.

    [dim]$ ecoia watch --unit inference-api --service vadore[/dim]

    [dim]$ ecoia watch --rules rules.toml[/dim]

    [dim]$ ecoia watch --unit vllm --service chat --metrics-url http://127.0.0.1:8000/metrics[/dim]
    """
    from ecoia.watching import watch as watcher

    one_target = {"--service": service, "--phase": phase, "--pid": pid, "--cgroup": cgroup, "--unit": unit, "--run": run_id}
    one_target |= {"--metrics-url": metrics_url, "--engine": engine}
    if rules is not None:
        _refuse_beside_rules(one_target)
        settings = load_settings(home, needed=("home", "scope"))
        options = {} if pod_logs is None else {"pod_logs": pod_logs}
        watcher.watch_by_rules(rules, settings=settings, tell=say, seconds=seconds, guests=guests, **options)
        return
    if pod_logs is not None:
        raise UsageError(f"--pod-logs {pod_logs} given: it goes with --rules, which may name pods")
    if guests is not None:
        raise UsageError(f"--guests {guests} given: it goes with --rules, which find the groups of virtual machines")
    if service is None:
        raise UsageError("no service given: name it by --service, or map what runs here to services by --rules")
    page = _page(metrics_url, engine, allow_remote=metrics_remote)
    settings = load_settings(home, needed=("home",))
    watcher.watch(
        service=service,
        phase=phase or "inference",
        settings=settings,
        pid=pid,
        cgroup=cgroup,
        unit=unit,
        run_id=run_id,
        seconds=seconds,
        page=page,
    )


def _page(url: str | None, engine: str | None, *, allow_remote: bool) -> ServerMetrics | None:
    """Return the metrics page that the options name; None for none.

    Raises:
        UsageError: one of them is illegal.
        MissingExtraError: what reads such pages is not installed.
    """
    if url is None:
        if engine is not None:
            raise UsageError(f"--engine {engine} given: it says how to read the page of --metrics-url")
        return None
    from ecoia.watching.server_metrics import ENGINES, ServerMetrics, check_address

    if engine is not None and engine not in ENGINES:
        raise UsageError(f"--engine {engine!r}: choose one of {', '.join(ENGINES)}")
    return ServerMetrics(check_address(url, allow_remote=allow_remote), engine, say)


def _refuse_beside_rules(options: Mapping[str, object]) -> None:
    """Refuse the options that name one target.

    Raises:
        UsageError: one of them is given.
    """
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise UsageError(f"--rules and {' and '.join(given)} given: the rules say what is watched, and for which service")
