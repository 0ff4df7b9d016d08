#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| raxla_fuzz::fuzz("adapter_config.json", bytes));
