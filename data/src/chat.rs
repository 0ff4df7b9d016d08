//! Which tokens of a conversation are the assistant's: those that a model learns to say. All others are its context.
//!
//! Chat templates do not tell. So a conversation is rendered up to each of the assistant's messages, with the generation prompt,
//! which is what the model is given when it has to answer; and then with the message. What the second text has more than the
//! first is what the model has to say. This holds only for templates with which each of these texts begins the next one; for
//! others, [`rendered`] is an error. (TRL does the same for a prompt and its completion:
//! <https://huggingface.co/docs/trl/sft_trainer>; transformers' `return_assistant_tokens_mask` needs templates that mark the
//! answers: <https://huggingface.co/docs/transformers/chat_templating_writing>.)

use crate::{
    sources::{BadKind, Unusable},
    tokenizer::{ChatTemplate, Tokenizer},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::ops::Range;

/// Which of the assistant's messages are learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Turns {
    /// All of them, but those with `"weight": 0`, which is what OpenAI's format has for that.
    #[default]
    All,
    /// The last message, which has to be the assistant's. For templates that render a message differently when others follow:
    /// those of models that think leave out what was thought before.
    Last,
}

/// Tokens, and which of them are learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// The ids.
    pub tokens: Vec<u32>,
    /// The indices of those that are learned, in order; `None`: all.
    pub learned: Option<Vec<Range<u32>>>,
}

/// A rendered conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The text, with all special tokens written out.
    pub text: String,
    /// Which bytes of it are the assistant's, in order.
    pub spans: Vec<Range<usize>>,
}

/// The conversation as text, and where in it the assistant speaks, in the messages from number `from` on.
///
/// ```
/// use raxla_data::{ChatTemplateFn, Turns, chat};
/// use serde_json::{Value, json};
/// let template = ChatTemplateFn::new("angles", |messages: &[Value], _tools: Option<&Value>, open: bool| {
///     let mut text = String::new();
///     for m in messages {
///         text += &format!("<{}>{}<end>", m["role"].as_str().unwrap_or(""), m["content"].as_str().unwrap_or(""));
///     }
///     Ok(text + if open { "<assistant>" } else { "" })
/// });
/// let messages = [json!({ "role": "user", "content": "Hi" }), json!({ "role": "assistant", "content": "Hello!" })];
/// let rendered = chat::rendered(&template, &messages, None, Turns::All, 0).map_err(|(_, reason)| reason)?;
/// assert_eq!(rendered.text, "<user>Hi<end><assistant>Hello!<end>");
/// assert_eq!(&rendered.text[rendered.spans[0].clone()], "Hello!<end>");
/// # Ok::<(), String>(())
/// ```
///
/// # Errors
/// A conversation that the template refuses, one in which the assistant says nothing, and a template with which the text up to
/// an answer is not what the text of the conversation begins with.
pub fn rendered(
    template: &dyn ChatTemplate,
    messages: &[Value],
    tools: Option<&Value>,
    turns: Turns,
    from: usize,
) -> Result<Rendered, Unusable> {
    let render = |n: usize, open: bool| {
        template.render(&messages[..n], tools, open).map_err(|e| (BadKind::Template, format!("the chat template: {e}")))
    };
    let is_answer = |message: &Value| {
        let role = message.get("role").and_then(Value::as_str);
        let weight = message.get("weight").and_then(Value::as_f64);
        matches!(role, Some("assistant" | "model")) && weight != Some(0.0)
    };
    let text = render(messages.len(), false)?;
    let begin = |i: usize| match turns {
        Turns::All => i >= from,
        Turns::Last => i + 1 == messages.len(),
    };
    let mut spans: Vec<Range<usize>> = vec![];
    for i in (0..messages.len()).filter(|i| begin(*i) && is_answer(&messages[*i])) {
        let start = begins(&text, &render(i, true)?, i, "before it")?;
        let end = match i + 1 == messages.len() {
            true => text.len(),
            false => begins(&text, &render(i + 1, false)?, i, "with it")?,
        };
        if end > start {
            spans.push(start..end);
        }
    }
    match spans.is_empty() {
        false => Ok(Rendered { text, spans }),
        true => Err((BadKind::MissingField, format!("nothing is to be learned from its {} messages", messages.len()))),
    }
}

/// The length of `prefix`, which is what `text` begins with.
fn begins(text: &str, prefix: &str, message: usize, which: &str) -> Result<usize, Unusable> {
    if text.starts_with(prefix) {
        return Ok(prefix.len());
    }
    let same = text.char_indices().zip(prefix.chars()).find(|((_, a), b)| a != b);
    let at = same.map_or(text.len().min(prefix.len()), |((at, _), _)| at);
    let near = |s: &str| s.get(at..).unwrap_or_default().chars().take(24).collect::<String>();
    let reason = format!(
        "the chat template renders the conversation {which} (message {message}) differently when more follows: {:?} at byte {at}, \
         and {:?} then, so its answers cannot be told apart\n  help: say `turns = \"last\"`, and make a record of each answer",
        near(prefix),
        near(text),
    );
    Err((BadKind::Template, reason))
}

/// The tokens of `text`, of which those are learned that lie in `spans` (bytes, in order). A token that reaches beyond the end
/// of a span is not learned.
///
/// # Errors
/// A token that begins before a span and ends in it: then the tokens up to there are not those that the model is given when
/// it has to answer.
pub fn tokens_of_spans(tokenizer: &dyn Tokenizer, text: &str, spans: &[Range<usize>]) -> Result<Sequence, Unusable> {
    let failed = |e| (BadKind::Tokenizer, format!("the tokenizer: {e}"));
    let fits = spans.iter().all(|s| s.start <= s.end && text.is_char_boundary(s.start) && text.is_char_boundary(s.end));
    if !fits || spans.windows(2).any(|s| s[1].start < s[0].end) {
        return Err((BadKind::Boundary, "its spans are no parts of its text, in order".into()));
    }
    let (tokens, learned): (Vec<u32>, Vec<Range<usize>>) = match tokenizer.encode_with_offsets(text) {
        Some(all) => {
            let all = all.map_err(failed)?;
            let in_span = |span: &Range<usize>| {
                let start = all.partition_point(|(_, bytes)| bytes.start < span.start);
                let end = all.partition_point(|(_, bytes)| bytes.end <= span.end).max(start);
                let straddles = start > 0 && all[start - 1].1.end > span.start;
                if straddles { Err(straddling(text, span.start)) } else { Ok(start..end) }
            };
            let learned: Result<Vec<_>, Unusable> = spans.iter().map(in_span).collect();
            let learned = learned?;
            (all.into_iter().map(|(id, _)| id).collect(), learned)
        }
        None => {
            let tokens = tokenizer.encode(text).map_err(failed)?;
            let same = |end: usize| {
                let prefix = tokenizer.encode(&text[..end]).map_err(failed)?;
                let same = prefix.iter().zip(&tokens).take_while(|(a, b)| a == b).count();
                Ok((same, same == prefix.len()))
            };
            let in_span = |span: &Range<usize>| match same(span.start)? {
                (_, false) => Err(straddling(text, span.start)),
                (start, true) if span.end == text.len() => Ok(start..tokens.len()),
                (start, true) => Ok(start..same(span.end)?.0.max(start)),
            };
            let learned: Result<Vec<_>, Unusable> = spans.iter().map(in_span).collect();
            let learned = learned?;
            (tokens, learned)
        }
    };
    let narrow = |span: Range<usize>| span.start as u32..span.end as u32;
    let learned = learned.into_iter().filter(|span| !span.is_empty()).map(narrow).collect();
    Ok(Sequence { tokens, learned: Some(learned) })
}

fn straddling(text: &str, at: usize) -> Unusable {
    let before: String = text[..at].chars().rev().take(12).collect::<Vec<_>>().into_iter().rev().collect();
    let behind: String = text[at..].chars().take(12).collect();
    let reason = format!(
        "the tokens up to where the answer begins are others when the answer follows, between {before:?} and {behind:?}\n  \
         help: begin answers with the space, instead of ending prompts with it"
    );
    (BadKind::Boundary, reason)
}
