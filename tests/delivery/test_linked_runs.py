"""Rows of ranks and of ``ecoia run``'s session are shown on the root run that their links lead to, each joule on one at most."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from ecoia import semconv
from ecoia.delivery.deliver import deliver
from ecoia.delivery.linked_runs import LinkedRuns, group_of
from ecoia.delivery.mlflow_store import MlflowStore
from ecoia.delivery.shown_runs import ShownRuns
from ecoia.keeping.destinations import register_target
from ecoia.keeping.journal import Journal
from ecoia.methods import NOT_MEASURED
from ecoia.records import Record, fold
from support.deliveries import api, configured, ledger, view_runs
from support.mlflow_stores import MLFLOW_WARNINGS
from support.records import NVML, RAM, RAPL, ending, link, training, write

pytestmark = [pytest.mark.mlflow, *(pytest.mark.filterwarnings(line) for line in MLFLOW_WARNINGS)]

WH = 3_600_000_000  # microjoules
SESSION = "ecoia-0123456789abcdef"


def rank(number: int, group: str = "1f") -> str:
    return f"ecoia-group-{group}-{number}"


def spans(target: str | None, run_id: str, watt_hours: float = 1, **fields: Any) -> list[Record]:
    energy = round(watt_hours * WH) - 7  # and the builder's 7 of RAM
    return [training(target=target, run_id=run_id, cpu=energy, **fields), ending(target=target, run_id=run_id, at=10)]


def watt_hours(run: Any) -> float | None:
    value = run.data.metrics.get("ecoia/energy_wh")
    return None if value is None else round(value, 6)


# --- which run


def test_a_rank_is_shown_with_its_own_run_or_with_that_of_the_first_rank() -> None:
    chains = {"a": ("a",), "b": ("b", "a"), "c": ("c",)}
    one_run = LinkedRuns([(rank(0), "b"), (rank(0), "a")])
    assert one_run.chains(map(rank, range(3)), chains) == {rank(i): (rank(i), "a") for i in range(3)}
    each_its_own = LinkedRuns([(rank(0), "a"), (rank(1), "c")])
    assert each_its_own.chains(map(rank, range(3)), chains) == {
        rank(0): (rank(0), "a"),
        rank(1): (rank(1), "c"),
        rank(2): (rank(2), "a"),
    }
    assert LinkedRuns([(rank(0), "a"), (rank(0), "c")]).chains([rank(0), rank(1)], chains) == {}, "of two runs, nobody knows"
    assert one_run.chains([rank(0, "2f"), "a", SESSION], chains) == {}


def test_after_a_restart_the_ranks_belong_to_the_run_that_was_begun_since() -> None:
    chains = {"a": ("a",), "b": ("b",)}
    linked = LinkedRuns([(rank(0), "a"), (rank(0) + ".2", "b")])
    assert linked.chains([rank(1), rank(1) + ".2"], chains) == {
        rank(1): (rank(1), "a"),
        rank(1) + ".2": (rank(1) + ".2", "b"),
    }
    assert linked.chains([rank(1) + ".1"], chains) == {}, "none was begun between the two restarts"
    assert LinkedRuns([(rank(0) + ".2", "b")]).chains([rank(1)], chains) == {rank(1): (rank(1), "b")}
    assert LinkedRuns([(rank(0) + ".2", "b")]).rank(("b",)) == 0


def test_an_id_with_links_to_two_stores_is_shown_on_no_run() -> None:
    assert LinkedRuns([(SESSION, "a")], elsewhere=[SESSION]).chains([SESSION], {"a": ("a",)}) == {}
    assert not LinkedRuns([(SESSION, "a")], elsewhere=[SESSION]).is_shown_elsewhere(SESSION)
    assert LinkedRuns([], elsewhere=[rank(0)]).is_shown_elsewhere(rank(1))
    assert not LinkedRuns([(rank(1), "a")], elsewhere=[SESSION]).is_shown_elsewhere(rank(1))


ids = st.sampled_from([SESSION, *(rank(i, group) for group in ("1f", "2f") for i in range(3)), "ecoia-group-3f"])
runs = st.sampled_from(["a", "b", "child-of-a", "gone"])


@given(st.lists(st.tuples(ids, runs)), st.lists(ids))
def test_whatever_the_links_an_id_is_shown_on_one_root_at_most(links: list[tuple[str, str]], elsewhere: list[str]) -> None:
    chains: dict[str, Sequence[str]] = {"a": ("a",), "b": ("b",), "child-of-a": ("child-of-a", "a"), "gone": ()}
    every = [SESSION, *(rank(i, group) for group in ("1f", "2f") for i in range(3)), "ecoia-group-3f"]
    found = LinkedRuns(links, elsewhere).chains(every, chains)
    for run_id, chain in found.items():
        assert chain[0] == run_id
        assert len(chain) == 2
        members = {beside for of, beside in links if of == run_id or (group_of(of) and group_of(of) == group_of(run_id))}
        assert chain[1] in {chains[beside][-1] for beside in members if chains[beside]}
        assert run_id not in elsewhere
    shuffled = LinkedRuns(reversed(links), elsewhere).chains(reversed(every), chains)
    assert dict(shuffled) == dict(found)


# --- in a store


def test_the_ranks_of_a_job_add_up_in_the_run_of_the_first(journal: Journal, tracking_uri: str, target: str) -> None:
    """A rank that never imports MLflow has no tracking URI, and belongs to the run all the same."""
    client = api(tracking_uri)
    root = client.create_run("0").info.run_id
    client.set_terminated(root)
    records = [
        *spans(target, root, 1),
        *spans(target, rank(0), 0.5),
        *spans(None, rank(1), 2.5),
        link(rank(0), root, target=target),
        *spans(target, rank(0, "2f"), 8),  # of another job
    ]
    write(journal, records)
    without_links = fold(record for record in records if record.kind != semconv.KIND_LINK)
    assert fold(records) == without_links
    for _ in range(2):
        deliver(journal, configured(), tracking_uri=tracking_uri)
        run = client.get_run(root)
        assert watt_hours(run) == 4
        assert run.data.tags["ecoia.group"] == "ecoia-group-1f"
        assert "It ran in 2 ranks. Rank 1 used most, 25 % more than their mean." in run.data.tags["mlflow.note.content"]
        assert [watt_hours(own) for own in view_runs(tracking_uri, "vadore")] == [8]
    rows = ledger(tracking_uri)
    assert rows == without_links
    shown = round(sum(watt_hours(run) or 0 for run in (run, *view_runs(tracking_uri, "vadore"))) * WH)
    assert shown == sum(sum(filter(None, row["energy_microjoules"].values())) for row in rows)


def test_the_session_around_a_run_stands_beside_its_figures(journal: Journal, tracking_uri: str, target: str) -> None:
    """Its own view, made before the run began, goes. If the command begins a second run, the session gets its view back."""
    client = api(tracking_uri)
    write(journal, spans(None, SESSION, 3))
    deliver(journal, configured(), tracking_uri=tracking_uri)
    assert [watt_hours(own) for own in view_runs(tracking_uri, "vadore")] == [3]
    root, child, second = (client.create_run("0").info.run_id for _ in range(3))
    client.set_tag(child, "mlflow.parentRunId", root)
    client.set_terminated(root)
    write(journal, [*spans(target, root), *spans(target, child), link(SESSION, root, target=target)])
    deliver(journal, configured(), tracking_uri=tracking_uri)
    run = client.get_run(root)
    assert watt_hours(run) == 2
    assert run.data.metrics["ecoia/outside_wh"] == pytest.approx(3)
    assert "ecoia/outside_wh" not in client.get_run(child).data.metrics
    assert "Around it, its program used 3.00 Wh more" in run.data.tags["mlflow.note.content"]
    assert view_runs(tracking_uri, "vadore") == []
    write(journal, [*spans(target, second), link(SESSION, second, target=target)])
    deliver(journal, configured(), tracking_uri=tracking_uri)
    assert [client.get_run(run_id).data.metrics.get("ecoia/outside_wh") for run_id in (root, second)] == [0, None]
    assert [watt_hours(own) for own in view_runs(tracking_uri, "vadore")] == [3]
    assert watt_hours(client.get_run(root)) == 2


def test_the_session_around_a_run_of_which_no_row_is_here_yet_stands_there_alone(
    journal: Journal, tracking_uri: str, target: str
) -> None:
    """The command's session reaches the store before its run does, and is on one run at each moment."""
    client = api(tracking_uri)
    write(journal, spans(None, SESSION, 3))
    deliver(journal, configured(), tracking_uri=tracking_uri)
    assert [watt_hours(own) for own in view_runs(tracking_uri, "vadore")] == [3]
    root = client.create_run("0").info.run_id
    client.log_metric(root, "ecoia/energy_wh", 7.0)  # of another host
    write(journal, [link(SESSION, root, target=target)])
    assert not deliver(journal, configured(), tracking_uri=tracking_uri).pending, "a link alone is sent, too"
    metrics = client.get_run(root).data.metrics
    assert metrics == {"ecoia/energy_wh": 7, "ecoia/outside_wh": pytest.approx(3)}
    assert view_runs(tracking_uri, "vadore") == []
    write(journal, spans(target, root, 1))
    deliver(journal, configured(), tracking_uri=tracking_uri, by_hand=False)
    assert client.get_run(root).data.metrics["ecoia/outside_wh"] == pytest.approx(3)
    assert view_runs(tracking_uri, "vadore") == []


def test_two_hosts_add_up_in_one_run_and_find_it_by_the_group(
    journal: Journal, tracking_uri: str, target: str, tmp_path: Path
) -> None:
    client = api(tracking_uri)
    root = client.create_run("0").info.run_id
    other = Journal(tmp_path / "other")
    other_target = register_target(other.home, tracking_uri)
    write(other, [each.copy_with(instance="host-2") for each in spans(other_target, rank(1), 3, units_micro=10_000_000)])
    deliver(other, configured(home=str(other.home), zone="FRA"))  # before the other host has said whose group it is
    assert [watt_hours(own) for own in view_runs(tracking_uri, "vadore")] == [3]
    write(journal, [*spans(target, root, 1, units_micro=2_000_000), link(rank(0), root, target=target)])
    deliver(journal, configured(zone="FRA"))
    assert watt_hours(client.get_run(root)) == 1
    assert not [name for name in client.get_run(root).data.metrics if "host" in name], "one host has no parts"
    for home, uri in ((other, None), (journal, None), (other, None)):
        deliver(home, configured(home=str(home.home), zone="FRA"), tracking_uri=uri)
        run = client.get_run(root)
        assert watt_hours(run) == 4
        parts = {name: value for name, value in run.data.metrics.items() if name.startswith("ecoia/host/")}
        assert {name: round(value, 6) for name, value in parts.items() if name.endswith("_wh")} == {
            "ecoia/host/host-1/energy_wh": 1,
            "ecoia/host/host-2/energy_wh": 3,
        }
        assert run.data.metrics["ecoia/co2e_g"] == pytest.approx(sum(parts[f"ecoia/host/host-{i}/co2e_g"] for i in (1, 2)))
        assert run.data.metrics["ecoia/units_per_wh"] == pytest.approx(3)
        assert run.data.tags["ecoia.instance"] == "host-1,host-2"
        assert "ecoia.energy_wh_range" not in run.data.tags, "the interval of one host is not that of both"
        assert view_runs(tracking_uri, "vadore") == []
    # A host corrects its part downwards.
    (first,) = [each for each in other.scan().records if each.kind == "span"]
    correction = spans(other_target, rank(1), 1, replaces=first.record_id)[0]
    write(other, [correction.copy_with(instance="host-2")])
    deliver(other, configured(home=str(other.home)))
    assert watt_hours(client.get_run(root)) == 2


def test_a_sum_that_lacks_the_co2e_or_the_energy_of_a_host_is_not_shown_as_the_whole(
    journal: Journal, tracking_uri: str, target: str, tmp_path: Path
) -> None:
    """The run, its model, ``ecoia runs`` and the experiment's description say nothing, instead of a part of it."""
    from mlflow.entities import LoggedModelOutput

    client = api(tracking_uri)
    root = client.create_run("0").info.run_id
    model = client.create_logged_model("0", name="m", source_run_id=root).model_id
    client.log_outputs(root, [LoggedModelOutput(model, 0)])
    client.set_terminated(root)
    other = Journal(tmp_path / "other")
    other_target = register_target(other.home, tracking_uri)
    latest: dict[str, str] = {}

    def deliver_from(home: Journal, zone: str | None, watt_hours: float | None) -> dict[str, float]:
        """Have a host say what its part is from now on, and return what the run shows."""
        of, run_id, instance = (target, root, "host-1") if home is journal else (other_target, rank(1), "host-2")
        records = spans(of, run_id, watt_hours or 1, replaces=latest.get(instance))
        latest[instance] = records[0].record_id
        if watt_hours is None:
            unread = {"cpu": None, "gpu": None, "ram": None}
            records[0] = records[0].copy_with(energy_microjoules=unread, method=dict.fromkeys(unread, NOT_MEASURED))
        write(home, [*(each.copy_with(instance=instance) for each in records), link(rank(0), root, target=of)])
        deliver(home, configured(home=str(home.home), zone=zone), tracking_uri=tracking_uri)
        deliver(home, configured(home=str(home.home), zone=zone), tracking_uri=tracking_uri)
        metrics = client.get_run(root).data.metrics
        made = client.get_logged_model(model)
        shown = {metric.key: metric.value for metric in sorted(made.metrics, key=lambda m: m.timestamp)}
        known = {name for name in ("ecoia/energy_wh", "ecoia/co2e_g") if math.isfinite(metrics[name])}
        assert {name: shown[name] for name in known} == pytest.approx({name: metrics[name] for name in known})
        assert set(made.tags.get("ecoia.outdated", "").split(",")) - {""} == shown.keys() - known
        return dict(metrics)

    deliver_from(journal, "FRA", 1)
    assert deliver_from(other, "FRA", 3)["ecoia/co2e_g"] == pytest.approx(4 * 0.04144, rel=1e-4)
    unknown = deliver_from(other, None, 3)
    assert unknown["ecoia/energy_wh"] == pytest.approx(4)
    assert math.isnan(unknown["ecoia/co2e_g"])
    assert math.isnan(unknown["ecoia/host/host-2/co2e_g"])
    assert unknown["ecoia/host/host-1/co2e_g"] == pytest.approx(0.04144, rel=1e-4)
    run = client.get_run(root)
    assert not {"ecoia.factor", "ecoia.co2e_g_range", "ecoia.energy_wh_range"} & run.data.tags.keys()
    assert run.data.tags["mlflow.note.content"].startswith("ecoia: 4.00 Wh, CO2e unknown (of host-2) on 2 hosts")
    assert "CO2e" not in client.get_experiment("0").tags["mlflow.note.content"]
    (shown,) = ShownRuns(MlflowStore(tracking_uri)).find_all(None, by_energy=True, children=True, most=9)
    assert (shown.energy_wh, shown.co2e_g) == (pytest.approx(4), None)
    again = deliver_from(journal, "FRA", 2)
    assert math.isnan(again["ecoia/co2e_g"]), "the host that knows its own part does not bring the old sum back"
    assert deliver_from(other, "FRA", 3)["ecoia/co2e_g"] == pytest.approx(5 * 0.04144, rel=1e-4)
    assert math.isnan(deliver_from(other, "FRA", None)["ecoia/energy_wh"]), "nobody measured the other host's part"


def test_what_a_run_does_not_know_any_more_is_taken_off(journal: Journal, tracking_uri: str, target: str) -> None:
    client = api(tracking_uri)
    root = client.create_run("0").info.run_id
    write(journal, [*spans(target, root, 1, units_micro=2_000_000), training(target=target, phase="inference", run_id=None)])
    known = configured(zone="FRA")
    deliver(journal, known)
    of_day = {run.info.run_id for run in view_runs(tracking_uri, "vadore")}
    assert all(client.get_run(run_id).data.metrics["ecoia/co2e_g"] > 0 for run_id in (root, *of_day))
    for _ in range(2):
        deliver(journal, configured())
        for run_id in (root, *of_day):
            metrics = client.get_run(run_id).data.metrics
            assert math.isnan(metrics["ecoia/co2e_g"])
            assert metrics["ecoia/energy_wh"] > 0
            assert len(client.get_metric_history(run_id, "ecoia/co2e_g")) == 2
    deliver(journal, known)
    assert client.get_run(root).data.metrics["ecoia/co2e_g"] == pytest.approx(0.04144, rel=1e-4)


def test_ranks_that_share_a_device_count_it_once(journal: Journal, tracking_uri: str, target: str) -> None:
    """Each of the ranks claims the whole device, because nothing separates their parts."""
    client = api(tracking_uri)
    root = client.create_run("0").info.run_id
    energy: dict[str, int | None] = {"cpu": WH, "gpu": 5 * WH, "ram": 0}
    claims = [
        training(target=target, run_id=run_id, pid=pid, devices=("GPU-1",), shared_devices=("GPU-1",)).copy_with(
            energy_microjoules=energy,
            method={"cpu": RAPL, "gpu": NVML, "ram": RAM},
        )
        for pid, run_id in enumerate((root, rank(1)), start=1)
    ]
    write(journal, [*claims, link(rank(0), root, target=target)])
    deliver(journal, configured())
    assert watt_hours(client.get_run(root)) == 7
