//! Writes checkpoints of every layout below a folder, for `scripts/check_orbax.py`, which restores them with Orbax:
//! `cargo run -p raxla-orbax --example write_checkpoint -- FOLDER`.
//!
//! The element `i` of each array is `i % 5`, so that every type can hold it; in `sharded`, of 6 x 10 in chunks of 4 x 4, it is `i`.
use raxla_orbax::{ArrayKind, ArrayType, DType, Empty, Error, Key, Layout, Options, Result, Writer};
use std::path::Path;

fn key(name: &str) -> Key {
    Key::Dict(name.into())
}

/// The bytes of `n`, below 5, in a type that has it.
fn element(dtype: DType, n: usize) -> Option<Vec<u8>> {
    let value = n as f32;
    Some(match dtype {
        DType::Bool => vec![(n % 2) as u8],
        DType::Float16 => half::f16::from_f32(value).to_le_bytes().to_vec(),
        DType::Bfloat16 => half::bf16::from_f32(value).to_le_bytes().to_vec(),
        DType::Float32 => value.to_le_bytes().to_vec(),
        DType::Float64 => f64::from(value).to_le_bytes().to_vec(),
        DType::Complex64 => [value.to_le_bytes(), 1f32.to_le_bytes()].concat(),
        DType::Float8E4m3fn => vec![[0, 0x38, 0x40, 0x44, 0x48][n]],
        DType::Float8E5m2 => vec![[0, 0x3c, 0x40, 0x42, 0x44][n]],
        _ if dtype.name().contains("int") && dtype != DType::Int2 => (n as u64).to_le_bytes()[..dtype.size()].to_vec(),
        _ => return None,
    })
}

fn write(step: &Path, kind: ArrayKind, options: Options) -> Result<()> {
    let layout = options.layout;
    let mut writer = Writer::create(step, options)?;
    for &dtype in DType::ALL {
        let bytes: Option<Vec<Vec<u8>>> = (0..6).map(|i| element(dtype, i % 5)).collect();
        if let Some(bytes) = bytes {
            let array = ArrayType { dtype, shape: vec![2, 3], chunk: vec![2, 3], kind };
            writer.write(&[key("arrays"), key(dtype.name())], &array, &bytes.concat())?;
        }
    }
    let array = ArrayType { dtype: DType::Float32, shape: vec![6, 10], chunk: vec![4, 4], kind };
    let bytes: Vec<u8> = (0..60).flat_map(|i| (i as f32).to_le_bytes()).collect();
    writer.write(&[key("arrays"), key("sharded")], &array, &bytes)?;
    let layers = [key("layers"), Key::Index(0), key("w")];
    writer.write(
        &layers,
        &ArrayType { dtype: DType::Int32, shape: vec![], chunk: vec![], kind },
        &7i32.to_le_bytes(),
    )?;
    let scalar = |dtype| ArrayType { dtype, shape: vec![], chunk: vec![], kind: ArrayKind::Scalar };
    writer.write(&[key("layers"), Key::Index(1)], &scalar(DType::Int64), &(-3i64).to_le_bytes())?;
    writer.write(&[key("layers"), Key::Index(2)], &scalar(DType::Float64), &2.5f64.to_le_bytes())?;
    writer.empty(&[key("nothing")], Empty::None)?;
    writer.empty(&[key("empty")], Empty::Dict)?;
    writer.empty(&[key("list")], Empty::List)?;
    if layout == Layout::Direct {
        writer.string(&[key("it's")], "text")?;
    }
    writer.finish()
}

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).ok_or_else(|| Error::Argument("give the folder".into()))?;
    for (name, layout) in [("v1", Layout::V1), ("direct", Layout::Direct), ("manager", Layout::Manager)] {
        for (format, zarr3, kind) in
            [("zarr2", false, ArrayKind::Numpy), ("zarr3", true, ArrayKind::Numpy), ("jax", true, ArrayKind::Jax)]
        {
            let step = Path::new(&folder).join(format!("{name}_{format}"));
            let step = if layout == Layout::Manager { step.join("7") } else { step };
            std::fs::create_dir_all(step.parent().unwrap_or(Path::new(".")))
                .map_err(|source| Error::Io { path: step.clone(), source })?;
            write(&step, kind, Options { layout, zarr3, ..Options::default() })?;
            println!("{}", step.display());
        }
    }
    Ok(())
}
