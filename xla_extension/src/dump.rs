//! The optimized program as text.

use crate::{Client, Code, CompileOptions, Compiled, Error, OptionValue, Result, Topology};
use std::fs;

impl Client {
    /// Compiles a program and returns what XLA made of it, as HLO text. PJRT gives optimized programs in binary form only,
    /// so this asks the compiler to dump the text.
    pub fn optimized_hlo_text(&self, mlir: &[u8], options: &CompileOptions) -> Result<String> {
        let (_, text) = dumped(options, |options| self.compile(mlir, options))?;
        text.ok_or_else(|| fail("the compiler dumped no such file"))
    }
}

impl Topology {
    /// As [`Topology::compile`], with what XLA made of the program as HLO text, if the compiler dumps it.
    pub fn compile_with_text(&self, mlir: &[u8], options: &CompileOptions) -> Result<(Compiled, Option<String>)> {
        dumped(options, |options| self.compile(mlir, options))
    }
}

fn fail(what: impl std::fmt::Display) -> Error {
    Error::new(Code::Unknown, format!("cannot get the optimized program as text: {what}"))
}

/// What `compile` makes, given options with which the compiler dumps the optimized program, and that.
fn dumped<T>(
    options: &CompileOptions,
    compile: impl FnOnce(&CompileOptions) -> Result<T>,
) -> Result<(T, Option<String>)> {
    let folder = tempfile::tempdir().map_err(fail)?;
    let mut options = options.clone();
    let path = folder.path().to_string_lossy().into_owned();
    options.env_overrides.push(("xla_dump_to".into(), OptionValue::String(path)));
    options.env_overrides.push(("xla_dump_hlo_as_text".into(), OptionValue::Bool(true)));
    let made = compile(&options)?;
    let files = fs::read_dir(folder.path()).map_err(fail)?;
    let mut files = files.flatten().map(|entry| entry.path());
    let text = files.find(|path| path.to_string_lossy().ends_with("after_optimizations.txt"));
    let text = text.map(|path| fs::read_to_string(path).map_err(fail)).transpose()?;
    Ok((made, text))
}
