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
environment full --require-hashes -r "$repo/requirements-dev.lock"
"$uv" pip install --quiet --python "$work/full/bin/python" --no-deps "$wheel"
"$uv" pip install --quiet --python "$work/full/bin/python" --no-deps --require-hashes -r "$repo/requirements-demo.lock"
# Copy the tests without the sources, so that they can only import the wheel.
mkdir "$work/checkout"
cp -r "$repo"/{tests,examples,docs,benchmarks,pyproject.toml,Makefile,*.md} "$work/checkout/"
# Copy the files for users that the pages link to; they are stored beside sources.
mkdir "$work/checkout"/{integrations,dashboards}
cp -r "$repo"/integrations/{kubernetes,ci} "$work/checkout/integrations/"
cp -r "$repo"/dashboards/grafana "$work/checkout/dashboards/"
cd "$work/checkout"
# Run the tests of parts that a wheel can lack: data, templates, entry points, sources to compile. The checkout tests the rest.
files=(tests/cli/test_cli.py tests/dashboards/test_{pages,formats,pdf,workbook,boamps,sci}.py tests/report/test_golden.py
  tests/evaluating/test_dossier.py tests/factors/test_factors.py tests/testing/test_testing.py tests/meters/test_gpu.py)
"$work/full/bin/python" -m pytest -q --numprocesses 2 --dist loadfile "${files[@]}" \
  -m "not browser and not mlflow and not checkout and not long" -p no:cacheprovider
