//! What the notebooks show: plots, tables, pictures of graphs and of layouts; and the models that they use.
//!
//! The notebooks beside this package are executed by `scripts/run_notebooks.sh`, with evcxr's Jupyter kernel. The tests compile
//! their cells into one program and run it, with less work: [`in_tests`] says how much.
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

mod chart;
mod graph;
mod models;
mod page;
mod table;

pub use chart::Chart;
pub use graph::graph;
pub use models::{fixture, smollm2};
pub use page::{Page, row};
pub use table::table;

/// Shows content of this MIME type in the notebook, by the kernel's protocol, which keeps the last of each type in a cell; elsewhere it
/// is printed.
pub fn show(mime: &str, content: &str) {
    println!("EVCXR_BEGIN_CONTENT {mime}\n{content}\nEVCXR_END_CONTENT");
}

/// Shows which devices hold which part of an array.
pub fn layout(array: &raxla::Array) {
    let mut page = Page::new();
    page.layout(array);
    page.show();
}

static IN_TESTS: AtomicBool = AtomicBool::new(false);

/// From now on this process runs the cells as tests: with less work ([`in_tests`]) and without models that must be fetched ([`smollm2`]).
pub fn run_as_tests() {
    IN_TESTS.store(true, Relaxed);
}

/// So many in the notebook, and so many in the tests of the cells.
pub fn in_tests<T>(notebook: T, tests: T) -> T {
    if IN_TESTS.load(Relaxed) { tests } else { notebook }
}

/// Text as it stands in HTML and SVG.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
