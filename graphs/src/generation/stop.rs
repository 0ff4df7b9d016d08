//! Texts before which generation stops.

/// Holds back what may become a stop text.
pub(super) struct Stop<'a> {
    stops: &'a [String],
    held: String,
    /// What came before any stop text.
    pub text: String,
    /// Did one appear?
    pub found: bool,
}
impl<'a> Stop<'a> {
    pub fn new(stops: &'a [String]) -> Stop<'a> {
        Stop { stops, held: String::new(), text: String::new(), found: false }
    }
    /// Add a piece; returns what is certain to come before any stop text.
    pub fn push(&mut self, piece: &str) -> String {
        if self.found {
            return String::new();
        }
        self.held += piece;
        let hit = self.stops.iter().filter(|s| !s.is_empty()).filter_map(|s| self.held.find(s.as_str())).min();
        let keep = match hit {
            Some(at) => {
                self.found = true;
                at
            }
            None => self.held.len() - self.stops.iter().map(|s| overlap(&self.held, s)).max().unwrap_or(0),
        };
        let rest = self.held.split_off(keep);
        let certain = std::mem::replace(&mut self.held, rest);
        self.text += &certain;
        certain
    }
    /// The held text, once nothing can follow.
    pub fn flush(&mut self) -> String {
        let rest = if self.found { String::new() } else { std::mem::take(&mut self.held) };
        self.text += &rest;
        rest
    }
}

/// Length of the longest end of `text` that `stop` begins with.
fn overlap(text: &str, stop: &str) -> usize {
    let longest = stop.len().min(text.len());
    (1..=longest).rev().find(|n| stop.is_char_boundary(*n) && text.ends_with(&stop[..*n])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_texts_are_found_across_pieces_and_never_shown() {
        let stops = vec!["###".to_string(), "END".to_string()];
        let mut s = Stop::new(&stops);
        let shown: String = ["ab#", "#c", "d E", "N", "D e"].iter().map(|p| s.push(p)).collect();
        assert_eq!((shown.as_str(), s.found), ("ab##cd ", true));
        let mut s = Stop::new(&stops);
        assert_eq!(s.push("x #"), "x ");
        assert_eq!(s.flush(), "#");
        assert_eq!(s.text, "x #");
    }
}
