//! Each program is compiled in a process of its own, which is this program again: a plugin that ends its process over what it does
//! not expect is an error here, and nothing of one compilation is left for the next.
use super::Job;
use crate::{Result, options::Global, probe::reason, screen};
use raxla::aot::{Devices, Plan};
use raxla_graphs::planning;
use serde_json::{Value, json};
use std::{
    env,
    io::Write,
    process::{Command, Stdio},
};

/// What a child is to compile, as JSON. It is in the environment since arguments are the user's.
const VARIABLE: &str = "RAXLA_PLAN_CHILD";

/// What this process is to compile, if it is a child.
pub fn asked() -> Result<Option<Job>> {
    match env::var(VARIABLE).ok().filter(|text| !text.is_empty()) {
        Some(text) => Ok(Some(serde_json::from_str(&text)?)),
        None => Ok(None),
    }
}

/// In the parent: the plan of a child that compiles this.
pub fn plan(job: &Job) -> Result<Plan> {
    // (a plugin that ends its process leaves its files)
    let folder = tempfile::tempdir()?;
    let mut child = Command::new(env::current_exe()?);
    child.args(env::args_os().skip(1)).env(VARIABLE, serde_json::to_string(job)?).env("TMPDIR", folder.path());
    child.stdin(Stdio::null());
    let out = child.output()?;
    let answer = String::from_utf8_lossy(&out.stdout).lines().last().and_then(|line| serde_json::from_str(line).ok());
    let Some(mut answer) = answer.filter(|_| out.status.success()) else {
        let reason = reason(&String::from_utf8_lossy(&out.stderr), out.status);
        let how = format!("the plugin ended its process while it compiled for {}: {reason}", job.target);
        return Err(format!("{how}\n  help: a smaller mesh, batch or context may compile").into());
    };
    let answer: &mut Value = &mut answer;
    match answer["error"].as_str() {
        Some(why) => Err(why.to_string().into()),
        None => Ok(serde_json::from_value(answer["plan"].take())?),
    }
}

/// In the child: compile, and tell the parent.
pub fn answer(job: &Job, global: &Global) -> Result {
    let made = || -> Result<Plan> {
        let devices = Devices::open(&job.target()?, global.plugin())?;
        Ok(job.work.plan(&planning::config(&job.model)?, &devices)?)
    };
    let answer = match made() {
        Ok(plan) => json!({ "plan": plan }),
        Err(e) => json!({ "error": e.to_string() }),
    };
    let mut out = screen::stdout();
    writeln!(out, "{answer}")?;
    Ok(out.flush()?)
}
