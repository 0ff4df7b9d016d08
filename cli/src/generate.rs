//! `raxla generate`
use crate::{
    Result, note,
    options::{Global, ModelArgs, SamplingArgs, prompt},
};
use graphs::{Finish, Generated, Generation, Model};
use std::{
    io::{IsTerminal, Write},
    ops::ControlFlow,
    path::PathBuf,
};

/// Continue a text
#[derive(clap::Args)]
#[command(after_help = DETAILS)]
pub struct Args {
    /// The text to continue; from standard input when absent or `-`
    prompt: Option<String>,
    /// Read the text to continue from this file
    #[arg(long, value_name = "F", conflicts_with = "prompt")]
    prompt_file: Option<PathBuf>,
    /// Stop after this many tokens
    #[arg(short = 'n', long, default_value_t = 128, value_name = "N")]
    max_new_tokens: usize,
    /// Stop before this text; may be given several times
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    stop: Vec<String>,
    /// Go on after the model's end token
    #[arg(long)]
    ignore_eos: bool,
    /// Print one JSON object at the end instead of streaming text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
}

const DETAILS: &str = "\
The text streams to standard output (after the prompt, if that is a terminal), one line about speed
goes to standard error. A newline at the end of a prompt's file, or of standard input, is left out.
Instruction-tuned models answer better through `raxla chat`.

Examples:
  raxla generate \"The capital of France is\"
  raxla generate -n 40 --temperature 0.8 --top-p 0.95 --seed 7 \"Once upon a time\"
  raxla generate --model ./model.Q4_K_M.gguf --stop $'\\n\\n' --json < prompt.txt
  raxla generate -- \"- a prompt that begins with a hyphen\"";

impl Args {
    /// Run the command.
    pub fn run(self, global: &Global) -> Result {
        let options = Generation {
            max_new_tokens: self.max_new_tokens,
            sampling: self.sampling.sampling()?,
            stop: self.stop,
            ignore_eos: self.ignore_eos,
        };
        let text = prompt(self.prompt.as_deref(), self.prompt_file.as_ref())?;
        let model = self.model.load(&global.client()?)?;
        let mut out = std::io::stdout();
        let mut broken = None;
        if !self.json && out.is_terminal() {
            write!(out, "{text}")?;
            out.flush()?;
        }
        let made = model.generate(&text, true, &options, |piece| {
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
        })?;
        if let Some(e) = broken {
            return Err(e.into());
        }
        if self.json {
            writeln!(out, "{}", json(&model, &text, &made))?;
        } else {
            writeln!(out)?;
        }
        note(summary(&model, &made));
        Ok(())
    }
}

fn json(model: &Model, prompt: &str, made: &Generated) -> serde_json::Value {
    let s = &made.stats;
    let finish = match made.finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::Callback => "interrupted",
    };
    serde_json::json!({
        "model": model.name,
        "prompt": prompt,
        "text": made.text,
        "tokens": made.tokens,
        "finish_reason": finish,
        "prompt_tokens": s.prompt_tokens,
        "new_tokens": s.new_tokens,
        "tokens_per_second": s.tokens_per_second(),
        "time_to_first_token_ms": s.first_token.as_secs_f64() * 1e3,
        "compile_ms": s.compile.as_secs_f64() * 1e3,
        "load_ms": model.load_time.as_secs_f64() * 1e3,
    })
}

/// One line about speed.
pub fn summary(model: &Model, made: &Generated) -> String {
    let s = &made.stats;
    let ms = |d: std::time::Duration| d.as_secs_f64() * 1e3;
    format!(
        "{} tokens, {:.1} tokens/s; first token after {:.0} ms; compile {:.0} ms, load {:.0} ms",
        s.new_tokens,
        s.tokens_per_second(),
        ms(s.first_token),
        ms(s.compile),
        ms(model.load_time),
    )
}
