//! `raxla chat`
use crate::{
    Result, note,
    options::{Global, ModelArgs, SamplingArgs},
    report,
};
use raxla_graphs::{Generation, LoadOptions, template::Message};
use serde_json::Value;
use std::{
    io::{BufRead, IsTerminal, Write},
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
    sampling: SamplingArgs,
}

const DETAILS: &str = "\
Reads one message per line and streams the answers. The model's own chat template makes the prompt,
so the model must be instruction-tuned. `/clear` begins anew; `/exit` or end of input (Ctrl-D) ends.
With --tools, `/tool TEXT` gives the model what a function that it called returned. Nothing is called by
raxla itself.

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
        let model = self.model.load_with(load, &global.client()?)?;
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
        let (interactive, mut out) = (std::io::stdin().is_terminal(), std::io::stdout());
        let mut lines = std::io::stdin().lock().lines();
        loop {
            if interactive {
                write!(out, "> ")?;
                out.flush()?;
            }
            let line = lines.next().transpose().map_err(|e| format!("the message cannot be read: {e}"))?;
            let Some(line) = line else {
                if interactive {
                    // after the mark that nobody answered
                    writeln!(out)?;
                }
                break;
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
            let prompt = tokenizer.render_chat_with(&messages, true, &extra)?;
            let made = model.generate(&prompt, false, &options, |piece| {
                match write!(out, "{piece}").and_then(|()| out.flush()) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                }
            });
            let made = match made {
                // most likely too long a conversation: whoever types can begin anew
                Err(e @ raxla_graphs::Error::Usage(_)) if interactive => {
                    note(format!("error: {e}\n  help: or begin anew with /clear"));
                    messages.pop();
                    continue;
                }
                other => other?,
            };
            writeln!(out)?;
            messages.push(Message::new("assistant", &made.text));
            note(report::summary(&model, &[made]));
        }
        Ok(())
    }
}

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
