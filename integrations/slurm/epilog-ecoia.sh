#!/bin/bash
# Epilog of Slurm (slurm.conf: Epilog=/etc/slurm/epilog-ecoia.sh). Runs as root on each node when a job ends there, and delivers what
# the job's user recorded on this node: a node may be switched off, and records wait on its disk otherwise.
#
# Jobs record in one home a node and user: ECOIA_HOME in the job's environment (TaskProlog) must be the folder below.
# It never drains a node: whatever fails, records stay in the home, and the exit code is 0.
set -u

ecoia=${ECOIA:-/opt/ecoia/bin/ecoia}
home=${ECOIA_EPILOG_HOME:-/var/lib/ecoia-jobs}/${SLURM_JOB_UID:-}
most_seconds=60

[ -n "${SLURM_JOB_UID:-}" ] && [ -n "${SLURM_JOB_USER:-}" ] && [ "${SLURM_JOB_UID}" != 0 ] || exit 0
[ -f "$home/home.json" ] || exit 0

as_user=(runuser -u "$SLURM_JOB_USER" --)
[ "$(id -u)" = 0 ] || as_user=()
# /etc/ecoia/environment: MLFLOW_TRACKING_URI=..., one a line. Not the job's environment, which may be anything.
settings=()
[ -r /etc/ecoia/environment ] && mapfile -t settings < <(grep -E '^[A-Z_]+=' /etc/ecoia/environment)

# cd: the folder of the job may be gone, or hold an ecoia.toml of the user's.
cd / && timeout "$most_seconds" "${as_user[@]}" env -i PATH=/usr/bin:/bin "${settings[@]}" "$ecoia" deliver --home "$home" 2>&1 |
    logger -t ecoia-epilog -- 2>/dev/null
exit 0
