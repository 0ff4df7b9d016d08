//! What `raxla tune` found, kept below `RAXLA_HOME` in a file for each model, dtype, platform and machine.
use crate::{
    Result,
    bench::{
        figure::Plugin,
        plugin,
        settings::Settings,
        variants::{self, Subject},
    },
    machine::Machine,
    note,
    options::ModelArgs,
};
use raxla::Client;
use raxla_graphs::{LoadOptions, config::HfConfig};
use raxla_xla::{Draft, create_own, own_folder, read_own_file};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Where they are, below `RAXLA_HOME`.
const FOLDER: &str = "tuned";
/// No file is longer.
const MOST: u64 = 1 << 16;

/// What was found for one model on one machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// As it was named; of a file or folder, the path.
    pub model: String,
    /// Of the model's configuration: another model under the same name is not tuned.
    pub config_sha256: String,
    pub dtype: String,
    pub machine: Machine,
    pub plugin: Plugin,
    /// Of raxla.
    pub version: String,
    /// Names of variants; none: nothing beats what raxla does anyway.
    pub chosen: Vec<String>,
    /// Seconds for the prompt and the new tokens that were measured: as raxla does it anyway, and as chosen.
    pub seconds: [f64; 2],
}

fn sha256(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    // (with their lengths, so that no two lists are one text)
    parts.iter().for_each(|part| hash.update(format!("{}:{part}", part.len())));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Entry {
    /// One in which nothing was chosen yet, for this model here.
    pub fn new(model: &ModelArgs, config: &HfConfig, client: &Client) -> Entry {
        let path = Path::new(&model.model);
        let name = path.canonicalize().map_or_else(|_| model.model.clone(), |path| path.display().to_string());
        let config = serde_json::to_string(&config.raw).unwrap_or_default();
        Entry {
            model: name,
            config_sha256: sha256(&[&config]),
            dtype: model.dtypes(),
            machine: Machine::this(),
            plugin: plugin(client),
            version: env!("CARGO_PKG_VERSION").into(),
            chosen: vec![],
            seconds: [0.0; 2],
        }
    }

    /// The file's path. (A machine stays the same with more memory.)
    fn path(&self) -> Result<PathBuf> {
        let Machine { os, arch, cores, cpu, .. } = &self.machine;
        let of = [&self.model, &self.dtype, &self.plugin.platform, os, arch, &cores.to_string(), cpu];
        let name = sha256(&of.map(String::as_str));
        Ok(own_folder(FOLDER)?.join(format!("{}.json", &name[..32])))
    }

    /// Keep it, in place of an earlier one.
    pub fn store(&self) -> Result {
        let path = self.path()?;
        let text = serde_json::to_string_pretty(self)? + "\n";
        let folder = path.parent().unwrap_or(Path::new("."));
        let written = create_own(folder).and_then(|()| Draft::write(&path, text.as_bytes()));
        Ok(written.map_err(|e| format!("{} cannot be written: {e}", path.display()))?)
    }

    /// Remove what was kept in its place; was there something?
    pub fn forget(&self) -> Result<bool> {
        let path = self.path()?;
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(format!("{} cannot be removed: {e}", path.display()).into()),
        }
    }

    /// What is kept for the same model here; or why it is of no use.
    fn kept(&self) -> std::result::Result<Option<Entry>, String> {
        let Ok(path) = self.path() else { return Ok(None) };
        let bytes = match read_own_file(&path, MOST) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(format!("{} cannot be read: {e}", path.display())),
        };
        let found: Entry = serde_json::from_slice(&bytes).map_err(|e| format!("{} is damaged: {e}", path.display()))?;
        let same = |name: &str, a: &str, b: &str| match a == b {
            true => Ok(()),
            false => Err(format!("it was made with another {name}")),
        };
        same("version of raxla", &found.version, &self.version)?;
        same("plugin", &found.plugin.version, &self.plugin.version)?;
        same("configuration of the model", &found.config_sha256, &self.config_sha256)?;
        Ok(Some(found))
    }

    /// Hold a model as it was found to be fastest, but for what the command line says itself.
    pub fn apply(self, model: &ModelArgs, load: &mut LoadOptions) {
        let outcome = self.kept().and_then(|found| match found {
            Some(found) => found.change(model, load),
            None => Ok(()),
        });
        if let Err(why) = outcome {
            note(format!("note: what `raxla tune` found is not used: {why}\n  help: run `raxla tune` again"));
        }
    }

    fn change(&self, model: &ModelArgs, load: &mut LoadOptions) -> std::result::Result<(), String> {
        let table = variants::tunable();
        let mut settings = Settings { load: load.clone(), ..Settings::default() };
        let mut used = vec![];
        for name in &self.chosen {
            let row =
                table.iter().find(|row| row.name == *name).ok_or_else(|| format!("nothing is called `{name}`"))?;
            if !model.says(row.subject) {
                row.apply(&mut settings);
                used.push(&**name);
            }
        }
        *load = settings.load;
        if !used.is_empty() {
            tracing::debug!("held as `raxla tune` found to be fastest: {}", used.join(", "));
        }
        Ok(())
    }
}

/// Can entries be kept? Asked before what may take minutes.
pub fn check() -> Result {
    let folder = own_folder(FOLDER)?;
    create_own(&folder).and_then(|()| Draft::check(&folder.join("new.json"))).map_err(|e| {
        match folder.is_dir() || !folder.exists() {
            true => format!("{} cannot be written: {e}", folder.display()).into(),
            false => format!("{} is no folder\n  help: move it away", folder.display()).into(),
        }
    })
}

/// All that are kept, whatever their machine; and the names of files that are none.
pub fn all() -> Result<(Vec<Entry>, Vec<String>)> {
    let folder = own_folder(FOLDER)?;
    let (mut entries, mut damaged) = (vec![], vec![]);
    for file in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = file.path();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let read = read_own_file(&path, MOST).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        match read {
            Some(entry) => entries.push(entry),
            None => damaged.push(path.display().to_string()),
        }
    }
    entries.sort_by(|a: &Entry, b: &Entry| (&a.model, &a.dtype).cmp(&(&b.model, &b.dtype)));
    Ok((entries, damaged))
}

impl ModelArgs {
    /// Does the command line itself decide this?
    pub fn says(&self, subject: Subject) -> bool {
        match subject {
            Subject::Layers => self.scan,
            Subject::Head => self.share_head,
            Subject::Other => false,
        }
    }
}
