#!/bin/bash
# One process of raxla for each GPU of a SLURM job, over several hosts.
#
#   sbatch --nodes=2 --gpus-per-node=8 scripts/slurm.sh generate --model M --mesh model=16 "Once"
#
# What follows the script's name is what raxla is told. Every task needs `raxla`, the first host also `etcd` (one file; from Debian's
# package etcd-server, or its releases), and all of them the folder RAXLA_HOME, where the plugin is.
#SBATCH --job-name=raxla
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=8
#SBATCH --kill-on-bad-exit=1
#SBATCH --output=raxla-%j.log
set -euo pipefail

# The port that raxla derives from the job's number, as JAX does: it is looked for on the job's first host.
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
port=$((SLURM_JOB_ID % 4096 + 61440))
data=$(mktemp -d)
# (its peers' port is its own: it is alone)
srun --overlap --nodes=1 --ntasks=1 --nodelist="$head" bash -c "
  exec etcd --data-dir '$data' --log-level error --auto-compaction-mode=revision --auto-compaction-retention=1000 \
    --listen-client-urls http://0.0.0.0:$port --advertise-client-urls http://$head:$port \
    --listen-peer-urls http://127.0.0.1:$((port - 4096)) --initial-advertise-peer-urls http://127.0.0.1:$((port - 4096)) \
    --initial-cluster default=http://127.0.0.1:$((port - 4096))" &
store=$!
trap 'kill $store 2>/dev/null || true; rm -rf "$data"' EXIT

# One plugin for all, before all ask for it at once.
raxla plugin install "${RAXLA_PLATFORM:-cuda}" >/dev/null
export RAXLA_PLATFORM=${RAXLA_PLATFORM:-cuda} RAXLA_COORDINATOR_ADDRESS=$head:$port

# Each task takes the GPU of its number on the host (SLURM_LOCALID).
srun --label raxla "$@" --distributed
