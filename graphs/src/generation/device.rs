//! Generation without the host between two tokens.
use super::{
    Generation,
    run::{Plan, Run, Token, ints, read, timed},
};
use crate::{error::Result, model::Model};

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
        let most: Vec<i32> = most.iter().map(|n| *n as i32).collect();
        let (eos, most, tokens, state) = (ints(client, &eos)?, ints(client, &most)?, self.newest(), self.take_state());
        let program = model.programs.decode_loop(model, shape, room);
        let (all, steps) = timed(
            &mut self.compile,
            || program.compiles(),
            || program.call((&self.params, &tokens, state, &self.request, &eos, &most)),
        )?;
        let mut all = read(&all)?;
        all.truncate(steps.item::<i32>()? as usize * plan.rows());
        Ok(all.chunks(plan.rows()).map(<[_]>::to_vec).collect())
    }
}
