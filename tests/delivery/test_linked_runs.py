"""Rows of ranks and of ``ecoia run``'s session are shown on the root run that their links lead to, each joule on one at most."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from ecoia import semconv
from ecoia.delivery.deliver import deliver
from ecoia.delivery.linked_runs import LinkedRuns, group_of
from ecoia.keeping.destinations import register_target
from ecoia.keeping.journal import Journal
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
