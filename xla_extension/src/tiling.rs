//! How a partitioned program's results are divided over its devices.

use crate::{
    Code, Compiled, Error, Result,
    executable::undecodable,
    proto::{HloModuleProto, OpShardingProto},
};
use prost::Message;

/// How an array is divided over the devices of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tiling {
    /// Every device has all of it.
    Replicated,
    /// Into a grid of tiles.
    Tiled {
        /// The number of tiles along each axis; further numbers count devices that hold the same tile.
        tiles: Vec<usize>,
        /// The devices, by partition number, in row-major order of the grid.
        devices: Vec<usize>,
    },
}

impl Compiled {
    /// How the partitioner divided each result, where the program tells; `None` for a program on one device, and for one that
    /// does not tell.
    pub fn output_tilings(&self) -> Result<Option<Vec<Tiling>>> {
        let bytes = self.optimized_program()?;
        let module = HloModuleProto::decode(bytes.as_slice()).map_err(|error| undecodable(&error))?;
        let Some(sharding) = module.spmd_output_sharding else { return Ok(None) };
        // 2: a tuple
        let all = if sharding.r#type == 2 { sharding.tuple_shardings } else { vec![sharding] };
        all.iter().map(Tiling::read).collect::<Result<Vec<_>>>().map(Some)
    }
}

impl Tiling {
    fn read(s: &OpShardingProto) -> Result<Tiling> {
        let number = |n: &i64| *n as usize;
        let tiles: Vec<usize> = s.tile_assignment_dimensions.iter().map(number).collect();
        if s.r#type == 0 || tiles.is_empty() {
            return Ok(Tiling::Replicated);
        }
        let n: usize = tiles.iter().product();
        let devices: Vec<usize> = match s.tile_assignment_devices.is_empty() {
            false => s.tile_assignment_devices.iter().map(number).collect(),
            true => {
                let dims: Vec<usize> = s.iota_reshape_dims.iter().map(number).collect();
                let perm: Vec<usize> = s.iota_transpose_perm.iter().map(|n| *n as usize).collect();
                transposed_iota(&dims, &perm)
            }
        };
        if devices.len() != n {
            return Err(Error::new(Code::Internal, format!("a result has {n} tiles on {} devices", devices.len())));
        }
        Ok(Tiling::Tiled { tiles, devices })
    }
}

/// The numbers from 0 in an array of these sizes, transposed, row-major.
fn transposed_iota(dims: &[usize], perm: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; dims.len()];
    for i in (1..dims.len()).rev() {
        strides[i - 1] = strides[i] * dims[i];
    }
    let perm: Vec<usize> = if perm.is_empty() { (0..dims.len()).collect() } else { perm.to_vec() };
    perm.iter().fold(vec![0], |all, axis| {
        let (n, stride) = (dims[*axis], strides[*axis]);
        all.iter().flat_map(|base| (0..n).map(move |i| base + i * stride)).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::transposed_iota;

    #[test]
    fn iotas_are_transposed() {
        assert_eq!(transposed_iota(&[8], &[]), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(transposed_iota(&[2, 3], &[1, 0]), [0, 3, 1, 4, 2, 5]);
    }
}
