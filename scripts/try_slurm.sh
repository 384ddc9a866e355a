#!/usr/bin/env bash
# Does `--profile profiles/slurm` work? Start a Slurm of one machine, run a sweep of two jobs on it, and check the rows:
# as root, `bash scripts/try_slurm.sh`, after `apt-get install slurm-wlm munge` and
# `pip install snakemake-executor-plugin-slurm`. The only file outside of a temporary folder is /etc/slurm/slurm.conf,
# which must not exist; all is stopped and removed at the end.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
for tool in slurmctld slurmd munged snakemake; do
  command -v "$tool" >/dev/null || { echo "$tool is not installed: see the top of this script"; exit 2; }
done

conf=/etc/slurm/slurm.conf
[ ! -e "$conf" ] || { echo "$conf exists: this machine has a Slurm of its own"; exit 2; }

scratch=$(mktemp -d) host=$(hostname -s)
stop() {
  for f in "$scratch"/*.pid; do kill "$(cat "$f")" 2>/dev/null || true; done
  sleep 1; rm -rf "$scratch" "$conf"
}
trap stop EXIT
chmod 755 "$scratch"; mkdir "$scratch/state" "$scratch/spool" "$scratch/cache"

mkdir -p /etc/slurm; cat >"$conf" <<CONF
ClusterName=one
SlurmctldHost=$host
SlurmUser=root
SlurmdUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
StateSaveLocation=$scratch/state
SlurmdSpoolDir=$scratch/spool
SlurmctldLogFile=$scratch/slurmctld.log
SlurmdLogFile=$scratch/slurmd.log
SlurmctldPidFile=$scratch/slurmctld.pid
SlurmdPidFile=$scratch/slurmd.pid
MpiDefault=none
NodeName=$host CPUs=$(nproc) RealMemory=$(free -m | awk '/^Mem/ {print int($2 * 0.9)}')
PartitionName=all Nodes=ALL Default=YES State=UP
CONF
export ATTIC_CACHE="$scratch/cache"
if ! pgrep -x munged >/dev/null; then
  install -d -o munge /run/munge; runuser -u munge -- munged --pid-file=/run/munge/munged.pid
fi
slurmctld; sleep 2; slurmd; sleep 2; sinfo

# without an accounting database `sacct` knows nothing, so the queue is asked; on a cluster leave that option out
snakemake --profile profiles/slurm --slurm-status-command squeue --slurm-no-account rows \
  --config profile=smoke seeds=1 attributes=young,open "out=$scratch/runs"
python - "$scratch/runs" <<'CHECK'
import sys
from attic.store import load_rows
rows = load_rows(sys.argv[1])
runs = rows.groupby('attribute').key.nunique().to_dict()
assert runs == {'young': 17, 'open': 17}, runs
print(rows.key.nunique(), 'rows from two jobs on Slurm')
CHECK
