//! How well a model predicts held-out data.
use super::{Result, Trained, input::HeldOut, metrics::EvalRecord};
use crate::{
    models::Decoder,
    tokenizer::Tokenizer,
    training::{Losses, Rows, Train, TrainOptions},
};
use raxla::{Array, Mesh, Param, jit, runtime::Client};
use raxla_data::{Batch, Dataset};
use std::sync::Arc;

/// What is tried on a batch.
type Trial = dyn Fn(&Trained<Array>, &Batch) -> Result<Losses<Array>> + Send + Sync;

/// How a model is tried. The loss is that of the tokens alone, whatever else training makes small; of preferences, it is theirs.
pub struct Evaluation {
    trial: Box<Trial>,
    /// Bytes of the texts of the held-out targets of each dataset, counted once.
    bytes: Vec<Option<u64>>,
}

impl Evaluation {
    /// For this model over this mesh. `segments` says whether rows hold several documents.
    ///
    /// # Errors
    /// As [`Train::new`].
    pub fn new(
        model: &Decoder<Param>,
        mesh: Option<&Mesh>,
        options: &TrainOptions,
        client: &Client,
        segments: bool,
    ) -> Result<Evaluation> {
        let options =
            TrainOptions { loss: Default::default(), balance: 0.0, remat: None, accumulate: 1, ..options.clone() };
        let train = Train::new(model.clone(), mesh, options)?;
        let own = train.clone();
        let program = jit(move |model: Decoder, rows: Rows| own.rows_loss(model, rows)).named("evaluation");
        let (program, client) = (train.placed(program, client).boxed(), client.clone());
        Ok(Evaluation::by(move |trained, batch| {
            let rows = Rows::on(&client, batch, segments)?;
            Ok(Losses { loss: program.call((trained.model()?, &rows))?, rewards: None })
        }))
    }
    /// By any means.
    pub fn by(trial: impl Fn(&Trained<Array>, &Batch) -> Result<Losses<Array>> + Send + Sync + 'static) -> Evaluation {
        Evaluation { trial: Box::new(trial), bytes: vec![] }
    }
    /// Of what `f` makes of what is trained.
    pub(super) fn of(
        self,
        f: impl Fn(&Trained<Array>) -> Result<Trained<Array>> + Send + Sync + 'static,
    ) -> Evaluation {
        let trial = self.trial;
        Evaluation::by(move |trained, batch| trial(&f(trained)?, batch))
    }

    /// The losses of so many batches of each dataset at most; of several datasets, that of all together comes last.
    ///
    /// # Errors
    /// Damaged data; what running reports.
    pub fn run(
        &mut self,
        trained: &Trained<Array>,
        input: &HeldOut,
        batches: u64,
        tokenizer: &Tokenizer,
    ) -> Result<Vec<EvalRecord>> {
        let (mut all, mut sum) = (vec![], Sum { bytes: Some(0), ..Sum::default() });
        for (i, (name, dataset)) in input.sets.iter().enumerate() {
            let known = self.bytes.get(i).copied();
            let own = self.one(trained, input, dataset, batches, tokenizer, known)?;
            if known.is_none() {
                self.bytes.push(own.bytes);
            }
            all.push(own.record(name));
            sum = sum.and(&own);
        }
        match all.len() {
            0 => {}
            1 => all[0].data.clear(),
            _ => all.push(sum.record("")),
        }
        Ok(all)
    }

    /// Of one dataset.
    fn one(
        &self,
        trained: &Trained<Array>,
        input: &HeldOut,
        dataset: &Arc<Dataset>,
        batches: u64,
        tokenizer: &Tokenizer,
        known: Option<Option<u64>>,
    ) -> Result<Sum> {
        let mut sum = Sum { bytes: Some(0), ..Sum::default() };
        for batch in input.rows(dataset)?.take(usize::try_from(batches).unwrap_or(usize::MAX)) {
            let batch = batch?;
            let targets = batch.targets() as u64;
            if targets == 0 {
                continue;
            }
            let Losses { loss, rewards } = (self.trial)(trained, &batch)?;
            // (a loss of tokens is a mean over targets, one of pairs over pairs)
            let n = if rewards.is_some() { batch.rows as u64 / 2 } else { targets };
            let number = |x: &Array| -> Result<f64> { Ok(f64::from(x.item::<f32>()?) * n as f64) };
            let mut own = Sum { loss: number(&loss)?, n, bytes: Some(0), rewards: None };
            match rewards {
                Some(rewards) => own.rewards = Some([number(&rewards.accuracy)?, number(&rewards.margin)?]),
                None if known.is_none() => own.bytes = bytes_of(&batch, tokenizer),
                None => {}
            }
            sum = sum.and(&own);
        }
        Ok(Sum { bytes: known.unwrap_or(sum.bytes), ..sum })
    }
}

/// Sums over targets, or over pairs.
#[derive(Default)]
struct Sum {
    loss: f64,
    n: u64,
    /// The bytes that targets stand for, if the tokenizer can say.
    bytes: Option<u64>,
    /// Accuracies and margins, of pairs.
    rewards: Option<[f64; 2]>,
}
impl Sum {
    fn and(self, other: &Sum) -> Sum {
        let rewards = match (self.rewards, other.rewards) {
            (Some(a), Some(b)) => Some([a[0] + b[0], a[1] + b[1]]),
            (a, b) => a.or(b),
        };
        let bytes = self.bytes.zip(other.bytes).map(|(a, b)| a + b);
        Sum { loss: self.loss + other.loss, n: self.n + other.n, bytes, rewards }
    }
    fn record(&self, name: &str) -> EvalRecord {
        let mean = |x: f64| x / self.n.max(1) as f64;
        let eval_loss = mean(self.loss);
        EvalRecord {
            data: name.to_string(),
            eval_loss,
            perplexity: self.rewards.is_none().then(|| eval_loss.exp()),
            nats_per_byte: self.bytes.filter(|n| *n > 0).map(|n| self.loss / n as f64),
            accuracy: self.rewards.map(|[accuracy, _]| mean(accuracy)),
            margin: self.rewards.map(|[_, margin]| mean(margin)),
            tokens: self.n,
        }
    }
}

/// The bytes of the texts that the learned targets of a batch stand for; of a tokenizer that cannot say, `None`.
fn bytes_of(batch: &Batch, tokenizer: &Tokenizer) -> Option<u64> {
    let (n, mut sum) = (batch.length, 0);
    for row in 0..batch.rows {
        let targets = &batch.tokens[row * (n + 1) + 1..(row + 1) * (n + 1)];
        let mask = &batch.loss_mask[row * n..(row + 1) * n];
        let learned: Vec<u32> =
            targets.iter().zip(mask).filter(|(_, mask)| **mask != 0.0).map(|(id, _)| *id as u32).collect();
        sum += tokenizer.decode(&learned, true).ok()?.len() as u64;
    }
    Some(sum)
}
