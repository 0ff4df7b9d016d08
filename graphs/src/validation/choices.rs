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
    /// Those that were longer than the context with one of their choices, and lost their beginning.
    pub cut: usize,
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
    /// `progress` gets what is known after each. Of what is longer than the context the beginning is cut off, as there.
    ///
    /// # Errors
    /// A choice that is longer than the context, by the number of its question, from 1; a model without tokenizer.
    pub fn answer(&self, questions: &[Question], mut progress: impl FnMut(&Accuracy)) -> Result<Accuracy> {
        let mut all = Accuracy::default();
        for (i, question) in questions.iter().enumerate() {
            let (mut scores, mut cut) = (vec![], false);
            for choice in &question.choices {
                let of_question = |e| Error::Usage(format!("question {}: {e}", i + 1));
                let (score, shorter) = self.scored(&question.question, choice).map_err(of_question)?;
                cut |= shorter;
                scores.push((score, choice.len() as f64));
            }
            all.cut += usize::from(cut);
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

    /// The logarithm of the probability that a text goes on in this way; of a text that is too long, that its end does.
    ///
    /// # Errors
    /// A continuation that is longer than the context; a model without tokenizer.
    pub fn log_probability(&self, text: &str, continuation: &str) -> Result<f64> {
        Ok(self.scored(text, continuation)?.0)
    }

    /// The same, and whether the text was too long.
    fn scored(&self, text: &str, continuation: &str) -> Result<(f64, bool)> {
        let tokenizer = self.tokenizer()?;
        let space = if continuation.starts_with(char::is_whitespace) || text.is_empty() { "" } else { " " };
        let before = tokenizer.encode(text, true)?;
        let mut tokens = tokenizer.encode(&format!("{text}{space}{continuation}"), true)?;
        // (the last token of the text may be another when something follows it)
        let mut common = before.iter().zip(&tokens).take_while(|(a, b)| a == b).count().max(1);
        let context = self.spec().context;
        let cut = tokens.len().saturating_sub(context);
        if cut >= common {
            let own = tokens.len() - common;
            return Err(Error::Usage(format!("a choice has {own} tokens, and the model's context is {context}")));
        }
        tokens.drain(..cut);
        common -= cut;
        let n = tokens.len();
        // programs are compiled by length: what follows is seen by nothing before it
        let padded = n.next_power_of_two().max(16).min(context);
        tokens.resize(padded, 0);
        let all = self.log_likelihoods(&tokens)?;
        Ok((all[common - 1..n - 1].iter().map(|x| f64::from(*x)).sum(), cut > 0))
    }
}
