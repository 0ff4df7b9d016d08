//! From records to tokens.

use crate::{
    Error, Result,
    chat::{Sequence, Turns, rendered, tokens_of_spans},
    sources::{BadKind, Fields, Record, Source, TextOrMessages, Unusable},
    tokenizer::{ChatTemplate, Tokenizer},
};
use serde_json::Value;
use std::sync::Arc;

/// How records become tokens.
#[derive(Clone)]
pub struct Encoding {
    /// Makes tokens of text.
    pub tokenizer: Arc<dyn Tokenizer>,
    /// Makes text of conversations; needed for these only.
    pub template: Option<Arc<dyn ChatTemplate>>,
    /// Stands before each text, and before each prompt that is a text. Templates write it themselves.
    pub bos: Option<u32>,
    /// Stands behind each text, and behind each completion that is a text.
    pub eos: Option<u32>,
    /// The tokens that end the assistant's turn. What a template writes behind the last of them, such as a line break, is not
    /// learned.
    pub end_of_turn: Vec<u32>,
    /// Which of the assistant's messages are learned.
    pub turns: Turns,
}

impl Encoding {
    /// Texts by this tokenizer, without tokens around them.
    pub fn new(tokenizer: Arc<dyn Tokenizer>) -> Encoding {
        Encoding { tokenizer, template: None, bos: None, eos: None, end_of_turn: vec![], turns: Turns::All }
    }

    /// What the tokens of a record depend on, besides the record.
    pub(crate) fn fingerprint(&self) -> Value {
        serde_json::json!({
            "tokenizer": self.tokenizer.fingerprint(),
            "vocab_size": self.tokenizer.vocab_size(),
            "template": self.template.as_ref().map(|template| template.fingerprint()),
            "bos": self.bos,
            "eos": self.eos,
            "end_of_turn": self.end_of_turn,
            "turns": self.turns,
        })
    }

    /// These sources can be encoded.
    pub(crate) fn check(&self, sources: &[Source]) -> Result<()> {
        let vocab_size = self.tokenizer.vocab_size();
        let special = self.bos.iter().chain(&self.eos).chain(&self.end_of_turn);
        if let Some(id) = special.into_iter().find(|id| **id as usize >= vocab_size) {
            return Err(Error::Tokenizer {
                fingerprint: self.tokenizer.fingerprint(),
                reason: format!("the special token {id} is not in its vocabulary of {vocab_size}"),
            });
        }
        match sources.iter().find(|source| matches!(source.fields, Fields::Messages(_))) {
            Some(source) if self.template.is_none() => {
                let reason =
                    "it holds conversations, and there is no chat template\n  help: name a tokenizer that has one";
                Err(Error::source(&source.path, reason))
            }
            _ => Ok(()),
        }
    }

    /// The tokens of a record: one sequence, or for a preference two, of which the first is the preferred one.
    ///
    /// # Errors
    /// Why the record cannot be used.
    pub fn encode(&self, record: &Record) -> Result<Vec<Sequence>, Unusable> {
        Ok(match record {
            Record::Text(text) => {
                let mut tokens = self.tokens(text)?;
                // (nothing stays nothing)
                if !tokens.is_empty() {
                    tokens = self.around(tokens);
                }
                vec![Sequence { tokens, learned: None }]
            }
            Record::Chat { messages, tools } => vec![self.chat(messages, tools.as_ref(), 0)?],
            Record::Completion { prompt, completion, tools } => vec![self.pair(prompt, completion, tools.as_ref())?],
            Record::Preference { prompt: Some(prompt), chosen, rejected, tools } => {
                let pair = |answer| self.pair(prompt, answer, tools.as_ref());
                vec![pair(chosen)?, pair(rejected)?]
            }
            Record::Preference { prompt: None, chosen, rejected, tools } => {
                self.without_prompt(chosen, rejected, tools.as_ref())?
            }
        })
    }

    fn tokens(&self, text: &str) -> Result<Vec<u32>, Unusable> {
        self.tokenizer.encode(text).map_err(|e| (BadKind::Tokenizer, format!("the tokenizer: {e}")))
    }

    fn around(&self, tokens: Vec<u32>) -> Vec<u32> {
        self.bos.into_iter().chain(tokens).chain(self.eos).collect()
    }

    fn chat(&self, messages: &[Value], tools: Option<&Value>, from: usize) -> Result<Sequence, Unusable> {
        let none = || (BadKind::Template, "it holds messages, and there is no chat template".to_string());
        let template = self.template.as_ref().ok_or_else(none)?;
        let whole = rendered(&**template, messages, tools, self.turns, from)?;
        let mut sequence = tokens_of_spans(&*self.tokenizer, &whole.text, &whole.spans)?;
        for span in sequence.learned.iter_mut().flatten() {
            let tokens = &sequence.tokens[span.start as usize..span.end as usize];
            if let Some(last) = tokens.iter().rposition(|id| self.end_of_turn.contains(id)) {
                span.end = span.start + last as u32 + 1;
            }
        }
        Ok(sequence)
    }

    fn pair(
        &self,
        prompt: &TextOrMessages,
        answer: &TextOrMessages,
        tools: Option<&Value>,
    ) -> Result<Sequence, Unusable> {
        match (prompt, answer) {
            (TextOrMessages::Text(prompt), TextOrMessages::Text(answer)) => {
                let text = format!("{prompt}{answer}");
                let span = prompt.len()..text.len();
                let Sequence { tokens, learned } = tokens_of_spans(&*self.tokenizer, &text, &[span])?;
                // (an empty answer is the end)
                let start = learned.into_iter().flatten().next().map_or(tokens.len(), |span| span.start as usize);
                let start = (start + self.bos.iter().len()) as u32;
                let tokens = self.around(tokens);
                let end = tokens.len() as u32;
                let learned = Vec::from_iter((start < end).then_some(start..end));
                Ok(Sequence { tokens, learned: Some(learned) })
            }
            (TextOrMessages::Messages(prompt), TextOrMessages::Messages(answer)) => {
                self.chat(&[&prompt[..], answer].concat(), tools, prompt.len())
            }
            _ => Err((BadKind::WrongType, "one of its parts is a text, and another a list of messages".into())),
        }
    }

    /// Both answers hold the prompt: it is what they have in common at the beginning.
    fn without_prompt(
        &self,
        chosen: &TextOrMessages,
        rejected: &TextOrMessages,
        tools: Option<&Value>,
    ) -> Result<Vec<Sequence>, Unusable> {
        match (chosen, rejected) {
            (TextOrMessages::Messages(a), TextOrMessages::Messages(b)) => {
                let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
                Ok(vec![self.chat(a, tools, same)?, self.chat(b, tools, same)?])
            }
            (TextOrMessages::Text(a), TextOrMessages::Text(b)) => {
                let both = [self.around(self.tokens(a)?), self.around(self.tokens(b)?)];
                let same = both[0].iter().zip(&both[1]).take_while(|(a, b)| a == b).count() as u32;
                let learned = |tokens: Vec<u32>| {
                    let end = tokens.len() as u32;
                    Sequence { tokens, learned: Some(Vec::from_iter((same < end).then_some(same..end))) }
                };
                Ok(both.map(learned).into())
            }
            _ => Err((BadKind::WrongType, "one of its answers is a text, and the other a list of messages".into())),
        }
    }
}
