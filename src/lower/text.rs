//! Text that is put together from parts without copying them.
use std::fmt;

/// Text under construction. What is nested in it is moved, not copied: text that is copied at each level of nesting would cost as
/// much as its size times its depth.
#[derive(Default)]
pub(super) struct Text(Vec<Piece>);
enum Piece {
    Written(String),
    Nested(Text),
}

impl Text {
    pub(super) fn push(&mut self, s: &str) {
        match self.0.last_mut() {
            Some(Piece::Written(last)) => last.push_str(s),
            _ => self.0.push(Piece::Written(s.into())),
        }
    }
    pub(super) fn nest(&mut self, text: Text) {
        self.0.push(Piece::Nested(text));
    }
    /// Copy it to the end of a string.
    pub(super) fn copy_to(&self, to: &mut String) {
        for piece in &self.0 {
            match piece {
                Piece::Written(s) => to.push_str(s),
                Piece::Nested(text) => text.copy_to(to),
            }
        }
    }
}
impl fmt::Write for Text {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.push(s);
        Ok(())
    }
}
