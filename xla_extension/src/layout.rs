//! Memory layouts: the order in which an array's elements lie on a device.

use crate::{Code, Error, Result, named_value, sys};
use std::fmt;

/// The order of an array's elements in device memory. Shown and parsed in XLA's notation: `{1,0}` is row-major for two
/// axes, `{1,0:T(8,128)}` adds a tile.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Layout {
    /// The axes, fastest varying first.
    pub minor_to_major: Vec<i64>,
    /// Tiles, the outermost first; empty on the CPU.
    pub tiles: Vec<Vec<i64>>,
}

impl Layout {
    /// Row-major (C order) for an array of this rank: the last axis varies fastest.
    pub fn row_major(rank: usize) -> Layout {
        Layout { minor_to_major: (0..rank as i64).rev().collect(), tiles: Vec::new() }
    }

    /// The untiled layout in which `axes` are ordered from slowest to fastest varying.
    pub fn major_to_minor(axes: &[usize]) -> Layout {
        Layout { minor_to_major: axes.iter().rev().map(|&axis| axis as i64).collect(), tiles: Vec::new() }
    }

    /// Whether elements lie in row-major order without tiles.
    pub fn is_row_major(&self) -> bool {
        self.tiles.is_empty() && self.minor_to_major.iter().rev().enumerate().all(|(i, &axis)| i as i64 == axis)
    }

    /// Parses XLA's notation. What follows a tile, such as `E(4)` (bits of an element) and `S(1)` (memory space), is not
    /// part of the order and is skipped.
    pub fn parse(text: &str) -> Result<Layout> {
        let bad =
            || Error::new(Code::InvalidArgument, format!("cannot read `{text}` as a layout such as {{1,0:T(8,128)}}"));
        let ints = |list: &str| -> Result<Vec<i64>> {
            let items = list.split(',').filter(|item| !item.is_empty());
            items.map(|item| if item == "*" { Ok(-1) } else { item.trim().parse().map_err(|_| bad()) }).collect()
        };
        let inner = text.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).ok_or_else(bad)?;
        let (order, details) = inner.split_once(':').unwrap_or((inner, ""));
        let mut tiles = Vec::new();
        let mut rest = details.strip_prefix('T').unwrap_or("");
        while let Some((tile, after)) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            tiles.push(ints(tile)?);
            rest = after;
        }
        Ok(Layout { minor_to_major: ints(order)?, tiles })
    }

    /// Copies a layout out of the C form.
    ///
    /// # Safety
    /// The pointers in `layout` are valid.
    pub(crate) unsafe fn from_c(layout: &sys::PJRT_Buffer_MemoryLayout) -> Result<Layout> {
        if layout.type_ != sys::PJRT_Buffer_MemoryLayout_Type_Tiled {
            return Err(Error::new(Code::Unimplemented, "the plugin describes a buffer by strides, not by a layout"));
        }
        // SAFETY: the tag says that the union holds a tiled layout, whose lists the caller vouches for.
        unsafe {
            let tiled = &layout.__bindgen_anon_1.tiled;
            let minor_to_major = named_value::slice(tiled.minor_to_major, tiled.minor_to_major_size).to_vec();
            let sizes = named_value::slice(tiled.tile_dim_sizes, tiled.num_tiles);
            let mut dims = named_value::slice(tiled.tile_dims, sizes.iter().sum());
            let mut tiles = Vec::new();
            for &size in sizes {
                let (tile, rest) = dims.split_at(size);
                tiles.push(tile.to_vec());
                dims = rest;
            }
            Ok(Layout { minor_to_major, tiles })
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |items: &[i64]| items.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
        write!(f, "{{{}", list(&self.minor_to_major))?;
        if !self.tiles.is_empty() {
            f.write_str(":T")?;
            self.tiles.iter().try_for_each(|tile| write!(f, "({})", list(tile)))?;
        }
        f.write_str("}")
    }
}

/// The C form of a [`Layout`], with the lists that it points into.
pub(crate) struct CLayout {
    c: sys::PJRT_Buffer_MemoryLayout,
    _minor_to_major: Vec<i64>,
    _tile_dims: Vec<i64>,
    _tile_sizes: Vec<usize>,
}

impl CLayout {
    pub(crate) fn new(layout: &Layout) -> CLayout {
        let minor_to_major = layout.minor_to_major.clone();
        let tile_dims = layout.tiles.concat();
        let tile_sizes: Vec<usize> = layout.tiles.iter().map(Vec::len).collect();
        let mut tiled: sys::PJRT_Buffer_MemoryLayout_Tiled = sys::sized();
        tiled.minor_to_major = minor_to_major.as_ptr();
        tiled.minor_to_major_size = minor_to_major.len();
        tiled.tile_dims = tile_dims.as_ptr();
        tiled.tile_dim_sizes = tile_sizes.as_ptr();
        tiled.num_tiles = tile_sizes.len();
        let mut c: sys::PJRT_Buffer_MemoryLayout = sys::sized();
        c.type_ = sys::PJRT_Buffer_MemoryLayout_Type_Tiled;
        c.__bindgen_anon_1.tiled = tiled;
        CLayout { c, _minor_to_major: minor_to_major, _tile_dims: tile_dims, _tile_sizes: tile_sizes }
    }

    /// Valid while `self` lives.
    pub(crate) fn as_ptr(&mut self) -> *mut sys::PJRT_Buffer_MemoryLayout {
        &mut self.c
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notation_round_trips() {
        for text in ["{}", "{0}", "{1,0}", "{0,2,1}", "{1,0:T(8,128)}", "{1,0:T(8,128)(2,1)}"] {
            assert_eq!(Layout::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Layout::parse("{0:E(4)}").unwrap(), Layout::row_major(1));
        assert_eq!(Layout::parse("{1,0:T(8,128)S(1)}").unwrap().to_string(), "{1,0:T(8,128)}");
        for text in ["", "1,0", "{a}", "{1,0"] {
            assert!(Layout::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn row_major_is_the_identity_order() {
        assert!(Layout::row_major(3).is_row_major());
        assert!(Layout::major_to_minor(&[0, 1, 2]).is_row_major());
        assert!(!Layout::major_to_minor(&[1, 0]).is_row_major());
        assert!(!Layout::parse("{1,0:T(8,128)}").unwrap().is_row_major());
    }
}
