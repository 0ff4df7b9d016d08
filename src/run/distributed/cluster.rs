//! What the environment says about a program of several processes: Open MPI, SLURM, TPU pods, indexed jobs of Kubernetes.
//!
//! Variables, their order and the ports are those of JAX (`jax/_src/clusters`).
use super::{DistributedError, Problem};
use crate::error::Result;
use std::{fmt, str::FromStr};

/// Who started the processes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ClusterKind {
    /// `mpirun` of Open MPI.
    OpenMpi,
    /// `srun` of SLURM.
    Slurm,
    /// A TPU slice whose hosts are named in variables: Google Kubernetes Engine, and others.
    TpuPod,
    /// TPU VMs of Google Compute Engine, which tell by their metadata server.
    TpuVm,
    /// An indexed Job of Kubernetes, alone or in a JobSet.
    Kubernetes,
}

impl ClusterKind {
    /// All, in the order in which they are looked for.
    pub const ALL: [ClusterKind; 5] =
        [ClusterKind::OpenMpi, ClusterKind::Slurm, ClusterKind::TpuPod, ClusterKind::TpuVm, ClusterKind::Kubernetes];
    /// JAX's name for it (`cluster_detection_method`).
    pub fn name(self) -> &'static str {
        match self {
            ClusterKind::OpenMpi => "ompi",
            ClusterKind::Slurm => "slurm",
            ClusterKind::TpuPod => "gketpu",
            ClusterKind::TpuVm => "gcetpu",
            ClusterKind::Kubernetes => "k8s",
        }
    }
}
impl fmt::Display for ClusterKind {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}
impl FromStr for ClusterKind {
    type Err = String;
    fn from_str(name: &str) -> Result<ClusterKind, String> {
        let names = ClusterKind::ALL.map(ClusterKind::name).join(", ");
        ClusterKind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| format!("it is none of {names}"))
    }
}

/// What was found.
#[derive(Clone, PartialEq, Debug)]
pub struct Cluster {
    /// Who started the processes.
    pub kind: ClusterKind,
    /// The host of process 0, and the port at which the processes look for the store; or why that is not known.
    pub coordinator_address: Result<String, DistributedError>,
    /// How many processes there are; where the environment does not say, `None`.
    pub num_processes: Option<usize>,
    /// The number of this one.
    pub process_id: usize,
    /// Its number on its host.
    pub local_process_id: Option<usize>,
    /// The hosts of the processes, in order, as far as they are known.
    pub hosts: Vec<String>,
    /// What tells this job from others.
    pub job: Option<String>,
}

/// What is looked at.
pub struct Environment<'a> {
    /// The value of an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// A key of the metadata server of Google Compute Engine (`attributes/..`).
    pub metadata: &'a dyn Fn(&str) -> Option<String>,
    /// The file `/etc/hosts`.
    pub hosts: &'a dyn Fn() -> String,
    /// Does this machine show a TPU?
    pub tpu: bool,
}

/// The variables by all of which one shows itself.
fn signs(kind: ClusterKind) -> &'static [&'static str] {
    match kind {
        ClusterKind::OpenMpi => &["OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"],
        ClusterKind::Slurm => &["SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID"],
        ClusterKind::Kubernetes => &["KUBERNETES_SERVICE_HOST", "JOB_COMPLETION_INDEX"],
        ClusterKind::TpuPod | ClusterKind::TpuVm => &[],
    }
}

/// The port of TPU jobs, and of Kubernetes.
const TPU_PORT: u16 = 8482;
const KUBERNETES_PORT: u16 = 55527;
/// Ports of jobs are among the last of those that anybody may use.
const PORTS: u64 = 1 << 12;

impl Environment<'_> {
    fn var(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|text| !text.trim().is_empty())
    }
    fn number<T: FromStr>(&self, name: &str) -> Result<T> {
        let text = self.var(name).ok_or_else(|| wrong(format!("{name} is not set")))?;
        parsed(name, &text)
    }
    fn port(&self, own: u64) -> Result<u64> {
        match self.var("JAX_COORDINATOR_PORT") {
            Some(text) => parsed::<u16>("JAX_COORDINATOR_PORT", &text).map(u64::from),
            None => Ok(own),
        }
    }
    /// The port of a job with this number.
    fn port_of_job(&self, job: u64) -> Result<u64> {
        self.port(job % PORTS + (65535 - PORTS + 1))
    }

    /// Does this one show itself?
    pub fn shows(&self, kind: ClusterKind) -> bool {
        let all = |names: &[&str]| names.iter().all(|name| self.var(name).is_some());
        match kind {
            ClusterKind::OpenMpi | ClusterKind::Slurm | ClusterKind::Kubernetes => all(signs(kind)),
            ClusterKind::TpuPod => self.tpu && self.workers().is_some(),
            ClusterKind::TpuVm => {
                self.tpu && self.var("TPU_SKIP_MDS_QUERY").is_none() && (self.metadata)("agent-worker-number").is_some()
            }
        }
    }

    /// What shows itself in part: a shell inside of a job has some of its variables, and a pod may be of a job without numbers.
    pub(super) fn half_shown(&self) -> Option<String> {
        ClusterKind::ALL.into_iter().find_map(|kind| {
            let (set, missing): (Vec<&str>, Vec<&str>) = signs(kind).iter().partition(|name| self.var(name).is_some());
            let how = match kind {
                ClusterKind::Slurm => "`srun` sets them",
                ClusterKind::OpenMpi => "`mpirun` sets them",
                _ => "a Job with `completionMode: Indexed` sets it",
            };
            let (first, are) = (set.first()?, if missing.len() == 1 { "is not" } else { "are not" });
            Some(format!("`{kind}` has set {first}, but {} {are} set: {how}", missing.join(", ")))
        })
    }

    /// The first that shows itself.
    ///
    /// # Errors
    /// A variable that does not have the form that it should have.
    pub fn detect(&self) -> Result<Option<Cluster>> {
        ClusterKind::ALL.into_iter().find(|kind| self.shows(*kind)).map(|kind| self.read(kind)).transpose()
    }

    /// What this one says.
    ///
    /// # Errors
    /// A variable that is not set, or does not have the form that it should have.
    pub fn read(&self, kind: ClusterKind) -> Result<Cluster> {
        match kind {
            ClusterKind::OpenMpi => self.open_mpi(),
            ClusterKind::Slurm => self.slurm(),
            ClusterKind::TpuPod => self.tpu_pod(),
            ClusterKind::TpuVm => self.tpu_vm(),
            ClusterKind::Kubernetes => self.kubernetes(),
        }
    }

    fn open_mpi(&self) -> Result<Cluster> {
        const URI: &str = "OMPI_MCA_orte_hnp_uri";
        let (coordinator_address, job) = match self.var(URI) {
            Some(uri) => {
                let none = || wrong(format!("{URI} is `{uri}`, which has no address"));
                let (host, number) = of_uri(&uri).ok_or_else(none)?;
                // (numbers of jobs are multiples of 2^12)
                (Ok(format!("{host}:{}", self.port_of_job(number / PORTS)?)), Some(format!("ompi-{number}")))
            }
            None => {
                let what = format!("{URI} is not set, by which Open MPI before version 5 says where `mpirun` runs");
                (Err(unknown_place(what, SAY_WHERE)), self.var("PMIX_NAMESPACE"))
            }
        };
        let local = self.var("OMPI_COMM_WORLD_LOCAL_RANK").map(|text| parsed("OMPI_COMM_WORLD_LOCAL_RANK", &text));
        Ok(Cluster {
            kind: ClusterKind::OpenMpi,
            coordinator_address,
            num_processes: Some(self.number("OMPI_COMM_WORLD_SIZE")?),
            process_id: self.number("OMPI_COMM_WORLD_RANK")?,
            local_process_id: local.transpose()?,
            hosts: vec![],
            job,
        })
    }

    fn slurm(&self) -> Result<Cluster> {
        let job: u64 = self.number("SLURM_JOB_ID")?;
        let list = self.var("SLURM_STEP_NODELIST").unwrap_or_default();
        let nodes =
            nodes(&list).ok_or_else(|| wrong(format!("SLURM_STEP_NODELIST is `{list}`, which is no list of hosts")))?;
        let first = nodes.first().ok_or_else(|| wrong("SLURM_STEP_NODELIST is empty"))?;
        let coordinator_address = format!("{first}:{}", self.port_of_job(job)?);
        let step = self.var("SLURM_STEP_ID").map_or(String::new(), |step| format!(".{step}"));
        Ok(Cluster {
            kind: ClusterKind::Slurm,
            coordinator_address: Ok(coordinator_address),
            num_processes: Some(self.number("SLURM_NTASKS")?),
            process_id: self.number("SLURM_PROCID")?,
            local_process_id: Some(self.number("SLURM_LOCALID")?),
            hosts: self.var("SLURM_STEP_TASKS_PER_NODE").map_or(vec![], |tasks| in_blocks(&nodes, &tasks)),
            job: Some(format!("slurm-{job}{step}")),
        })
    }

    /// The hosts of a slice, as variables name them.
    fn workers(&self) -> Option<Vec<String>> {
        let list = self.var("TPU_PROCESS_ADDRESSES").or_else(|| self.var("TPU_WORKER_HOSTNAMES"))?;
        Some(list.split(',').map(|host| without_port(host.trim()).to_string()).collect())
    }

    fn tpu_pod(&self) -> Result<Cluster> {
        let workers = self.workers().ok_or_else(|| wrong("TPU_WORKER_HOSTNAMES is not set"))?;
        let number = self.number("TPU_WORKER_ID")?;
        self.slices(ClusterKind::TpuPod, workers, number, |name| self.var(name))
    }

    fn tpu_vm(&self) -> Result<Cluster> {
        let ask = |key: &str| {
            let none = || wrong(format!("the metadata server does not answer `attributes/{key}`"));
            (self.metadata)(key).ok_or_else(none)
        };
        let number = parsed("agent-worker-number", &ask("agent-worker-number")?)?;
        let endpoints = ask("worker-network-endpoints")?;
        // a host, or its name, number and address
        let host = |worker: &str| {
            let parts: Vec<&str> = worker.trim().split(':').collect();
            match parts[..] {
                [host] if !host.is_empty() => Ok(host.to_string()),
                [_, _, address] => Ok(address.to_string()),
                _ => Err(wrong(format!("the metadata worker-network-endpoints has `{worker}`, which is no host"))),
            }
        };
        let workers = endpoints.split(',').map(host).collect::<Result<Vec<_>>>()?;
        let file = (self.metadata)("tpu-env").unwrap_or_default();
        let of_file = |name: &str| {
            let line = file.lines().find_map(|line| line.split_once(':').filter(|(key, _)| key.trim() == name));
            line.map(|(_, value)| value.trim().trim_matches('\'').to_string()).filter(|text| !text.is_empty())
        };
        self.slices(ClusterKind::TpuVm, workers, number, |name| self.var(name).or_else(|| of_file(name)))
    }

    /// One slice of a TPU, or one of several that are joined by MEGASCALE's variables.
    fn slices(
        &self,
        kind: ClusterKind,
        workers: Vec<String>,
        number: usize,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Cluster> {
        let count = |name: &str, without: usize| variable(name).map_or(Ok(without), |text| parsed(name, &text));
        let (slices, slice) = (count("MEGASCALE_NUM_SLICES", 1)?, count("MEGASCALE_SLICE_ID", 0)?);
        let first = variable("MEGASCALE_COORDINATOR_ADDRESS").unwrap_or_else(|| workers[0].clone());
        if number >= workers.len() || slice >= slices {
            return Err(wrong(format!(
                "this is worker {number} of {} in slice {slice} of {slices}, which cannot be",
                workers.len()
            )));
        }
        Ok(Cluster {
            kind,
            coordinator_address: Ok(format!("{}:{}", without_port(&first), self.port(TPU_PORT.into())?)),
            num_processes: Some(workers.len() * slices),
            process_id: number + slice * workers.len(),
            local_process_id: None,
            hosts: if slices == 1 { workers } else { vec![] },
            job: None,
        })
    }

    fn kubernetes(&self) -> Result<Cluster> {
        let process_id: usize = self.number("JOB_COMPLETION_INDEX")?;
        // (an indexed pod is called after its job, and its line in /etc/hosts has the headless service)
        let pod = self.var("HOSTNAME").unwrap_or_default();
        let job = pod.strip_suffix(&format!("-{process_id}")).map(str::to_string);
        let subdomain = job.as_ref().and_then(|_| {
            let hosts = (self.hosts)();
            let names =
                hosts.lines().flat_map(|line| line.split_whitespace().skip(1).map(str::to_string).collect::<Vec<_>>());
            let domain = |name: String| {
                name.strip_prefix(&format!("{pod}.")).and_then(|rest| rest.split('.').next().map(str::to_string))
            };
            names.filter_map(domain).next()
        });
        let coordinator_address = match (&job, subdomain) {
            (Some(job), Some(domain)) => Ok(format!("{job}-0.{domain}:{}", self.port(KUBERNETES_PORT.into())?)),
            _ => Err(unknown_place(
                format!(
                    "the pod `{pod}` (HOSTNAME) has no subdomain, so that the pods of its job cannot find each other"
                ),
                "give the job a headless service and its pods `subdomain: <service>`, or say where the store is: \
                 RAXLA_COORDINATOR_ADDRESS (scripts/jobset.yaml does)",
            )),
        };
        Ok(Cluster {
            kind: ClusterKind::Kubernetes,
            coordinator_address,
            num_processes: None,
            process_id,
            local_process_id: None,
            hosts: vec![],
            job,
        })
    }
}

const SAY_WHERE: &str = "say where the store is: RAXLA_COORDINATOR_ADDRESS, or --coordinator";

fn unknown_place(what: String, help: &str) -> DistributedError {
    DistributedError::new(Problem::Options, what, help)
}

fn wrong(what: impl Into<String>) -> crate::Error {
    let help = "set the variables as whoever starts the processes should, or say it yourself: coordinator address, number of \
                processes, and number of this one";
    DistributedError::error(Problem::Options, what, help)
}

fn parsed<T: FromStr>(name: &str, text: &str) -> Result<T> {
    text.trim().parse().map_err(|_| wrong(format!("{name} is `{text}`, which is no number that it can be")))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((before, _)) if !before.contains(':') => before,
        _ => host,
    }
}

/// The first address in an URI of Open MPI, `1531576320.0;tcp://10.96.0.1,10.148.0.1:34911` or with `tcp6://[fe80::1,..]`, and the number of
/// the job.
fn of_uri(uri: &str) -> Option<(String, u64)> {
    let job = uri.split('.').next()?.parse().ok()?;
    let (_, rest) = uri.split_once("://")?;
    let host = match rest.strip_prefix('[') {
        Some(rest) => format!("[{}]", rest.split([',', ']']).next()?),
        None => rest.split([',', ':']).next()?.to_string(),
    };
    (host.len() > 2 || !host.starts_with('[')).then_some((host, job)).filter(|(host, _)| !host.is_empty())
}

/// The most hosts that are taken from a list.
const MOST_HOSTS: usize = 1 << 16;

/// The hosts of a list of SLURM: `node[001,007-015]-x,host2`.
fn nodes(list: &str) -> Option<Vec<String>> {
    let mut all = vec![];
    let mut rest = list.trim();
    while !rest.is_empty() {
        // up to the comma that is in no bracket
        let mut depth = 0;
        let end = rest.find(|c| {
            depth += i32::from(c == '[') - i32::from(c == ']');
            c == ',' && depth == 0
        });
        let (one, after) = end.map_or((rest, ""), |end| (&rest[..end], &rest[end + 1..]));
        all.extend(expanded(one, MOST_HOSTS - all.len())?);
        rest = after;
    }
    Some(all)
}

/// The hosts of one entry: every number of the brackets in their place.
fn expanded(entry: &str, room: usize) -> Option<Vec<String>> {
    let Some((before, rest)) = entry.split_once('[') else { return (room > 0).then(|| vec![entry.to_string()]) };
    let (inside, after) = rest.split_once(']')?;
    let afters = expanded(after, room)?;
    let mut all = vec![];
    for part in inside.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u64, u64) = (from.parse().ok()?, to.parse().ok()?);
        if last < first || last - first >= room as u64 {
            return None;
        }
        for number in first..=last {
            // (zeros in front are part of the name)
            all.extend(afters.iter().map(|after| format!("{before}{number:0width$}{after}", width = from.len())));
            if all.len() > room {
                return None;
            }
        }
    }
    Some(all)
}

/// The host of each task, where each host has so many in a row: `2(x3),1`.
fn in_blocks(nodes: &[String], tasks: &str) -> Vec<String> {
    let mut counts = vec![];
    for part in tasks.split(',') {
        let (count, times) =
            part.trim().split_once("(x").map_or((part.trim(), "1"), |(c, t)| (c, t.trim_end_matches(')')));
        let (Ok(count), Ok(times)) = (count.parse::<usize>(), times.parse::<usize>()) else { return vec![] };
        counts.extend(std::iter::repeat_n(count.min(MOST_HOSTS), times.min(MOST_HOSTS)));
    }
    if counts.len() != nodes.len() || counts.iter().sum::<usize>() > MOST_HOSTS {
        return vec![];
    }
    nodes.iter().zip(counts).flat_map(|(node, count)| std::iter::repeat_n(node.clone(), count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_hosts_are_expanded() {
        let of = |list: &str| nodes(list).map(|nodes| nodes.join(" "));
        assert_eq!(of("node001").as_deref(), Some("node001"));
        assert_eq!(of("node001,host2").as_deref(), Some("node001 host2"));
        assert_eq!(of("node[001-003],host2").as_deref(), Some("node001 node002 node003 host2"));
        assert_eq!(of("node[001,007-008]").as_deref(), Some("node001 node007 node008"));
        assert_eq!(of("r[1-2]n[08-09]x").as_deref(), Some("r1n08x r1n09x r2n08x r2n09x"));
        for wrong in ["node[1-", "node[a]", "node[3-1]", "node[0-999999999]"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
        let two = ["a".to_string(), "b".to_string()];
        assert_eq!(in_blocks(&two, "2,1"), ["a", "a", "b"]);
        assert_eq!(in_blocks(&two, "2(x2)"), ["a", "a", "b", "b"]);
        assert!(in_blocks(&two, "2").is_empty());
    }

    #[test]
    fn addresses_of_open_mpi_are_found() {
        assert_eq!(of_uri("1531576320.0;tcp://10.96.0.1,10.148.0.1:34911"), Some(("10.96.0.1".into(), 1531576320)));
        assert_eq!(
            of_uri("1314521088.0;tcp6://[fe80::b9b,2620:10d:2]:43370"),
            Some(("[fe80::b9b]".into(), 1314521088))
        );
        assert_eq!(of_uri("nothing"), None);
    }
}
