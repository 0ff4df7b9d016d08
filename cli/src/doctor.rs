//! `raxla doctor`
use crate::{
    Result,
    machine::Machine,
    options::{Global, ProcessArgs, leave},
    plugin::state,
    probe, screen,
};
use raxla::{Client, distributed};
use raxla_xla::{
    Draft, FileState, Plugin, PluginStatus, create_own, device_present, offline, own_folder, present_plugin,
    raxla_home, status_of_all,
};
use std::{
    fmt::Write as _,
    io::Write,
    path::{Path, PathBuf},
};

/// Check this machine: plugins, devices, caches, and what to do about problems
#[derive(clap::Args)]
#[command(
    after_help = "Installs nothing. Exits with 1 when there is no plugin that works on the device. Plugins that are listed as `other` are not \
raxla's to install: docs/compatibility.md says what they need."
)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    processes: ProcessArgs,
}

/// One section of the report.
#[derive(serde::Serialize)]
struct Report {
    machine: String,
    home: String,
    free_bytes: Option<u64>,
    offline: bool,
    plugins: Vec<PluginLine>,
    other_plugins: Vec<OtherLine>,
    plugin_in_use: Option<InUse>,
    holders: Vec<String>,
    processes: Vec<String>,
    models: Vec<String>,
    compiled_programs: usize,
    compiled_bytes: u64,
    problems: Vec<Problem>,
}
#[derive(serde::Serialize)]
struct Problem {
    what: String,
    remedy: String,
}
#[derive(serde::Serialize)]
struct PluginLine {
    kind: String,
    package: String,
    version: String,
    state: &'static str,
}
/// A plugin that is not ours to install.
#[derive(serde::Serialize)]
struct OtherLine {
    kind: &'static str,
    package: &'static str,
    devices: &'static str,
    needs: &'static str,
    device_present: bool,
    has_wheels: bool,
}
#[derive(serde::Serialize)]
struct InUse {
    path: String,
    pjrt: String,
    platform: String,
    version: String,
    devices: Vec<String>,
}

impl Args {
    /// Run the command.
    pub fn run(self, global: &Global) -> Result {
        let session = self.processes.join()?;
        let report = examine(global);
        let mut out = screen::stdout_of_each();
        match self.json {
            true => writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?,
            false => write!(out, "{}", text(&report))?,
        }
        match report.plugin_in_use {
            Some(_) => leave(session),
            None => {
                let platform = global.platform();
                Err(format!("no `{platform}` plugin works, so nothing can run on it: see the problems above").into())
            }
        }
    }
}

fn examine(global: &Global) -> Report {
    let mut problems = vec![];
    let mut problem = |what: String, remedy: String| problems.push(Problem { what, remedy });
    let home = raxla_home().unwrap_or_default();
    let plugins = status_of_all().unwrap_or_default();
    if let Err(e) = own_folder(PathBuf::new()) {
        problem(e.message, e.remedy.unwrap_or_default());
    } else if let Err(e) = writable(&home) {
        let remedy = "make it writable, or set RAXLA_HOME to a directory that is".into();
        problem(format!("{} cannot be written: {e}", home.display()), remedy);
    }
    for s in plugins.iter().filter(|s| s.state == FileState::Corrupted) {
        let what = format!("the installed {} ({}) is damaged", s.entry.library.package, s.path.display());
        problem(what, format!("run `raxla plugin install {}`", s.entry.kind));
    }
    let free_bytes = fs4::available_space(existing(&home)).ok();
    if free_bytes.is_some_and(|b| b < 2 << 30) {
        let remedy = "free some space, or set RAXLA_HOME to another disk".into();
        problem(format!("less than 2 GiB are free for {}", home.display()), remedy);
    }
    let plugin_in_use = match in_use(global, &plugins) {
        Ok(found) => Some(found),
        Err(e) => {
            let full = e.to_string();
            let (what, remedy) = full.split_once("\n  help: ").unwrap_or((&full, "run `raxla plugin install`"));
            problem(what.into(), remedy.into());
            None
        }
    };
    let (compiled_programs, compiled_bytes) = raxla::cache::usage();
    let line = |s: &PluginStatus| PluginLine {
        kind: s.entry.kind.clone(),
        package: s.entry.library.package.clone(),
        version: s.entry.library.version.clone(),
        state: state(&s.state),
    };
    Report {
        machine: Machine::this().to_string(),
        home: home.display().to_string(),
        free_bytes,
        offline: offline(),
        plugins: plugins.iter().map(line).collect(),
        other_plugins: raxla_xla::others().iter().map(other).collect(),
        plugin_in_use,
        holders: ["tpu", "cuda"].into_iter().flat_map(raxla_xla::holders).map(|holder| holder.to_string()).collect(),
        processes: distributed::processes()
            .map_or(vec![], |all| all.members().iter().map(ToString::to_string).collect()),
        models: here(),
        compiled_programs,
        compiled_bytes,
        problems,
    }
}

fn other(other: &'static raxla_xla::Other) -> OtherLine {
    let raxla_xla::Other { kind, package, devices, needs, .. } = other;
    OtherLine { kind, package, devices, needs, device_present: other.is_present(), has_wheels: other.has_wheels() }
}

/// The plugin that would be used, tried. Nothing is installed: whoever asks what is wrong does not ask for downloads.
fn in_use(global: &Global, plugins: &[PluginStatus]) -> Result<InUse> {
    let platform = global.platform();
    let Some(path) = present_plugin(&platform, global.plugin())? else {
        return Err(missing(&platform, plugins)?.into());
    };
    probe::check(global)?;
    let (major, minor) = Plugin::load(&path)?.api_version();
    let client: Client = global.client()?;
    Ok(InUse {
        path: path.display().to_string(),
        pjrt: format!("{major}.{minor}"),
        platform: client.platform_name().into(),
        version: client.platform_version().into(),
        devices: client.all_devices().iter().map(|d| d.to_string()).collect(),
    })
}

/// What is said where no plugin of the platform is installed: what it would be, and what there is in its place.
fn missing(platform: &str, plugins: &[PluginStatus]) -> Result<String> {
    let library = &raxla_xla::entries(platform)?[0].library;
    let size = library.download.map_or(String::new(), |bytes| format!(", {} MB", bytes / 1_000_000));
    let mut what = format!("no `{platform}` plugin is installed");
    let mut remedy = format!("run `raxla plugin install {platform}` ({} {}{size})", library.package, library.version);
    match device_present(platform) {
        Ok(()) => remedy += "; commands that need it do so by themselves",
        Err(e) => {
            what += &format!(", and {}", e.message);
            remedy += " where there is such a device";
        }
    }
    let mut others: Vec<&str> =
        plugins.iter().filter(|s| s.state == FileState::Verified).map(|s| &*s.entry.kind).collect();
    others.dedup();
    if !others.is_empty() {
        let others = others.join(", ");
        remedy +=
            &format!("; installed is {others}: choose it with --device, or leave out --device and RAXLA_PLATFORM");
    }
    Ok(format!("{what}\n  help: {remedy}"))
}

/// The presets that are on this machine.
fn here() -> Vec<String> {
    let options = raxla_graphs::hub::HubOptions::from_env();
    raxla_graphs::source::presets().iter().filter(|p| p.local(&options).is_some()).map(|p| p.name.clone()).collect()
}

/// Can files be made here?
fn writable(dir: &Path) -> std::io::Result<()> {
    create_own(dir)?;
    Draft::file(&dir.join("probe")).map(drop)
}

/// The nearest directory that exists.
fn existing(dir: &Path) -> &Path {
    dir.ancestors().find(|d| d.exists()).unwrap_or(Path::new("/"))
}

fn text(r: &Report) -> String {
    let mut s = String::new();
    let gib = |b: u64| b as f64 / (1u64 << 30) as f64;
    let free = r.free_bytes.map_or(String::new(), |b| format!(" ({:.1} GiB free)", gib(b)));
    let _ = writeln!(s, "raxla     {}", env!("CARGO_PKG_VERSION"));
    let _ = writeln!(s, "machine   {}", r.machine);
    let _ = writeln!(s, "home      {}{free}{}", r.home, if r.offline { ", offline" } else { "" });
    for p in &r.plugins {
        let _ = writeln!(s, "plugin    {:7} {} {}: {}", p.kind, p.package, p.version, p.state);
    }
    for o in &r.other_plugins {
        let sign = if o.device_present { ", which this machine may have" } else { "" };
        let wheels = if o.has_wheels { "" } else { " (no wheel for this system)" };
        let _ = writeln!(s, "other     {:11} {}: {}{sign}{wheels}", o.kind, o.package, o.devices);
        if o.device_present {
            let _ = writeln!(s, "          its library is named with --device PATH; it needs {}", o.needs);
        }
    }
    r.holders.iter().for_each(|holder| {
        let _ = writeln!(s, "held by   {holder}");
    });
    for (i, process) in r.processes.iter().enumerate() {
        let this = if i == distributed::process_index() { ": this" } else { "" };
        let _ = writeln!(s, "process   {i}, {process}{this}");
    }
    if let Some(u) = &r.plugin_in_use {
        let _ = writeln!(s, "in use    {} (PJRT {}, platform {})", u.path, u.pjrt, u.platform);
        u.devices.iter().for_each(|d| {
            let _ = writeln!(s, "device    {d}");
        });
    }
    r.models.iter().for_each(|m| {
        let _ = writeln!(s, "model     {m}");
    });
    let mib = r.compiled_bytes as f64 / (1 << 20) as f64;
    let _ = writeln!(s, "compiled  {} programs, {mib:.1} MiB", r.compiled_programs);
    match r.problems.is_empty() {
        true => s += "No problems found.\n",
        false => r.problems.iter().for_each(|p| {
            let _ = writeln!(s, "problem   {}\n  help: {}", p.what, p.remedy);
        }),
    }
    s
}
