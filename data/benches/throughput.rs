//! How fast training data is read: `cargo bench -p raxla-data --bench throughput`. The tokenizer gives each byte as a token, so that
//! what is measured of building is everything else.
use raxla_data::{
    BuildOptions, Dataset, DatasetOptions, Encoding, Loader, LoaderOptions, Mixture, MixtureOptions, Packing,
    Permutation, Source, TokenCache, TokenizerFn,
};
use std::{error::Error, fs::File, hint::black_box, io::Write, sync::Arc, time::Instant};

const DOCUMENTS: u64 = 120_000;
const LENGTH: usize = 2048;
const BATCH: usize = 32;
const BATCHES: usize = 400;

fn main() -> Result<(), Box<dyn Error>> {
    let place = tempfile::tempdir()?;
    let path = place.path().join("documents.jsonl");
    write_documents(&path)?;
    let bytes = TokenizerFn::new("bytes", 257, |text: &str| Ok(text.bytes().map(u32::from).collect()));
    let encoding = Encoding { eos: Some(256), ..Encoding::new(Arc::new(bytes)) };
    let sources = [Source::new(path.to_string_lossy())];
    let start = Instant::now();
    let cache = TokenCache::build(&sources, &encoding, &BuildOptions::new(place.path()), |_| {})?;
    let tokens = cache.stats().tokens;
    report("build", "bytes of text", tokens, start);
    let cache = Arc::new(cache);
    for packing in [Packing::Concat, Packing::ConcatSegments, Packing::Pack, Packing::Pad] {
        let options = DatasetOptions { packing, ..DatasetOptions::new(LENGTH) };
        let start = Instant::now();
        let dataset = Arc::new(Dataset::new(cache.clone(), &options)?);
        report(&format!("plan {packing:?}, {:.4} full", dataset.stats().efficiency()), "tokens", tokens, start);
        for threads in [0, 1, 2] {
            // the first round finds pages that the system has not mapped, and blocks that have not been compared
            for round in ["first", "again"] {
                let mixture = Mixture::of(dataset.clone(), MixtureOptions::default())?;
                let mut loader = Loader::new(mixture, LoaderOptions { threads, ..LoaderOptions::new(BATCH) })?;
                let start = Instant::now();
                for batch in loader.by_ref().take(BATCHES) {
                    black_box(batch?);
                }
                let read = (BATCHES * BATCH * LENGTH) as u64;
                report(&format!("read {packing:?}, {threads} threads, {round}"), "positions", read, start);
            }
        }
    }
    let (n, start) = (10_000_000, Instant::now());
    let order = Permutation::new(1 << 33, 1);
    black_box((0..n).fold(0, |sum: u64, i| sum.wrapping_add(order.at(i))));
    report("shuffle", "indices", n, start);
    Ok(())
}

/// Documents of 50 to 20,000 bytes, most of them short.
fn write_documents(path: &std::path::Path) -> Result<(), Box<dyn Error>> {
    let mut file = std::io::BufWriter::new(File::create(path)?);
    let random = Permutation::new(1 << 20, 3);
    let text = "lorem ipsum dolor sit amet ".repeat(800);
    for i in 0..DOCUMENTS {
        let uniform = random.at(i) as f64 / (1 << 20) as f64;
        let length = (50.0 * (uniform * 6.0).exp()).min(20_000.0) as usize;
        writeln!(file, "{{\"id\": {i}, \"text\": \"{}\"}}", &text[..length])?;
    }
    Ok(file.flush()?)
}

fn report(what: &str, of: &str, n: u64, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!("{what:45} {:8.1} million {of}/s ({seconds:.2} s)", n as f64 / seconds / 1e6);
}
