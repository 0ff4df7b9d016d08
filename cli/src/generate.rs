//! `raxla generate`
use crate::{
    Result, note,
    options::{DeviceArgs, Global, ModelArgs, SamplingArgs, TunedArgs, leave, prompt, prompts},
    report::{json, summary},
    screen, usage,
};
use clap::ValueEnum;
use raxla_graphs::{Beams, Draft, EarlyStopping, Files, Generated, Generation, LoadOptions, Model};
use std::{io::Write, ops::ControlFlow, path::PathBuf};

/// Continue a text
#[derive(clap::Args)]
#[command(after_help = DETAILS)]
pub struct Args {
    /// The text to continue; from standard input when absent or `-`
    prompt: Option<String>,
    /// Read the text to continue from this file
    #[arg(long, value_name = "F", conflicts_with = "prompt")]
    prompt_file: Option<PathBuf>,
    /// Continue every line of this file (`-`: of standard input), all at once; lines of quite different lengths, and more
    /// than there is memory for, one group after the other
    #[arg(long, value_name = "F", conflicts_with_all = ["prompt", "prompt_file"])]
    batch: Option<PathBuf>,
    /// Stop after this many tokens, or where the model's context ends
    #[arg(short = 'n', long, default_value_t = 128, value_name = "N")]
    max_new_tokens: usize,
    /// Stop before this text; may be given several times
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    stop: Vec<String>,
    /// Go on after the model's end token
    #[arg(long)]
    ignore_eos: bool,
    /// Continue the text this many times, all at once; of beams, show the N best. At most 1024
    #[arg(long, default_value_t = 1, value_name = "N")]
    samples: usize,
    /// Print one JSON object at the end instead of streaming text
    #[arg(long)]
    json: bool,
    /// Tell in JSON how likely each token was, and the N most likely ones in its place. At most 1024
    #[arg(long, value_name = "N")]
    logprobs: Option<usize>,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    tuned: TunedArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    beams: BeamArgs,
    #[command(flatten)]
    running: Running,
    #[command(flatten)]
    devices: DeviceArgs,
}

/// Search instead of choosing token by token.
#[derive(clap::Args)]
#[command(next_help_heading = "Beam search")]
struct BeamArgs {
    /// Follow the N most likely continuations at once, and take the one that is most likely as a whole. At most 256
    #[arg(long, value_name = "N", conflicts_with_all = ["draft", "lookup", "device_loop", "mesh"])]
    beams: Option<usize>,
    /// Divide scores by the length to the power of P: above 0, longer texts gain
    #[arg(long, default_value_t = 1.0, value_name = "P", requires = "beams")]
    length_penalty: f32,
    /// Stop as soon as N results are there (true), when a better one is unlikely (false), or impossible (never)
    #[arg(long, value_enum, default_value = "false", default_missing_value = "true", num_args = 0..=1,
        require_equals = true, value_name = "WHEN", requires = "beams", hide_possible_values = true)]
    early_stopping: Early,
}

#[derive(Clone, Copy, ValueEnum)]
enum Early {
    True,
    False,
    Never,
}
impl BeamArgs {
    fn beams(&self) -> Option<Beams> {
        let early_stopping = match self.early_stopping {
            Early::True => EarlyStopping::Yes,
            Early::False => EarlyStopping::No,
            Early::Never => EarlyStopping::Never,
        };
        self.beams.map(|beams| Beams { beams, length_penalty: self.length_penalty, early_stopping })
    }
}

/// How to run it. Greedy text stays the same.
#[derive(clap::Args)]
#[command(next_help_heading = "Running")]
struct Running {
    /// Take prompts in by pieces of N tokens: less memory for long ones. Without it, by pieces where whole ones do not fit
    #[arg(long, value_name = "N")]
    prefill_chunk: Option<usize>,
    /// Generate all tokens after the first in one program; they are shown at the end
    #[arg(long, conflicts_with = "mesh")]
    device_loop: bool,
    /// Let this smaller model, of the same vocabulary, draft tokens that the model keeps or rejects
    #[arg(long, value_name = "M", conflicts_with_all = ["device_loop", "batch", "mesh"])]
    draft: Option<String>,
    /// As --draft, with no model: what followed when the latest tokens occurred before in the text
    #[arg(long, conflicts_with_all = ["draft", "device_loop", "batch", "mesh"])]
    lookup: bool,
    /// How many tokens to draft at a time, at most 256
    #[arg(long, default_value_t = 4, value_name = "N")]
    draft_tokens: usize,
}
impl Running {
    fn drafts(&self) -> bool {
        self.draft.is_some() || self.lookup
    }
}

/// How many of the latest tokens `--lookup` looks for.
const LOOKUP: usize = 3;

const DETAILS: &str = "\
The text streams to standard output (after the prompt, if that is a terminal), one line about speed \
goes to standard error. A newline at the end of a prompt's file, or of standard input, is left out. \
The result of a search (--beams) comes at the end; several texts (--batch, --samples) come at the \
end, as one JSON object per line. A line of a batch that cannot be a prompt gets an object with its \
`error`, and exit code 1 at the end; the others are continued. Instruction-tuned models answer \
better through `raxla chat`.

Examples:
  raxla generate \"Photosynthesis is\"
  raxla generate -n 40 --temperature 0.8 --top-p 0.95 --seed 7 \"Once\"
  raxla generate --model ./model.Q4_K_M.gguf --stop $'\\n\\n' --json < a.txt
  raxla generate --temperature 1 --samples 4 \"My favourite animal is\"
  raxla generate --beams 4 --length-penalty 0.8 \"Photosynthesis is\"
  raxla generate --model ./large --draft ./small \"Once upon a time\"
  raxla generate --batch questions.txt -n 32 > answers.jsonl
  raxla generate --mesh model=3 \"Photosynthesis is\"
  raxla generate -- \"- a prompt that begins with a hyphen\"";

/// A prompt; or a text that cannot be one, and why.
type Line = std::result::Result<String, (String, String)>;

impl Args {
    /// Run the command.
    pub fn run(self, global: &Global) -> Result {
        let options = self.options()?;
        let several = self.batch.is_some() || self.samples > 1;
        let texts = match &self.batch {
            Some(file) => prompts(file)?,
            None => vec![Ok(prompt(self.prompt.as_deref(), self.prompt_file.as_ref())?)],
        };
        let (session, client, mesh) = self.devices.open(global)?;
        let files = self.model.files()?;
        let lines = self.lines(texts, &files)?;
        let rows = self.beams.beams().map_or(self.samples, |beams| beams.beams);
        let load = LoadOptions { mesh, caches: Some([rows, self.max_new_tokens]), ..LoadOptions::default() };
        let model = self.model.load_to_generate(files, load, &self.tuned, &client)?;
        let other = self.running.draft.as_ref().map(|name| self.model.load_other(name, &client)).transpose()?;
        let draft = other.as_ref().map(Draft::Model).or(self.running.lookup.then_some(Draft::Lookup(LOOKUP)));
        match (several, &lines[0]) {
            (false, Ok(text)) => self.one(&model, text, &options, draft)?,
            _ => self.many(&model, &lines, &options)?,
        }
        leave(session)
    }

    /// The prompts, judged before the model is loaded. Lines of a batch that cannot be prompts do not keep the others from being
    /// continued.
    fn lines(&self, texts: Vec<std::result::Result<String, Vec<u8>>>, files: &Files) -> Result<Vec<Line>> {
        let batch = self.batch.is_some();
        let judged = texts.into_iter().map(|text| match text {
            Err(bytes) => Err((String::from_utf8_lossy(&bytes).into_owned(), "it is not UTF-8".to_string())),
            Ok(text) if batch && text.is_empty() => Err((text, "it is empty".to_string())),
            Ok(text) => match files.check_prompt(&text, true) {
                Ok(()) => Ok(text),
                Err(e) => Err((text, e.to_string())),
            },
        });
        let lines: Vec<Line> = judged.collect();
        for (i, line) in lines.iter().enumerate() {
            match line {
                Err((_, why)) if batch => note(format!("error: line {} of the batch: {why}", i + 1)),
                Err((_, why)) => return Err(why.clone().into()),
                Ok(_) => {}
            }
        }
        match lines.iter().all(|line| line.is_err()) {
            true => Err("none of the batch's lines can be continued".into()),
            false => Ok(lines),
        }
    }

    /// The library's options. What makes no sense is wrong use of the command line.
    fn options(&self) -> Result<Generation> {
        let options = Generation {
            max_new_tokens: self.max_new_tokens,
            sampling: self.sampling.sampling()?,
            stop: self.stop.clone(),
            ignore_eos: self.ignore_eos,
            logprobs: self.logprobs,
            samples: self.samples,
            prefill_chunk: self.running.prefill_chunk,
            device_loop: self.running.device_loop,
        };
        options.check().map_err(|what| usage(format!("--{what}")))?;
        if self.logprobs.is_some() && !self.json && self.batch.is_none() && self.samples == 1 {
            return Err(usage("--logprobs are told in JSON: add --json").into());
        }
        if let Some(beams) = self.beams.beams() {
            beams.check(&options).map_err(|what| usage(format!("--{what}")))?;
        }
        if self.running.drafts() && self.samples > 1 {
            return Err(usage("tokens are drafted for one text: leave out --samples").into());
        }
        if self.running.drafts() {
            Draft::check_tokens(self.running.draft_tokens).map_err(|what| usage(format!("--{what}")))?;
        }
        Ok(options)
    }

    /// One text, as it comes.
    fn one(&self, model: &Model, text: &str, options: &Generation, draft: Option<Draft>) -> Result {
        let mut out = screen::stdout();
        let mut broken = None;
        if !self.json && model.tokenizer().is_ok_and(|tokenizer| tokenizer.chat_template.is_some()) {
            note(format!(
                "note: {} is tuned to answer messages; `raxla chat` puts them as it expects them",
                model.name
            ));
        }
        if !self.json && out.is_terminal() {
            write!(out, "{text}")?;
            out.flush()?;
        }
        let mut show = |piece: &str| {
            if self.json {
                return ControlFlow::Continue(());
            }
            match write!(out, "{piece}").and_then(|()| out.flush()) {
                Ok(()) => ControlFlow::Continue(()),
                Err(e) => {
                    broken = Some(e);
                    ControlFlow::Break(())
                }
            }
        };
        let made = match (draft, self.beams.beams()) {
            (_, Some(beams)) => {
                let mut all = model.beam_search(text, true, &beams, options)?;
                let best = all.swap_remove(0);
                let _ = show(&best.text);
                best
            }
            (Some(draft), _) => {
                model.generate_speculative(draft, self.running.draft_tokens, text, true, options, show)?
            }
            (None, None) => model.generate(text, true, options, show)?,
        };
        if let Some(e) = broken {
            return Err(e.into());
        }
        if self.json {
            writeln!(out, "{}", json(model, text, &made))?;
        } else {
            writeln!(out)?;
        }
        note(summary(model, &[made]));
        Ok(())
    }

    /// Several texts, one line each.
    fn many(&self, model: &Model, lines: &[Line], options: &Generation) -> Result {
        let texts: Vec<&String> = lines.iter().flatten().collect();
        let all: Vec<Generated> = match self.beams.beams() {
            None => model.generate_texts(&texts, true, options, |_, _| ControlFlow::Continue(()))?,
            Some(beams) => {
                let search = |text: &&String| model.beam_search(text, true, &beams, options);
                texts.iter().map(search).collect::<raxla_graphs::Result<Vec<_>>>()?.concat()
            }
        };
        let mut out = screen::stdout();
        let mut rows = all.chunks(options.samples);
        for line in lines {
            match line {
                Err((text, why)) => writeln!(out, "{}", serde_json::json!({ "prompt": text, "error": why }))?,
                Ok(text) => {
                    for (sample, made) in rows.next().unwrap_or_default().iter().enumerate() {
                        let mut line = json(model, text, made);
                        line["sample"] = sample.into();
                        writeln!(out, "{line}")?;
                    }
                }
            }
        }
        note(summary(model, &all));
        match lines.iter().filter(|line| line.is_err()).count() {
            0 => Ok(()),
            n => Err(format!("{n} of the batch's {} lines could not be continued", lines.len()).into()),
        }
    }
}
