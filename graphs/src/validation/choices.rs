//! Questions with several answers, of which one is right: how often a model finds that the likeliest.
use crate::{
    error::{Error, Result},
    model::Model,
};
use serde::Deserialize;

/// A question: a line of JSON such as `{"question": "2 + 2 =", "choices": ["3", "4"], "answer": 1}`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Question {
    /// What stands before each choice.
    #[serde(alias = "context", alias = "prompt")]
    pub question: String,
    /// What may follow; a space is put between, unless one begins with it.
    #[serde(alias = "options", alias = "endings")]
    pub choices: Vec<String>,
    /// The number of the right one, from 0.
    #[serde(alias = "label")]
    pub answer: usize,
}

impl Question {
    /// The questions of a file of JSON lines.
    ///
    /// # Errors
    /// The first line that is none, by its number.
    pub fn read(text: &str, file: &str) -> Result<Vec<Question>> {
        let mut all = vec![];
        for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |why: String| {
                let shape = r#"{"question": "2 + 2 =", "choices": ["3", "4"], "answer": 1}"#;
                Error::Usage(format!("{file}, line {}: {why}\n  help: a line is an object such as {shape}", i + 1))
            };
            let question: Question = serde_json::from_str(line).map_err(|e| wrong(e.to_string()))?;
            if question.answer >= question.choices.len() || question.choices.iter().any(String::is_empty) {
                let n = question.choices.len();
                return Err(wrong(format!(
                    "the answer {} is none of {n} choices, or a choice is empty",
                    question.answer
                )));
            }
            all.push(question);
        }
        Ok(all)
    }
}

/// How many questions were answered rightly.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Accuracy {
    /// Questions.
    pub questions: usize,
    /// Those whose right answer has the largest probability.
    pub right: usize,
    /// The same of the probability per byte (its logarithm divided by the bytes of the choice), so that long answers are not at a
    /// disadvantage.
    pub right_normalised: usize,
}
impl Accuracy {
    /// The part that is right.
    pub fn value(&self) -> f64 {
        self.right as f64 / self.questions.max(1) as f64
    }
    /// The part that is right by probabilities per byte.
    pub fn normalised(&self) -> f64 {
        self.right_normalised as f64 / self.questions.max(1) as f64
    }
    /// The standard error of a part of so many questions.
    pub fn error(&self, part: f64) -> f64 {
        let n = self.questions as f64;
        if n > 1.0 { (part * (1.0 - part) / (n - 1.0)).sqrt() } else { f64::INFINITY }
    }
}

impl Model {
    /// Answers questions: by the probability of each choice behind the question, as the harness of EleutherAI does (`acc` and `acc_norm`).
    /// `progress` gets what is known after each.
    ///
    /// # Errors
    /// Questions beyond the context; a model without tokenizer.
    pub fn answer(&self, questions: &[Question], mut progress: impl FnMut(&Accuracy)) -> Result<Accuracy> {
        let mut all = Accuracy::default();
        for question in questions {
            let mut scores = vec![];
            for choice in &question.choices {
                scores.push((self.log_probability(&question.question, choice)?, choice.len() as f64));
            }
            let best = |score: &dyn Fn(&(f64, f64)) -> f64| {
                (0..scores.len()).reduce(|a, b| if score(&scores[b]) > score(&scores[a]) { b } else { a })
            };
            all.questions += 1;
            all.right += usize::from(best(&|(p, _)| *p) == Some(question.answer));
            all.right_normalised += usize::from(best(&|(p, bytes)| p / bytes) == Some(question.answer));
            progress(&all);
        }
        Ok(all)
    }

    /// The logarithm of the probability that a text goes on in this way.
    ///
    /// # Errors
    /// As [`Model::answer`].
    pub fn log_probability(&self, text: &str, continuation: &str) -> Result<f64> {
        let tokenizer = self.tokenizer()?;
        let space = if continuation.starts_with(char::is_whitespace) || text.is_empty() { "" } else { " " };
        let before = tokenizer.encode(text, true)?;
        let mut tokens = tokenizer.encode(&format!("{text}{space}{continuation}"), true)?;
        // (the last token of the text may be another when something follows it)
        let common = before.iter().zip(&tokens).take_while(|(a, b)| a == b).count().max(1);
        let n = tokens.len();
        // programs are compiled by length: what follows is seen by nothing before it
        let padded = n.next_power_of_two().max(16).min(self.spec().context.max(n));
        tokens.resize(padded, 0);
        let all = self.log_likelihoods(&tokens)?;
        Ok(all[common - 1..n - 1].iter().map(|x| f64::from(*x)).sum())
    }
}
