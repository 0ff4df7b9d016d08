//! Reads texts, one JSON string a line, and prints their ids, one JSON list a line, for other programs to compare with.
//! Each text is also put through the streaming decoder, which must give what decoding at once gives.
//!
//! `cargo run --release -p raxla-graphs --example encode -- DIRECTORY_OR_GGUF < TEXTS`

use raxla_graphs::tokenizer::Tokenizer;
use raxla_graphs::weights::Weights;
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: encode DIRECTORY_OR_GGUF < TEXTS")?;
    let path = Path::new(&path);
    let start = std::time::Instant::now();
    let tokenizer =
        if path.is_dir() { Tokenizer::from_dir(path)? } else { Tokenizer::from_gguf(&Weights::open(path)?)? };
    eprintln!("loaded in {:.3} s", start.elapsed().as_secs_f64());
    for line in std::io::stdin().lines() {
        let text: String = serde_json::from_str(&line?)?;
        let ids = tokenizer.encode(&text, true)?;
        println!("{}", serde_json::to_string(&ids)?);
        let mut stream = tokenizer.decode_stream(false);
        let mut streamed = String::new();
        for id in &ids {
            streamed += &stream.push(*id)?;
        }
        streamed += &stream.finish()?;
        let at_once = tokenizer.decode(&ids, false)?;
        if streamed != at_once {
            return Err(format!("streamed {streamed:?}, at once {at_once:?}").into());
        }
    }
    Ok(())
}
