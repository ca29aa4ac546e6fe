"""Run programs in Linux namespaces of their own, with a small disk or without a network."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess

import pytest


def in_namespaces(*arguments: str, only: dict[str, str] | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``unshare`` with these arguments, as root in the new namespaces.

    The environment is ours, or ``only`` if given, plus the named variables.
    """
    as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return subprocess.run(
        ["unshare", *as_root, *arguments],
        env={**(os.environ if only is None else only), **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@functools.cache
def why_not() -> str:
    """Return why this machine allows no namespaces; empty if it allows them."""
    if shutil.which("unshare") is None:
        return "no unshare (util-linux)"
    done = in_namespaces("--mount", "--net", "--pid", "--fork", "--mount-proc", "mount", "-t", "tmpfs", "none", "/mnt")
    return done.stderr.strip() if done.returncode else ""


needs_namespaces = pytest.mark.skipif(bool(why_not()), reason=f"needs namespaces, which root may make: {why_not()}")
