//! A run of several processes: each has some devices of the mesh, reads the same batches and gives its devices their rows, and writes
//! its devices' parts of checkpoints. The first one writes everything else.
use super::{Error, Result, RunConfig, RunOptions};
use raxla::distributed::{self, Processes};
use std::{sync::Arc, time::Duration};

/// How long the others may take over what they do alone: reading texts, writing a model. (One that is lost is noticed by its lease.)
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// What to do where a platform does not join processes.
const ALONE: &str = "the CPU plugin has the devices of one process alone, and several as well: leave out --distributed";

/// The processes of this run; none, where it is one.
pub(super) struct Together {
    all: Option<Arc<Processes>>,
    /// How often it was asked whether to stop.
    turn: u64,
}

impl Together {
    /// # Errors
    /// A mesh that is not over all of them; another configuration in one of them; one that does not come.
    pub(super) fn new(config: &RunConfig, options: &RunOptions) -> Result<Together> {
        let all = distributed::processes().filter(|all| all.count() > 1);
        let Some(processes) = &all else { return Ok(Together { all: None, turn: 0 }) };
        let wrong = |what: String, help: &str| Err(Error::Usage(format!("{what}\n  help: {help}")));
        let count = processes.count();
        let Some(mesh) = &options.mesh else {
            let devices = options.client.all_devices();
            let help = match devices.iter().any(|device| device.description().process_index != 0) {
                true => format!("say how the {0} devices are used, as in --mesh data={0}", devices.len()),
                false => ALONE.into(),
            };
            return wrong(format!("a run of {count} processes needs a mesh of the devices of all"), &help);
        };
        let has = |i: &usize| {
            let number = i64::try_from(*i).unwrap_or(i64::MAX);
            mesh.devices().iter().any(|device| device.description().process_index == number)
        };
        if let Some(without) = (0..count).find(|i| !has(i)) {
            let platform = options.client.platform_name();
            return wrong(
                format!(
                    "no device of the mesh {mesh} is one of process {without}, of {count}, on the platform `{platform}`"
                ),
                &format!("make the mesh of as many devices as all processes have; {ALONE}"),
            );
        }
        let text = serde_json::to_string_pretty(config).map_err(|e| Error::Usage(e.to_string()))?;
        let theirs = processes.exchange("configuration of a run", text.as_bytes(), PATIENCE)?;
        for (i, theirs) in theirs.iter().enumerate() {
            let theirs = String::from_utf8_lossy(theirs);
            if let Some((own, other)) = text.lines().zip(theirs.lines()).find(|(own, other)| own != other) {
                let member = &processes.members()[i];
                return wrong(
                    format!(
                        "the processes are to train differently: `{}` here, `{}` in process {i} ({member})",
                        own.trim().trim_end_matches(','),
                        other.trim().trim_end_matches(',')
                    ),
                    "start all with one configuration and one command line",
                );
            }
        }
        Ok(Together { all, turn: 0 })
    }

    /// Whether this process writes what is not divided.
    pub(super) fn first(&self) -> bool {
        self.all.as_ref().is_none_or(|all| all.index() == 0)
    }

    /// Waits until all are here.
    ///
    /// # Errors
    /// One is lost, or the store is.
    pub(super) fn meet(&self, at: &str) -> Result<()> {
        self.all.as_ref().map_or(Ok(()), |all| Ok(all.barrier(at, PATIENCE)?))
    }

    /// Asked before each step: whether all stop here, given whether this process is to. Nobody is further than one step ahead, because
    /// a step ends when all have begun it; so who is asked to stop names the next one, and all have heard of it by then.
    ///
    /// # Errors
    /// As [`Together::meet`].
    pub(super) fn stops(&mut self, asked: bool) -> Result<bool> {
        let Some(all) = &self.all else { return Ok(asked) };
        const NAME: &str = "where the run stops";
        if asked {
            all.say_once(NAME, (self.turn + 1).to_string().as_bytes())?;
        }
        let said = all.said(NAME)?.and_then(|text| String::from_utf8(text).ok()?.parse::<u64>().ok());
        let stops = said.is_some_and(|turn| self.turn >= turn);
        self.turn += 1;
        Ok(stops)
    }
}
