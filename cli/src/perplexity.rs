//! `raxla perplexity`
use crate::{
    Result, note,
    options::{DeviceArgs, Global, ModelArgs, encoding, leave},
    screen, usage,
};
use raxla_graphs::validation::Windows;
use std::{
    io::{IsTerminal, Read, Write},
    path::PathBuf,
};

/// Measure how well a model predicts a text
#[derive(clap::Args)]
#[command(after_help = DETAILS)]
pub struct Args {
    /// A text file; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Tokens that the model sees at once [default: 512, or as many as the model can]
    #[arg(long, value_name = "W")]
    window: Option<usize>,
    /// How many tokens further the next window begins [default: half of W]
    #[arg(long, value_name = "S")]
    stride: Option<usize>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    devices: DeviceArgs,
}

const DETAILS: &str = "\
The text becomes tokens as a prompt does, with the model's first token if it has one. Windows overlap, \
and each token is scored once, in the first window that holds it: with half a window or more before \
it, but for the tokens of the first window. This is the strided evaluation of transformers' page on \
perplexity. With --stride equal to --window, windows share nothing, which is faster and gives a higher \
number. (llama-perplexity takes windows that share nothing and scores the second half of each; its \
numbers are close to those of the default, but not the same.) Perplexities compare models with the \
same tokenizer only.

Example:
  raxla perplexity --model smollm2.gguf alice.txt --window 512";

/// Windows of so many tokens, by default 512 or as many as a model of this context can see, and half of one further each time.
pub fn windows(window: Option<usize>, stride: Option<usize>, context: usize) -> Result<Windows> {
    let window = window.unwrap_or(512.min(context));
    let stride = stride.unwrap_or((window / 2).max(1));
    if window < 2 || stride == 0 || stride > window {
        let what = format!("--window {window} --stride {stride}");
        return Err(usage(format!("{what}: a window has at least 2 tokens, and the stride 1 to as many")).into());
    }
    Ok(Windows { window, stride })
}

impl Args {
    /// Run the command.
    pub fn run(self, global: &Global) -> Result {
        windows(self.window, self.stride, usize::MAX)?;
        let text = self.text()?;
        let (session, client, mesh) = self.devices.open(global)?;
        let files = self.model.files()?;
        let tokens = files.tokenizer()?.encode(&text, true)?;
        let context = files.spec()?.context;
        let windows = windows(self.window, self.stride, context)?;
        windows.check(tokens.len(), context)?;
        let model = self.model.load_files(files, mesh, &client)?;
        let shown = std::io::stderr().is_terminal() && !self.json;
        let all = model.perplexity(&tokens, windows, |now, done| {
            if shown {
                note(format!("{done}/{}: {:.4}", now.windows, now.value()));
            }
        })?;
        let mut out = screen::stdout();
        if self.json {
            let told = serde_json::json!({
                "model": model.name,
                "perplexity": all.value(),
                "standard_error": all.error(),
                "nll": all.nll,
                "tokens": all.tokens,
                "windows": all.windows,
                "window": windows.window,
                "stride": windows.stride,
                "tokens_per_second": all.tokens_per_second,
                "load_ms": model.load_time.as_secs_f64() * 1e3,
            });
            writeln!(out, "{told}")?;
        } else {
            let (value, error) = (all.value(), all.error());
            writeln!(out, "perplexity {value:.4} +/- {error:.4}")?;
            let (n, windows, speed) = (all.tokens, all.windows, all.tokens_per_second);
            note(format!("{n} tokens scored in {windows} windows; {speed:.1} tokens/s"));
        }
        leave(session)
    }

    fn text(&self) -> Result<String> {
        let mut text = String::new();
        let read = match self.file.as_os_str() == "-" {
            true => std::io::stdin().read_to_string(&mut text).map(|_| text),
            false => std::fs::read_to_string(&self.file),
        };
        Ok(read.map_err(|e| format!("the text {} cannot be read: {e}{}", self.file.display(), encoding(&e)))?)
    }
}
