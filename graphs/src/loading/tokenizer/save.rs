//! A tokenizer as the files of a Hugging Face directory.

use super::Tokenizer;
use crate::LoadError;
use serde_json::{Map, Value, json};

/// What transformers reads of a tokenizer.
const FILES: [&str; 12] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "encoder.json",
    "vocab.bpe",
    "tokenizer.model",
    "spiece.model",
    "chat_template.jinja",
    "chat_template.json",
];

impl Tokenizer {
    /// Names and contents of the files that make this tokenizer: those it came from, if it came from a directory;
    /// tokenizer.json and tokenizer_config.json in any case.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn files(&self) -> Result<Vec<(&'static str, Vec<u8>)>, LoadError> {
        let mut files = vec![];
        let own = FILES.iter().filter(|_| self.path.is_dir()).map(|name| (*name, self.path.join(name)));
        for (name, path) in own.filter(|(_, path)| path.is_file()) {
            files.push((name, raxla_xla::read_file(&path, 1 << 32).map_err(|e| LoadError::io(path, e))?));
        }
        let has = |files: &[(&str, Vec<u8>)], name| files.iter().any(|(have, _)| *have == name);
        if !has(&files, "tokenizer.json") {
            files.push(("tokenizer.json", self.to_json()?.into_bytes()));
        }
        if !has(&files, "tokenizer_config.json") {
            files.push(("tokenizer_config.json", format!("{:#}\n", Value::from(self.settings())).into_bytes()));
        }
        Ok(files)
    }

    /// tokenizer_config.json.
    fn settings(&self) -> Map<String, Value> {
        let token = |id: Option<u32>| id.and_then(|id| self.token(id)).map(Value::from);
        let templates = match (&self.chat_template, &self.tool_template) {
            (Some(usual), Some(tools)) => {
                Some(json!([{ "name": "default", "template": usual }, { "name": "tool_use", "template": tools }]))
            }
            (usual, _) => usual.clone().map(Value::from),
        };
        let settings = [
            ("tokenizer_class", Some("PreTrainedTokenizerFast".into())),
            ("bos_token", token(self.bos)),
            ("eos_token", token(self.eos.first().copied())),
            ("clean_up_tokenization_spaces", Some(false.into())),
            ("chat_template", templates),
        ];
        settings.into_iter().filter_map(|(key, value)| Some((key.to_string(), value?))).collect()
    }
}
