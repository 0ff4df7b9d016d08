#!/bin/bash
# raxla on TPU VMs of Google Cloud, one process for each host of a slice.
#
#   scripts/tpu_vm.sh create NAME ZONE TYPE        # a slice: TYPE as v5litepod-8, v5p-32, v6e-16
#   scripts/tpu_vm.sh install NAME ZONE FILE       # copy the binary FILE to all hosts, and fetch libtpu
#   scripts/tpu_vm.sh store NAME ZONE              # start etcd on worker 0 (slices of several hosts)
#   scripts/tpu_vm.sh copy NAME ZONE FILE          # copy a file that a command reads to all hosts
#   scripts/tpu_vm.sh run NAME ZONE generate --mesh model=8 "Once"
#   scripts/tpu_vm.sh delete NAME ZONE
#
# It needs gcloud, and a project with quota for TPUs. docs/tpu_vm.md walks through it.
set -euo pipefail
usage() { sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 2; }
[ $# -ge 3 ] || usage
what=$1 name=$2 zone=$3
shift 3
vm() { gcloud compute tpus tpu-vm "$@" --zone "$zone"; }
everywhere() { vm ssh "$name" --worker=all --command "$1"; }
# (the port at which raxla looks for the store on worker 0, as JAX does)
port=8482

case $what in
create)
  type=${1:?the type of the slice}
  case $type in
  v6e-*) version=v2-alpha-tpuv6e ;;
  v5p-*) version=v2-alpha-tpuv5 ;;
  v5litepod-*) version=v2-alpha-tpuv5-lite ;;
  *) version=tpu-ubuntu2204-base ;;
  esac
  vm create "$name" --accelerator-type "$type" --version "$version"
  ;;
install)
  file=${1:?the binary}
  vm scp "$file" "$name:/tmp/raxla" --worker=all
  everywhere 'sudo install -m 755 /tmp/raxla /usr/local/bin/raxla && pip install --quiet --user libtpu && raxla doctor --device tpu'
  ;;
store)
  # (its peers' port is its own: it is alone)
  peers=http://127.0.0.1:$((port + 1))
  vm ssh "$name" --worker=0 --command "
    sudo apt-get install -y -q etcd-server >/dev/null
    sudo systemctl stop etcd 2>/dev/null || true
    nohup etcd --data-dir /tmp/raxla-etcd --auto-compaction-mode=revision --auto-compaction-retention=1000 \
      --listen-client-urls http://0.0.0.0:$port --advertise-client-urls http://\$(hostname):$port \
      --listen-peer-urls $peers --initial-advertise-peer-urls $peers --initial-cluster default=$peers >/tmp/raxla-etcd.log 2>&1 &
    sleep 3
    kill -0 \$! || { tail -n 5 /tmp/raxla-etcd.log; exit 1; }"
  ;;
copy)
  vm scp "${1:?the file}" "$name:" --worker=all
  ;;
run)
  [ $# -gt 0 ] || usage
  hosts=$(vm describe "$name" --format='value(networkEndpoints.len())')
  together=
  [ "${hosts:-1}" -le 1 ] || together=--distributed
  # words with spaces stay words on the other side
  everywhere "RAXLA_PLATFORM=tpu raxla $(printf '%q ' "$@") $together"
  ;;
delete)
  vm delete "$name" --quiet
  ;;
*) usage ;;
esac
