"""Check that homes of one host are told apart, and that what names their host still names them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia import semconv, settings
from ecoia.catalogue.sites import Site
from ecoia.instances import fits, home_mark, host_of, instance_name
from ecoia.keeping.declared import read_activity
from ecoia.keeping.home_identity import instance_of
from ecoia.keeping.journal import Journal

SLUGS = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)
IDS = st.from_regex(r"[0-9a-f]{32}", fullmatch=True)


@pytest.fixture
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Return the default homes of two accounts."""
    monkeypatch.delenv("ECOIA_HOME")
    return tmp_path / "alice" / "ecoia", tmp_path / "bob" / "ecoia"


def instance(home: Path) -> str:
    return instance_of(settings.load({"home": str(home)}))


def test_two_homes_of_a_host_are_two_instances_from_their_first_record_on(homes: tuple[Path, Path]) -> None:
    first, second = map(instance, homes)
    assert first != second
    assert host_of(first) == host_of(second) == settings.host_name()
    assert semconv.is_slug(first)
    for home, name in zip(homes, (first, second), strict=True):
        assert instance(home) == settings.load({"home": str(home)}).instance == name, "it never changes"
        assert not any(word in name for word in ("alice", "bob", str(home)))
        assert Journal(home).home_id.startswith(name[-6:])


def test_a_home_that_recorded_under_the_hosts_name_keeps_it(homes: tuple[Path, Path]) -> None:
    home = homes[0]
    home.mkdir(parents=True)
    (home / "home.json").write_text('{"home_id": "0123456789abcdef0123456789abcdef"}\n', encoding="utf-8")
    assert instance(home) == settings.host_name()


def test_the_setting_is_taken_as_it_is_and_makes_no_home(homes: tuple[Path, Path]) -> None:
    assert instance_of(settings.load({"home": str(homes[0]), "instance": "api-1"})) == "api-1"
    assert not homes[0].exists()


def test_a_home_that_cannot_be_made_has_the_hosts_name() -> None:
    assert instance(Path("/proc/ecoia")) == settings.host_name()


@pytest.mark.parametrize("text", ["", "[]", '{"mark": 3}', '{"mark": "../x"}', '{"mark": "home-12345"}', "{"])
def test_an_odd_home_file_gives_the_hosts_name(text: str, tmp_path: Path) -> None:
    (tmp_path / "home.json").write_text(text, encoding="utf-8")
    assert instance_name("gpu-01", tmp_path) == "gpu-01"


def test_declared_activity_bears_the_name_of_its_home(homes: tuple[Path, Path], tmp_path: Path) -> None:
    file = tmp_path / "activity.csv"
    file.write_text(
        "service,phase,start,end,energy_kwh,source\nvadore,training,2026-10-01,2026-12-31,1,facture\n", encoding="utf-8"
    )
    loaded = settings.load({"home": str(homes[0])})
    (record,) = read_activity(file, loaded)
    assert record.instance == instance(homes[0]) != settings.host_name()


@given(host=SLUGS, home_id=IDS)
def test_a_name_is_an_id_and_patterns_of_the_host_fit_it(host: str, home_id: str) -> None:
    mark = home_mark(home_id)
    name = f"{host[:51]}_{mark}"
    assert semconv.is_slug(name)
    assert host_of(name) == host[:51]
    assert host_of(host) == host
    assert fits(name, [host[:51]])
    assert fits(name, [host[:3] + "*"])
    assert fits(name, [name])
    assert not fits(name, [host[:51] + "0"])


def test_the_catalogue_names_a_machine_and_means_all_its_homes() -> None:
    site = Site.model_validate({"id": "centre-1", "instances": ["gpu-node-1"]})
    assert site.holds("gpu-node-1_home-0123ab")
    assert not site.holds("gpu-node-10_home-0123ab")
