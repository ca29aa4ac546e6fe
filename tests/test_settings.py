"""Settings: the order of sources, the message about an illegal value, and no exception in measured code."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ecoia import settings
from ecoia.errors import SettingError

LEGAL: dict[str, tuple[str, Any]] = {
    "zone": ("FRA", "FRA"),
    "pue": ("1.4", 1.4),
    "timezone": ("Asia/Kolkata", "Asia/Kolkata"),
    "home": ("/srv/ecoia", "/srv/ecoia"),
    "catalogue": ("/srv/catalogue", "/srv/catalogue"),
    "publications": ("/srv/publications", "/srv/publications"),
    "dashboard_url": ("https://ecoia.example/team/", "https://ecoia.example/team"),
    "timestamp_authority": ("https://tsa.example/tsr", "https://tsa.example/tsr"),
    "wattmeter": ("/srv/pdu.csv", "/srv/pdu.csv"),
    "guest_energy": ("/run/ecoia-host", "/run/ecoia-host"),
    "scope": ("host", "host"),
    "instance_type": ("Standard_D2s_v5", "Standard_D2s_v5"),
    "vcpu_threads": ("2", 2),
    "reserved_share": ("0.5", 0.5),
    "token_kappa": ("50", 50.0),
    "flush_seconds": ("2", 2.0),
    "exit_seconds": ("0", 0.0),
    "delivery": ("helper", "helper"),
    "delivery_seconds": ("30", 30.0),
    "ledger_sql": ("false", False),
    "retention_days": ("365", 365.0),
    "instance": ("api-emploi-1", "api-emploi-1"),
    "service": ("vadore", "vadore"),
    "journal_max_mb": ("10", 10.0),
    "autolog": ("on", True),
    "quiet": ("yes", True),
    "phase": ("evaluation", "evaluation"),
}
ILLEGAL: dict[str, list[Any]] = {
    "zone": ["france", "FR", "fra", "FRA-", "world", 3],
    "pue": ["0.9", "nan", "inf", "a lot", True, [1.2]],
    "timezone": ["Paris", "Europe", "", "Asia/Kathmandu", 2],
    "home": ["", 3, "a\0b", "~nobody-has-this-name/x"],
    "catalogue": [5],
    "publications": ["", 12],
    "dashboard_url": [
        "",
        12,
        "ecoia.example",
        "ftp://e.example",
        "https://",
        "https://a:b@e.example",
        "https://e.example/?q=1",
        "https://e.example/\nBcc: x",
        'https://e.example/"><script>',
        "https://e.example/#a",
        "https://é.example",
    ],
    "timestamp_authority": ["", 12, "tsa.example", "ftp://tsa.example"],
    "wattmeter": ["", 12],
    "guest_energy": ["", 12],
    "scope": ["machine"],
    "instance_type": ["", True, "m5 large", "m5/large", "é", "m" * 64],
    "vcpu_threads": ["0", "3", "1.5", "nan", True, "two"],
    "reserved_share": ["1.1", "-0.1", "nan"],
    "token_kappa": ["0", "nan", "much"],
    "flush_seconds": ["0", "-3", "soon", "1e300"],
    "exit_seconds": ["-1", "1e10"],
    "delivery": ["pigeon"],
    "delivery_seconds": ["0", "-1", "soon"],
    "ledger_sql": ["maybe", "2"],
    "retention_days": ["0", "-1", "ever"],
    "instance": ["API Emploi", "-x", "x" * 64, "é"],
    "service": ["a/b", ""],
    "journal_max_mb": ["0", "1e305"],
    "autolog": ["perhaps", "2", 3],
    "quiet": ["perhaps", "2", 3],
    "phase": ["inference", "train", ""],
}


def test_the_tables_of_this_test_are_complete() -> None:
    names = {setting.name for setting in settings.SETTINGS}
    assert names == set(LEGAL) == set(ILLEGAL)


@pytest.mark.parametrize("name", LEGAL)
def test_an_environment_variable_beats_the_file_and_an_argument_beats_both(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, value = LEGAL[name]
    file_text = {"zone": "DEU", "delivery": "manual", "scope": "process", "timezone": "UTC", "home": "/a", "catalogue": "/b"}
    (tmp_path / "ecoia.toml").write_text(f'{name} = "{file_text.get(name, text)}"\n')
    monkeypatch.delenv(f"ECOIA_{name.upper()}", raising=False)
    assert settings.load(start=tmp_path).values[name].origin == "ecoia.toml"
    monkeypatch.setenv(f"ECOIA_{name.upper()}", text)
    loaded = settings.load(start=tmp_path)
    assert loaded.values[name] == settings.Value(value, f"ECOIA_{name.upper()}")
    assert getattr(loaded, name) == value
    assert settings.load({name: text}, start=tmp_path).values[name].origin == "argument"
    assert not loaded.problems


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in ILLEGAL.items() for value in values])
def test_an_illegal_value_is_listed_with_a_remedy_and_the_source_before_it_counts(
    name: str, value: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(f"ECOIA_{name.upper()}", raising=False)
    before = settings.load(start=tmp_path)
    loaded = settings.load({name: value}, start=tmp_path)
    (problem,) = loaded.problems
    assert (problem.name, problem.value, problem.origin) == (name, value, "argument")
    assert problem.remedy
    assert name in str(problem)
    assert loaded.values[name] == before.values[name]
    with pytest.raises(SettingError):
        loaded.raise_problems()


def test_a_bad_variable_falls_back_to_the_file_not_to_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ecoia.toml").write_text('zone = "FRA"\n')
    monkeypatch.setenv("ECOIA_ZONE", "Frankreich")
    loaded = settings.load(start=tmp_path)
    assert loaded.zone == "FRA"
    assert [p.origin for p in loaded.problems] == ["ECOIA_ZONE"]


def test_the_nearest_file_upwards_is_read_and_its_folders_are_relative_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ECOIA_HOME")
    (tmp_path / "pyproject.toml").write_text(
        '[tool.ecoia]\nhome = "state"\ncatalogue = "../cat"\nwattmeter = "pdu.csv"\nzone = "FRA"\n'
    )
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (below / "pyproject.toml").write_text("[tool.other]\n")  # no [tool.ecoia], so the search goes on
    loaded = settings.load(start=below)
    assert Path(loaded.home) == tmp_path / "state"
    assert Path(loaded.catalogue).resolve() == tmp_path.parent / "cat"
    assert loaded.wattmeter == str(tmp_path / "pdu.csv")
    (tmp_path / "a" / "ecoia.toml").write_text('zone = "DEU"\nhome = "~/state"\n')
    nearer = settings.load(start=below)
    assert nearer.zone == "DEU"
    assert Path(nearer.home) == Path.home() / "state"


@pytest.mark.parametrize(
    ("name", "text", "problems"),
    [
        ("ecoia.toml", "zone = ", ["ecoia.toml"]),
        ("ecoia.toml", "\udcff", ["ecoia.toml"]),
        ("ecoia.toml", 'zon = "FRA"', ["zon"]),
        ("ecoia.toml", "zone = {a = 1}", ["zone"]),
        ("ecoia.toml", "mlflow = 3", ["mlflow"]),
        ("ecoia.toml", "[mlflow]\nexperiments = 3", ["mlflow"]),
        ("ecoia.toml", "[mlflow.runs]", ["mlflow"]),
        (
            "ecoia.toml",
            "[mlflow.experiments]\n'a*' = 'No Id'\n'b' = 3\n'c' = 'vadore'",
            ["mlflow.experiments.a*", "mlflow.experiments.b"],
        ),
        ("pyproject.toml", "zone = ", []),  # other tools report it
        ("pyproject.toml", "tool = 3", []),
        ("pyproject.toml", "[tool]\necoia = 3", []),
    ],
)
def test_a_malformed_file_is_a_problem_never_an_exception(name: str, text: str, problems: list[str], tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, errors="surrogateescape")
    assert [problem.name for problem in settings.load(start=tmp_path).problems] == problems


def test_the_message_about_a_misspelt_name_lists_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "ecoia.toml").write_text('zon = "FRA"')
    (problem,) = settings.load(start=tmp_path).problems
    assert "zone" in problem.remedy


@given(st.dictionaries(st.sampled_from(sorted(LEGAL)), st.text() | st.floats() | st.booleans() | st.lists(st.integers())))
@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_reading_never_raises_and_never_keeps_an_illegal_value(arguments: dict[str, Any]) -> None:
    loaded = settings.load(arguments)
    for setting in settings.SETTINGS:
        value = loaded.values[setting.name]
        assert value.value is None or setting.check(value.value) == value.value
        if value.origin == "default":
            assert value.value == setting.default()
    assert {problem.name for problem in loaded.problems} <= set(arguments)


@given(st.text())
@example("x" * 62 + ":y")  # cut where a hyphen stands
def test_a_slug_is_an_id_and_its_own_slug(text: str) -> None:
    assert settings.is_slug(settings.slug(text))
    assert settings.slug(settings.slug(text)) == settings.slug(text)


def test_no_home_folder_and_no_current_folder_is_no_exception(tmp_path: Path) -> None:
    """A container may run under a uid that has no user, in a folder that was deleted."""
    program = (
        "import os, pwd, tempfile, sys\n"
        "def unknown(uid): raise KeyError(uid)\n"
        "pwd.getpwuid = unknown\n"
        "os.rmdir(os.getcwd())\n"
        "from ecoia import settings\n"
        "loaded = settings.load()\n"
        "print(loaded.home, [p.name for p in loaded.problems])\n"
    )
    gone = tmp_path / "gone"
    gone.mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "ECOIA_HOME", "XDG_STATE_HOME")}
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=gone,
        env={**environment, "TMPDIR": str(tmp_path), "ECOIA_CATALOGUE": "relative"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == f"{tmp_path}/ecoia-{os.getuid()} ['catalogue']"


def test_the_default_home_is_the_users_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert settings.default_home() == str(tmp_path / "ecoia")
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert settings.default_home() == str(Path.home() / ".local/state/ecoia")


def test_a_pod_is_given_time_to_deliver_at_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.load().exit_seconds == 0.1
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert settings.load().exit_seconds == 20.0


@pytest.mark.parametrize(("text", "off"), [("1", True), ("true", True), ("0", False), ("", False), ("no", False)])
def test_one_variable_turns_everything_off(text: str, off: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOIA_DISABLED", text)
    assert settings.disabled() is off


def test_settings_can_be_copied_and_sent_to_another_process() -> None:
    loaded = settings.load({"zone": "FRA"})
    assert copy.copy(loaded).zone == "FRA"
    assert pickle.loads(pickle.dumps(loaded)).zone == "FRA"  # noqa: S301 - our own bytes
    with pytest.raises(AttributeError):
        _ = loaded.nothing


def test_reading_settings_loads_nothing_heavy() -> None:
    program = (
        "import sys, ecoia.settings as s; s.load(); "
        "print([m for m in ('pydantic', 'typer', 'rich', 'pandas', 'mlflow') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
