//! `raxla chat`
use crate::{
    Result, note,
    options::{Global, ModelArgs, SamplingArgs, TunedArgs},
    report, screen,
};
use raxla_graphs::{Generation, LoadOptions, template::Message};
use serde_json::Value;
use std::{
    io::{BufRead, IsTerminal, Read, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

/// Talk with a model
#[derive(clap::Args)]
#[command(after_help = DETAILS)]
pub struct Args {
    /// Instructions that stand before the conversation
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Functions that the model may call: a file with a JSON list of their schemas
    #[arg(long, value_name = "FILE.json")]
    tools: Option<PathBuf>,
    /// Most tokens of an answer
    #[arg(short = 'n', long, default_value_t = 512, value_name = "N")]
    max_new_tokens: usize,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    tuned: TunedArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
}

const DETAILS: &str = "\
Reads one message per line and streams the answers. The model's own chat template makes the prompt, \
so the model must be instruction-tuned. `/clear` begins anew; `/exit` or end of input (Ctrl-D) ends. \
With --tools, `/tool TEXT` gives the model what a function that it called returned. Nothing is called \
by raxla itself. A message that cannot be answered, because it is not UTF-8 or the conversation has \
outgrown the model's context, is left out of the conversation; without a terminal, the exit code is 1 \
then.

Examples:
  raxla chat --system \"You answer in one sentence.\"
  raxla chat --model hf:Qwen/Qwen2.5-0.5B-Instruct --temperature 0.7 --seed 1
  raxla chat --model hf:Qwen/Qwen3-0.6B --tools tools.json
  echo \"What is the capital of France?\" | raxla chat";

impl Args {
    /// Run the command.
    pub fn run(self, global: &Global) -> Result {
        let options = Generation {
            max_new_tokens: self.max_new_tokens,
            sampling: self.sampling.sampling()?,
            ..Default::default()
        };
        let load = LoadOptions { caches: Some([1, self.max_new_tokens]), ..LoadOptions::default() };
        let model = self.model.load_to_generate(load, &self.tuned, &global.client()?)?;
        let tokenizer = model.tokenizer()?;
        if tokenizer.chat_template.is_none() {
            return Err(format!(
                "{} has no chat template: use `raxla generate`, or an instruction-tuned model",
                model.name
            )
            .into());
        }
        let extra = self.tools.as_deref().map(tools).transpose()?;
        let extra = extra.into_iter().map(|tools| ("tools".to_string(), tools)).collect();
        let opening: Vec<Message> = self.system.iter().map(|s| Message::new("system", s)).collect();
        let mut messages = opening.clone();
        let (interactive, mut out) = (std::io::stdin().is_terminal(), screen::stdout());
        let mut stdin = std::io::stdin().lock();
        // messages that were not answered
        let mut left_out = 0;
        loop {
            if interactive {
                write!(out, "> ")?;
                out.flush()?;
            }
            let mut line = vec![];
            let read = stdin.by_ref().take(LONGEST).read_until(b'\n', &mut line);
            if read.map_err(|e| format!("the message cannot be read: {e}"))? == 0 {
                if interactive {
                    // after the mark that nobody answered
                    writeln!(out)?;
                }
                break;
            }
            let Ok(line) = String::from_utf8(line) else {
                note("error: the message cannot be read: it is not UTF-8");
                left_out += 1;
                continue;
            };
            match line.trim() {
                "" => continue,
                "/exit" | "/quit" => break,
                "/clear" => {
                    messages = opening.clone();
                    continue;
                }
                text => messages.push(match text.strip_prefix("/tool ") {
                    Some(result) => Message::new("tool", result.trim()),
                    None => Message::new("user", text),
                }),
            }
            let prompt = tokenizer.render_chat_with(&messages, true, &extra).map_err(raxla_graphs::Error::from);
            let prompt = match prompt.and_then(|prompt| model.check_prompt(&prompt, false).map(|()| prompt)) {
                Ok(prompt) => prompt,
                Err(e) => {
                    note(format!("error: {e}\n  help: or begin anew with /clear"));
                    messages.pop();
                    left_out += 1;
                    continue;
                }
            };
            // (an answer is no continuation: it does not begin with the space of a word)
            let mut begun = false;
            let made = model.generate(&prompt, false, &options, |piece| {
                let piece = if begun { piece } else { piece.trim_start_matches(' ') };
                begun |= !piece.is_empty();
                match write!(out, "{piece}").and_then(|()| out.flush()) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                }
            })?;
            writeln!(out)?;
            messages.push(Message::new("assistant", made.text.trim_start_matches(' ')));
            note(report::summary(&model, &[made]));
        }
        match left_out {
            0 => Ok(()),
            _ if interactive => Ok(()),
            n => Err(format!("{n} message{} could not be answered", if n == 1 { "" } else { "s" }).into()),
        }
    }
}

/// Bytes of a line, more than any model's context holds.
const LONGEST: u64 = 64 << 20;

/// The list of schemas in a file. A schema is `{"type": "function", "function": {...}}`, or the inside of it alone.
fn tools(path: &Path) -> Result<Value> {
    let bad = |reason: String| format!("--tools {}: {reason}\n  help: {TOOLS}", path.display());
    let text = std::fs::read_to_string(path).map_err(|e| bad(e.to_string()))?;
    let list: Vec<Value> = serde_json::from_str(&text).map_err(|e| bad(e.to_string()))?;
    let schema = |tool: Value| match tool.get("function").is_some() {
        true => tool,
        false => serde_json::json!({ "type": "function", "function": tool }),
    };
    let list: Vec<Value> = list.into_iter().map(schema).collect();
    let nameless = list.iter().position(|tool| !tool["function"]["name"].is_string());
    match nameless {
        Some(i) => Err(bad(format!("entry {i} has no `name`")).into()),
        None => Ok(Value::Array(list)),
    }
}

const TOOLS: &str = "it must hold a list like \
    [{\"name\": \"add\", \"description\": \"...\", \"parameters\": {\"type\": \"object\", \"properties\": {}}}]";
