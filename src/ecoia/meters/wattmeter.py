"""An external wattmeter or PDU as a meter: power at the plug, read from a file that another program writes.

The file has one of two forms, recognised by its first character:

* CSV with the header ``time,watts``: ISO 8601 times with an offset, or epoch seconds. With ``;`` as the separator, decimals may
  have a comma. A line counts once its newline is written.
* The JSON of a Prometheus range query (``/api/v1/query_range``; ``matrix`` or ``vector``) with exactly one series, in watts.

The file may be complete or still growing. It is read again when its size or modification time changes; of a CSV that grew, only
the new lines are read.

**The rule.** The power of a sample holds until the next sample. The power of the last sample holds provisionally for three
median intervals, at least 60 s. Later samples correct those readings; an excess is deducted from the next readings, which are
never negative. After that time, a reading returns nothing until a sample comes, which then adds the energy since. So readings
add up to the integral of the samples, however both are spaced.
"""

from __future__ import annotations

import json
import time
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from ecoia import losses
from ecoia.errors import WattmeterError
from ecoia.light import Any
from ecoia.meters.meter import Absence, Detected, Meter
from ecoia.methods import WATTMETER
from ecoia.periods import utc_ns
from ecoia.semconv import COMPONENTS
from ecoia.units import NANOSECONDS_PER_SECOND

_HEADER = ["time", "watts"]
_MOST_WATTS = 100_000
_SHORTEST_HOLD_NS = 60 * NANOSECONDS_PER_SECOND
_INTERVALS = 100
"""Number of the latest intervals between samples from which the median is taken."""
_CLOCK_STEP_NS = 2 * NANOSECONDS_PER_SECOND
"""If the wall clock and the monotonic clock differ by more than this over a reading, the clock was set or the machine slept."""
_END_OF_TIME_NS = 1 << 63

Sample = tuple[int, int]
"""(UTC nanoseconds, microwatts). Energy is summed exactly, in their product."""


class WattmeterMeter(Meter):
    """A meter of the whole machine at the plug, which replaces the meters of the components.

    Args:
        path: The file of samples.
        clock: The wall clock, in UTC nanoseconds, by which samples are placed.

    Raises:
        WattmeterError: The file can't be read, is wrong, or holds no sample. The message names line, value and remedy.
    """

    component = "cpu"
    method = WATTMETER

    def __init__(self, path: str | Path, clock: Callable[[], int] = time.time_ns) -> None:
        self._file = _SampleFile(Path(path))
        self._clock = clock
        self._samples = _Samples(self._file.news())
        self._now_ns: int | None = None
        self._start_ns = 0
        self._returned = 0  # energy since the start that readings have returned, in microwatts x nanoseconds
        self._lost: Counter[str] = Counter()
        if not self._samples:
            raise WattmeterError(f"{path}: holds no sample yet: start its writer, and end each line with a newline")

    @property
    def is_silent(self) -> bool:
        """Whether the last sample is too old to give the present power."""
        return self._clock() > self._samples.held_until_ns

    def read(self, seconds: float, load: float) -> int | None:
        """See ``Meter.read``. None while the file has no power for the present.

        Raises:
            WattmeterError: The file is wrong now. Once it is repaired, the next reading includes the energy since.
        """
        now_ns = self._follow_clock(round(seconds * NANOSECONDS_PER_SECOND))
        self._lost[losses.WATTMETER_GAP] += self._samples.extend(self._file.news())
        if not self._samples.first_ns < now_ns <= self._samples.held_until_ns:
            return None
        if self._start_ns < self._samples.first_ns:
            self._lost[losses.WATTMETER_GAP] += 1
            self._start_ns = self._samples.first_ns
        owed = self._samples.energy(self._start_ns, now_ns) - self._returned
        microjoules = max(owed // NANOSECONDS_PER_SECOND, 0)
        self._returned += microjoules * NANOSECONDS_PER_SECOND
        self._settle(now_ns)
        return microjoules

    def lost(self) -> Counter[str]:
        """See ``Meter.lost``.

        ``wattmeter-gap``: no sample for longer than the hold, bridged by the power before the gap; or readings before the first
        sample. ``wattmeter-clock-step``: the wall clock jumped, and corrections across the jump are dropped.
        """
        lost, self._lost = +self._lost, Counter()
        return lost

    def _follow_clock(self, elapsed_ns: int) -> int:
        before_ns, self._now_ns = self._now_ns, self._clock()
        stepped = before_ns is not None and abs(self._now_ns - before_ns - elapsed_ns) > _CLOCK_STEP_NS
        if before_ns is None or stepped:
            # The first reading starts with the process, which began before its meters were found.
            self._start_ns, self._returned = self._now_ns - elapsed_ns, 0
            self._lost[losses.WATTMETER_CLOCK_STEP] += stepped
        return self._now_ns

    def _settle(self, now_ns: int) -> None:
        """Forget the energy that no later sample can change, so that memory doesn't grow with time."""
        settled_ns = self._samples.latest_ns(now_ns)
        if settled_ns > self._start_ns:
            self._returned -= self._samples.energy(self._start_ns, settled_ns)
            self._start_ns = settled_ns
        self._samples.forget_before(settled_ns)


def samples_in(path: str | Path) -> list[Sample]:
    """Return all samples of a file, in order of time, for whoever compares them with something else.

    Args:
        path: The file.

    Raises:
        WattmeterError: The file can't be read, or is wrong. The message names line, value and remedy.

    Example:
        ``samples_in("bmc.csv")`` gives ``[(1_764_547_200_000_000_000, 182_500_000), ...]``.
    """
    return _SampleFile(Path(path)).news()


class _Samples:
    """Samples in order of time, and the power that they give at each instant."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._times: list[int] = []
        self._powers: list[int] = []
        self._intervals: deque[int] = deque(maxlen=_INTERVALS)
        self.extend(samples)

    def __len__(self) -> int:
        return len(self._times)

    @property
    def first_ns(self) -> int:
        return self._times[0]

    @property
    def held_until_ns(self) -> int:
        """The instant until which the last sample's power holds provisionally."""
        return self._times[-1] + self._hold_ns()

    def _hold_ns(self) -> int:
        intervals = sorted(self._intervals)
        return max(3 * intervals[len(intervals) // 2], _SHORTEST_HOLD_NS) if intervals else _SHORTEST_HOLD_NS

    def extend(self, samples: Iterable[Sample]) -> int:
        """Add the samples that are later than the known ones; return how many gaps longer than the hold they end."""
        gaps = 0
        for instant_ns, power in samples:
            if self._times:
                interval_ns = instant_ns - self._times[-1]
                if interval_ns <= 0:
                    continue  # a file that was written again repeats its samples
                gaps += interval_ns > self._hold_ns()
                self._intervals.append(interval_ns)
            self._times.append(instant_ns)
            self._powers.append(power)
        return gaps

    def energy(self, start_ns: int, end_ns: int) -> int:
        """Return the integral over ``[start, end)`` in microwatts x nanoseconds. Before the first sample, it is 0."""
        total = 0
        index = max(bisect_right(self._times, start_ns) - 1, 0)
        while index < len(self._times) and self._times[index] < end_ns:
            until_ns = self._times[index + 1] if index + 1 < len(self._times) else end_ns
            total += self._powers[index] * (min(until_ns, end_ns) - max(self._times[index], start_ns))
            index += 1
        return total

    def latest_ns(self, now_ns: int) -> int:
        """Return the instant of the sample whose power holds at ``now_ns``."""
        return self._times[max(bisect_right(self._times, now_ns) - 1, 0)]

    def forget_before(self, instant_ns: int) -> None:
        count = bisect_right(self._times, instant_ns) - 1
        if count > 0:
            del self._times[:count], self._powers[:count]


class _SampleFile:
    """Reads the new samples of a file that grows, is written again, or stays as it is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._problem: WattmeterError | None = None
        self._begin()

    def _begin(self) -> None:
        self._offset = 0
        self._lines = 0
        self._last_line = b""
        self._last_ns = -1
        self._delimiter = ""

    def news(self) -> list[Sample]:
        """Return the samples added since the last call; all samples if the file was written again.

        Raises:
            WattmeterError: See ``WattmeterMeter``. Raised again until the file changes.
        """
        try:
            status = self._path.stat()
            look = (status.st_ino, status.st_size, status.st_mtime_ns)
            if look == self._seen:
                if self._problem is not None:
                    raise self._problem.with_traceback(None)  # otherwise each raise makes its traceback longer
                return []
            self._seen, self._problem = look, None
            return self._read()
        except OSError as error:
            self._seen = None
            raise WattmeterError(f"{self._path}: cannot be read ({error.strerror}): check the setting 'wattmeter'") from error
        except WattmeterError as error:
            self._problem = error
            raise

    def _read(self) -> list[Sample]:
        with self._path.open("rb") as file:
            file.seek(self._offset - len(self._last_line))
            if file.read(len(self._last_line)) != self._last_line:  # another file of this name, or written again
                self._begin()
                file.seek(0)
            data = file.read()
        if self._offset == 0 and data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{":
            return self._in_order(_prometheus(self._path.name, data))
        return self._csv(data[: data.rfind(b"\n") + 1])

    def _csv(self, data: bytes) -> list[Sample]:
        """Return the samples of whole lines. The position moves on only if all of them are right."""
        if not data:
            return []
        try:
            lines = data.decode("utf-8-sig" if self._offset == 0 else "utf-8").split("\n")[:-1]
        except UnicodeDecodeError as error:
            line = self._lines + 1 + error.object.count(b"\n", 0, error.start)
            raise WattmeterError(
                f"{self._path.name}:{line}: not readable as UTF-8: write 'time,watts' lines of plain text"
            ) from error
        delimiter, first = self._delimiter, self._lines
        if first == 0:
            delimiter = _delimiter(f"{self._path.name}:1", lines[0])

        def cells() -> Iterator[tuple[str, str, str]]:
            for number, line in enumerate(lines, first + 1):
                parts = [part.strip() for part in line.split(delimiter)]
                if number == 1 or parts == [""]:
                    continue
                where = f"{self._path.name}:{number}"
                if len(parts) != len(_HEADER):
                    raise WattmeterError(f"{where}: {line!r}: write a time, '{delimiter}' and watts")
                yield where, *(part.replace(",", ".") for part in parts)  # type: ignore[misc]

        samples = self._in_order(cells())
        self._offset += len(data)
        self._lines += len(lines)
        self._last_line = data[data.rfind(b"\n", 0, -1) + 1 :]
        self._delimiter = delimiter
        self._last_ns = samples[-1][0] if samples else self._last_ns
        return samples

    def _in_order(self, cells: Iterable[tuple[str, str, str]]) -> list[Sample]:
        samples: list[Sample] = []
        last_ns = self._last_ns
        for where, time_text, watts_text in cells:
            instant_ns = _instant_ns(where, time_text)
            if instant_ns <= last_ns:
                how = "is there twice: keep one" if instant_ns == last_ns else "is before the one above: sort by time"
                raise WattmeterError(f"{where}: time {time_text!r} {how}")
            samples.append((instant_ns, _microwatts(where, watts_text)))
            last_ns = instant_ns
        return samples


def _delimiter(where: str, header: str) -> str:
    for delimiter in (",", ";"):
        if [name.strip().lower() for name in header.split(delimiter)] == _HEADER:
            return delimiter
    remedy = "begin with the header 'time,watts' (or 'time;watts'), or give the JSON of a Prometheus range query"
    raise WattmeterError(f"{where}: {header[:60]!r}: {remedy}")


def _instant_ns(where: str, text: str) -> int:
    try:
        seconds = Decimal(text)
    except InvalidOperation:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = datetime.min
        if moment.tzinfo is None:
            raise WattmeterError(f"{where}: time {text!r}: write 2026-10-01T08:00:00+02:00, or epoch seconds") from None
        instant_ns = utc_ns(moment)
    else:
        # Compare before converting to an integer: an integer of a billion digits would take for ever.
        in_range = seconds.is_finite() and 0 <= seconds < _END_OF_TIME_NS // NANOSECONDS_PER_SECOND
        instant_ns = int(seconds * NANOSECONDS_PER_SECOND) if in_range else -1
    if not 0 <= instant_ns < _END_OF_TIME_NS:
        raise WattmeterError(f"{where}: time {text!r}: write a time between 1970 and 2261 (epoch seconds, not milliseconds)")
    return instant_ns


def _microwatts(where: str, text: str) -> int:
    try:
        watts = Decimal(text)
    except InvalidOperation:
        raise WattmeterError(f"{where}: watts {text!r}: write a number, e.g. 182.5") from None
    if not watts.is_finite():
        raise WattmeterError(f"{where}: watts {text!r}: leave the line out where there is no reading")
    if not 0 <= watts <= _MOST_WATTS:
        raise WattmeterError(f"{where}: watts {text!r}: write the watts of one machine, 0 to {_MOST_WATTS}")
    return round(watts * 1_000_000)


def _prometheus(name: str, data: bytes) -> Iterator[tuple[str, str, str]]:
    """Return (place, time, watts) of each value of the only series."""
    try:
        answer = json.loads(data, parse_float=str, parse_int=str, parse_constant=str)
        if answer.get("status") != "success":
            raise WattmeterError(f"{name}: Prometheus answered {answer.get('error') or answer.get('status')!r}: repair the query")
        kind, series = answer["data"]["resultType"], answer["data"]["result"]
        if kind not in ("matrix", "vector"):
            raise WattmeterError(f"{name}: resultType {kind!r}: ask for a series of time (matrix, or a vector)")
        if len(series) != 1:
            raise WattmeterError(f"{name}: {_series_found(series)}: narrow the query to the one that feeds this machine")
        values = series[0]["values"] if kind == "matrix" else [series[0]["value"]]
        pairs = [(str(instant), str(watts)) for instant, watts in values]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, WattmeterError):
            raise
        raise WattmeterError(
            f"{name}: not the JSON of a Prometheus range query ({type(error).__name__}: {error}): save what /api/v1/query_range "
            "answers, under another name first, then rename it"
        ) from error
    for number, (instant, watts) in enumerate(pairs, 1):
        yield f"{name}: value {number} of the series", instant, watts


def _series_found(series: list[dict[str, Any]]) -> str:
    if not series:
        return "no series in it"
    names = [", ".join(f"{key}={value!r}" for key, value in sorted(one.get("metric", {}).items())) for one in series]
    return f"{len(series)} series ({'; '.join(f'{{{each}}}' for each in names)})"


# --- detection ---------------------------------------------------------------------------------------------------------


def detect(path: str) -> Detected:
    """Return the meter of this file, see ``ecoia.meters.detect``.

    A file that can't be used is logged and makes every component missing; no other method silently replaces it.

    Args:
        path: The file of samples.
    """
    try:
        meter = WattmeterMeter(path)
    except WattmeterError as error:
        import logging

        logging.getLogger("ecoia").warning("ecoia: %s", error)
        unreadable = Absence("wattmeter-unreadable", str(error), "repair the file, or unset the setting 'wattmeter'")
        return Detected(dict.fromkeys(COMPONENTS, unreadable))
    inside = Absence("undivided", "the wattmeter reads the whole machine, this part of it included", None)
    return Detected({"cpu": meter, "gpu": inside, "ram": inside})


def explain(path: str) -> tuple[str, str | None]:
    """Return why a machine with a usable wattmeter has this method, and what to repair, for ``ecoia doctor``.

    Args:
        path: The file of samples.
    """
    why = f"the setting 'wattmeter' names '{path}': the whole machine at the plug"
    if WattmeterMeter(path).is_silent:
        return f"{why}; its last sample is too old to give the present power", "start the program that writes it"
    return why, None
