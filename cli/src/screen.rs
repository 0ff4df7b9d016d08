//! Where results and messages go, and what a terminal is shown of texts that others wrote.
use raxla::distributed;
use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, IsTerminal, Write},
};

/// Standard output, for results: of several processes the first one writes them. What goes to a terminal is made [`visible`]; files and
/// pipes get every byte.
pub fn stdout() -> Screen<io::Stdout> {
    Screen { silent: distributed::process_index() != 0, ..stdout_of_each() }
}

/// Standard output, for what each of several processes has to say.
pub fn stdout_of_each() -> Screen<io::Stdout> {
    let out = io::stdout();
    Screen { terminal: out.is_terminal(), silent: false, out }
}

/// An output that may be a terminal.
pub struct Screen<W> {
    out: W,
    terminal: bool,
    silent: bool,
}

impl<W> Screen<W> {
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }
}

impl<W: Write> Write for Screen<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.terminal {
            _ if self.silent => Ok(bytes.len()),
            true => self.out.write_all(visible(&String::from_utf8_lossy(bytes)).as_bytes()).map(|()| bytes.len()),
            false => self.out.write(bytes),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A text without what a terminal obeys: escape sequences, which move the cursor, change titles and fill the clipboard, and marks
/// that turn the direction of reading. They are written as `\x1b` and `\u{202e}`. Lines and tabs stay.
pub fn visible(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(obeyed) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        let _ = match c {
            c if !obeyed(c) => out.write_char(c),
            '\r' => out.write_str("\\r"),
            c if c.is_ascii() => write!(out, "\\x{:02x}", c as u32),
            c => write!(out, "{}", c.escape_unicode()),
        };
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_shown_no_escape_sequences_and_files_get_all() {
        let text = "a\u{1b}]52;c;eA==\u{7}\tb\n\u{9b}2J\r\u{202e}é🙂\u{7f}";
        let shown = |terminal| {
            let mut screen = Screen { out: vec![], terminal, silent: false };
            write!(screen, "{text}{}", 1).unwrap();
            String::from_utf8(screen.out).unwrap()
        };
        assert_eq!(shown(false), format!("{text}1"));
        assert_eq!(shown(true), "a\\x1b]52;c;eA==\\x07\tb\n\\u{9b}2J\\r\\u{202e}é🙂\\x7f1");
        assert!(matches!(visible("plain\n"), Cow::Borrowed(_)));
    }
}
