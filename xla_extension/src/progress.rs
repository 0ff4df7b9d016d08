//! A progress bar on stderr for downloads.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::{IsTerminal, Write, stderr},
    time::Duration,
};

/// Where to show the progress of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Progress {
    /// On stderr: a bar if that is a terminal, otherwise one line.
    #[default]
    Stderr,
    /// Nowhere.
    Silent,
}

/// The bar of one download.
pub(crate) struct Bar {
    bar: ProgressBar,
    how: Progress,
}

impl Bar {
    pub(crate) fn new(how: Progress) -> Bar {
        Bar { bar: ProgressBar::hidden(), how }
    }

    /// Starts the bar, for `total` bytes if that is known.
    pub(crate) fn start(&mut self, what: &str, total: Option<u64>) {
        if self.how == Progress::Silent {
            return;
        }
        if !stderr().is_terminal() {
            let size = total.map(|total| format!(" ({} MB)", total / 1_000_000)).unwrap_or_default();
            return self.say(&format!("fetching {what}{size}"));
        }
        let template = match total {
            Some(_) => "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}",
            None => "{msg} {spinner} {bytes} {bytes_per_sec}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.bar =
            ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr()).with_style(style.progress_chars("=> "));
        self.bar.set_message(format!("fetching {what}"));
        self.bar.enable_steady_tick(Duration::from_millis(100));
    }

    pub(crate) fn set(&self, bytes: u64) {
        self.bar.set_position(self.bar.length().map_or(bytes, |total| bytes.min(total)));
    }

    /// A line for the user, above the bar.
    pub(crate) fn say(&self, line: &str) {
        if self.how == Progress::Stderr {
            // Nobody is helped by an error about a closed stderr.
            self.bar.suspend(|| drop(writeln!(stderr(), "{line}")));
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
