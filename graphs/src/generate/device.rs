//! Generation without the host between two tokens.
use super::{
    Generation,
    run::{Plan, Run, Token, ints, read},
};
use crate::{
    error::Result,
    model::Model,
    programs::{LoopArgs, step_avals},
};
use raxla::{Array, Aval, DType, Tree};
use std::time::Instant;

/// Numbers of the loop's arguments whose memory it may reuse: the state.
const CONSUMED: [usize; 1] = [2];

impl Run {
    /// Generate up to `most` further tokens of each row: for each step, those of all rows.
    pub fn rest_on_device(
        &mut self,
        model: &Model,
        options: &Generation,
        plan: &Plan,
        eos: &[u32],
        most: &[usize],
    ) -> Result<Vec<Vec<Token>>> {
        let (client, shape) = (model.client(), options.shape());
        // (a token that there is none of)
        let eos: Vec<i32> = if eos.is_empty() { vec![-1] } else { eos.iter().map(|id| *id as i32).collect() };
        let room = most.iter().max().copied().unwrap_or(0).next_power_of_two();
        let begin = Instant::now();
        let (params, tokens, _, state, request) =
            step_avals(model.architecture(), model.dtype(), shape, [plan.rows(), 1], plan.slots);
        let int = |n: usize| Aval::new(DType::I32, [n]);
        let avals: LoopArgs<Aval> = (params, tokens, state, request, int(eos.len()), int(plan.rows()));
        let program = model.programs.decode_loop(model, shape, room).prepare(&avals, &CONSUMED)?;
        self.compile += begin.elapsed();
        let most: Vec<i32> = most.iter().map(|n| *n as i32).collect();
        let (request, eos, most) = (self.request.map(Array::clone), ints(client, &eos)?, ints(client, &most)?);
        let args = (self.params.clone(), self.newest(), self.take_state(), request, eos, most);
        let (all, steps) = program.run(args)?;
        let mut all = read(&all)?;
        all.truncate(steps.item::<i32>()? as usize * plan.rows());
        Ok(all.chunks(plan.rows()).map(<[_]>::to_vec).collect())
    }
}
