//! What a compiled program takes, read from its optimized form. PJRT has no call for it, and its plugins check only the
//! byte sizes of arguments.

use crate::{
    Code, DType, Error, Layout, Result,
    proto::{HloModuleProto, ShapeProto},
};
use std::fmt;

/// The dtype, dims and layout of an argument or result as one device sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrayType {
    /// The element type.
    pub dtype: DType,
    /// The sizes of the axes.
    pub dims: Vec<usize>,
    /// The order of the elements in device memory.
    pub layout: Layout,
}

impl fmt::Display for ArrayType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&show_type(self.dtype, &self.dims))
    }
}

/// `f32[4, 8]`.
pub(crate) fn show_type(dtype: DType, dims: &[usize]) -> String {
    format!("{dtype}{dims:?}")
}

/// Parameters of a program and which of them it may take over (donation).
pub(crate) struct Parameters {
    pub(crate) types: Vec<ArrayType>,
    pub(crate) donated: Vec<usize>,
}

impl Parameters {
    pub(crate) fn read(module: &HloModuleProto) -> Result<Parameters> {
        let shape = module.host_program_shape.as_ref();
        let shape = shape.ok_or_else(|| Error::new(Code::Internal, "the optimized program has no signature"))?;
        let mut types = Vec::new();
        for parameter in &shape.parameters {
            flatten(parameter, &mut types)?;
        }
        let aliased = module.input_output_alias.iter().flat_map(|alias| &alias.entries);
        let aliased = aliased.map(|entry| (entry.parameter_number, &entry.parameter_shape_index));
        let donors = module.buffer_donor.iter().flat_map(|donor| &donor.entries);
        let donors = donors.map(|entry| (entry.parameter_number, &entry.parameter_shape_index));
        // With tupled arguments there is one parameter, and the index into the tuple is the argument's number.
        let number = |(parameter, index): (i64, &Vec<i64>)| *index.first().unwrap_or(&parameter) as usize;
        let mut donated: Vec<usize> = aliased.chain(donors).map(number).collect();
        donated.sort_unstable();
        donated.dedup();
        Ok(Parameters { types, donated })
    }
}

fn flatten(shape: &ShapeProto, types: &mut Vec<ArrayType>) -> Result<()> {
    const TUPLE: i32 = 13;
    if shape.element_type == TUPLE {
        return shape.tuple_shapes.iter().try_for_each(|inner| flatten(inner, types));
    }
    let dtype = u32::try_from(shape.element_type).ok().and_then(DType::from_xla).ok_or_else(|| {
        let number = shape.element_type;
        Error::new(
            Code::Unimplemented,
            format!("the program takes XLA element type {number}, which raxla does not know"),
        )
    })?;
    let dims: Vec<usize> = shape.dimensions.iter().map(|&dim| dim as usize).collect();
    let layout = match &shape.layout {
        Some(layout) => Layout {
            minor_to_major: layout.minor_to_major.clone(),
            tiles: layout.tiles.iter().map(|tile| tile.dimensions.clone()).collect(),
        },
        None => Layout::row_major(dims.len()),
    };
    types.push(ArrayType { dtype, dims, layout });
    Ok(())
}
