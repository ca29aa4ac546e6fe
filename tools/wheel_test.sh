#!/usr/bin/env bash
# Test the built wheel instead of the checkout: (1) alone, without MLflow; (2) beside MLflow 2.22, delivering to it;
# (3) with every extra, and the tests. Each step uses a fresh environment below a temporary folder, away from the sources.
# Usage: tools/wheel_test.sh PYTHON   (from an environment with uv and build)
set -euo pipefail
cd "$(dirname "$0")/.."
repo="$PWD"
python="$(realpath -s "$1")"
uv="$(dirname "$python")/uv"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

step() { printf '\n== %s\n' "$*"; }
environment() { # NAME PACKAGE...: create a fresh environment with these packages
  "$uv" venv --quiet --python "$python" "$work/$1"
  "$uv" pip install --quiet --python "$work/$1/bin/python" "${@:2}"
}

step "build"
"$python" -m build --wheel --no-isolation --outdir "$work/dist" . >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; exit 1; }
wheel="$(echo "$work"/dist/ecoia-*.whl)"
unset ECOIA_HOME ECOIA_DISABLED MLFLOW_TRACKING_URI
cd "$work"

step "1. the light instrument, alone"
# The lock only limits versions here: the packages are those that a user's 'pip install ecoia' resolves.
environment base --constraint "$repo/requirements.lock" "$wheel"
ECOIA_HOME="$work/home-base" PATH="$work/base/bin:$PATH" python "$repo/tools/wheel_probe.py" base

step "2. beside MLflow 2.22"
# MLflow 2.22 allows SQLAlchemy below 3 but does not run on 2.1 (it imports a pool class that 2.1 no longer has).
environment old "$wheel" "mlflow==2.22.*" "sqlalchemy<2.1"
ECOIA_HOME="$work/home-old" MLFLOW_TRACKING_URI="sqlite:///$work/old.db" PATH="$work/old/bin:$PATH" \
  python "$repo/tools/wheel_probe.py" mlflow2

step "3. the whole, with the tests"
# The files of the checkout are all in the wheel: what imports and renders from the one does from the other.
"$python" - "$wheel" "$repo" <<'CHECK'
import sys, zipfile
from pathlib import Path
packed, repo = set(zipfile.ZipFile(sys.argv[1]).namelist()), Path(sys.argv[2])
roots = [repo / "src", repo / "integrations", repo / "dashboards"]
files = {path.relative_to(root).as_posix() for root in roots for path in root.glob("ecoia*/**/*")
         if path.is_file() and "__pycache__" not in path.parts}
sys.exit(f"not in the wheel: {sorted(files - packed)}" if files - packed else 0)
CHECK
# The other packages are the locked ones, which are installed beside this Python: on the path after the wheel, and not as a
# checkout, since only a .pth file in an environment's own folder is followed.
"$uv" venv --quiet --python "$python" "$work/full"
"$uv" pip install --quiet --python "$work/full/bin/python" --no-deps "$wheel"
site() { "$1" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }
site "$python" >"$(site "$work/full/bin/python")/locked.pth"
# Copy the tests without the sources, so that they can only import the wheel; without __pycache__, which others may write just now.
mkdir "$work/checkout"
tar -C "$repo" --exclude=__pycache__ -c tests examples docs pyproject.toml | tar -C "$work/checkout" -x
cd "$work/checkout"
"$work/full/bin/python" - "$work/full" <<'CHECK'
import sys, ecoia, ecoia_dashboards, ecoia_integrations
assert all(package.__file__.startswith(sys.argv[1]) for package in (ecoia, ecoia_dashboards, ecoia_integrations)), "not the wheel"
CHECK
# Run a test of each kind of part that a wheel can lack: data, templates, translations, entry points, sources to compile. The
# checkout tests the rest.
tests=(
  tests/cli/test_cli.py::{test_help_is_short_and_grouped,test_the_version,test_init_writes_what_loads_and_never_overwrites,test_the_zones_are_listed}
  tests/dashboards/test_pages.py::TestSelfContained
  tests/dashboards/test_sheets.py::test_nothing_runs_on_them_and_nothing_is_fetched
  tests/dashboards/test_formats.py::TestWriting
  tests/dashboards/test_pdf.py::TestAccessible::test_it_is_tagged_in_its_language_and_shows_its_title'['{fr.pdf,en-preuves.pdf}']'
  tests/dashboards/test_workbook.py::test_every_file_is_filled_in_from_the_starter_without_yaml
  tests/dashboards/test_boamps.py::test_figures_and_descriptions_go_where_the_format_has_them
  tests/dashboards/test_sci.py::test_every_service_is_there_and_every_reason_is_known
  tests/evaluating/test_dossier.py::{test_a_workbook_is_written_filled_in_and_read_from_the_command_line,test_a_service_is_evaluated_from_the_command_line}
  tests/factors/test_factors.py tests/testing/test_testing.py tests/report/test_golden.py
  tests/meters/test_gpu.py::test_two_gpus_are_read_by_their_counters_to_the_microjoule
  tests/meters/test_amd_gpus.py::test_amd_gpus_are_read_by_their_counters
)
"$work/full/bin/python" -m pytest -q "${tests[@]}" -m "not browser and not mlflow and not checkout and not long" -p no:cacheprovider
