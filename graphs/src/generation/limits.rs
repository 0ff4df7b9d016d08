//! The most of everything that is counted: a number beyond is refused before it takes memory or time.

/// Samples of each prompt, and prompts that run at once.
pub const SAMPLES: usize = 1024;
/// Beams.
pub const BEAMS: usize = 256;
/// Tokens that are drafted at a time.
pub const DRAFT_TOKENS: usize = 256;
/// Tokens in whose place log-probabilities are told.
pub const LOGPROBS: usize = 1024;
/// Positions of a sequence: programs count them in 32 bits.
pub const POSITIONS: usize = 1 << 30;

/// Is this from 1 to `most`?
pub(crate) fn within(name: &str, n: usize, most: usize) -> Result<(), String> {
    match n {
        0 => Err(format!("{name} must be 1 or more, not 0")),
        n if n > most => Err(format!("{name} must be at most {most}, not {n}")),
        _ => Ok(()),
    }
}
