"""Check rules: the names in a group's path, which rule decides, and the errors of a wrong file."""

from __future__ import annotations

import fnmatch
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia.errors import RulesError, UsageError
from ecoia.watching.group_rules import Rules, names_of, pods_by_uid, read_rules
from support.control_groups import CONTAINER, UID

SYSTEMD_POD = f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID.replace('-', '_')}.slice"
POD = {"pod_uid": UID, "namespace": "prod", "pod": "api-7c9"}
IN_POD = {**POD, "container_id": CONTAINER}


@pytest.mark.parametrize(
    ("cgroup", "names"),
    [
        (SYSTEMD_POD, {**POD, "unit": SYSTEMD_POD.rpartition("/")[2]}),
        (f"{SYSTEMD_POD}/cri-containerd-{CONTAINER}.scope", {**IN_POD, "unit": f"cri-containerd-{CONTAINER}.scope"}),
        (f"{SYSTEMD_POD}/crio-{CONTAINER}.scope/container", IN_POD),
        (
            f"/kubepods.slice/kubepods-pod{UID.replace('-', '_')}.slice",
            {**POD, "unit": f"kubepods-pod{UID.replace('-', '_')}.slice"},
        ),
        (
            f"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{UID.replace('-', '_')}.slice/docker-{CONTAINER}.scope",
            {**IN_POD, "unit": f"docker-{CONTAINER}.scope"},
        ),
        (f"/kubepods/burstable/pod{UID}", POD),
        (f"/kubepods/pod{UID}/{CONTAINER}", IN_POD),
        (f"/kubepods/besteffort/pod{UID}/crio-{CONTAINER}", IN_POD),
        (f"/system.slice/containerd.service/kubepods-pod{UID.replace('-', '_')}.slice:cri-containerd:{CONTAINER}", IN_POD),
        (f"/kubepods/burstable/pod{'5e' * 16}", {"pod_uid": "5e" * 16}),  # a static pod, whose folder of logs is missing
        (f"/docker/{CONTAINER}", {"container_id": CONTAINER}),
        (f"/system.slice/docker-{CONTAINER}.scope", {"container_id": CONTAINER, "unit": f"docker-{CONTAINER}.scope"}),
        ("/system.slice/system-vadore.slice/vadore@1.service", {"unit": "vadore@1.service"}),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/notebook.service", {"unit": "notebook.service"}),
        ("/kubepods.slice/kubepods-burstable.slice", {"unit": "kubepods-burstable.slice"}),
        ("/podman/batch", {}),
    ],
)
def test_a_path_identifies_its_group(cgroup: str, names: dict[str, str]) -> None:
    assert names_of(cgroup, {UID: ("prod", "api-7c9")}) == {"cgroup": cgroup, **names}


def test_folders_of_logs_give_the_names_of_pods(tmp_path: Path) -> None:
    for name in (f"prod_api-7c9_{UID}", f"kube-system_etcd-node1_{'5e' * 16}", "lost+found"):
        (tmp_path / name).mkdir()
    assert pods_by_uid(tmp_path) == {UID: ("prod", "api-7c9"), "5e" * 16: ("kube-system", "etcd-node1")}


def rules(folder: Path, text: str) -> Rules:
    file = folder / "rules.toml"
    file.write_text(text, encoding="utf-8")
    return read_rules(file)


def test_every_pattern_of_a_rule_must_match_and_the_first_rule_decides(tmp_path: Path) -> None:
    found = rules(
        tmp_path,
        """
        [[rule]]
        service = "vadore"
        namespace = "prod"
        pod = "api-*"

        [[rule]]
        service = "vadore"
        phase = "training"
        namespace = "prod"

        [[rule]]
        service = "search"
        unit = "search@*"

        [[rule]]
        service = "others"
        cgroup = "/system.slice/*"
        """,
    )

    def decided(**names: str) -> tuple[str, str] | None:
        rule = found.match(names)
        return None if rule is None else (rule.service, rule.phase)

    assert decided(namespace="prod", pod="api-7c9") == ("vadore", "inference")
    assert decided(namespace="prod", pod="train-1") == ("vadore", "training")
    assert decided(namespace="test", pod="api-7c9") is None
    assert decided(cgroup="/system.slice/search@1.service", unit="search@1.service") == ("search", "inference")
    assert decided(cgroup="/system.slice/search@1.slice", unit="search@1.slice") == ("others", "inference")
    assert decided(cgroup="/system.slice") is None


PIECES = st.text("ab*?/-", min_size=1, max_size=4)


@given(patterns=st.lists(PIECES, min_size=1, max_size=5), path=PIECES)
def test_the_rule_that_decides_is_the_first_whose_pattern_matches(
    tmp_path_factory: pytest.TempPathFactory, patterns: list[str], path: str
) -> None:
    written = "".join(f'[[rule]]\nservice = "s{number}"\ncgroup = "/{pattern}x"\n' for number, pattern in enumerate(patterns))
    found = rules(tmp_path_factory.mktemp("rules"), written).match({"cgroup": f"/{path}x"})
    expected = [number for number, pattern in enumerate(patterns) if fnmatch.fnmatchcase(f"/{path}x", f"/{pattern}x")]
    assert (None if found is None else found.service) == (f"s{expected[0]}" if expected else None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it holds no rule: write at least one [[rule]]"),
        ("rule = 3", "rule = 3: begin each rule with the line [[rule]]"),
        ("[rule]\nservice = 'a'", "begin each rule with the line [[rule]]"),
        ("[[rules]]\nservice = 'a'", "rules = [{'service': 'a'}]: no such key: a file of rules has only [[rule]]"),
        ("[[rule]\n", "is not valid TOML: "),
        (
            "[[rule]]\nservice = 'a'\nname = 'x'\nunit = 'x'",
            ", rule 1: name = 'x': no such key: choose one of service, phase, cgroup",
        ),
        ("[[rule]]\nservice = 'Vad Ore'\nunit = 'x'", ", rule 1: service = 'Vad Ore': use lower-case letters"),
        ("[[rule]]\nservice = 3\nunit = 'x'", ", rule 1: service = 3: use lower-case letters"),
        ("[[rule]]\nunit = 'x'", ", rule 1: service is missing: give the id of the service"),
        ("[[rule]]\nservice = 'a'\nunit = 'x'\nphase = 'use'", ", rule 1: phase = 'use': choose one of inception, data"),
        (
            "[[rule]]\nservice = 'a'",
            ", rule 1: it has no pattern, so it matches no control group: give one or more of cgroup, unit",
        ),
        ("[[rule]]\nservice = 'a'\nunit = ''", ", rule 1: unit = '': write a string, in which"),
        ("[[rule]]\nservice = 'a'\nunit = 3", ", rule 1: unit = 3: write a string, in which"),
        ("[[rule]]\nservice = 'a'\nunit = ['x']", ", rule 1: unit = ['x']: write a string, in which"),
        ("[[rule]]\nservice = 'a'\nunit = 'x[ab'", ", rule 1: unit = 'x[ab': close the bracket"),
        ("[[rule]]\nservice = 'a'\nunit = '/x'", ", rule 1: unit = '/x': a name contains no '/': use cgroup for a path"),
        ("[[rule]]\nservice = 'a'\ncgroup = 'x'", ", rule 1: cgroup = 'x': begin with '/'"),
        ("[[rule]]\nservice = 'a'\ncgroup = '/x/'", ", rule 1: cgroup = '/x/': remove the '/' at the end"),
        ("[[rule]]\nservice = 'a'\ncgroup = '/'", ", rule 1: cgroup = '/': the whole host is not a group"),
        ("[[rule]]\nservice = 'a'\npod_uid = '1_2'", ", rule 1: pod_uid = '1_2': write the uid with hyphens"),
    ],
)
def test_a_wrong_file_is_named_with_rule_field_value_and_remedy(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RulesError) as wrong:
        rules(tmp_path, text)
    assert str(wrong.value).startswith(f"'{tmp_path / 'rules.toml'}'")
    assert message in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_all_mistakes_of_a_file_are_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(RulesError) as wrong:
        rules(tmp_path, "[[rule]]\nservice = 'A'\nunit = '/'\n[[rule]]\nservice = 'b'\n")
    assert [line.split(": ")[0].rpartition(", ")[2] for line in str(wrong.value).splitlines()] == ["rule 1", "rule 1", "rule 2"]


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be read \(No such file or directory\): name a file of rules by --rules"):
        read_rules(tmp_path / "rules.toml")
    with pytest.raises(UsageError, match=r"cannot be read \(it is a folder, not a file\)"):
        read_rules(tmp_path)


@pytest.mark.parametrize("pattern", ["a[bc]", "a[[]", "a[!b]", "[]]", "a]"])
def test_brackets_that_are_closed_are_fine(tmp_path: Path, pattern: str) -> None:
    assert len(rules(tmp_path, f"[[rule]]\nservice = 'a'\nunit = '{pattern}'\n")) == 1
