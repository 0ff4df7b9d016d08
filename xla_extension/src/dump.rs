//! The optimized program as text.

use crate::{Client, Code, CompileOptions, Error, OptionValue, Result};
use std::fs;

impl Client {
    /// Compiles a program and returns what XLA made of it, as HLO text. PJRT gives optimized programs in binary form only,
    /// so this asks the compiler to dump the text.
    pub fn optimized_hlo_text(&self, mlir: &[u8], options: &CompileOptions) -> Result<String> {
        let fail =
            |what: String| Error::new(Code::Unknown, format!("cannot get the optimized program as text: {what}"));
        let folder = tempfile::tempdir().map_err(|error| fail(error.to_string()))?;
        let mut options = options.clone();
        let path = folder.path().to_string_lossy().into_owned();
        options.env_overrides.push(("xla_dump_to".into(), OptionValue::String(path)));
        options.env_overrides.push(("xla_dump_hlo_as_text".into(), OptionValue::Bool(true)));
        self.compile(mlir, &options)?;
        let files = fs::read_dir(folder.path()).map_err(|error| fail(error.to_string()))?;
        let mut files = files.flatten().map(|entry| entry.path());
        let wanted = files.find(|path| path.to_string_lossy().ends_with("after_optimizations.txt"));
        let wanted = wanted.ok_or_else(|| fail("the compiler dumped no such file".into()))?;
        fs::read_to_string(wanted).map_err(|error| fail(error.to_string()))
    }
}
