//! Every code cell of the notebooks compiles and runs. build.rs makes a function of each notebook.
use std::{fs, path::Path};

/// What a notebook's cells end with.
type Outcome = Result<(), Box<dyn std::error::Error>>;

#[allow(warnings, clippy::all)]
mod cells {
    include!(concat!(env!("OUT_DIR"), "/cells.rs"));
}

#[track_caller]
fn run(number: &str) {
    // (as in the kernel, paths are those of the notebooks' folder)
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).expect("the folder of the notebooks");
    raxla_notebooks::run_as_tests();
    let (name, cells) =
        cells::ALL.iter().find(|(name, _)| name.starts_with(number)).expect("a notebook with this number");
    cells().unwrap_or_else(|e| panic!("{name}: {e}"));
}

macro_rules! run_each {
    ($($name:ident $number:literal)*) => {
        $(#[test]
        fn $name() {
            run($number);
        })*
        #[test]
        fn none_is_left_out() {
            let names: Vec<&str> = cells::ALL.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, [$(concat!($number, "_", stringify!($name))),*]);
        }
    };
}
run_each! {
    tracing "01"
    transformations "02"
    gpt2_from_scratch "03"
    checkpoints "04"
    families "05"
    generation "06"
    finetuning "07"
    meshes "08"
    performance "09"
    planning "10"
}

#[test]
fn links_lead_somewhere() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (name, _) in cells::ALL {
        let text = fs::read_to_string(folder.join(format!("{name}.ipynb"))).expect("a notebook");
        let notebook: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        for cell in notebook["cells"].as_array().expect("cells").iter().filter(|c| c["cell_type"] == "markdown") {
            let lines = cell["source"].as_array().expect("lines").iter().filter_map(|line| line.as_str());
            for link in lines.flat_map(|line| line.split("](").skip(1)) {
                let to = link.split(')').next().unwrap_or_default().split('#').next().unwrap_or_default();
                assert!(to.starts_with("https://") || folder.join(to).exists(), "{name} has a link to {to}");
            }
        }
    }
}
