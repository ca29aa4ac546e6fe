"""The file of rules and the names of pods, both read again when they change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Set
from pathlib import Path

from ecoia.errors import RulesError
from ecoia.watching.group_rules import Rules, names_of, pods_by_uid, read_rules
from ecoia.watching.group_tree import GroupIdentity

_UNNAMED_READINGS = 60
"""A pod without a name is reported after this many readings: its volumes may be mounted before the kubelet creates its folder."""


class PodNames:
    """Names of the pods of this host, by uid, from the kubelet's folders of logs.

    Args:
        folder: Where the kubelet keeps a folder of logs for each pod.
        tell: Shows the user that a pod has no name.
    """

    def __init__(self, folder: Path, tell: Callable[[str], None]) -> None:
        self.folder = folder
        self._tell = tell
        self._by_uid: dict[str, tuple[str, str]] = {}
        self._unnamed: Counter[GroupIdentity] = Counter()
        self._listed = False

    def refresh(self) -> None:
        """Read the names now.

        Raises:
            OSError: The folder cannot be listed.
        """
        self._by_uid = pods_by_uid(self.folder)

    def begin_scan(self) -> None:
        """Allow the folder to be listed once more: it is listed at most once between two calls of this."""
        self._listed = False

    def end_scan(self, seen: Set[GroupIdentity]) -> None:
        """Forget unnamed pods that are gone."""
        self._unnamed = Counter({group: count for group, count in self._unnamed.items() if group in seen})

    def names_of(self, path: str, *, wanted: bool = False) -> dict[str, str]:
        """Return what identifies a control group; see ``group_rules.names_of``.

        Args:
            path: Path of the group.
            wanted: Whether to list the folder if the group is a pod's whose name is unknown.
        """
        names = names_of(path, self._by_uid)
        if wanted and lacks_name(names) and not self._listed:
            self._listed = True
            try:
                self.refresh()
            except OSError:
                return names  # it could be listed at the start, and may come back
            names = names_of(path, self._by_uid)
        return names

    def wait_for(self, group: GroupIdentity, uid: str) -> None:
        """Wait for the name of a pod, and report once that it does not come.

        Until the name is known no rule is applied, as a later rule might match. The group's account keeps what the pod uses.
        """
        self._unnamed[group] += 1
        if self._unnamed[group] == _UNNAMED_READINGS:
            self._tell(
                f"pod {uid} has no folder in '{self.folder}', so its name is unknown and no rule can match: "
                "it is measured, from its start, once the kubelet creates that folder"
            )


def lacks_name(names: dict[str, str]) -> bool:
    """Return whether these names are of a pod whose namespace and name are unknown.

    Example:
        >>> lacks_name({"cgroup": "/kubepods/podab", "pod_uid": "ab"})
        True
    """
    return "pod_uid" in names and "pod" not in names


class RuleFile:
    """The rules in force: the file's rules, or the last ones that could be used.

    Args:
        file: The file of rules.
        pods: Names of pods, which rules may ask for.

    Raises:
        RulesError: The file cannot be used, or its rules ask for names of pods that cannot be read.
    """

    def __init__(self, file: Path, pods: PodNames) -> None:
        self._file = file
        self._pods = pods
        self._stamp = _stamp(file)
        self.rules = self._read()

    def reread(self, *, forced: bool) -> bool:
        """Read the file again if it changed.

        Args:
            forced: Read it even if it did not.

        Returns:
            Whether other rules may be in force now.

        Raises:
            RulesError: The file cannot be used. The previous rules stay in force.
        """
        stamp = _stamp(self._file)
        if stamp == self._stamp and not forced:
            return False
        self._stamp = stamp
        self.rules = self._read()
        return True

    def _read(self) -> Rules:
        rules = read_rules(self._file)
        asking = rules.ask_for_pods
        if asking is not None:
            try:
                self._pods.refresh()
            except OSError as error:
                raise RulesError(
                    f"'{self._file}', rule {asking.number}: it asks for names of pods, which are read from the folders in "
                    f"'{self._pods.folder}', and that cannot be listed ({error.strerror}): mount that folder of the host, and "
                    "give its path by --pod-logs"
                ) from error
        return rules


def _stamp(file: Path) -> tuple[int, ...]:
    """Return facts that change when a file changes, or when the file is a link and leads elsewhere (a ConfigMap)."""
    try:
        found = file.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
