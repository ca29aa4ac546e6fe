"""Which MLflow run shows the rows that were recorded outside any: those of a job's ranks, and of the session of ``ecoia run``.

Records of kind ``link`` name the MLflow runs that the members of a group, or the programs of a session, began. A joule is shown
on one root run at most. So an id is shown with a run only if all its links lead to one root.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from ecoia.semconv import GROUP_RUN, OWN_RUN

Chain = Sequence[str]
"""A run and the runs above it, the root run last; empty for what has no run in the store."""


class LinkedRuns:
    """The links of a journal that lead to one store.

    Args:
        links: Pairs of an id (of a group's member or a session) and an MLflow run of this store.
        elsewhere: Ids with links to runs of other stores.

    Example:
        >>> linked = LinkedRuns([("ecoia-group-1f-0", "run-1")])
        >>> linked.chains(["ecoia-group-1f-0", "ecoia-group-1f-1"], {"run-1": ("run-1", "root")})
        {'ecoia-group-1f-0': ('ecoia-group-1f-0', 'root'), 'ecoia-group-1f-1': ('ecoia-group-1f-1', 'root')}
    """

    def __init__(self, links: Iterable[tuple[str, str]] = (), elsewhere: Iterable[str] = ()) -> None:
        self._runs: dict[str, set[str]] = {}
        for run_id, beside in links:
            self._runs.setdefault(run_id, set()).add(beside)
        self._elsewhere = {group_of(run_id) or run_id for run_id in elsewhere}

    @property
    def runs(self) -> set[str]:
        """The MLflow runs that links lead to."""
        return set().union(*self._runs.values())

    def add(self, run_id: str, runs: Iterable[str]) -> None:
        """Add what another host's links say: the runs of a group, or of a member of it."""
        for beside in runs:
            self._runs.setdefault(run_id, set()).add(beside)

    def runs_of(self, run_id: str) -> set[str]:
        """Return the runs that decide where the rows of an id are shown: its own, or else those of its group's first member."""
        own, group = self._runs.get(run_id), group_of(run_id)
        if own is not None or not group:
            return own or set()
        members = {other: runs for other, runs in self._runs.items() if group_of(other) == group}
        return members[min(members, key=_order)] if members else set()

    def is_shown_elsewhere(self, run_id: str) -> bool:
        """Return whether links lead from an id to other stores alone, so that this one shows nothing of it."""
        return (group_of(run_id) or run_id) in self._elsewhere and not self.runs_of(run_id)

    def chains(self, run_ids: Iterable[str], chains: Mapping[str, Chain]) -> dict[str, Chain]:
        """Return the chain of each id that is shown with a root run.

        Args:
            run_ids: Ids of sessions and groups; others are left out.
            chains: The chains of ``runs``.
        """
        found: dict[str, Chain] = {}
        for run_id in run_ids:
            if run_id.startswith(OWN_RUN) and (group_of(run_id) or run_id) not in self._elsewhere:
                roots = {chain[-1] for beside in self.runs_of(run_id) if (chain := chains.get(beside))}
                if len(roots) == 1:
                    found[run_id] = (run_id, *roots)
        return found

    def groups_of(self, runs: Collection[str]) -> list[str]:
        """Return the groups with a member that began one of some runs, sorted."""
        return sorted({group for run_id, linked in self._runs.items() if (group := group_of(run_id)) and linked & set(runs)})

    def rank(self, chain: Chain) -> int | None:
        """Return the rank whose rows these are; None where no rank, or more than one, is known to have begun the run.

        Args:
            chain: The run of the rows, and the runs above it.
        """
        if group_of(chain[0]):
            return rank_of(chain[0])
        ranks = {rank_of(run_id) for run_id, linked in self._runs.items() if group_of(run_id) and not linked.isdisjoint(chain)}
        return ranks.pop() if len(ranks) == 1 else None


def is_session(run_id: str) -> bool:
    """Return whether a run id is that of a session: work outside MLflow's runs that is no rank's.

    Example:
        >>> is_session("ecoia-1f"), is_session("ecoia-group-1f-0"), is_session("4f0c1d2e")
        (True, False, False)
    """
    return run_id.startswith(OWN_RUN) and not run_id.startswith(GROUP_RUN)


def group_of(run_id: str) -> str:
    """Return the group that a run id names a member of; empty for any other run id.

    Example:
        >>> group_of("ecoia-group-1f-3"), group_of("ecoia-1f")
        ('ecoia-group-1f', '')
    """
    if not run_id.startswith(GROUP_RUN):
        return ""
    return GROUP_RUN + run_id.removeprefix(GROUP_RUN).partition("-")[0]


def rank_of(run_id: str) -> int | None:
    """Return the rank in the run id of a group's member; None where it has none.

    Example:
        >>> rank_of("ecoia-group-1f-3"), rank_of("run-1")
        (3, None)
    """
    rank = run_id.removeprefix(group_of(run_id)).removeprefix("-") if group_of(run_id) else ""
    return int(rank[:9]) if rank.isdecimal() else None


def _order(run_id: str) -> tuple[int, str]:
    rank = rank_of(run_id)
    return (-1 if rank is None else rank), run_id
