//! The code cells of the notebooks, as functions that the tests compile and run.
//!
//! Each notebook is a module with a function `run`, in which its cells follow each other as they do in the kernel: items and
//! variables of one are seen by the next. Lines that begin with `:` are commands of the kernel.
use serde_json::Value;
use std::{env, fs, path::Path};

fn main() {
    let own = env::var("CARGO_MANIFEST_DIR").expect("Cargo sets it");
    let out = env::var("OUT_DIR").expect("Cargo sets it");
    let folder = Path::new(&own).join("..");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut names: Vec<String> = fs::read_dir(&folder)
        .expect("the folder of the notebooks")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(".ipynb")?.to_string()))
        .collect();
    names.sort();
    for name in &names {
        println!("cargo::rerun-if-changed={}", folder.join(format!("{name}.ipynb")).display());
    }
    let mut modules = String::new();
    for name in &names {
        let path = folder.join(format!("{name}.ipynb"));
        // (an error of the compiler shows better what is wrong than one of this program)
        let code = cells(&path).map_or_else(
            |why| format!("compile_error!({:?});\n", format!("{}: {why}", path.display())),
            |cells| function(name, &cells),
        );
        modules += &format!("pub mod n{name} {{\n{code}}}\n");
    }
    let calls: String = names.iter().map(|name| format!("    ({name:?}, n{name}::run),\n")).collect();
    let all = format!("{modules}pub const ALL: &[(&str, fn() -> super::Outcome)] = &[\n{calls}];\n");
    fs::write(Path::new(&out).join("cells.rs"), all).expect("Cargo's folder can be written");
}

/// The sources of a notebook's code cells.
fn cells(path: &Path) -> Result<Vec<String>, String> {
    let text = fs::read_to_string(path).map_err(|e| e.to_string())?;
    let notebook: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    let all = notebook["cells"].as_array().ok_or("it has no cells")?;
    let source = |cell: &Value| match &cell["source"] {
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().unwrap_or_default().to_string(),
    };
    Ok(all.iter().filter(|cell| cell["cell_type"] == "code").map(source).collect())
}

/// One function with all cells of a notebook.
fn function(name: &str, cells: &[String]) -> String {
    let mut code = String::from("pub fn run() -> super::super::Outcome {\n");
    for (number, cell) in cells.iter().enumerate() {
        code += &format!("// {name}, code cell {}\n", number + 1);
        for line in cell.lines() {
            code += if line.starts_with(':') { "" } else { line };
            code.push('\n');
        }
    }
    code + "Ok(())\n}\n"
}
