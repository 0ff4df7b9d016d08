//! Whether the plugin starts. One that is damaged, and XLA over a value in `XLA_FLAGS` that it does not understand, end the
//! process from inside; so a child process tries first.
use crate::{Result, options::Global};
use std::{
    env,
    process::{Command, ExitStatus, Stdio},
};

/// In the child: start the plugin. Errors that come back as values are the parent's to report.
pub fn child(global: &Global) -> Result {
    let _ = global.client_here();
    Ok(())
}

/// Fails, with the plugin's reason, if starting it ends a process.
pub fn check(global: &Global) -> Result {
    // installed here, where the user sees it
    let plugin = raxla_xla::find_plugin_for_device(&global.platform(), global.plugin())?;
    let outcome = env::current_exe().and_then(|raxla| {
        let mut child = Command::new(raxla);
        child.arg("probe").args(global.again()).arg("--plugin").arg(&plugin);
        // the reason is a log line that is not shown otherwise
        child.env("RAXLA_VERBOSE", "1").env_remove("TF_CPP_MIN_LOG_LEVEL").stdin(Stdio::null()).output()
    });
    // a child that cannot be started says nothing about the plugin
    let Some(child) = outcome.ok().filter(|child| !child.status.success()) else { return Ok(()) };
    let reason = reason(&String::from_utf8_lossy(&child.stderr), child.status);
    Err(match env::var_os("XLA_FLAGS").filter(|flags| !flags.is_empty()) {
        Some(flags) => format!(
            "the plugin does not start with XLA_FLAGS={}: {reason}\n  \
             help: correct or unset XLA_FLAGS; flags are written --name=value, with spaces between them",
            flags.to_string_lossy()
        ),
        None => format!(
            "the plugin {} ends the process that starts it: {reason}\n  \
             help: run `raxla plugin install {}`, or name another plugin",
            plugin.display(),
            global.platform()
        ),
    }
    .into())
}

/// The last words of the plugin, or how the process ended.
pub fn reason(stderr: &str, status: ExitStatus) -> String {
    let message = |line: &str| line.split_once("] ").map(|(_, message)| message.trim_end_matches('.').to_string());
    let bad_value = stderr.lines().find(|line| line.contains("Couldn't interpret value"));
    let fatal = || stderr.lines().find(|line| line.starts_with('F') && line.contains(".cc:"));
    bad_value.or_else(fatal).and_then(message).unwrap_or_else(|| status.to_string())
}
