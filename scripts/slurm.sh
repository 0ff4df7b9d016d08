#!/bin/bash
# One process of raxla for each GPU of a SLURM job, over several hosts.
#
#   sbatch --nodes=2 --ntasks-per-node=8 --gpus-per-node=8 scripts/slurm.sh generate --model M --mesh model=16 "Once"
#
# What follows the script's name is what raxla is told; there is a task for each GPU. Every task needs `raxla`, the first host also `etcd` (one file;
# from Debian's package etcd-server, or its releases), and all of them the folder RAXLA_HOME, where the plugin is.
#
# `raxla train` saves a checkpoint and ends when it gets SIGTERM: two minutes before the time is over, and by `scancel --signal=TERM JOB`. (A plain `scancel`
# ends the script too, and with it etcd, before they have agreed on a step.) `--resume` goes on from there.
#SBATCH --job-name=raxla
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=8
#SBATCH --signal=TERM@120
#SBATCH --output=raxla-%j.log
set -euo pipefail

# etcd, on the job's first host, where this script runs. Its port is the one that raxla derives from the job's number, as JAX does; that of its peers
# is its own: it is alone.
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
port=$((SLURM_JOB_ID % 4096 + 61440))
peers=http://127.0.0.1:$((port - 4096))
data=$(mktemp -d)
etcd --data-dir "$data" --auto-compaction-mode=revision --auto-compaction-retention=1000 \
  --listen-client-urls "http://0.0.0.0:$port" --advertise-client-urls "http://$head:$port" \
  --listen-peer-urls "$peers" --initial-advertise-peer-urls "$peers" --initial-cluster "default=$peers" >"$data/log" 2>&1 &
store=$!
trap 'kill $store 2>/dev/null || true; wait $store 2>/dev/null || true; rm -rf "$data"' EXIT

# One plugin for all, before all ask for it at once.
export RAXLA_PLATFORM=${RAXLA_PLATFORM:-cuda} RAXLA_COORDINATOR_ADDRESS=$head:$port
[ -n "${RAXLA_PLUGIN:-}" ] || raxla plugin install "$RAXLA_PLATFORM" >/dev/null
if ! kill -0 $store 2>/dev/null; then
  echo "etcd did not start:" >&2
  tail -n 5 "$data/log" >&2
  exit 1
fi

# Each task takes the GPU of its number on the host (SLURM_LOCALID); one that fails ends all. (Newer versions of srun do not take over --cpus-per-task.)
export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}
srun --kill-on-bad-exit=1 --label raxla "$@" --distributed
