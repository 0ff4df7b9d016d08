//! A conversation at a terminal: each turn is rendered by the model's own chat template, and the answer streams.
//!
//! `cargo run --release -p raxla-graphs --example chat -- [MODEL]`, then a line for each turn; an empty one ends it.
use raxla_graphs::{Generation, LoadOptions, Model, Sampling, template::Message};
use std::{
    io::{self, BufRead, Write},
    ops::ControlFlow,
};

/// Answers each line of `input` on `output`, until one is empty or the context is full. Returns the conversation.
pub fn converse(
    model: &Model,
    options: &Generation,
    input: impl BufRead,
    output: &mut impl Write,
) -> Result<Vec<Message>, Box<dyn std::error::Error>> {
    let mut messages: Vec<Message> = vec![];
    for line in input.lines() {
        let line = line?;
        if line.trim().is_empty() {
            break;
        }
        messages.push(Message::new("user", line.trim()));
        // the whole conversation, with what begins the assistant's turn behind it
        let prompt = model.tokenizer()?.render_chat(&messages, true)?;
        let mut written = Ok(());
        let made = model.generate(&prompt, false, options, |piece| {
            written = output.write_all(piece.as_bytes()).and_then(|()| output.flush());
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        written?;
        writeln!(output)?;
        messages.push(Message::new("assistant", made.text.trim()));
    }
    Ok(messages)
}

#[allow(dead_code)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "smollm2-135m-instruct".into());
    let client = raxla::runtime::client()?;
    let model =
        Model::load(raxla_graphs::open(&name)?, &LoadOptions { progress: true, ..Default::default() }, &client)?;
    let sampling = Sampling { temperature: 0.3, top_p: 0.9, ..Default::default() };
    let options = Generation { max_new_tokens: 256, sampling, ..Default::default() };
    converse(&model, &options, io::stdin().lock(), &mut io::stdout())?;
    Ok(())
}
