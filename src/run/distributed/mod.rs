//! Programs of several processes, one or more on each host.
//!
//! Each process runs the same program and has devices of its own; those of all processes together make the meshes. The
//! processes meet in a store, [etcd](https://etcd.io): there they learn how many they are, plugins find the devices of other
//! processes, and small data of the host pass through it. JAX: `jax.distributed`, `jax.experimental.multihost_utils`.
//!
//! ```no_run
//! use raxla::{distributed, mesh::Mesh, runtime};
//! // under SLURM, Open MPI, Kubernetes or on a TPU pod, the environment says the rest
//! let session = distributed::initialize(&distributed::Options::default())?;
//! let client = runtime::client()?;
//! let mesh = Mesh::auto(&client, "data")?; // the devices of all processes
//! println!("process {} of {}: {mesh}", distributed::process_index(), distributed::process_count());
//! // ...
//! session.shutdown()?; // waits for the others
//! # Ok::<(), raxla::Error>(())
//! ```
//!
//! # What can go wrong
//! Each is a [`DistributedError`] with a [`Problem`] of its own, within the time that is allowed: a store that does not answer,
//! processes that do not come (they are named, with their hosts where these are known), another number of processes than
//! theirs, a number that two have. A process that is there has a lease in the store, which it keeps alive; when it is killed or
//! its host goes, the lease ends after [`Options::heartbeat_timeout`], and the others end too, with a report of who it was:
//! otherwise they would wait for it in their next collective for ever.
//!
//! # What is in the store
//! Everything is below `/raxla/<job>/`, bound to the leases of the processes, and gone with them. `run` holds the number of the
//! run and how many processes it has; `<run>/process/<i>` who process i is; `<run>/plugin/..` what plugins tell each other;
//! `<run>/sync/..` values that are exchanged.
use crate::{
    error::{Error, Result},
    runtime,
};
use std::{
    env, fs,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

pub mod cluster;
mod error;
#[cfg(feature = "etcd")]
mod etcd;
mod exchange;
mod member;
pub mod store;

pub use cluster::{Cluster, ClusterKind};
pub use error::{DistributedError, Problem};
#[cfg(feature = "etcd")]
pub use etcd::Etcd;
pub use exchange::{assert_equal, broadcast_one_to_all, process_allgather, sync_global_devices};
pub use member::{Member, Processes, Session};
pub use store::Store;

/// The exit status of a process that ends because another is lost.
pub const LOST: i32 = 76;

/// What to do when another process is lost, or the store is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLoss {
    /// Write a report to stderr, and end this process with the status [`LOST`]: whoever waits for a collective would never wake.
    #[default]
    Exit,
    /// Waiting for others is an error from then on.
    Report,
}

/// Which of the known environments is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detection {
    /// The first that shows itself.
    #[default]
    Auto,
    /// This one.
    Only(ClusterKind),
    /// None.
    Off,
}

/// How a process joins the others. What is not said here is taken from the variables of the table, and then from what the
/// environment shows ([`ClusterKind`]).
///
/// | variable | field |
/// |---|---|
/// | `RAXLA_COORDINATOR_ADDRESS`, `JAX_COORDINATOR_ADDRESS` | `coordinator_address` |
/// | `RAXLA_NUM_PROCESSES`, `RAXLA_PROCESS_ID` | `num_processes`, `process_id` |
/// | `JAX_LOCAL_DEVICE_IDS` | `local_device_ids` |
/// | `JAX_COORDINATOR_PORT` | the port, where the environment says the host |
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the store answers: `host:port` of etcd's clients, or several with commas between.
    pub coordinator_address: Option<String>,
    /// How many processes there are.
    pub num_processes: Option<usize>,
    /// The number of this one, from 0.
    pub process_id: Option<usize>,
    /// Which devices of its host a process on GPUs takes; by default, under SLURM and Open MPI that of its number on the host, and
    /// else all.
    pub local_device_ids: Option<Vec<i64>>,
    /// Which environment is asked.
    pub detection: Detection,
    /// What tells this job from others in the same store; by default the environment's number of the job, else `default`.
    pub job: Option<String>,
    /// How long to wait for the store and the other processes at the start.
    pub initialization_timeout: Duration,
    /// How long a process may give no sign of life.
    pub heartbeat_timeout: Duration,
    /// How long to wait for the others at the end, and in exchanges that say no time of their own.
    pub shutdown_timeout: Duration,
    /// What to do when another process is lost.
    pub on_loss: OnLoss,
}

/// JAX's times: 300 seconds to begin, 100 without a sign of life, 300 to end.
impl Default for Options {
    fn default() -> Options {
        Options {
            coordinator_address: None,
            num_processes: None,
            process_id: None,
            local_device_ids: None,
            detection: Detection::Auto,
            job: None,
            initialization_timeout: Duration::from_secs(300),
            heartbeat_timeout: Duration::from_secs(100),
            shutdown_timeout: Duration::from_secs(300),
            on_loss: OnLoss::Exit,
        }
    }
}

/// What options and environment say together.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Where the store answers; none is needed for one process.
    pub coordinator_address: Option<String>,
    /// How many processes there are.
    pub num_processes: usize,
    /// The number of this one.
    pub process_id: usize,
    /// Which devices of its host it takes.
    pub local_device_ids: Option<Vec<i64>>,
    /// What tells this job from others.
    pub job: String,
    /// The hosts of the processes, as far as they are known.
    pub hosts: Vec<String>,
}

impl Options {
    /// What these options and this environment say together.
    ///
    /// # Errors
    /// [`Problem::Options`]: something that is needed is not said, or makes no sense.
    pub fn place(&self, environment: &cluster::Environment) -> Result<Place> {
        let var = |name: &str| (environment.variable)(name).filter(|text| !text.trim().is_empty());
        let number = |name: &str| {
            let parse = |text: String| text.trim().parse::<usize>().map_err(|_| no_number(name, &text));
            var(name).map(parse).transpose()
        };
        let said = self.coordinator_address.clone();
        let said = said.or_else(|| var("RAXLA_COORDINATOR_ADDRESS")).or_else(|| var("JAX_COORDINATOR_ADDRESS"));
        let count = self.num_processes.map_or_else(|| number("RAXLA_NUM_PROCESSES"), |n| Ok(Some(n)))?;
        let index = self.process_id.map_or_else(|| number("RAXLA_PROCESS_ID"), |n| Ok(Some(n)))?;
        let cluster = match self.detection {
            Detection::Off => None,
            Detection::Only(kind) => Some(environment.read(kind)?),
            Detection::Auto if said.is_some() && count.is_some() && index.is_some() => None,
            Detection::Auto => environment.detect()?,
        };
        let count = count
            .or(cluster.as_ref().and_then(|c| c.num_processes))
            .ok_or_else(|| unsaid(COUNT, &cluster, environment))?;
        let index = index.or(cluster.as_ref().map(|c| c.process_id));
        let index = index.or((count == 1).then_some(0)).ok_or_else(|| unsaid(INDEX, &cluster, environment))?;
        if index >= count {
            let what =
                format!("the number of this process is {index}, but there are {count} processes, numbered from 0");
            return Err(DistributedError::error(
                Problem::Options,
                what,
                "say the number of processes, and numbers below it",
            ));
        }
        let address = match (said, &cluster) {
            (Some(said), _) => Some(said),
            (None, Some(Cluster { coordinator_address: Ok(address), .. })) => Some(address.clone()),
            (None, _) if count == 1 => None,
            (None, Some(Cluster { coordinator_address: Err(why), .. })) => return Err(why.clone().into()),
            (None, None) => return Err(unsaid(ADDRESS, &cluster, environment)),
        };
        let listed = var("JAX_LOCAL_DEVICE_IDS").map(|text| {
            text.split(',').map(|id| id.trim().parse().map_err(|_| no_number("JAX_LOCAL_DEVICE_IDS", &text))).collect()
        });
        // (whoever starts the processes may have left each a GPU of its own to see, which is then the first)
        let one =
            var("CUDA_VISIBLE_DEVICES").is_some_and(|text| text.split(',').filter(|id| !id.is_empty()).count() == 1);
        let own = |c: &Cluster| Some(vec![if one { 0 } else { i64::try_from(c.local_process_id?).ok()? }]);
        let local = self.local_device_ids.clone().or(listed.transpose()?).or(cluster.as_ref().and_then(own));
        Ok(Place {
            coordinator_address: address,
            num_processes: count,
            process_id: index,
            local_device_ids: local,
            job: self.job.clone().or(cluster.as_ref().and_then(|c| c.job.clone())).unwrap_or_else(|| "default".into()),
            hosts: cluster.map_or(vec![], |c| c.hosts),
        })
    }
}

const COUNT: (&str, &str) = ("how many processes there are", "RAXLA_NUM_PROCESSES, --num-processes");
const INDEX: (&str, &str) = ("which of the processes this is", "RAXLA_PROCESS_ID, --process-id");
const ADDRESS: (&str, &str) =
    ("where the store is in which the processes meet", "RAXLA_COORDINATOR_ADDRESS, --coordinator");

fn unsaid((what, how): (&str, &str), cluster: &Option<Cluster>, environment: &cluster::Environment) -> Error {
    let by = match cluster {
        Some(cluster) => format!("`{}` does not say it", cluster.kind),
        None => environment.half_shown().unwrap_or_else(|| {
            let names = ClusterKind::ALL.map(ClusterKind::name).join(", ");
            format!("nothing was started by any of {names}")
        }),
    };
    DistributedError::error(Problem::Options, format!("nobody says {what}: {by}"), format!("say it: {how}"))
}
fn no_number(name: &str, text: &str) -> Error {
    let what = format!("{name} is `{text}`, which is no number that it can be");
    DistributedError::error(Problem::Options, what, "numbers count from 0")
}

/// Joins the other processes, and waits until all are there. Must come before the first client is made ([`runtime::client`], the first
/// [`Array`](crate::Array)). JAX: `jax.distributed.initialize`.
///
/// # Errors
/// [`Error::Distributed`]: what is to be known is not known, the store does not answer, others do not come, or were started with
/// other numbers. It was done before, or a client is there already.
#[cfg(feature = "etcd")]
pub fn initialize(options: &Options) -> Result<Session> {
    let place = options.place_here()?;
    let store: Arc<dyn Store> = match &place.coordinator_address {
        Some(address) if place.num_processes > 1 => Arc::new(Etcd::at(address)?),
        // one process meets nobody
        _ => Arc::new(store::InMemory::default()),
    };
    initialize_with(store, &place, options)
}

impl Options {
    /// As [`Options::place`], by the environment of this process.
    ///
    /// # Errors
    /// As there.
    pub fn place_here(&self) -> Result<Place> {
        #[cfg(feature = "etcd")]
        let metadata = &etcd::metadata;
        #[cfg(not(feature = "etcd"))]
        let metadata = &|_: &str| None;
        self.place(&cluster::Environment {
            variable: &|name| env::var(name).ok(),
            metadata,
            hosts: &|| fs::read_to_string("/etc/hosts").unwrap_or_default(),
            tpu: raxla_xla::device_present("tpu").is_ok(),
        })
    }
}

/// As [`initialize`], in this store.
///
/// # Errors
/// As there.
pub fn initialize_with(store: Arc<dyn Store>, place: &Place, options: &Options) -> Result<Session> {
    let again = |what: &str| {
        DistributedError::error(Problem::Options, what, "call `distributed::initialize` once, before anything else")
    };
    if is_initialized() {
        return Err(again("this process has joined others already"));
    }
    if runtime::has_client() {
        return Err(again("this process has a client already, which knows of no other process"));
    }
    let session = Session::join(store, place, options)?;
    *CURRENT.write().unwrap_or_else(PoisonError::into_inner) = Some(session.processes().clone());
    Ok(session)
}

static CURRENT: RwLock<Option<Arc<Processes>>> = RwLock::new(None);

/// What this process has joined.
pub fn processes() -> Option<Arc<Processes>> {
    CURRENT.read().unwrap_or_else(PoisonError::into_inner).clone()
}
/// Has this process joined others? JAX: `jax.distributed.is_initialized`.
pub fn is_initialized() -> bool {
    processes().is_some()
}
/// The number of this process; 0 where there is one. JAX: `jax.process_index`.
pub fn process_index() -> usize {
    processes().map_or(0, |p| p.index())
}
/// How many processes there are. JAX: `jax.process_count`.
pub fn process_count() -> usize {
    processes().map_or(1, |p| p.count())
}
