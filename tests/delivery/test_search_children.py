"""Candidates of a search have a share by the time of their fits: an estimate, never more than the search, in no sum."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from ecoia.delivery.deliver import deliver
from ecoia.delivery.search_children import shares_by_fit_time
from ecoia.keeping.journal import Journal
from support.deliveries import api, configured, ledger
from support.mlflow_stores import MLFLOW_WARNINGS
from support.records import training, write

pytestmark = [pytest.mark.mlflow, *(pytest.mark.filterwarnings(line) for line in MLFLOW_WARNINGS)]

times = st.floats(0, 1e6)
RESULTS = (
    "mean_fit_time,std_fit_time,mean_score_time,param_C,params,split0_test_score,split1_test_score,split2_test_score,split0_test_f1\n"
    "0.5,0.1,0.1,1,{'C': 1},0.9,0.9,0.9,0.8\n"
    "0.2,0.1,0.2,2,\"{'C': 2}\",0.9,0.9,0.9,0.8\n"
)


def results(lines: list[tuple[float, float]], splits: int) -> str:
    head = ["mean_fit_time", "mean_score_time", *(f"split{number}_test_score" for number in range(splits))]
    return "\n".join([",".join(head), *(",".join([str(fit), str(score), *["1"] * splits]) for fit, score in lines)])


@given(st.lists(st.tuples(times, times), min_size=1, max_size=8), st.integers(1, 5), st.floats(0, 1e7), st.data())
def test_shares_never_exceed_the_whole_and_grow_with_the_time(
    lines: list[tuple[float, float]], splits: int, cpu_seconds: float, data: st.DataObject
) -> None:
    shown = data.draw(st.sets(st.integers(0, len(lines) - 1)))  # autolog makes runs for the best candidates only
    candidates = {f"run-{i}": dict(zip(("mean_fit_time", "mean_score_time"), lines[i], strict=True)) for i in shown}
    shares = shares_by_fit_time(results(lines, splits), candidates, cpu_seconds)
    assert sum(shares.values()) <= 1 + 1e-9
    assert all(0 <= share <= 1 for share in shares.values())
    if shares:
        busy = {run_id: sum(candidates[run_id].values()) for run_id in shares}
        for one in shares:
            for other in shares:
                assert busy[one] < busy[other] or shares[one] >= shares[other] * (1 - 1e-9)


@pytest.mark.parametrize(("cpu_seconds", "share"), [(10.0, 0.18), (3.0, 0.6), (1.0, 0.6)])
def test_a_share_is_of_the_whole_search_or_of_all_fits_if_these_waited_for_each_other(cpu_seconds: float, share: float) -> None:
    shares = shares_by_fit_time(RESULTS, {"run": {"mean_fit_time": 0.5, "mean_score_time": 0.1}}, cpu_seconds)
    assert shares == {"run": pytest.approx(share)}


@pytest.mark.parametrize(
    "table",
    [
        "",
        "mean_fit_time\n1",
        "\0",
        'mean_fit_time,mean_score_time,split0_x\n"',
        "mean_fit_time,mean_score_time,split0_x\none,1,1",
    ],
)
def test_a_table_that_cannot_be_read_gives_no_share(table: str) -> None:
    assert shares_by_fit_time(table, {"run": {"mean_fit_time": 1.0, "mean_score_time": 1.0}}, 10.0) == {}


def test_times_of_another_search_give_no_share() -> None:
    assert shares_by_fit_time(RESULTS, {"run": {"mean_fit_time": 100.0, "mean_score_time": 1.0}}, 10.0) == {}


def test_candidates_show_their_share_and_the_ledger_has_the_search_once(journal: Journal, tracking_uri: str, target: str) -> None:
    client = api(tracking_uri)
    search = client.create_run("0").info.run_id
    client.log_metric(search, "best_cv_score", 0.9)
    client.log_text(search, RESULTS, "cv_results.csv")
    candidates = [client.create_run("0", tags={"mlflow.parentRunId": search, "mlflow.autologging": "sklearn"}) for _ in range(2)]
    for run, (fit, score) in zip(candidates, ((0.5, 0.1), (0.2, 0.2)), strict=True):
        client.log_metric(run.info.run_id, "mean_fit_time", fit)
        client.log_metric(run.info.run_id, "mean_score_time", score)
        client.set_terminated(run.info.run_id)
    client.set_terminated(search)
    write(journal, [training(target=target, run_id=search, cpu=3_600_000_000, seconds=10)])
    for _ in range(2):  # again: nothing changes
        deliver(journal, configured(zone="FRA"))
        whole = client.get_run(search).data
        shown = [client.get_run(run.info.run_id).data for run in candidates]
        assert [run.metrics["ecoia/energy_wh"] for run in shown] == pytest.approx([3 * 0.6 / 10, 3 * 0.4 / 10], rel=1e-6)
        assert sum(run.metrics["ecoia/co2e_g"] for run in shown) == pytest.approx(0.3 * whole.metrics["ecoia/co2e_g"])
        for run in shown:
            assert run.tags["ecoia.share_of"] == search
            assert run.tags["ecoia.method"] == "estimated"
            assert run.tags["ecoia.share_basis"] == "fit-time"
        assert whole.metrics["ecoia/energy_wh"] == pytest.approx(1, rel=1e-6)
        assert "ecoia.share_basis" not in whole.tags
        assert sum(row["energy_microjoules"]["cpu"] or 0 for row in ledger(tracking_uri)) == 3_600_000_000
    assert len(client.get_metric_history(candidates[0].info.run_id, "ecoia/energy_wh")) == 1
