"""Share the device energy of a window among what a server answered in it, by weights that requests tell at their end.

Requests to a language model wait for each other on the device, so neither their processor time nor their time in flight says
what each of them cost: their tokens do (``token_weights``). A program tells them by ``span.tokens``, or weights of its own by
``span.weight``. Keys that have told weights of one *kind* (tokens are of the kind ``llm``) share by weight. Keys of other kinds,
and those that never told any, take their part by time in flight first; the latter share it as they do without weights.

Weights come at a request's end. Energy of a kind whose requests are all in flight still is carried to the next window, which
shares it out with its own; no further than the half-hour, 10 minutes and the end of the process. Then time in flight has to do,
and the method says that weights are missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ecoia.light import TYPE_CHECKING, NamedTuple
from ecoia.light.json import read_json_file
from ecoia.measuring.subject import Delta, RecordKey
from ecoia.measuring.token_weights import TokenCount, input_weight, split_by_weight, weight_of
from ecoia.measuring.window import Carried, Window
from ecoia.methods import WEIGHTED, token_weighted, weights_missing
from ecoia.semconv import KAPPA_FILE, KIND_SPAN, LLM, SELF_HOSTED
from ecoia.units import split_integer

if TYPE_CHECKING:
    from ecoia.settings import Settings

_MOST_CARRIED_NS = 600_000_000_000
"""Energy waits so long for a weight: ten minutes."""

_MOST_KAPPA = 1e9

_NO_KIND = ""


class DeviceShares(NamedTuple):
    """How the device energy of a window was shared.

    Attributes:
        microjoules: Energy of each key with spans. With ``carried`` it adds up to what they had and what was carried here.
        ways: How the energy of a key was found, where weights had a part in it: the end of its method's name.
        carried: What goes to the next window, by kind.
    """

    microjoules: dict[RecordKey, int]
    ways: dict[RecordKey, str]
    carried: dict[str, Carried]


class TokenSharing:
    """Shares the device energy of each window by weights, and remembers which keys told any.

    Args:
        kappa: See ``token_weights``.
        fitted: Whether it was fitted on this server.

    Example:
        >>> sharing, window = TokenSharing(kappa=100.0), Window(0, 0, 10_000_000_000)
        >>> for service, tokens_out in (("chat", 30), ("search", 10)):
        ...     key, delta = RecordKey(service, "inference"), Delta()
        ...     delta.add_call("vllm", "llama", 0, tokens_out, 0, None, None)
        ...     window.add_delta(key, delta)
        ...     window.add_energy("span", key, {"cpu": 0, "gpu": 500, "ram": 0})
        >>> sharing.settle(window, now_ns=1, may_carry=True).microjoules.values()
        dict_values([750, 250])
    """

    def __init__(self, kappa: float, *, fitted: bool = False) -> None:
        self._kappa, self._fitted = kappa, fitted
        self._kinds: dict[tuple[str | None, ...], str] = {}

    @classmethod
    def of(cls, settings: Settings) -> TokenSharing:
        """Share with the kappa of the setting; else with the one that ``ecoia llm fit`` stored in the home, if it did.

        Args:
            settings: ``home`` and ``token_kappa``.
        """
        if settings.values["token_kappa"].origin == "default":
            try:
                kappa = read_json_file(f"{settings.home}/{KAPPA_FILE}")["kappa"]
                if 0 < kappa < _MOST_KAPPA:
                    return cls(float(kappa), fitted=True)
            except (OSError, ValueError, TypeError, KeyError):
                pass  # there is none, or it is damaged
        return cls(settings.token_kappa)

    def settle(self, window: Window, *, now_ns: int, may_carry: bool) -> DeviceShares | None:
        """Share the device energy of a window, and change nothing in it. None where no weight was ever told: all stays as it is.

        Args:
            window: The window.
            now_ns: The monotonic clock.
            may_carry: Whether there is a window to carry energy to.
        """
        for key, delta in window.deltas.items():
            if delta.tokens or delta.weights:
                kind = _kind_of(delta)
                if kind is not None:
                    self._kinds[_work_of(key)] = kind
        if not self._kinds:
            return None
        found = {key: energy["gpu"] for (kind, key), energy in window.energy.items() if kind == KIND_SPAN and key is not None}
        gpu = {key: microjoules for key, microjoules in found.items() if microjoules is not None}
        groups: dict[str, list[RecordKey]] = {}
        for key in gpu:
            groups.setdefault(self._kinds.get(_work_of(key), _NO_KIND), []).append(key)
        if not groups.keys() - {_NO_KIND}:
            return None
        in_flight = _in_flight(window)
        shares = DeviceShares({}, {}, {})
        for kind, microjoules in _among_groups(groups, gpu, in_flight).items():
            keys = groups[kind]
            if kind == _NO_KIND:
                shares.microjoules.update(_by_first(microjoules, keys, gpu, in_flight))
            else:
                self._settle_kind(shares, window, kind, keys, microjoules, (gpu, in_flight), now_ns if may_carry else None)
        for kind, left in window.carried.items():
            if kind not in groups:  # its keys tell weights of another kind by now
                for key, microjoules in _by_first(left.microjoules, left.in_flight_ns, left.in_flight_ns).items():
                    shares.microjoules[key] = shares.microjoules.get(key, 0) + microjoules
                    shares.ways.setdefault(key, weights_missing(_mean_in_flight(left)))
        if shares.ways:  # what told no weight got what the others did not: their errors are one
            first = shares.ways[min(shares.ways, key=lambda key: self._kinds[_work_of(key)])]
            shares.ways.update(dict.fromkeys(groups.get(_NO_KIND, ()), first))
        return shares

    def _settle_kind(
        self,
        shares: DeviceShares,
        window: Window,
        kind: str,
        keys: list[RecordKey],
        microjoules: int,
        known: tuple[Mapping[RecordKey, int], Mapping[RecordKey, int]],
        carry_ns: int | None,
    ) -> None:
        gpu, in_flight = known
        before = window.carried.get(kind) or Carried(0, {}, 0, window.start_wall_ns)
        now_in_flight = sum(in_flight.get(key, 0) for key in keys)
        carried = Carried(
            before.microjoules + microjoules,
            {
                key: before.in_flight_ns.get(key, 0) + in_flight.get(key, 0)
                for key in dict.fromkeys((*before.in_flight_ns, *keys))
            },
            before.covered_ns + window.covered_ns,
            before.since_ns,
        )
        batch = _mean_in_flight(carried)
        way: str | None
        weights, way = self._weights({key: window.deltas[key] for key in keys}, kind, batch)
        if any(weights.values()):
            split = split_by_weight(carried.microjoules, weights)
        elif carry_ns is not None and now_in_flight and carry_ns - carried.since_ns < _MOST_CARRIED_NS:
            shares.carried[kind] = carried
            split, way = {}, None
        else:
            split, way = _by_first(carried.microjoules, keys, carried.in_flight_ns, gpu), weights_missing(batch)
        shares.microjoules.update({key: split.get(key, 0) for key in keys})
        if way is not None and carried.microjoules:
            shares.ways.update(dict.fromkeys(keys, way))

    def _weights(self, deltas: Mapping[RecordKey, Delta], kind: str, batch: float | None) -> tuple[dict[RecordKey, int], str]:
        """Return the weight of each key, in millionths, and what they are made of."""
        of_input, weights = input_weight(batch, self._kappa), {}
        by_tokens, cached_known = False, True
        for key, delta in deltas.items():
            if kind in delta.weights:
                weights[key] = delta.weights[kind]
            elif kind == LLM:
                count, knows_cached = _tokens_of(delta)
                weights[key] = weight_of(count, of_input)
                by_tokens |= weights[key] > 0
                cached_known &= knows_cached
        way = token_weighted(self._kappa, batch, cached_known=cached_known, fitted=self._fitted)
        return weights, way if by_tokens else WEIGHTED


def _work_of(key: RecordKey) -> tuple[str | None, ...]:
    """Return what a key tells weights by: the next run of the same work tells them as well."""
    return key.service, key.phase, key.endpoint


def _kind_of(delta: Delta) -> str | None:
    """Return the kind of the weights that a key told in a window; None if it told none."""
    if delta.weights:
        return min(delta.weights)
    return LLM if any(key[0] in SELF_HOSTED for key in delta.tokens) else None


def _tokens_of(delta: Delta) -> tuple[TokenCount, bool]:
    """Return the tokens of servers of one's own, and whether all calls told how many the cache spared."""
    out = tokens_in = cached = 0
    known = True
    for (provider, _, told, name), count in delta.tokens.items():
        if provider not in SELF_HOSTED:
            continue
        if name == "tokens_out":
            out += count
        elif name == "tokens_in":
            tokens_in += count
            known &= not count or "cached_in" in told
        elif name == "cached_in":
            cached += count
    return TokenCount(out, tokens_in - cached, cached), known


def _in_flight(window: Window) -> dict[RecordKey, int]:
    """Return how long spans of each key were in flight, added up over spans, in ns.

    A thread's call that is over says no longer how long it was in flight: what threads were covered for and no open span
    accounts for goes to the keys of spans that ended, by their number.
    """
    found = {key: max(delta.in_flight_ns, 0) for key, delta in window.deltas.items()}
    left_ns = window.threads_ns - sum(found.values())
    if left_ns > 0:
        parts = split_integer(left_ns, [delta.spans for delta in window.deltas.values()])
        found = {key: ns + more for (key, ns), more in zip(found.items(), parts, strict=True)}
    return found


def _mean_in_flight(carried: Carried) -> float | None:
    """Return the mean number of spans in flight while there were any; None if it is not known."""
    in_flight_ns = sum(carried.in_flight_ns.values())
    return max(in_flight_ns / carried.covered_ns, 1.0) if in_flight_ns > 0 and carried.covered_ns > 0 else None


def _among_groups(
    groups: Mapping[str, Iterable[RecordKey]], gpu: Mapping[RecordKey, int], in_flight: Mapping[RecordKey, int]
) -> dict[str, int]:
    """Split all energy among groups of keys by time in flight."""
    times = [sum(in_flight.get(key, 0) for key in keys) for keys in groups.values()]
    already = [sum(gpu[key] for key in keys) for keys in groups.values()]
    return dict(zip(groups, split_integer(sum(already), times if any(times) else already), strict=True))


def _by_first(microjoules: int, keys: Iterable[RecordKey], *bases: Mapping[RecordKey, int]) -> dict[RecordKey, int]:
    """Split energy by the first basis that says anything; in equal parts if none does."""
    for basis in bases:
        weights = {key: basis.get(key, 0) for key in keys}
        if any(weights.values()):
            return split_by_weight(microjoules, weights)
    return split_by_weight(microjoules, dict.fromkeys(keys, 1))
