//! What the benches share: options, and medians.
#![allow(dead_code)] // each bench uses a part

/// The command line.
pub struct Args(Vec<String>);
impl Args {
    pub fn read() -> Args {
        Args(std::env::args().collect())
    }
    pub fn option(&self, name: &str, default: &str) -> String {
        let at = self.0.iter().position(|a| a == name);
        at.and_then(|i| self.0.get(i + 1)).cloned().unwrap_or_else(|| default.to_string())
    }
    pub fn number(&self, name: &str, default: &str) -> usize {
        self.option(name, default).parse().expect("a number")
    }
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|a| a == name)
    }
}

pub fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
