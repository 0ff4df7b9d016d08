//! Text to train on: a model's tokenizer and chat template for [`raxla_data`], which makes batches of files.
//!
//! ```
//! use raxla_data::{BuildOptions, Dataset, DatasetOptions, Loader, LoaderOptions, Mixture, MixtureOptions, Source, TokenCache};
//! use raxla_graphs::{tokenizer::Tokenizer, training::data};
//! use std::{path::Path, sync::Arc};
//!
//! # let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tokenizer/gpt2");
//! # let place = tempfile::tempdir()?;
//! # let text = place.path().join("text.txt");
//! # std::fs::write(&text, "Once upon a time there was a text that is longer than two rows of eight tokens.")?;
//! let tokenizer = Arc::new(Tokenizer::from_dir(&folder)?);
//! let sources = [Source::new(text.to_string_lossy())];
//! let cache = TokenCache::build(&sources, &data::encoding(tokenizer)?, &BuildOptions::new(place.path()), |_| {})?;
//! let rows = Dataset::new(Arc::new(cache), &DatasetOptions::new(8))?;
//! let mixture = Mixture::of(Arc::new(rows), MixtureOptions::default())?;
//! for batch in Loader::new(mixture, LoaderOptions::new(2))?.take(3) {
//!     let batch = batch?;
//!     // Array::on(&client, batch.token_dims(), &batch.tokens)
//!     assert_eq!(batch.token_dims(), [2, 9]);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use crate::{LoadError, tokenizer::Tokenizer};
use raxla_data::{BoxError, ChatTemplate, Encoding};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// How this tokenizer makes tokens of records: with the tokens around a text that the model expects, and its chat template if
/// it has one.
///
/// # Errors
/// A tokenizer that cannot encode an empty text.
pub fn encoding(tokenizer: Arc<Tokenizer>) -> Result<Encoding, LoadError> {
    let begins = tokenizer.encode("", true)?.first().copied();
    Ok(Encoding {
        bos: tokenizer.bos.filter(|bos| begins == Some(*bos)),
        eos: tokenizer.eos.first().copied(),
        end_of_turn: tokenizer.eos.clone(),
        template: tokenizer.chat_template.is_some().then(|| tokenizer.clone() as Arc<dyn ChatTemplate>),
        ..Encoding::new(tokenizer)
    })
}

/// (It gives no offsets: those of most tokenizers leave out the white space that a token begins with.)
impl raxla_data::Tokenizer for Tokenizer {
    fn fingerprint(&self) -> String {
        let json = self.to_json().unwrap_or_default();
        format!("{:x}", Sha256::digest(json))
    }
    fn vocab_size(&self) -> usize {
        self.id_bound()
    }
    fn encode(&self, text: &str) -> Result<Vec<u32>, BoxError> {
        Ok(self.encode(text, false)?)
    }
}

impl ChatTemplate for Tokenizer {
    fn fingerprint(&self) -> String {
        let special = |id: Option<u32>| id.and_then(|id| self.token(id));
        let (bos, eos) = (special(self.bos), special(self.eos.first().copied()));
        let parts = serde_json::json!([self.chat_template, self.tool_template, bos, eos]);
        format!("{:x}", Sha256::digest(parts.to_string()))
    }
    fn render(
        &self,
        messages: &[Value],
        tools: Option<&Value>,
        add_generation_prompt: bool,
    ) -> Result<String, BoxError> {
        let extra: Map<String, Value> = tools.map(|tools| ("tools".to_string(), tools.clone())).into_iter().collect();
        Ok(self.render_chat_with(messages, add_generation_prompt, &extra)?)
    }
}
