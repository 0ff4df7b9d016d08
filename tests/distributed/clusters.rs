//! What environments say, beside what JAX makes of them (`scripts/make_cluster_fixtures.py`).
use raxla::distributed::{
    Detection, Options,
    cluster::{Cluster, ClusterKind, Environment},
};
use std::collections::HashMap;

/// An environment with these variables, metadata and `/etc/hosts`.
fn in_environment<T>(
    variables: &[(&str, &str)],
    metadata: &[(&str, &str)],
    hosts: &str,
    tpu: bool,
    ask: impl FnOnce(&Environment) -> T,
) -> T {
    let map =
        |list: &[(&str, &str)]| list.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect::<HashMap<_, _>>();
    let (variables, metadata) = (map(variables), map(metadata));
    ask(&Environment {
        variable: &|name| variables.get(name).cloned(),
        metadata: &|key| metadata.get(key).cloned(),
        hosts: &|| hosts.to_string(),
        tpu,
    })
}

fn detected(variables: &[(&str, &str)], tpu: bool) -> Cluster {
    in_environment(variables, &[], "", tpu, |e| e.detect().unwrap().expect("one shows itself"))
}
fn address(cluster: &Cluster) -> &str {
    cluster.coordinator_address.as_ref().unwrap()
}

#[derive(serde::Deserialize)]
struct Case {
    variables: HashMap<String, String>,
    metadata: HashMap<String, String>,
    kind: String,
    coordinator_address: String,
    num_processes: usize,
    process_id: usize,
    local_process_id: Option<usize>,
}

#[test]
fn as_jax_reads_them() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../fixtures/clusters.json")).unwrap();
    assert!(cases.len() > 12, "{}", cases.len());
    for case in cases {
        let environment = Environment {
            variable: &|name| case.variables.get(name).cloned(),
            metadata: &|key| case.metadata.get(key).cloned(),
            hosts: &String::new,
            tpu: case.kind.ends_with("tpu"),
        };
        let found = environment.detect().unwrap().expect("one shows itself");
        // (an address of IPv6 is in brackets here, so that its port can be told)
        let at = address(&found).replace(['[', ']'], "");
        let have = (found.kind.name(), at, found.num_processes, found.process_id, found.local_process_id);
        let want =
            (&*case.kind, case.coordinator_address, Some(case.num_processes), case.process_id, case.local_process_id);
        assert_eq!(have, want, "{:?}", case.variables);
    }
}

#[test]
fn slurm_says_which_host_has_which_process() {
    let slurm = [
        ("SLURM_JOB_ID", "9000"),
        ("SLURM_STEP_ID", "0"),
        ("SLURM_STEP_NODELIST", "gpu[01-02],cpu7"),
        ("SLURM_STEP_TASKS_PER_NODE", "2(x2),1"),
        ("SLURM_NTASKS", "5"),
        ("SLURM_PROCID", "4"),
        ("SLURM_LOCALID", "0"),
    ];
    let found = detected(&slurm, false);
    assert_eq!(found.hosts, ["gpu01", "gpu01", "gpu02", "gpu02", "cpu7"]);
    assert_eq!((address(&found), found.job.as_deref()), ("gpu01:62248", Some("slurm-9000.0")));
    let place = in_environment(&slurm, &[], "", false, |e| Options::default().place(e).unwrap());
    assert_eq!((place.num_processes, place.process_id, place.local_device_ids), (5, 4, Some(vec![0])));
    // what is said by hand counts more
    let options = Options { coordinator_address: Some("head:1".into()), num_processes: Some(9), ..Default::default() };
    let place = in_environment(&slurm, &[], "", false, |e| options.place(e).unwrap());
    assert_eq!((place.coordinator_address.as_deref(), place.num_processes, place.process_id), (Some("head:1"), 9, 4));
}

#[test]
fn kubernetes_says_it_by_the_pod_s_name() {
    let pod = [
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
        ("JOB_COMPLETION_INDEX", "3"),
        ("HOSTNAME", "train-worker-0-3"),
        ("RAXLA_NUM_PROCESSES", "4"),
    ];
    let hosts = "127.0.0.1\tlocalhost\n10.4.1.7\ttrain-worker-0-3.train.default.svc.cluster.local\ttrain-worker-0-3\n";
    let place = in_environment(&pod, &[], hosts, false, |e| Options::default().place(e).unwrap());
    assert_eq!(place.coordinator_address.as_deref(), Some("train-worker-0-0.train:55527"));
    assert_eq!((place.num_processes, place.process_id, place.job.as_str()), (4, 3, "train-worker-0"));
    let error = in_environment(&pod, &[], "", false, |e| Options::default().place(e).unwrap_err().to_string());
    assert!(
        error.contains("the pod `train-worker-0-3` (HOSTNAME) has no subdomain") && error.contains("headless service"),
        "{error}"
    );
    let uncounted =
        in_environment(&pod[..3], &[], hosts, false, |e| Options::default().place(e).unwrap_err().to_string());
    assert!(uncounted.contains("nobody says how many processes there are: `k8s` does not say it"), "{uncounted}");
}

#[test]
fn what_is_wrong_is_named() {
    let error = |variables: &[(&str, &str)], options: Options| {
        in_environment(variables, &[], "", true, |e| options.place(e).unwrap_err().to_string())
    };
    let none = error(&[], Options::default());
    assert!(
        none.contains("nobody says how many processes there are: nothing was started by any of ompi, slurm"),
        "{none}"
    );
    // a shell inside of a job
    let half = error(&[("SLURM_JOB_ID", "7"), ("SLURM_NTASKS", "2")], Options::default());
    let wanted = "`slurm` has set SLURM_JOB_ID, but SLURM_STEP_NODELIST, SLURM_PROCID, SLURM_LOCALID are not set: `srun` sets them";
    assert!(half.contains(wanted), "{half}");
    let job = error(&[("KUBERNETES_SERVICE_HOST", "10.0.0.1")], Options::default());
    assert!(job.contains("but JOB_COMPLETION_INDEX is not set: a Job with `completionMode: Indexed` sets it"), "{job}");
    let off = error(&[("RAXLA_NUM_PROCESSES", "two")], Options { detection: Detection::Off, ..Default::default() });
    assert!(off.contains("RAXLA_NUM_PROCESSES is `two`"), "{off}");
    let beyond = error(&[], Options { num_processes: Some(2), process_id: Some(2), ..Default::default() });
    assert!(beyond.contains("the number of this process is 2, but there are 2 processes"), "{beyond}");
    let nowhere = error(&[], Options { num_processes: Some(2), process_id: Some(1), ..Default::default() });
    assert!(nowhere.contains("nobody says where the store is"), "{nowhere}");
    let worker = error(&[("TPU_WORKER_HOSTNAMES", "a,b"), ("TPU_WORKER_ID", "2")], Options::default());
    assert!(worker.contains("this is worker 2 of 2 in slice 0 of 1, which cannot be"), "{worker}");
    let nodes = error(
        &[
            ("SLURM_JOB_ID", "1"),
            ("SLURM_STEP_NODELIST", "a[1-"),
            ("SLURM_NTASKS", "1"),
            ("SLURM_PROCID", "0"),
            ("SLURM_LOCALID", "0"),
        ],
        Options::default(),
    );
    assert!(nodes.contains("SLURM_STEP_NODELIST is `a[1-`, which is no list of hosts"), "{nodes}");
    // Open MPI 5 does not say where mpirun is
    let five = [("OMPI_COMM_WORLD_SIZE", "2"), ("OMPI_COMM_WORLD_RANK", "1"), ("OMPI_COMM_WORLD_LOCAL_RANK", "1")];
    assert!(error(&five, Options::default()).contains("OMPI_MCA_orte_hnp_uri is not set"));
    let options = Options { coordinator_address: Some("a:1".into()), ..Default::default() };
    let place = in_environment(&five, &[], "", false, |e| options.place(e).unwrap());
    assert_eq!((place.num_processes, place.process_id, place.local_device_ids), (2, 1, Some(vec![1])));
    // each sees its own GPU alone (`srun --gpus-per-task=1`), or those of all
    for (seen, own) in [("1", 0), ("GPU-ab12", 0), ("0,1", 1), ("", 1)] {
        let variables = [&five[..], &[("CUDA_VISIBLE_DEVICES", seen)]].concat();
        let place = in_environment(&variables, &[], "", false, |e| options.place(e).unwrap());
        assert_eq!(place.local_device_ids, Some(vec![own]), "{seen}");
    }
    let kind = in_environment(&five, &[], "", false, |e| e.read(ClusterKind::TpuPod).unwrap_err().to_string());
    assert!(kind.contains("TPU_WORKER_HOSTNAMES is not set"), "{kind}");
}
