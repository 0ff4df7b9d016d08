//! `raxla chat`
use crate::{
    Result, note,
    options::{Global, ModelArgs, SamplingArgs, TunedArgs, axes},
    report, screen, usage,
};
use raxla_graphs::{Generation, LoadOptions, Model, template::Message};
use serde_json::{Map, Value};
use std::{
    io::{self, BufRead, IsTerminal, Read, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

/// Talk with a model
#[derive(clap::Args)]
#[command(after_help = DETAILS)]
pub struct Args {
    /// Answer this message, and end; without it, one per line of standard input
    message: Option<String>,
    /// Instructions that stand before the conversation
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Functions that the model may call: a file with a JSON list of their schemas
    #[arg(long, value_name = "FILE.json")]
    tools: Option<PathBuf>,
    /// Most tokens of an answer
    #[arg(short = 'n', long, default_value_t = 512, value_name = "N")]
    max_new_tokens: usize,
    /// Divide the model over several devices: heads and hidden units along `model`, as in model=3
    #[arg(long, value_name = "AXES", value_parser = axes)]
    mesh: Option<String>,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    tuned: TunedArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
}

const DETAILS: &str = "\
Streams the answer to MESSAGE, or reads one message per line and streams the answers. The model's own \
chat template makes the prompt, so the model must be instruction-tuned. Lines that begin with `/` are \
commands: `/clear` begins anew, `/exit` or end of input (Ctrl-D) ends, `/help` lists all. With --tools, \
`/tool TEXT` gives the model what a function that it called returned. Nothing is called by raxla \
itself. A message that cannot be answered, because it is not UTF-8 or the conversation has \
outgrown the model's context, is left out of the conversation; without a terminal, the exit code is 1 \
then.

Examples:
  raxla chat \"What is gravity?\"
  raxla chat --system \"You answer in one sentence.\"
  raxla chat --model hf:Qwen/Qwen2.5-0.5B-Instruct --temperature 0.7 --seed 1
  raxla chat --model hf:Qwen/Qwen3-0.6B --tools tools.json
  echo \"What is the capital of France?\" | raxla chat";

/// What a line that begins with `/` asks for, and what `/help` says of it.
const COMMANDS: &str = "\
/clear, /reset   begin a new conversation
/tool TEXT       give the model what a function that it called returned
/help, /?        show this
/exit, /quit     end, as Ctrl-D does
A message that begins with such a word is sent with a space in front of it.";

/// What a line is.
enum Line<'a> {
    Nothing,
    Message(Message),
    Clear,
    Help,
    Exit,
    Unknown(&'a str),
}
impl Line<'_> {
    /// A command is a word of letters after a `/` at the very beginning: paths and fractions are parts of messages.
    fn of(line: &str) -> Line<'_> {
        let (word, rest) = line.trim_end().split_once(char::is_whitespace).unwrap_or((line.trim_end(), ""));
        let letters = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphabetic() || c == '?');
        if !word.strip_prefix('/').is_some_and(letters) {
            let text = line.trim();
            return if text.is_empty() { Line::Nothing } else { Line::Message(Message::new("user", text)) };
        }
        match (word, rest.trim()) {
            ("/exit" | "/quit" | "/bye", _) => Line::Exit,
            ("/clear" | "/reset", _) => Line::Clear,
            ("/help" | "/?", _) => Line::Help,
            ("/tool", result) if !result.is_empty() => Line::Message(Message::new("tool", result)),
            _ => Line::Unknown(word),
        }
    }
}

/// A conversation.
struct Talk<'a> {
    model: &'a Model,
    options: Generation,
    /// What the template is given besides the messages.
    extra: Map<String, Value>,
    messages: Vec<Message>,
    out: screen::Screen<io::Stdout>,
}
impl Talk<'_> {
    /// The prompt that the messages make.
    fn prompt(&self) -> raxla_graphs::Result<String> {
        let prompt = self.model.tokenizer()?.render_chat_with(&self.messages, true, &self.extra)?;
        self.model.check_prompt(&prompt, false).map(|()| prompt)
    }
    /// Show the answer, and keep it.
    fn answer(&mut self, prompt: &str) -> Result {
        // (an answer is no continuation: it does not begin with the space of a word)
        let (mut begun, out) = (false, &mut self.out);
        let made = self.model.generate(prompt, false, &self.options, |piece| {
            let piece = if begun { piece } else { piece.trim_start_matches(' ') };
            begun |= !piece.is_empty();
            match write!(out, "{piece}").and_then(|()| out.flush()) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        })?;
        writeln!(self.out)?;
        self.messages.push(Message::new("assistant", made.text.trim_start_matches(' ')));
        note(report::summary(self.model, &[made]));
        Ok(())
    }
    /// Answer one message per line, until they end.
    fn go_on(&mut self) -> Result {
        let opening = self.messages.clone();
        let interactive = io::stdin().is_terminal();
        if interactive {
            note("/help shows what can be typed besides messages; /exit or Ctrl-D ends.");
        }
        let mut stdin = io::stdin().lock();
        // messages that were not answered
        let mut left_out = 0;
        loop {
            if interactive {
                write!(self.out, "> ")?;
                self.out.flush()?;
            }
            let mut line = vec![];
            let read = stdin.by_ref().take(LONGEST).read_until(b'\n', &mut line);
            if read.map_err(|e| format!("the message cannot be read: {e}"))? == 0 {
                if interactive {
                    // after the mark that nobody answered
                    writeln!(self.out)?;
                }
                break;
            }
            let mut refuse = |why: String| {
                note(format!("error: {why}"));
                left_out += 1;
            };
            let Ok(line) = String::from_utf8(line) else {
                refuse("the message cannot be read: it is not UTF-8".into());
                continue;
            };
            match Line::of(&line) {
                Line::Nothing => {}
                Line::Exit => break,
                Line::Help => note(COMMANDS),
                Line::Clear => self.messages = opening.clone(),
                Line::Unknown("/tool") => refuse("/tool needs a text: what the function returned".into()),
                Line::Unknown(word) => {
                    refuse(format!(
                        "there is no command {word}\n  help: /help lists them; a message may begin with a space"
                    ));
                }
                Line::Message(message) => {
                    self.messages.push(message);
                    match self.prompt() {
                        Ok(prompt) => self.answer(&prompt)?,
                        Err(e) => {
                            self.messages.pop();
                            let or = if e.to_string().contains("\n  help: ") { "or " } else { "" };
                            refuse(format!("{e}\n  help: {or}begin anew with /clear"));
                        }
                    }
                }
            }
        }
        match left_out {
            0 => Ok(()),
            _ if interactive => Ok(()),
            n => Err(format!("{n} message{} could not be answered", if n == 1 { "" } else { "s" }).into()),
        }
    }
}

impl Args {
    /// Run the command.
    pub fn run(self, global: &Global) -> Result {
        let options = Generation {
            max_new_tokens: self.max_new_tokens,
            sampling: self.sampling.sampling()?,
            ..Default::default()
        };
        if self.message.as_deref().is_some_and(|message| message.trim().is_empty()) {
            return Err(usage("the message is empty: give a text, or none to be asked for messages").into());
        }
        let extra = self.tools.as_deref().map(tools).transpose()?;
        let (client, mesh) = match &self.mesh {
            Some(axes) => global.mesh(axes).map(|(client, mesh)| (client, Some(mesh)))?,
            None => (global.client()?, None),
        };
        let files = self.model.files()?;
        if files.tokenizer()?.chat_template.is_none() {
            return Err(format!(
                "{} has no chat template\n  help: use `raxla generate`, or an instruction-tuned model",
                files.name
            )
            .into());
        }
        let load = LoadOptions { mesh, caches: Some([1, self.max_new_tokens]), ..LoadOptions::default() };
        let model = self.model.load_to_generate(files, load, &self.tuned, &client)?;
        let mut talk = Talk {
            model: &model,
            options,
            extra: extra.into_iter().map(|tools| ("tools".to_string(), tools)).collect(),
            messages: self.system.iter().map(|s| Message::new("system", s)).collect(),
            out: screen::stdout(),
        };
        let Some(message) = &self.message else { return talk.go_on() };
        talk.messages.push(Message::new("user", message));
        let prompt = talk.prompt()?;
        talk.answer(&prompt)
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
