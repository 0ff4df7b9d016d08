//! Matrices in 8-bit integers with a scale for each output, made of what a checkpoint holds: the numbers of `Format::INT8`, as an array.
use super::{LoadError, Weights, pack::integer_scale};
use bytemuck::cast_slice_mut;
use raxla::{
    DType, Param,
    param::{Int8, Selection, Stored},
};
use rayon::prelude::*;

impl Weights {
    /// The integers of a matrix, or the scales of its outputs, of the stored tensor `name` or of a part of it.
    pub(crate) fn read_int8(
        &self,
        name: &str,
        p: &Param,
        part: Option<&Selection>,
        out: &mut [u8],
    ) -> Result<(), LoadError> {
        let (matrix, inputs) = match &p.int8 {
            Some(Int8::Scales { matrix, inputs }) => (&**matrix, *inputs),
            Some(Int8::Numbers { inputs }) => (p, *inputs),
            None => (p, 1),
        };
        let (inputs, outputs) = matrix.aval.dims[matrix.stacks()..].split_at(inputs);
        let (k, n): (usize, usize) = (inputs.iter().product(), outputs.iter().product());
        let mut values = vec![0f32; k * n];
        match part {
            Some(part) => self.read_slice_into(name, part, DType::F32, cast_slice_mut(&mut values))?,
            None => self.read_into(name, DType::F32, cast_slice_mut(&mut values))?,
        }
        // (a row of one output's weights, or one of the weights of one input)
        let outputs_first = matrix.layout != Stored::AsIs;
        let own = |output: usize| -> Vec<f32> {
            match outputs_first {
                true => values[output * k..][..k].to_vec(),
                false => values.iter().skip(output).step_by(n.max(1)).copied().collect(),
            }
        };
        let scales: Vec<f32> = (0..n).into_par_iter().map(|output| integer_scale(8, &own(output))).collect();
        if let Some(Int8::Scales { .. }) = p.int8 {
            out.copy_from_slice(bytemuck::cast_slice(&scales));
            return Ok(());
        }
        let output = |i: usize| if outputs_first { i / k.max(1) } else { i % n.max(1) };
        let number = |(i, (out, value)): (usize, (&mut u8, &f32))| {
            *out = (value / scales[output(i)]).round_ties_even().clamp(-128.0, 127.0) as i8 as u8;
        };
        out.par_iter_mut().zip(&values).enumerate().with_min_len(1 << 14).for_each(number);
        Ok(())
    }
}
