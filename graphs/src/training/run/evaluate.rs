//! How well a model predicts held-out data.
use super::{Result, input::HeldOut, metrics::EvalRecord};
use crate::{
    models::Decoder,
    tokenizer::Tokenizer,
    training::{Rows, Train, TrainOptions},
};
use raxla::{Array, BoxJit, Mesh, Param, Tensor, jit, runtime::Client};
use raxla_data::{Batch, Dataset};
use std::sync::Arc;

/// The program that a model is tried by. The loss is that of the tokens alone, whatever else training makes small.
pub struct Evaluation {
    program: BoxJit<(Decoder, Rows), Tensor>,
    client: Client,
    /// Bytes of the texts of the held-out targets of each dataset, counted once.
    bytes: Vec<Option<u64>>,
}

impl Evaluation {
    /// For this model over this mesh.
    ///
    /// # Errors
    /// As [`Train::new`].
    pub fn new(
        model: &Decoder<Param>,
        mesh: Option<&Mesh>,
        options: &TrainOptions,
        client: &Client,
    ) -> Result<Evaluation> {
        let options =
            TrainOptions { loss: Default::default(), balance: 0.0, remat: None, accumulate: 1, ..options.clone() };
        let train = Train::new(model.clone(), mesh, options)?;
        let own = train.clone();
        let program = jit(move |model: Decoder, rows: Rows| own.rows_loss(model, rows)).named("evaluation");
        Ok(Evaluation { program: train.placed(program, client).boxed(), client: client.clone(), bytes: vec![] })
    }

    /// The losses of so many batches of each dataset at most; of several datasets, that of all together comes last.
    ///
    /// # Errors
    /// Damaged data; what running reports.
    pub fn run(
        &mut self,
        model: &Decoder<Array>,
        input: &HeldOut,
        batches: u64,
        tokenizer: &Tokenizer,
    ) -> Result<Vec<EvalRecord>> {
        let (mut all, mut sums) = (vec![], (0.0, 0, Some(0)));
        for (i, (name, dataset)) in input.sets.iter().enumerate() {
            let known = self.bytes.get(i).copied();
            let (nats, tokens, bytes) = self.of(model, input, dataset, batches, tokenizer, known)?;
            if known.is_none() {
                self.bytes.push(bytes);
            }
            all.push(record(name, nats, tokens, bytes));
            sums = (sums.0 + nats, sums.1 + tokens, sums.2.zip(bytes).map(|(a, b)| a + b));
        }
        match all.len() {
            0 => {}
            1 => all[0].data.clear(),
            _ => all.push(record("", sums.0, sums.1, sums.2)),
        }
        Ok(all)
    }

    /// The sum of the losses of a dataset, its targets, and the bytes that they stand for.
    fn of(
        &self,
        model: &Decoder<Array>,
        input: &HeldOut,
        dataset: &Arc<Dataset>,
        batches: u64,
        tokenizer: &Tokenizer,
        known: Option<Option<u64>>,
    ) -> Result<(f64, u64, Option<u64>)> {
        let (mut nats, mut tokens, mut bytes) = (0.0, 0, Some(0));
        for batch in input.rows(dataset)?.take(usize::try_from(batches).unwrap_or(usize::MAX)) {
            let batch = batch?;
            let targets = batch.targets() as u64;
            if targets == 0 {
                continue;
            }
            let loss = self.program.call((model, &Rows::on(&self.client, &batch, input.segments)?))?;
            nats += f64::from(loss.item::<f32>()?) * targets as f64;
            tokens += targets;
            if known.is_none() {
                bytes = bytes.zip(bytes_of(&batch, tokenizer)).map(|(a, b)| a + b);
            }
        }
        Ok((nats, tokens, known.unwrap_or(bytes)))
    }
}

fn record(name: &str, nats: f64, tokens: u64, bytes: Option<u64>) -> EvalRecord {
    let eval_loss = nats / tokens.max(1) as f64;
    let nats_per_byte = bytes.filter(|n| *n > 0).map(|n| nats / n as f64);
    EvalRecord { data: name.to_string(), eval_loss, perplexity: eval_loss.exp(), nats_per_byte, tokens }
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
