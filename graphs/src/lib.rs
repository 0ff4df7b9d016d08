//! The open LLMs on raxla: models, loading, tokenizers, generation.
//!
//! ```no_run
//! use raxla_graphs::{Generation, LoadOptions, Model, Sampling};
//! use std::ops::ControlFlow;
//!
//! let client = raxla::runtime::client()?;
//! // a directory, a .gguf file, hf:org/name, or a preset
//! let files = raxla_graphs::open("smollm2-135m-instruct")?;
//! let model = Model::load(files, &LoadOptions { progress: true, ..Default::default() }, &client)?;
//!
//! let sampling = Sampling { temperature: 0.8, top_p: 0.95, seed: 1, ..Default::default() };
//! let options = Generation { max_new_tokens: 64, sampling, stop: vec!["\n\n".into()], ..Default::default() };
//! let made = model.generate("The capital of France is", true, &options, |piece| {
//!     print!("{piece}");
//!     ControlFlow::Continue(())
//! })?;
//! eprintln!("\n{:.1} tokens/s", made.stats.tokens_per_second());
//!
//! // several prompts at once, three samples of each
//! let three = Generation { samples: 3, ..options.clone() };
//! let all = model.generate_texts(&["Once", "Once upon a time"], true, &three, |_row, _piece| ControlFlow::Continue(()))?;
//! assert_eq!(all.len(), 6);
//!
//! // a draft makes it faster and changes nothing; a search looks for what is most likely as a whole
//! use raxla_graphs::{Beams, Draft};
//! let greedy = Generation::default();
//! model.generate_speculative(Draft::Lookup(3), 4, "Once upon a time", true, &greedy, |_| ControlFlow::Continue(()))?;
//! println!("{}", model.beam_search("The capital of France is", true, &Beams::default(), &greedy)?[0].text);
//!
//! // a conversation, by the model's own template
//! use raxla_graphs::template::Message;
//! let prompt = model.tokenizer()?.render_chat(&[Message::new("user", "What is 2 + 2?")], true)?;
//! model.generate(&prompt, false, &options, |_| ControlFlow::Continue(()))?;
//!
//! // scores instead of text
//! let tokens = model.tokenizer()?.encode("The capital of France is Paris.", true)?;
//! let scores = model.scores(&tokens)?; // logits [1, t, vocab] and every hidden state
//! assert_eq!(scores.logits.dims()[1], tokens.len());
//!
//! // a Hugging Face directory of what is loaded, for transformers too
//! model.save("my-model", &Default::default())?;
//! # Ok::<(), raxla_graphs::Error>(())
//! ```
//!
//! # How to read it
//! * Every model is a [`models::Decoder`], whose layers are described one by one. A family is one file in [`models`]:
//!   [`llama`](models::llama), [`gpt2`](models::gpt2), [`gemma`](models::gemma), [`deepseek`](models::deepseek), .. Each begins with what it does
//!   differently. `docs/reading.md` goes through [`llama`](models::llama).
//! * [`programs`] makes the compiled programs of any of them.
//! * [`source`] and [`hub`] find files, [`config`], [`weights`], [`tokenizer`] and [`template`] understand them,
//!   [`params`] brings weights to a device.
//! * [`convert`] and [`save`] write Hugging Face directories and GGUF files, of files and of parameters.
//! * [`planning`] compiles programs of models that are not loaded, for accelerators that are not there.
//! * [`Model`] puts it together; [`Generation`] and [`Sampling`] say what to generate.
#![forbid(unsafe_code)]

// (here, because it also has examples of this crate)
#[doc = include_str!("../../README.md")]
#[cfg(doctest)]
struct ReadmeDoctests;

pub mod adapters;
mod error;
pub mod generation;
mod loading;
mod memory;
mod model;
pub mod models;
pub mod planning;
pub mod training;
pub mod validation;

use generation::sampling;
pub use generation::{programs, template};
pub use loading::{config, hub, params, source, tokenizer, weights};
use loading::{files, save};

pub use error::{Error, LoadError, Result};
pub use files::{Files, WeightSource, open, open_random};
pub use generation::{
    Beams, Draft, EarlyStopping, Finish, Generated, Generation, Stats, TokenLogprobs, buckets, limits, strip_padding,
};
pub use model::{LoadOptions, Matrices, Model, Scores, TiedHead};
pub use sampling::{Chosen, Context, Logprobs, Sampling, Shape};
pub use save::{Format, Quantization, SaveOptions, Saved, convert, save};

// (the pages of docs whose examples need models)
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../docs/finetuning.md")]
    struct Finetuning;
    #[doc = include_str!("../../docs/first_model.md")]
    struct FirstModel;
    #[doc = include_str!("../../docs/generate.md")]
    struct Generate;
    #[doc = include_str!("../../docs/quantise.md")]
    struct Quantise;
    #[doc = include_str!("../../docs/shard.md")]
    struct Shard;
    #[doc = include_str!("../../docs/add_a_model.md")]
    struct AddAModel;
}
