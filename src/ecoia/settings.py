"""Configuration: one table of settings, for measured programs and for the command line.

Sources, each of which overrides those before it: the built-in default; ``ecoia.toml`` or ``[tool.ecoia]`` of
``pyproject.toml`` (the nearest in this folder and its parents); ``ECOIA_*`` variables; arguments. MLflow keeps its own
``MLFLOW_*``.

In measured code an illegal value never raises: the value of the source before is kept, and the problem is counted and
shown (``Settings.problems``). On the command line the same problem is an error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping

from ecoia import limits
from ecoia.errors import SettingError
from ecoia.instances import instance_name
from ecoia.light import TYPE_CHECKING, Any, NamedTuple, Protocol
from ecoia.semconv import ID_CHARACTERS, RUN_PHASES, is_slug

if TYPE_CHECKING:
    from pathlib import Path

_MOST = 1e9
"""Greatest number that a setting accepts: above any sensible share, size or time, and as seconds within every clock's range."""

_YES = dict.fromkeys(("1", "true", "yes", "on"), True)
_NO = dict.fromkeys(("0", "false", "no", "off"), False)


def slug(text: str) -> str:
    """Turn a text into an id: lower case, a hyphen for each run of characters that ids cannot hold; never empty.

    Example:
        >>> slug("GPU Host 1")
        'gpu-host-1'
    """
    kept = "".join(character if character in ID_CHARACTERS else " " for character in text.lower())
    return "-".join(kept.split()).strip("-._")[:63].rstrip("-._") or "unnamed"


def is_zone(text: object) -> bool:
    """Return whether ``text`` can be a zone: an ISO 3166-1 alpha-3 country, optionally a hyphen and a part of the country.

    Example:
        >>> is_zone("FRA"), is_zone("USA-TEX"), is_zone("France")
        (True, True, False)
    """
    if not isinstance(text, str) or not text.isascii():
        return False
    country, hyphen, part = text.partition("-")
    return (
        len(country) == 3
        and country.isalpha()
        and text.upper() == text
        and (not hyphen or (1 <= len(part) <= 8 and part.isalnum()))
    )


def _zone(value: Any) -> str:
    if not is_zone(value):
        raise ValueError("write an ISO 3166-1 alpha-3 country code in capitals, e.g. FRA")
    return str(value)


def _pue(value: Any) -> float:
    number = _number(value)
    if number < 1:
        raise ValueError("a PUE is a number of 1 or more (total energy of the building / energy of its IT)")
    return number


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError("write a number")  # noqa: TRY004 - the remedy, as in every check
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError("write a number") from None
    if not abs(number) <= _MOST:  # true for NaN, too
        raise ValueError(f"write a finite number, {_MOST:,.0f} at most")
    return number


def _positive(value: Any) -> float:
    number = _number(value)
    if number <= 0:
        raise ValueError("write a number above 0")
    return number


def _not_negative(value: Any) -> float:
    number = _number(value)
    if number < 0:
        raise ValueError("write a number of 0 or more")
    return number


def _share(value: Any) -> float:
    number = _number(value)
    if not 0 <= number <= 1:
        raise ValueError("write a share between 0 and 1")
    return number


def _threads(value: Any) -> int:
    number = _number(value)
    if number not in (1, 2):
        raise ValueError("write 1, or 2 where each vCPU is a whole core")
    return int(number)


def _timezone(value: Any) -> str:
    from datetime import datetime, timedelta
    from zoneinfo import ZoneInfo

    try:
        zone = ZoneInfo(value)
    except Exception:  # noqa: BLE001 - zoneinfo raises half a dozen types for a wrong key
        raise ValueError("write an IANA time zone, e.g. Europe/Paris") from None
    offset = datetime(2026, 1, 1, tzinfo=zone).utcoffset() or timedelta()
    if offset % timedelta(minutes=30):
        raise ValueError("midnight must fall on a UTC half-hour, the ledger's grain: a row would straddle two quarters here")
    return str(value)


def _absolute(path: str) -> str:
    """Return an absolute path as ``pathlib`` writes it: with ``~`` replaced, and without empty steps and ``.``.

    Raises:
        OSError: the current folder is gone.
        RuntimeError: the user has no home folder.
    """
    if os.name == "nt":
        from pathlib import Path

        return str(Path(path).expanduser().absolute())
    path = os.path.expanduser(path)
    if path.startswith("~"):
        raise RuntimeError("Could not determine home directory.")
    if not path.startswith("/"):
        path = f"{os.getcwd()}/{path}"
    root = "//" if path.startswith("//") and not path.startswith("///") else "/"
    return root + "/".join(step for step in path.split("/") if step not in ("", "."))


def _path(value: Any) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("write a path")
    try:
        path = _absolute(value)
    except (OSError, RuntimeError) as error:  # the current folder is gone, or '~' is a user without a home
        raise ValueError(f"write the whole path ({error})") from None
    return path


def _address(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith(("https://", "http://")):
        raise ValueError("write an address that begins with https://")
    return value


def _page_address(value: Any) -> str:
    """Check an address that links are made of: what stands behind it is ours, and nobody's name or password is in it."""
    address = _address(value)
    if not address.isascii() or not address.isprintable() or set(address) & set(" \"'<>?#@\\`"):
        raise ValueError("write the address that readers type, e.g. https://ecoia.example.org/, without user, '?' or '#'")
    if not address.partition("://")[2].strip("/"):
        raise ValueError("write an address with a host, e.g. https://ecoia.example.org/")
    return address.rstrip("/")


def _id(value: Any) -> str:
    if not is_slug(value):
        raise ValueError("use lower-case letters, digits, '.', '_' and '-' (63 at most), e.g. api-emploi-1")
    return str(value)


def _type_name(value: Any) -> str:
    name = str(value)
    legal = name.isascii() and name.replace(".", "").replace("_", "").replace("-", "").isalnum()
    if isinstance(value, bool) or not legal or len(name) > 63:
        raise ValueError("write it as the provider does, in letters, digits, '.', '_' and '-' (63 at most), e.g. m5.large")
    return name


def _yes_or_no(value: Any) -> bool:
    answer = value if isinstance(value, bool) else {**_YES, **_NO}.get(str(value).lower())
    if answer is None:
        raise ValueError("write true or false")
    return bool(answer)


def _one_of(*choices: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"choose one of {', '.join(choices)}")
        return str(value)

    return check


def default_home() -> str:
    """Return the default home of the journal, in the user's state folder.

    ``$XDG_STATE_HOME/ecoia``, by default ``~/.local/state/ecoia``; on Windows ``%LOCALAPPDATA%\\ecoia``. A user without a
    home folder (a container's random uid) gets one of its own in the folder for temporary files.
    """
    variable, below = ("LOCALAPPDATA", "AppData/Local") if sys.platform == "win32" else ("XDG_STATE_HOME", ".local/state")
    base = os.environ.get(variable, "")
    if os.path.isabs(base):  # the XDG rule: a relative path is ignored
        return _absolute(os.path.join(base, "ecoia"))
    try:
        return _absolute(os.path.join("~", below, "ecoia"))
    except RuntimeError:
        import tempfile

        return os.path.join(tempfile.gettempdir(), f"ecoia-{os.getuid() if hasattr(os, 'getuid') else 'user'}")


def host_name() -> str:
    """Return this host's name as an id."""
    if hasattr(os, "uname"):
        return slug(os.uname().nodename)  # what socket.gethostname() returns, without loading it
    import socket

    return slug(socket.gethostname())


def default_exit_seconds() -> float:
    """Return the longest wait at exit in seconds: 0.1, or 20 in a Kubernetes pod, whose disk is lost with it."""
    return 20.0 if "KUBERNETES_SERVICE_HOST" in os.environ else 0.1


class Setting(NamedTuple):
    """One setting.

    Attributes:
        name: Name in ``ecoia.toml`` and in arguments.
        check: Turns a raw value into a valid one, or raises ``ValueError`` with the remedy.
        default: Gives the default.
        meaning: One line for ``ecoia config``.
    """

    name: str
    check: Callable[[Any], Any]
    default: Callable[[], Any]
    meaning: str

    @property
    def variable(self) -> str:
        """Name of the environment variable that sets it."""
        return f"ECOIA_{self.name.upper()}"


def _always(value: Any) -> Callable[[], Any]:
    return lambda: value


SETTINGS = (
    Setting("zone", _zone, _always(None), "where the electricity is used (ISO 3166 alpha-3); none: CO2e is not computed"),
    Setting("pue", _pue, _always(None), "power usage effectiveness of the site; none: figures are IT only"),
    Setting("timezone", _timezone, _always("Europe/Paris"), "civil time of the organisation's quarters"),
    Setting("home", _path, default_home, "folder of the journal"),
    Setting("catalogue", _path, _always(None), "folder of services.yaml and the other files that 'ecoia init' writes"),
    Setting("publications", _path, _always(None), "folder of the quarters that 'ecoia publish' froze"),
    Setting("dashboard_url", _page_address, _always(None), "address of the dashboard, for the links of cards and mails"),
    Setting("timestamp_authority", _address, _always(None), "address that timestamps publications (RFC 3161); none: nobody does"),
    Setting("wattmeter", _path, _always(None), "file of a wattmeter at this machine's plug; measures in place of all else"),
    Setting("guest_energy", _path, _always(None), "folder in which this virtual machine's host hands it its energy"),
    Setting("instance_type", _type_name, _always(None), "type of this virtual machine, as its provider names it"),
    Setting("vcpu_threads", _threads, _always(1), "hardware threads of a vCPU of this virtual machine: 1, or 2 for a whole core"),
    Setting("scope", _one_of("process", "host"), _always("process"), "what is claimed: this process's share, or the whole host"),
    Setting("reserved_share", _share, _always(0.0), "share of the host reserved for this process (its idle energy)"),
    Setting("token_kappa", _positive, _always(100.0), "of a model served here: energy of a step over energy of a token"),
    Setting("flush_seconds", _positive, _always(10.0), "length of a measurement window"),
    Setting("exit_seconds", _not_negative, default_exit_seconds, "longest wait at exit"),
    Setting("delivery", _one_of("helper", "manual"), _always("helper"), "helper: in the background; manual: by 'ecoia deliver'"),
    Setting("delivery_seconds", _positive, _always(120.0), "longest time that one delivery gives an MLflow store"),
    Setting("ledger_sql", _yes_or_no, _always(True), "true: a ledger in a database is listed by SQL; false: by MLflow's API"),
    Setting("instance", _id, host_name, "name of this journal among all; default: the host and, once it exists, the home"),
    Setting("service", _id, _always(None), "service charged with energy used while nothing runs, and by MLflow's models"),
    Setting("autolog", _yes_or_no, _always(False), "true: every MLflow run of a program is measured, without a change of it"),
    Setting("phase", _one_of(*RUN_PHASES), _always("training"), "phase of the MLflow runs that 'autolog' measures"),
    Setting("quiet", _yes_or_no, _always(False), "true: no line with the figures of an MLflow run where it ends"),
    Setting("retention_days", _positive, _always(2192.0), "days that the journal keeps a day that was delivered: six years"),
    Setting("journal_max_mb", _positive, _always(1024.0), "size at which the journal refuses new records (announced from 80 %)"),
)  # fmt: skip


class Value(NamedTuple):
    """A setting's value, and its origin (``default``, a file's name, a variable, ``argument``)."""

    value: Any
    origin: str


class Settings(NamedTuple):
    """The value of every setting; each is an attribute too (``settings.zone``).

    Attributes:
        values: Value and origin by name.
        problems: The illegal values found. Each is replaced by the value of the source before it.
        experiments: Service by pattern of the name of an MLflow experiment, in the order of ``[mlflow.experiments]``.

    Example:
        >>> load({"zone": "FRA"}).zone
        'FRA'
    """

    values: Mapping[str, Value]
    problems: tuple[SettingError, ...]
    experiments: Mapping[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        if name == "values" or name.startswith("__"):
            raise AttributeError(name)  # copy and pickle ask for attributes before ``values`` is set
        try:
            return self.values[name].value
        except KeyError:
            raise AttributeError(name) from None

    def raise_problems(self) -> Settings:
        """Return the settings where all are legal, as the command line needs them.

        Raises:
            SettingError: the first problem.
        """
        for problem in self.problems:
            raise problem
        return self


class Surroundings(Protocol):
    """The settings that figures depend on: where energy is used."""

    @property
    def timezone(self) -> str:
        """Civil time of the organisation's days and quarters, an IANA name."""

    @property
    def zone(self) -> str | None:
        """Electricity zone of records that have none; None: not known, so their CO2e is not computed."""

    @property
    def pue(self) -> float | None:
        """Power usage effectiveness outside of declared sites; None: not known, so figures are IT only."""


def find_file(start: str | Path | None = None) -> tuple[str, Mapping[str, Any]] | None:
    """Return the nearest ``ecoia.toml``, or ``pyproject.toml`` with ``[tool.ecoia]``, and its settings.

    Args:
        start: Folder to begin at; its parents follow. None: the current folder.

    Returns:
        Path and settings, not checked yet; None where there is no such file.

    Raises:
        SettingError: an ``ecoia.toml`` is not readable TOML.
        OSError: the current folder is gone.
    """
    for folder in _with_parents(os.getcwd() if start is None else os.fspath(start)):
        for name in ("ecoia.toml", "pyproject.toml"):
            path = os.path.join(folder, name)
            try:
                text = limits.read_bytes(path, limits.SETTINGS_BYTES).decode()
                if name == "pyproject.toml" and "ecoia" not in text:
                    continue
                import tomllib  # few programs have a file of settings

                data = tomllib.loads(text)
            except (FileNotFoundError, NotADirectoryError, PermissionError):
                continue
            except (OSError, ValueError, RecursionError) as error:
                if name == "pyproject.toml":
                    continue  # other tools report what is wrong with it
                raise SettingError("ecoia.toml", path, path, f"not readable as TOML: {error}") from error
            tool = data.get("tool")
            section = data if name == "ecoia.toml" else tool.get("ecoia") if isinstance(tool, dict) else None
            if isinstance(section, dict):
                return path, section
    return None


def _with_parents(folder: str) -> Iterator[str]:
    yield folder
    while (parent := os.path.dirname(folder) or ".") != folder:
        yield parent
        folder = parent


def load(arguments: Mapping[str, Any] | None = None, start: str | Path | None = None) -> Settings:
    """Read every setting from all its sources. Never raises: illegal values are listed in ``problems``.

    Args:
        arguments: Values by name, which override every other source; None means not given.
        start: Folder to search for a file from. None: the current folder.

    Example:
        >>> load({"pue": 0.2}).problems[0].remedy
        'a PUE is a number of 1 or more (total energy of the building / energy of its IT)'
    """
    problems: list[SettingError] = []
    origin, section = "", {}
    try:
        found = find_file(start)
    except SettingError as problem:
        problems.append(problem)
        found = None
    except OSError:
        found = None  # the current folder is gone
    if found is not None:
        base, origin = os.path.split(found[0])
        section = dict(found[1])
        for name in ("home", "catalogue", "publications", "wattmeter", "guest_energy"):
            path = section.get(name)
            if isinstance(path, str) and path and not path.startswith("~"):
                section[name] = os.path.join(base, path)  # relative to the file, not to the current folder
    known = {setting.name for setting in SETTINGS} | {"mlflow"}
    for name in section:
        if name not in known:
            problems.append(SettingError(name, section[name], origin, f"no such setting; known: {', '.join(sorted(known))}"))
    values = {}
    for setting in SETTINGS:
        values[setting.name] = Value(setting.default(), "default")
        for source, raw in (
            (origin, section.get(setting.name)),
            (setting.variable, os.environ.get(setting.variable) or None),
            ("argument", (arguments or {}).get(setting.name)),
        ):
            if raw is None:
                continue
            try:
                values[setting.name] = Value(setting.check(raw), source)
            except ValueError as error:
                problems.append(SettingError(setting.name, raw, source, str(error)))
    if values["instance"].origin == "default":
        values["instance"] = Value(instance_name(host_name(), values["home"].value), "default")
    experiments = _experiments(section.get("mlflow"), origin, problems)
    return Settings(values, tuple(problems), experiments)


def _experiments(table: Any, origin: str, problems: list[SettingError]) -> dict[str, str]:
    """Return the legal lines of ``[mlflow.experiments]``, and add the others to ``problems``."""
    if table is None:
        return {}
    if not isinstance(table, dict) or not isinstance(table.get("experiments", {}), dict) or table.keys() - {"experiments"}:
        remedy = "write a table [mlflow.experiments], each line a pattern of experiments' names and a service"
        problems.append(SettingError("mlflow", table, origin, remedy))
        return {}
    legal = {}
    for pattern, service in table.get("experiments", {}).items():
        try:
            legal[pattern] = _id(service)
        except ValueError as error:
            problems.append(SettingError(f"mlflow.experiments.{pattern}", service, origin, str(error)))
    return legal


def disabled() -> bool:
    """Return whether ``ECOIA_DISABLED`` turns all measuring off."""
    return os.environ.get("ECOIA_DISABLED", "").lower() in ("1", "true", "yes", "on")
