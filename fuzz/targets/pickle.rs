#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| raxla_fuzz::fuzz("pytorch_model.bin", bytes));
