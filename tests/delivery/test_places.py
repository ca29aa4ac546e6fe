"""Copies of one home, such as containers of one image, deliver at once: nobody replaces what another delivered."""

from __future__ import annotations

import itertools
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ecoia.delivery.cursors import is_delivered, read_cursors
from ecoia.delivery.deliver import deliver
from ecoia.delivery.mlflow_ledger import MlflowLedger
from ecoia.delivery.mlflow_store import MlflowStore
from ecoia.keeping.destinations import register_target
from ecoia.keeping.journal import Journal
from ecoia.keeping.place import place_of, this_place
from ecoia.records import fold
from ecoia.records.id_sets import ids_of
from support.deliveries import api, configured, ledger, serving
from support.mlflow_stores import MLFLOW_WARNINGS
from support.records import DAY, write
from support.turns import Turns, taking_turns

pytestmark = [pytest.mark.mlflow, *(pytest.mark.filterwarnings(line) for line in MLFLOW_WARNINGS)]

numbers = itertools.count()


def test_a_file_names_the_place_of_its_process_and_a_copy_is_another_place(journal: Journal, tmp_path: Path) -> None:
    write(journal, [serving("")])
    (name,) = journal.files()
    assert place_of(name) == this_place(journal.home)
    shutil.copytree(journal.home, tmp_path / "copy")
    copy = Journal(tmp_path / "copy")
    assert copy.home_id == journal.home_id
    write(copy, [serving("", at=60)])
    assert {place_of(name) for name in copy.files()} == {this_place(journal.home), this_place(copy.home)}
    assert len({this_place(journal.home), this_place(copy.home)}) == 2


@hypothesis_settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1 << 32))
def test_copies_of_one_home_that_deliver_at_once_lose_nothing(tracking_uri: str, tmp_path: Path, seed: int) -> None:
    """Each copy records and delivers twice, in a drawn order; one may be gone for good at any call to the store."""
    chance = random.Random(seed)
    number = next(numbers)
    instance = f"copies-{number}"
    image = Journal(tmp_path / f"image-{number}")
    target = register_target(image.home, tracking_uri)
    minutes = itertools.count()
    energies = (1 << n for n in itertools.count(10))  # any sum of them says which ones are in it
    energy_of: dict[str, int] = {}

    def record_some(home: Journal, count: int) -> None:
        records = [serving(target, instance=instance, at=60 * next(minutes), cpu=next(energies)) for _ in range(count)]
        energy_of.update({record.record_id: record.energy_microjoules["cpu"] or 0 for record in records})
        write(home, records)

    record_some(image, chance.randrange(3))
    if chance.random() < 0.5:
        deliver(image, configured())
    homes = []
    for name in ("a", "b"):
        shutil.copytree(image.home, tmp_path / f"{name}-{number}")
        homes.append(Journal(tmp_path / f"{name}-{number}"))

    def live(home: Journal) -> None:
        for _ in range(2):
            record_some(home, chance.randrange(1, 3))
            deliver(home, configured())

    kills = {"b": chance.randrange(1, 40)} if chance.random() < 0.7 else {}
    turns = Turns(chance, kills)
    with taking_turns(turns):
        turns.run({"a": lambda: live(homes[0]), "b": lambda: live(homes[1])})
    if chance.random() < 0.5:
        deliver(homes[0], configured())
    rows = [row for row in ledger(tracking_uri) if row["instance"] == instance]
    counted = [record_id for row in rows for record_id in ids_of(row)]
    assert len(counted) == len(set(counted)) == sum(row["spans"] for row in rows), "each record once"
    assert sum(row["energy_microjoules"]["cpu"] for row in rows) == sum(energy_of[record_id] for record_id in counted)
    for home in homes:
        cursors = read_cursors(home)
        delivered = {entry.record.record_id for entry in home.scan().entries if is_delivered(entry, cursors)}
        assert delivered <= set(counted), "what a home calls delivered is in the ledger"
    assert {entry.record.record_id for entry in homes[0].scan().entries} <= set(counted)


def test_an_older_ecoia_that_delivered_for_all_places_costs_no_record(journal: Journal, tracking_uri: str, target: str) -> None:
    """A helper of the version before places goes on while processes of this version record: its run holds the records of both."""
    old, new, later = (serving(target, at=at) for at in (0, 60, 120))
    placed = "2-bbbbbb-0badcafe.jsonl"
    write(journal, [old], name="1-aaaaaa.jsonl")
    write(journal, [new], name=placed)
    MlflowLedger(MlflowStore(tracking_uri)).upsert_days(
        old.instance, journal.home_id, {DAY: fold([old, new])}, lambda: [old, new]
    )
    write(journal, [later], name=placed)
    for by_hand in (False, True):
        deliver(journal, configured(), by_hand=by_hand)
        assert ledger(tracking_uri) == fold([old, new, later])


def test_a_correction_reaches_what_another_place_recorded(
    journal: Journal, tracking_uri: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that was restarted is another place, and the same journal."""
    wrong = serving(target, cpu=5_000_000)
    write(journal, [wrong])
    deliver(journal, configured())
    monkeypatch.setattr("ecoia.keeping.journal_writer.this_place", lambda home: "0badcafe")
    write(journal, [serving(target, cpu=1_000, replaces=wrong.record_id, at=30)])
    deliver(journal, configured())
    assert sum(row["energy_microjoules"]["cpu"] for row in ledger(tracking_uri)) == 1_000
    client = api(tracking_uri)
    runs = client.search_runs([client.get_experiment_by_name("ecoia/ledger").experiment_id])
    assert len({run.data.tags["ecoia.place"] for run in runs}) == len(runs) == 2
