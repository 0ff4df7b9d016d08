//! Each variant runs in a process of its own, which is this program with the same arguments: so that its peak of memory is its own,
//! and no program or allocation of another variant is there.
use super::figure::Figure;
use crate::{Result, machine::peak_rss, screen};
use serde_json::{Value, json};
use std::{
    env,
    io::{self, Write},
    process::{Command, Stdio},
    thread,
};

/// What a child is to run, as `decode:shared-head`. It is in the environment since arguments are the user's.
const VARIABLE: &str = "RAXLA_BENCH_CHILD";

/// What this process is to run, if it is a child.
pub fn asked() -> Option<String> {
    env::var(VARIABLE).ok().filter(|name| !name.is_empty())
}

/// In the parent: the figures of a child that runs this.
pub fn run(name: &str) -> Result<Vec<Figure>> {
    let mut child = Command::new(env::current_exe()?);
    child.args(env::args_os().skip(1)).env(VARIABLE, name).stdin(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = child.stdout(Stdio::piped()).spawn()?;
    // (open as long as this process lives)
    let _open = child.stdin.take();
    let out = child.wait_with_output()?;
    let mut figures = vec![];
    for line in String::from_utf8_lossy(&out.stdout).lines() {
        let value: Value = serde_json::from_str(line)?;
        if let Some(why) = value["error"].as_str() {
            return Err(why.to_string().into());
        }
        figures.push(serde_json::from_value(value)?);
    }
    match out.status.success() && !figures.is_empty() {
        true => Ok(figures),
        false => Err(format!("the process that measures ended with {}", out.status).into()),
    }
}

/// In the child: nothing comes from the parent, and once it is gone, whatever ended it, nobody waits for figures.
pub fn end_with_parent() {
    // (without a thread, it goes on to its end)
    let _ = thread::Builder::new().name("raxla parent".into()).spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        raxla_xla::exit_now(1);
    });
}

/// In the child: tell the parent. All figures have the process's peak of memory.
pub fn answer(outcome: Result<Vec<Figure>>) -> Result {
    let mut out = screen::stdout();
    match outcome {
        Ok(figures) => {
            let peak = peak_rss();
            for figure in figures {
                writeln!(out, "{}", serde_json::to_string(&Figure { peak_rss_bytes: peak, ..figure })?)?;
            }
        }
        Err(e) => {
            // (wrong use names itself an error already)
            let why = e.to_string();
            let why = why.strip_prefix("error: ").unwrap_or(&why).trim_end();
            writeln!(out, "{}", json!({ "error": why }))?;
        }
    }
    Ok(())
}
