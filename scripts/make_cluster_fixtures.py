"""What JAX reads from the environments of clusters: tests/fixtures/clusters.json.

    python scripts/make_cluster_fixtures.py tests/fixtures/clusters.json
"""

import json
import os
import sys

from jax._src import cloud_tpu_init
from jax._src import clusters
from jax._src.clusters import cloud_tpu_cluster


def slurm(job, nodes, tasks, process, local):
    names = ["SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID"]
    return dict(zip(names, map(str, [job, nodes, tasks, process, local])))


def ompi(uri, size, rank, local):
    names = ["OMPI_MCA_orte_hnp_uri", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK"]
    return dict(zip(names, map(str, [uri, size, rank, local])))


WORKERS = {"TPU_WORKER_HOSTNAMES": "localhost,127.0.0.1", "TPU_WORKER_ID": "1"}
SLICES = {"MEGASCALE_NUM_SLICES": "3", "MEGASCALE_SLICE_ID": "2", "MEGASCALE_COORDINATOR_ADDRESS": "localhost:8080"}
NEW = {"agent-worker-number": "2", "worker-network-endpoints": "localhost,b,c,d", "tpu-env": "A: '1'\n"}
OLD = {"agent-worker-number": "1", "worker-network-endpoints": "x:0:127.0.0.1,y:1:10.0.0.2", "tpu-env": ""}
FILE = {**NEW, "tpu-env": "MEGASCALE_NUM_SLICES: '2'\nMEGASCALE_SLICE_ID: '1'\nMEGASCALE_COORDINATOR_ADDRESS: 'localhost'\n"}
CASES = [
    ("slurm", slurm(12345, "node001", 1, 0, 0), {}),
    ("slurm", slurm(12345, "node001,host2", 2, 1, 0), {}),
    ("slurm", slurm(4096, "node[001-0015],host2", 16, 7, 1), {}),
    ("slurm", slurm(99999, "node[001,007-015],host2", 40, 39, 3), {}),
    ("slurm", {**slurm(99999, "a,b", 2, 1, 0), "JAX_COORDINATOR_PORT": "7777"}, {}),
    ("ompi", ompi("1531576320.0;tcp://10.96.0.1,10.148.0.1,10.108.0.1:34911", 4, 3, 1), {}),
    ("ompi", ompi("1314521088.0;tcp6://[fe80::b9b:ac5d:9cf0:b858,2620:10d:c083:150e::3000:2]:43370", 2, 0, 0), {}),
    # both: Open MPI is asked first
    ("ompi", {**slurm(5, "a,b", 2, 1, 0), **ompi("8192.0;tcp://10.0.0.1:1", 8, 5, 2)}, {}),
    ("gketpu", WORKERS, {}),
    ("gketpu", {**WORKERS, **SLICES}, {}),
    ("gketpu", {**WORKERS, "TPU_PROCESS_ADDRESSES": "localhost:8476,127.0.0.1:8476,c:8476"}, {}),
    ("gketpu", {**WORKERS, "JAX_COORDINATOR_PORT": "1234"}, {}),
    ("gcetpu", {}, NEW),
    ("gcetpu", {}, OLD),
    ("gcetpu", {}, FILE),
    # a variable counts more than the file
    ("gcetpu", {"MEGASCALE_NUM_SLICES": "5"}, FILE),
]


def main(path):
    cleared = [name for name in os.environ if name.split("_")[0] in ("SLURM", "OMPI", "TPU", "MEGASCALE", "JAX", "KUBERNETES")]
    for name in cleared:
        del os.environ[name]
    out = []
    for kind, variables, metadata in CASES:
        os.environ.update(variables)
        cloud_tpu_cluster.running_in_cloud_tpu_vm = kind.endswith("tpu")
        cloud_tpu_cluster.get_metadata = lambda key: (metadata.get(key, ""), 200 if key in metadata else 404)
        env = next(env for env in clusters.ClusterEnv._cluster_types if not env.opt_in_only_method and env.is_env_present())
        assert env.name == kind, (env.name, kind)
        out.append({
            "variables": variables,
            "metadata": metadata,
            "kind": env.name,
            "coordinator_address": env.get_coordinator_address(10, os.environ.get("JAX_COORDINATOR_PORT")),
            "num_processes": env.get_process_count(),
            "process_id": env.get_process_id(),
            "local_process_id": env.get_local_process_id(),
        })
        for name in variables:
            del os.environ[name]
    with open(path, "w") as file:
        json.dump(out, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
