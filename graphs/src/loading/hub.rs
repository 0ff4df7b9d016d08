//! Models of the Hugging Face hub: `hf:org/name`, downloaded into the cache that other programs share.

mod transfer;
mod web;

use crate::LoadError;
use crate::weights::{self, is_plain_file_name};
use raxla_xla::{Progress, read_text};
use std::path::{Path, PathBuf};
use std::time::Duration;
use transfer::{Listed, Listing, Transfer, is_commit};
use web::Failure;

/// How to reach the hub, and where to keep what comes from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubOptions {
    /// The server; the public hub if `None`.
    pub endpoint: Option<String>,
    /// The cache: a folder with one folder per repository. `None` if neither a variable nor a home folder says where.
    pub cache: Option<PathBuf>,
    /// The access token, for private and gated models.
    pub token: Option<String>,
    /// Use nothing but the cache.
    pub offline: bool,
    /// Where to show downloads.
    pub progress: Progress,
    /// How long the server may stay silent.
    pub patience: Duration,
}

impl HubOptions {
    /// What the environment says, in the variables that other programs use too: `HF_ENDPOINT`, `HF_HUB_CACHE` (else
    /// `HF_HOME`, else `XDG_CACHE_HOME`), `HF_TOKEN` (else the token file that logging in writes), `HF_HUB_OFFLINE`,
    /// `HF_HUB_DOWNLOAD_TIMEOUT` in seconds; and `RAXLA_OFFLINE`.
    pub fn from_env() -> HubOptions {
        let variable = |name: &str| std::env::var(name).ok().map(|v| v.trim().to_string()).filter(|v| !v.is_empty());
        HubOptions::from_variables(&variable)
    }

    fn from_variables(variable: &dyn Fn(&str) -> Option<String>) -> HubOptions {
        let caches =
            || variable("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| Some(std::env::home_dir()?.join(".cache")));
        let home = variable("HF_HOME").map(PathBuf::from).or_else(|| Some(caches()?.join("huggingface")));
        let in_home = |name: &str| home.as_ref().map(|home| home.join(name));
        let token_file = variable("HF_TOKEN_PATH").map(PathBuf::from).or_else(|| in_home("token"));
        let stored = || read_line(&token_file?);
        let on = |v: String| matches!(v.to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE");
        HubOptions {
            endpoint: variable("HF_ENDPOINT").map(|e| e.trim_end_matches('/').to_string()),
            cache: variable("HF_HUB_CACHE").map(PathBuf::from).or_else(|| in_home("hub")),
            token: variable("HF_TOKEN").or_else(stored),
            offline: variable("HF_HUB_OFFLINE").is_some_and(on) || raxla_xla::offline(),
            progress: Progress::Stderr,
            patience: Duration::from_secs(
                variable("HF_HUB_DOWNLOAD_TIMEOUT").and_then(|s| s.parse().ok()).unwrap_or(30).max(1),
            ),
        }
    }
}

/// The content of a file of one line, if there is any.
fn read_line(path: &Path) -> Option<String> {
    Some(read_text(path, 1 << 16).ok()?.trim().to_string()).filter(|line| !line.is_empty())
}

/// A repository at a revision, and perhaps one GGUF file of the several it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// `org/name`.
    pub name: String,
    /// A branch, tag or commit; `main` unless given.
    pub revision: String,
    /// The file to use, where the repository has several checkpoints.
    pub file: Option<String>,
}

impl std::str::FromStr for Repository {
    type Err = LoadError;

    /// Parses `org/name`, `org/name@revision`, `org/name/file.gguf`, `org/name/file.gguf@revision`.
    fn from_str(text: &str) -> Result<Repository, LoadError> {
        let (path, revision) = text.split_once('@').unwrap_or((text, "main"));
        let parts: Vec<&str> = path.split('/').collect();
        let plain =
            |s: &&str| s.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) && is_plain_file_name(s);
        let revision_ok = revision.split('/').all(|s| plain(&s));
        match parts.as_slice() {
            [org, name, file @ ..] if file.len() <= 1 && parts.iter().all(plain) && revision_ok => Ok(Repository {
                name: format!("{org}/{name}"),
                revision: revision.to_string(),
                file: file.first().map(|f| f.to_string()),
            }),
            _ => Err(LoadError::Source {
                reason: format!(
                    "{text:?} is no repository of the hub\n  \
                     help: write hf:org/name, hf:org/name@revision or hf:org/name/file.gguf"
                ),
            }),
        }
    }
}

impl std::fmt::Display for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{}", self.name)?;
        self.file.iter().try_for_each(|file| write!(f, "/{file}"))?;
        if self.revision == "main" { Ok(()) } else { write!(f, "@{}", self.revision) }
    }
}

/// Files beside the weights that a model may need. Those that a repository has are fetched.
const COMPANIONS: [&str; 11] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
];

impl Repository {
    /// Downloads the model, except for what the cache holds of this very commit, and returns its folder, or the file
    /// that was named. If the hub cannot be reached, a complete model in the cache will do.
    pub fn fetch(&self, options: &HubOptions) -> Result<PathBuf, LoadError> {
        let cache = options.cache.as_deref().ok_or_else(|| {
            self.error(
                "there is no folder to keep it in: this user has no home folder\n  help: name one in HF_HOME".into(),
            )
        })?;
        if options.offline {
            return self.cached(options).ok_or_else(|| self.error(self.absent_offline(cache)));
        }
        let transfer = Transfer::new(self, options, cache);
        match transfer.listing() {
            Ok(listing) => self.download(&transfer, &listing, options),
            Err(failure @ (Failure::Unreachable(_) | Failure::Silent(_))) => match self.cached(options) {
                Some(path) => {
                    tracing::warn!("{}: the hub cannot be reached; using the copy in the cache", self.name);
                    Ok(path)
                }
                None => Err(self.failed(failure, "the list of files", options)),
            },
            Err(failure) => Err(self.failed(failure, "the list of files", options)),
        }
    }

    /// The folder of the model's config.json, downloading that alone if the cache does not hold it.
    ///
    /// # Errors
    /// As [`fetch`](Repository::fetch).
    pub fn fetch_config(&self, options: &HubOptions) -> Result<PathBuf, LoadError> {
        const CONFIG: &str = "config.json";
        let cache = options
            .cache
            .as_deref()
            .ok_or_else(|| self.error("there is no folder to keep it in\n  help: name one in HF_HOME".into()))?;
        let kept =
            self.commit(cache).map(|commit| self.snapshot(cache, &commit)).filter(|dir| dir.join(CONFIG).is_file());
        if let Some(folder) = kept {
            return Ok(folder);
        }
        if options.offline {
            return Err(self.error(self.absent_offline(cache)));
        }
        let transfer = Transfer::new(self, options, cache);
        let failed = |failure| self.failed(failure, CONFIG, options);
        let listing = transfer.listing().map_err(failed)?;
        let path = transfer.file(&listing.commit, &Listed { name: CONFIG.into(), size: None }).map_err(failed)?;
        Ok(path.parent().map_or_else(|| path.clone(), Path::to_path_buf))
    }

    /// The model in the cache, if all of it is there; nothing is sent over the network.
    pub fn cached(&self, options: &HubOptions) -> Option<PathBuf> {
        let cache = options.cache.as_deref()?;
        let commit = self.commit(cache).unwrap_or_else(|| self.revision.clone());
        self.complete(&self.snapshot(cache, &commit))
    }

    /// The folder's name in a cache.
    fn folder_name(&self) -> String {
        format!("models--{}", self.name.replace('/', "--"))
    }

    fn folder(&self, cache: &Path) -> PathBuf {
        cache.join(self.folder_name())
    }

    /// Where links to the files of a commit are.
    fn snapshot(&self, cache: &Path, commit: &str) -> PathBuf {
        self.folder(cache).join("snapshots").join(commit)
    }

    /// The file that says which commit the revision is.
    fn reference(&self, cache: &Path) -> PathBuf {
        self.folder(cache).join("refs").join(&self.revision)
    }

    fn commit(&self, cache: &Path) -> Option<String> {
        read_line(&self.reference(cache)).filter(|commit| is_commit(commit))
    }

    /// `folder`, or the named file in it, if no part of the model is missing.
    fn complete(&self, folder: &Path) -> Option<PathBuf> {
        let parts = |name: &str| weights::gguf_parts(name).unwrap_or(vec![name.to_string()]);
        let there = |name: &str| parts(name).iter().all(|part| folder.join(part).is_file());
        if let Some(file) = &self.file {
            return there(file).then(|| folder.join(file));
        }
        let entries = std::fs::read_dir(folder).ok()?;
        let names: Vec<String> = entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let found = weights::checkpoint(&names).ok()??;
        let whole = !weights::is_index(found)
            || weights::shards(&folder.join(found)).is_ok_and(|s| s.files.iter().all(|f| f.is_file()));
        let whole = whole && there(found);
        whole.then(|| folder.to_path_buf())
    }

    fn download(&self, transfer: &Transfer, listing: &Listing, options: &HubOptions) -> Result<PathBuf, LoadError> {
        let has = |name: &str| listing.files.iter().any(|f| f.name == name);
        let commit = &listing.commit;
        let get = |name: &str| {
            let size = listing.files.iter().find(|f| f.name == name).and_then(|f| f.size);
            let file = Listed { name: name.to_string(), size };
            transfer.file(commit, &file).map_err(|f| self.failed(f, name, options))
        };
        let weights = self.weights_in(listing)?;
        for name in COMPANIONS.into_iter().filter(|name| has(name)) {
            get(name)?;
        }
        for name in weights {
            let path = get(&name)?;
            if weights::is_index(&name) {
                for shard in weights::shards(&path)?.files {
                    get(&shard.file_name().unwrap_or_default().to_string_lossy())?;
                }
            }
        }
        let folder =
            transfer.finish(commit).map_err(|e| self.failed(Failure::Disk(e), "the name of the commit", options))?;
        Ok(self.file.as_ref().map_or_else(|| folder.clone(), |file| folder.join(file)))
    }

    /// The checkpoint to fetch: the named file, a whole one, shards by their index, or the only file of weights.
    fn weights_in(&self, listing: &Listing) -> Result<Vec<String>, LoadError> {
        let names: Vec<&str> =
            listing.files.iter().map(|f| f.name.as_str()).filter(|n| is_plain_file_name(n)).collect();
        let checkpoints: Vec<&str> = names.iter().copied().filter(|n| weights::kind(Path::new(n)).is_some()).collect();
        let (chosen, several) = match (&self.file, weights::checkpoint(&names)) {
            (Some(file), _) => (names.iter().find(|n| *n == file).copied(), checkpoints),
            (None, Ok(found)) => (found, vec![]),
            (None, Err(several)) => (None, several),
        };
        if let Some(chosen) = chosen {
            return Ok(weights::gguf_parts(chosen).unwrap_or(vec![chosen.to_string()]));
        }
        let reason = match (&self.file, several.as_slice()) {
            (Some(file), _) => {
                format!("the repository has no file {file:?}; of its files these are weights: {}", several.join(", "))
            }
            (None, []) => {
                let help = "raxla reads safetensors, GGUF, PyTorch's .bin and Flax's .msgpack; take a repository that has one of these";
                format!("the repository has no weights that raxla reads\n  help: {help}")
            }
            (None, several) => {
                format!(
                    "the repository has several files of weights\n  help: name one, as in hf:{}/{}; there are {}",
                    self.name,
                    several[0],
                    several.join(", ")
                )
            }
        };
        Err(self.error(reason))
    }

    fn error(&self, reason: String) -> LoadError {
        LoadError::Hub { repo: self.name.clone(), reason }
    }

    fn absent_offline(&self, cache: &Path) -> String {
        format!(
            "revision {} is not, or not completely, in the cache {}, and downloading is forbidden by RAXLA_OFFLINE or \
             HF_HUB_OFFLINE\n  \
             help: unset the variable once with a network, or give --model the folder of a copy",
            self.revision,
            cache.display()
        )
    }

    fn failed(&self, failure: Failure, what: &str, options: &HubOptions) -> LoadError {
        let login = match options.token {
            Some(_) => {
                "does the account of your token have access? a gated model's licence must be accepted on its page"
            }
            None => "is the name right? for a gated or private model accept its licence on its page, then set HF_TOKEN",
        };
        let network =
            "check the network; HF_ENDPOINT can name a mirror; what has come is kept, so run the command again";
        let (reason, help) = match failure {
            Failure::Status(401) => {
                ("the hub says that there is no such repository, or that it is gated (401)".into(), login)
            }
            Failure::Status(403) => (format!("the hub refuses access to {what} (403)"), login),
            Failure::Status(404) => (
                format!("the hub has no {what} at revision {} (404)", self.revision),
                "check the name and the revision; names are case-sensitive",
            ),
            Failure::Status(429) => ("the hub says: too many requests (429)".into(), "wait a minute, or set HF_TOKEN"),
            Failure::Status(code) => (format!("the hub answers {what} with status {code}"), network),
            Failure::Unreachable(reason) => (format!("{what} cannot be fetched: {reason}"), network),
            Failure::Silent(patience) => (
                format!("{what}: nothing came for {} s", patience.as_secs()),
                "check the network; HF_HUB_DOWNLOAD_TIMEOUT, in seconds, gives the hub more time",
            ),
            Failure::Damaged(reason) => (format!("{what} arrived damaged: {reason}"), "run the command again"),
            Failure::Disk(error) => (
                format!(
                    "{what} cannot be stored in {}: {error}",
                    options.cache.as_deref().unwrap_or(Path::new("")).display()
                ),
                "make room there, or name another folder with HF_HUB_CACHE",
            ),
            Failure::Other(reason) => (format!("{what} cannot be fetched: {reason}"), network),
        };
        self.error(format!("{reason}\n  help: {help}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(variables: &[(&str, &str)]) -> HubOptions {
        HubOptions::from_variables(&|name| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| v.to_string()))
    }

    #[test]
    fn the_environment_decides_as_for_other_programs() {
        let cache = |variables: &[(&str, &str)]| options(variables).cache.unwrap();
        assert_eq!(cache(&[("XDG_CACHE_HOME", "/x")]), Path::new("/x/huggingface/hub"));
        assert_eq!(cache(&[("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/h")]), Path::new("/h/hub"));
        assert_eq!(cache(&[("HF_HOME", "/h"), ("HF_HUB_CACHE", "/c")]), Path::new("/c"));
        assert_eq!(options(&[("HF_ENDPOINT", "http://mirror/")]).endpoint.as_deref(), Some("http://mirror"));
        assert!(options(&[("HF_HUB_OFFLINE", "1")]).offline && options(&[("HF_HUB_OFFLINE", "True")]).offline);
        assert_eq!(options(&[("HF_HUB_DOWNLOAD_TIMEOUT", "7")]).patience, Duration::from_secs(7));
        assert_eq!(options(&[("HF_TOKEN", "t"), ("HF_HOME", "/h")]).token.as_deref(), Some("t"));
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("token"), "stored\n").unwrap();
        assert_eq!(options(&[("HF_HOME", dir.path().to_str().unwrap())]).token.as_deref(), Some("stored"));
    }

    #[test]
    fn repositories_parse_or_say_how_to_write_them() {
        let parse = |text: &str| text.parse::<Repository>();
        let expected = |revision: &str, file: Option<&str>| Repository {
            name: "org/na-me.1".into(),
            revision: revision.into(),
            file: file.map(String::from),
        };
        assert_eq!(parse("org/na-me.1").unwrap(), expected("main", None));
        assert_eq!(parse("org/na-me.1@refs/pr/3").unwrap(), expected("refs/pr/3", None));
        assert_eq!(parse("org/na-me.1/m-Q8_0.gguf@v1").unwrap(), expected("v1", Some("m-Q8_0.gguf")));
        for bad in [
            "",
            "name",
            "org/",
            "/name",
            "a/b/c/d",
            "../x",
            "a/..",
            "a b/c",
            "a/b@",
            "a/b@../x",
            "a/b@/x",
            "https://host/a/b",
        ] {
            assert!(parse(bad).unwrap_err().to_string().contains("hf:org/name@revision"), "{bad}");
        }
    }
}
