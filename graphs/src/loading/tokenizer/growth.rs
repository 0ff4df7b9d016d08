//! How much longer a tokenizer's rules can make a text. Rules work one after the other, so that forty which double it make a
//! trillion bytes of one: such a file is refused, and no text is taken in that could become too long.

use serde::Serialize;
use serde_json::Value;
use tokenizers::Tokenizer as Inner;

/// Times that a text may become longer. Known tokenizers stay below a hundred or so.
const MOST_TIMES: u64 = 1 << 14;
/// Bytes that a text may become.
const MOST_BYTES: u64 = 256 << 20;

/// How many times longer a text can become on the way to tokens, and the tokens' texts on the way to a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growth {
    encoding: u64,
    decoding: u64,
}

impl Growth {
    pub(super) fn of(inner: &Inner) -> Growth {
        let normalizer = times(inner.get_normalizer());
        let pre_tokenizer = times(inner.get_pre_tokenizer());
        let post_processor = times(inner.get_post_processor());
        Growth {
            encoding: normalizer.saturating_mul(pre_tokenizer).saturating_mul(post_processor),
            decoding: times(inner.get_decoder()),
        }
    }

    /// Whether the rules are those of a tokenizer.
    pub(super) fn check(self) -> Result<(), String> {
        check_times("rules for encoding", self.encoding)?;
        check_times("decoder", self.decoding)
    }

    /// Whether a text of so many bytes can be encoded.
    pub(super) fn check_text(self, bytes: usize) -> Result<(), String> {
        within("a text", bytes, self.encoding)
    }

    /// Whether tokens whose texts are so long can be decoded.
    pub(super) fn check_tokens(self, bytes: usize) -> Result<(), String> {
        within("tokens", bytes, self.decoding)
    }
}

/// Whether one part is that of a tokenizer.
pub(super) fn check_rules(name: &str, part: &impl Serialize) -> Result<(), String> {
    check_times(name, times(Some(part)))
}

fn check_times(rules: &str, times: u64) -> Result<(), String> {
    match times <= MOST_TIMES {
        true => Ok(()),
        false => Err(format!("its {rules} can make a text {times} times as long; {MOST_TIMES} times is the most")),
    }
}

fn within(what: &str, bytes: usize, times: u64) -> Result<(), String> {
    match (bytes as u64).saturating_mul(times) <= MOST_BYTES {
        true => Ok(()),
        false => Err(format!(
            "{what} of {bytes} bytes, which its rules can make {times} times as long, would take more than {} MiB\n  \
             help: give it in parts",
            MOST_BYTES >> 20
        )),
    }
}

/// What a part is written as in a tokenizer.json says all about it.
fn times(part: Option<&impl Serialize>) -> u64 {
    part.and_then(|part| serde_json::to_value(part).ok()).map_or(1, |part| times_of(&part))
}

fn times_of(part: &Value) -> u64 {
    let length = |key: &str| part[key].as_str().map_or(0, |text| text.len() as u64);
    for parts in ["normalizers", "pretokenizers", "decoders", "processors"] {
        if let Some(list) = part[parts].as_array() {
            return list.iter().map(times_of).fold(1, u64::saturating_mul);
        }
    }
    match part["type"].as_str().unwrap_or_default() {
        "Replace" => match part["pattern"]["String"].as_str() {
            Some(pattern) if !pattern.is_empty() => length("content").div_ceil(pattern.len() as u64).max(1),
            // an expression may match nothing, between any two bytes
            _ => 1 + length("content"),
        },
        // before each stretch between added tokens
        "Prepend" => 1 + length("prepend"),
        "Precompiled" => longest_replacement(part).max(1),
        "NFC" | "NFD" => 4,
        "NFKC" | "NFKD" => 12,
        "Lowercase" => 2,
        // spaces around Chinese characters, no accents, lower case
        "BertNormalizer" => 16,
        // bytes as letters of up to two; a space before each word
        "ByteLevel" => 4,
        "Metaspace" => 1 + length("replacement"),
        "TemplateProcessing" => {
            let texts = |key: &str| {
                part[key].as_array().map_or(0, |all| all.iter().filter(|p| p.get("Sequence").is_some()).count())
            };
            texts("single").max(texts("pair")).max(1) as u64
        }
        "WordPiece" | "BPEDecoder" | "CTC" => 2,
        _ => 1,
    }
}

/// The longest text that a compiled character map puts in a character's place.
fn longest_replacement(part: &Value) -> u64 {
    let map = part["precompiled_charsmap"].as_str().and_then(|map| base64::decode(map).ok()).unwrap_or_default();
    let Some((size, rest)) = map.split_first_chunk() else { return 1 };
    let texts = rest.get(u32::from_le_bytes(*size) as usize..).unwrap_or_default();
    texts.split(|byte| *byte == 0).map(<[u8]>::len).max().unwrap_or(0) as u64
}
