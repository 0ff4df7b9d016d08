//! A tokenizer for models that bring none: bytes.
use super::Tokenizer;
use crate::LoadError;
use std::path::Path;
use tokenizers::{
    Tokenizer as Inner,
    decoders::byte_level::ByteLevel,
    models::bpe::{BPE, Vocab},
};

impl Tokenizer {
    /// Ids 0 to 255 are the bytes of a text; the others up to `vocab` are shown as `<id>`, and no text contains them.
    pub fn bytes(vocab: usize) -> Result<Tokenizer, LoadError> {
        let ids = 0..vocab as u32;
        let names = letters().map(String::from).chain((256..).map(|id| format!("<{id}>")));
        let model = BPE::builder().vocab_and_merges(names.zip(ids).collect::<Vocab>(), vec![]).build();
        let origin = Path::new("bytes");
        let mut inner = Inner::new(model.map_err(|e| super::broken(origin, e))?);
        let level = || ByteLevel::default().add_prefix_space(false).use_regex(false);
        inner.with_pre_tokenizer(Some(level())).with_decoder(Some(level()));
        Ok(Tokenizer::new(inner, origin, None, std::iter::empty(), [None, None]))
    }
}

/// How GPT-2 writes each byte as a letter: itself where it can be printed, else the next letter from 256 on.
fn letters() -> impl Iterator<Item = char> {
    let printed = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let mut others = '\u{100}'..;
    (0..=255u8).map(move |byte| if printed(&byte) { byte.into() } else { others.next().unwrap_or(' ') })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_there_and_back() {
        let tokenizer = Tokenizer::bytes(300).unwrap();
        let text = "a b\u{a0}é\n\u{1F600}\0";
        let ids = tokenizer.encode(text, true).unwrap();
        assert_eq!(ids, text.bytes().map(u32::from).collect::<Vec<_>>());
        assert_eq!(tokenizer.decode(&ids, true).unwrap(), text);
        assert_eq!(tokenizer.decode(&[104, 299, 105], true).unwrap(), "h<299>i");
    }
}
