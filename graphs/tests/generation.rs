//! Generation: batches, samples, pieces of prompts, the loop on the device. Each against the plain way.
use raxla::runtime;
use raxla_graphs::{Draft, Finish, Generated, Generation, LoadOptions, Matrices, Model, Sampling, strip_padding};
use safetensors::SafeTensors;
use std::{ops::ControlFlow, path::PathBuf};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn load(name: &str, scanned: bool) -> Model {
    let options = LoadOptions { scanned, ..Default::default() };
    let files = raxla_graphs::open(fixture(name).to_str().unwrap()).unwrap();
    Model::load(files, &options, &runtime::client().unwrap()).unwrap()
}

fn words(file: &str, tensor: &str) -> Vec<u32> {
    let bytes = std::fs::read(fixture(file)).unwrap();
    let data = SafeTensors::deserialize(&bytes).unwrap().tensor(tensor).unwrap().data().to_vec();
    data.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect()
}

/// The prompts of different lengths, and their greedy continuations by transformers.
fn ragged(name: &str) -> (Vec<Vec<u32>>, Vec<Vec<u32>>) {
    let file = format!("{name}/ragged.safetensors");
    let [tokens, lengths, greedy] = ["tokens", "lengths", "greedy"].map(|t| words(&file, t));
    let width = tokens.len() / lengths.len();
    let prompts = tokens.chunks(width).zip(&lengths).map(|(row, n)| row[..*n as usize].to_vec()).collect();
    (prompts, greedy.chunks(greedy.len() / lengths.len()).map(<[u32]>::to_vec).collect())
}

fn greedy(n: usize) -> Generation {
    Generation { max_new_tokens: n, ignore_eos: true, ..Default::default() }
}
fn drawn(n: usize, seed: u64) -> Generation {
    Generation { sampling: Sampling { temperature: 1.5, top_p: 0.95, seed, ..Default::default() }, ..greedy(n) }
}

fn batch(model: &Model, prompts: &[Vec<u32>], options: &Generation) -> Vec<Generated> {
    model.generate_batch(prompts, options, |_, _| Ok(ControlFlow::Continue(()))).unwrap()
}
fn tokens(all: Vec<Generated>) -> Vec<Vec<u32>> {
    all.into_iter().map(|made| made.tokens).collect()
}
fn alone(model: &Model, prompt: &[u32], options: &Generation) -> Vec<u32> {
    model.generate_tokens(prompt, options, |_| Ok(ControlFlow::Continue(()))).unwrap().tokens
}

#[test]
fn prompts_of_different_lengths_continue_as_in_transformers() {
    for name in ["llama_gqa_untied", "gpt2_plain"] {
        let (prompts, want) = ragged(name);
        assert!(prompts.len() > 2);
        for scanned in [false, name.starts_with("llama")] {
            let model = load(name, scanned);
            assert_eq!(tokens(batch(&model, &prompts, &greedy(16))), want, "{name}");
            assert_eq!(model.compiles(), 2, "one program for all prompts, one for all tokens");
            // by pieces, those of short prompts empty; and without the host
            let options = Generation { prefill_chunk: Some(3), ..greedy(16) };
            assert_eq!(tokens(batch(&model, &prompts, &options)), want, "{name}");
            let options = Generation { device_loop: true, ..greedy(16) };
            assert_eq!(tokens(batch(&model, &prompts, &options)), want, "{name}");
        }
    }
}

#[test]
fn a_row_does_not_depend_on_its_company() {
    let (prompts, _) = ragged("llama_gqa_untied");
    let model = load("llama_gqa_untied", false);
    let options = drawn(12, 3);
    let all = tokens(batch(&model, &prompts, &options));
    for (prompt, want) in prompts.iter().zip(&all) {
        assert_eq!(alone(&model, prompt, &options), *want);
    }
    let reversed: Vec<Vec<u32>> = prompts.iter().rev().cloned().collect();
    assert_eq!(tokens(batch(&model, &reversed, &options)), all.iter().rev().cloned().collect::<Vec<_>>());
    let by_pieces = Generation { prefill_chunk: Some(4), ..options.clone() };
    assert_eq!(tokens(batch(&model, &prompts, &by_pieces)), all);
    let on_device = Generation { device_loop: true, ..options.clone() };
    assert_eq!(tokens(batch(&model, &prompts, &on_device)), all);
    assert_ne!(tokens(batch(&model, &prompts, &drawn(12, 4))), all);
}

#[test]
fn samples_of_a_prompt_differ_and_do_not_depend_on_how_many_there_are() {
    let (prompts, want) = ragged("gpt2_plain");
    let model = load("gpt2_plain", true);
    let with = |samples: usize| Generation { samples, ..drawn(12, 5) };
    let three = tokens(batch(&model, &prompts, &with(3)));
    assert_eq!(three.len(), 3 * prompts.len());
    for (samples, prompt) in three.chunks(3).zip(&prompts) {
        assert_eq!(samples[0], alone(&model, prompt, &with(1)));
        assert!(samples[0] != samples[1] && samples[1] != samples[2] && samples[0] != samples[2]);
        assert_eq!(tokens(batch(&model, std::slice::from_ref(prompt), &with(2))), samples[..2]);
    }
    let same = tokens(batch(&model, &prompts, &Generation { samples: 2, ..greedy(16) }));
    assert_eq!(same, want.iter().flat_map(|w| [w.clone(), w.clone()]).collect::<Vec<_>>());
    let one = batch(&model, &[vec![7]], &Generation { samples: 2, ..greedy(4) });
    assert_eq!(one[1].tokens, alone(&model, &[7], &greedy(4)), "a prompt of one token");
}

#[test]
fn by_pieces_of_any_size_it_is_the_same() {
    for name in ["mistral_window", "llama_rope_yarn"] {
        let model = load(name, true);
        let prompt = words(&format!("{name}/reference.safetensors"), "tokens");
        let want = words(&format!("{name}/reference.safetensors"), "greedy");
        for chunk in [2, prompt.len() - 1] {
            let options = Generation { prefill_chunk: Some(chunk), ..greedy(16) };
            assert_eq!(alone(&model, &prompt, &options), want, "{name} by {chunk}");
        }
    }
    // a long prompt, of which one piece's program is enough
    let model = load("llama_gqa_untied", false);
    let prompt: Vec<u32> = (0..100).map(|i| (i * 31 + 3) % 67).collect();
    let want = alone(&model, &prompt, &greedy(16));
    let options = Generation { prefill_chunk: Some(16), ..greedy(16) };
    assert_eq!(alone(&model, &prompt, &options), want);
}

/// Rotary embeddings that change with the length: what was taken in by pieces, or verified several tokens at a time, is turned as
/// in one prompt, and then token by token.
#[test]
fn embeddings_that_change_with_the_length_do_not_see_pieces() {
    for (name, original) in [("llama_rope_longrope_long", 16), ("phi3_crossing", 26), ("llama_rope_dynamic", 64)] {
        let model = load(name, true);
        let told = |options: &Generation, prompt: &[u32], lookup: bool| -> Vec<(u32, f32)> {
            let options = Generation { logprobs: Some(0), ..options.clone() };
            let go = |_| Ok(ControlFlow::Continue(()));
            let made = match lookup {
                true => model.generate_speculative_tokens(Draft::Lookup(3), 4, prompt, &options, go),
                false => model.generate_tokens(prompt, &options, go),
            };
            let made = made.unwrap();
            made.tokens.iter().copied().zip(made.logprobs.iter().map(|l| l.logprob)).collect()
        };
        // beyond the context of pre-training in the prompt, and after it; repeating itself, so that tokens can be looked up
        for n in [original + 9, original - 4] {
            let prompt: Vec<u32> = (0..n as u32).map(|i| (i % 5) * 11 + 3).collect();
            let want = told(&greedy(14), &prompt, false);
            let same = |have: Vec<(u32, f32)>, how: &str| {
                for (i, (have, want)) in have.iter().zip(&want).enumerate() {
                    assert!(
                        have.0 == want.0 && (have.1 - want.1).abs() < 1e-4,
                        "{name} {n} {how} {i}: {have:?} {want:?}"
                    );
                }
                assert_eq!(have.len(), want.len(), "{name} {n} {how}");
            };
            for chunk in [5, n - 1] {
                same(told(&Generation { prefill_chunk: Some(chunk), ..greedy(14) }, &prompt, false), "by pieces");
            }
            same(told(&greedy(14), &prompt, true), "looked up");
            same(told(&Generation { device_loop: true, ..greedy(14) }, &prompt, false), "on the device");
            let two = batch(
                &model,
                std::slice::from_ref(&prompt),
                &Generation { samples: 2, logprobs: Some(0), ..greedy(14) },
            );
            same(two[1].tokens.iter().copied().zip(two[1].logprobs.iter().map(|l| l.logprob)).collect(), "as a sample");
        }
    }
}

/// A token that the greedy continuation has, to serve as end token.
fn ending(model: &mut Model, token: u32) -> &mut Model {
    model.generation.eos = vec![token];
    model
}

#[test]
fn rows_end_by_themselves() {
    let (prompts, want) = ragged("gpt2_plain");
    let mut model = load("gpt2_plain", true);
    // a token that one row comes to and another does not
    let eos = *want[1][3..].iter().find(|t| want.iter().any(|row| !row.contains(t))).unwrap();
    let ended = |row: &[u32]| row.iter().position(|t| *t == eos).map_or(row.to_vec(), |at| row[..at].to_vec());
    let options = Generation { ignore_eos: false, ..greedy(16) };
    for device_loop in [false, true] {
        let options = Generation { device_loop, ..options.clone() };
        let all = batch(ending(&mut model, eos), &prompts, &options);
        for (made, row) in all.iter().zip(&want) {
            assert_eq!(made.tokens, ended(row));
            assert_eq!(made.finish, if made.tokens.len() < 16 { Finish::Stop } else { Finish::Length });
            assert_eq!(made.stats.new_tokens, made.tokens.len());
        }
        assert!(all.iter().any(|made| made.finish == Finish::Length), "and others go on");
        // the callback ends a row, not the others
        let mut seen = vec![0; prompts.len()];
        let all = model
            .generate_batch(&prompts, &Generation { ignore_eos: true, ..options }, |row, _| {
                seen[row] += 1;
                Ok(if row == 0 && seen[0] == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })
            .unwrap();
        assert_eq!((all[0].finish, &all[0].tokens[..]), (Finish::Callback, &want[0][..3]));
        assert_eq!(tokens(all[1..].to_vec()), want[1..]);
        assert_eq!(seen[1..], vec![16; prompts.len() - 1]);
    }
}

#[test]
fn rows_end_where_the_context_does() {
    let model = load("gpt2_plain", true);
    let prompts = [vec![5; 60], vec![6; 3], vec![7; 64]];
    for device_loop in [false, true] {
        let all = tokens(batch(&model, &prompts, &Generation { device_loop, ..greedy(40) }));
        assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [5, 40, 1]);
        for (prompt, row) in prompts.iter().zip(&all) {
            assert_eq!(alone(&model, prompt, &greedy(40)), *row);
        }
    }
}

#[test]
fn log_probabilities_are_those_of_the_whole_sequence() {
    let (prompts, _) = ragged("llama_gqa_untied");
    let model = load("llama_gqa_untied", false);
    let penalized = Sampling { presence_penalty: 1.5, repetition_penalty: 1.1, ..drawn(1, 9).sampling };
    for device_loop in [false, true] {
        let sampling = penalized.clone();
        let options = Generation { logprobs: Some(4), samples: 2, device_loop, sampling, ..greedy(8) };
        let all = batch(&model, &prompts, &options);
        for (row, made) in all.iter().enumerate() {
            let prompt = &prompts[row / 2];
            let whole = [&prompt[..], &made.tokens].concat();
            let want = model.log_likelihoods(&whole).unwrap()[prompt.len() - 1..].to_vec();
            assert_eq!((made.logprobs.len(), want.len()), (8, 8));
            for ((told, want), token) in made.logprobs.iter().zip(want).zip(&made.tokens) {
                assert!((told.logprob - want).abs() < 1e-4, "{told:?} {want}");
                assert!(told.top.len() == 4 && told.top.is_sorted_by(|a, b| a.1 >= b.1));
                if let Some((_, same)) = told.top.iter().find(|(id, _)| id == token) {
                    assert_eq!(*same, told.logprob);
                }
            }
        }
    }
    let options = Generation { logprobs: Some(0), ..greedy(3) };
    assert!(batch(&model, &prompts, &options)[0].logprobs.iter().all(|told| told.top.is_empty()));
    assert!(batch(&model, &prompts, &greedy(3))[0].logprobs.is_empty());
}

#[test]
fn penalties_and_bias_are_counted_on_the_device() {
    let model = load("llama_gqa_untied", true);
    let (prompts, want) = ragged("llama_gqa_untied");
    let with = |sampling: Sampling| Generation { sampling, ..greedy(16) };
    let banned = with(Sampling { logit_bias: want.iter().map(|w| (w[0], -1e9)).collect(), ..Default::default() });
    let never = with(Sampling { repetition_penalty: 1e9, ..Default::default() });
    for options in [banned, never] {
        let all = batch(&model, &prompts, &options);
        for ((made, prompt), want) in all.iter().zip(&prompts).zip(&want) {
            assert_ne!(made.tokens, *want);
            assert_eq!(alone(&model, prompt, &options), made.tokens);
            let by_pieces = Generation { prefill_chunk: Some(2), device_loop: true, ..options.clone() };
            assert_eq!(alone(&model, prompt, &by_pieces), made.tokens);
            if options.sampling.repetition_penalty > 1.0 {
                let mut all = [&prompt[..], &made.tokens].concat();
                all.sort();
                all.dedup();
                let mut before = prompt.clone();
                before.sort();
                before.dedup();
                assert_eq!(all.len(), before.len() + 16, "nothing occurs twice");
            }
        }
    }
}

#[test]
fn prompts_of_quite_different_lengths_run_apart() {
    let config = r#"{"model_type": "llama", "vocab_size": 89, "hidden_size": 32, "intermediate_size": 48,
        "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 4096}"#;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.json"), config).unwrap();
    let files = raxla_graphs::open_random(dir.path().to_str().unwrap(), 1).unwrap();
    let model = Model::load(files, &LoadOptions::default(), &runtime::client().unwrap()).unwrap();
    let prompt = |n: u32| (0..n).map(|i| (i * i + n) % 89).collect::<Vec<u32>>();
    let mut prompts: Vec<Vec<u32>> = (3..9).map(prompt).collect();
    prompts.insert(2, prompt(2000));
    let mut rows = vec![];
    let see = |row, _| {
        rows.push(row);
        Ok(ControlFlow::Continue(()))
    };
    let options = Generation { samples: 2, ..drawn(4, 7) };
    let together = tokens(model.generate_batch(&prompts, &options, see).unwrap());
    // (a few short ones run beside the long one)
    let second = rows.iter().position(|row| *row >= 8).unwrap();
    assert!(rows[second..].iter().all(|row| *row >= 8), "{rows:?}");
    for row in 0..14 {
        assert_eq!(rows.iter().filter(|r| **r == row).count(), 4, "{row}: {rows:?}");
    }
    // each as in company of its own
    for (i, prompt) in prompts.iter().enumerate() {
        assert_eq!(together[2 * i..2 * i + 2], tokens(batch(&model, std::slice::from_ref(prompt), &options)), "{i}");
    }
}

#[test]
fn padded_matrices_become_rows() {
    let (ids, right) = ([9, 9, 1, 2, 9, 3], [1, 1, 0, 1, 0, 0]);
    assert_eq!(strip_padding(&ids, &[0, 0, 1, 0, 1, 1], 3).unwrap(), [vec![1], vec![9, 3]]);
    assert_eq!(strip_padding(&ids, &right, 3).unwrap(), [vec![9, 9], vec![2]]);
    assert_eq!(strip_padding(&ids, &[0; 6], 6).unwrap(), [vec![0; 0]]);
    let why = |mask: &[u32], width| strip_padding(&ids, mask, width).unwrap_err().to_string();
    assert_eq!(
        why(&[1, 0, 1, 1, 1, 1], 3),
        "row 0 of the attention mask is neither padding, tokens nor tokens, padding: [1, 0, 1]"
    );
    assert_eq!(
        why(&[1, 1, 1, 1, 2, 1], 3),
        "row 1 of the attention mask is neither padding, tokens nor tokens, padding: [1, 2, 1]"
    );
    assert_eq!(why(&[1; 5], 3), "6 ids and 5 numbers of a mask are no rows of 3");
    assert_eq!(why(&[1; 6], 4), "6 ids and 6 numbers of a mask are no rows of 4");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let model = load("gpt2_plain", false);
    let why = |prompts: &[Vec<u32>], options: &Generation| {
        model.generate_batch(prompts, options, |_, _| Ok(ControlFlow::Continue(()))).unwrap_err().to_string()
    };
    let prompts = [vec![3, 4], vec![5]];
    assert_eq!(why(&[vec![3], vec![]], &greedy(1)), "the prompt is empty: give at least one token");
    assert_eq!(why(&prompts, &Generation { samples: 0, ..greedy(1) }), "samples must be 1 or more, not 0");
    let options = Generation { prefill_chunk: Some(0), ..greedy(1) };
    assert_eq!(why(&prompts, &options), "prefill-chunk must be 1 or more, not 0");
    assert_eq!(why(&prompts, &Generation { samples: 5000, ..greedy(1) }), "samples must be at most 1024, not 5000");
    assert_eq!(
        why(&prompts, &Generation { logprobs: Some(1 << 40), ..greedy(1) }),
        "logprobs must be at most 1024, not 1099511627776"
    );
    let sampling = Sampling { logit_bias: [(89, 1.0)].into(), ..Default::default() };
    assert_eq!(
        why(&prompts, &Generation { sampling, ..greedy(1) }),
        "logit-bias of token 89, which is outside the vocabulary: ids go from 0 to 88"
    );
    let two = Generation { samples: 2, ..greedy(1) };
    let refused = model.generate_tokens(&[3], &two, |_| Ok(ControlFlow::Continue(()))).unwrap_err().to_string();
    assert_eq!(refused, "one text is generated here, not 2 samples\n  help: call `generate_batch`");
    assert!(batch(&model, &[], &greedy(3)).is_empty());
    assert!(tokens(batch(&model, &prompts, &greedy(0))).iter().all(Vec::is_empty));
}

#[test]
fn caches_may_have_another_dtype() {
    use raxla::DType;
    for name in ["llama_gqa_untied", "mistral_window", "deepseek2_hub"] {
        let by = |cache_dtype: Option<DType>, matrices: Matrices| {
            let files = raxla_graphs::open(fixture(name).to_str().unwrap()).unwrap();
            let options = LoadOptions { cache_dtype, matrices, ..Default::default() };
            let model = Model::load(files, &options, &runtime::client().unwrap()).unwrap();
            let options = Generation { logprobs: Some(0), ..greedy(12) };
            let made = model.generate_tokens(&[3, 4, 5, 6, 7], &options, |_| Ok(ControlFlow::Continue(()))).unwrap();
            (made.tokens, made.logprobs.into_iter().map(|told| told.logprob).collect::<Vec<f32>>())
        };
        let with = |cache_dtype| by(cache_dtype, Matrices::default());
        let (same, narrow) = (with(None), with(Some(DType::BF16)));
        // a wider one holds the same numbers; in a narrower one they are rounded, and differ a little
        let wide = with(Some(DType::F64));
        let off = wide.1.iter().zip(&same.1).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(wide.0 == same.0 && off < 1e-5, "{name}: {off}");
        assert_ne!(narrow.1, same.1, "{name}");
        // (the first token was chosen without looking back at the cache, the second is one step behind it)
        assert!((narrow.1[0] - same.1[0]).abs() < 0.05, "{name}: {:?} {:?}", narrow.1, same.1);
        // codes of one byte with a scale are about as near; kernels and plain operations write the same ones
        let codes = with(Some(DType::I8));
        assert_ne!(codes.1, same.1, "{name}");
        assert!((codes.1[1] - same.1[1]).abs() < 0.2, "{name}: {:?} {:?}", codes.1, same.1);
        let plain = by(Some(DType::I8), Matrices::Decoded);
        let off = plain.1.iter().zip(&codes.1).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(plain.0 == codes.0 && off < 1e-4, "{name}: {off}");
    }
    let files = raxla_graphs::open(fixture("gpt2_plain").to_str().unwrap()).unwrap();
    let options = LoadOptions { cache_dtype: Some(DType::I16), ..Default::default() };
    let error = Model::load(files, &options, &runtime::client().unwrap()).err().unwrap().to_string();
    assert!(error.contains("caches hold f32, f64, f16, bf16 or i8, not i16"), "{error}");
}

#[test]
fn experts_run_in_each_way_to_the_same_tokens() {
    use raxla::nn::moe::Dispatch;
    let with = |dispatch: Option<Dispatch>| {
        let files = raxla_graphs::open(fixture("mixtral_top2").to_str().unwrap()).unwrap();
        let options = LoadOptions { dispatch, ..Default::default() };
        let model = Model::load(files, &options, &runtime::client().unwrap()).unwrap();
        alone(&model, &[3, 4, 5, 6, 7], &greedy(12))
    };
    let usual = with(None);
    for dispatch in [Dispatch::Dense, Dispatch::Grouped, Dispatch::Capacity(None)] {
        assert_eq!(with(Some(dispatch)), usual, "{dispatch:?}");
    }
}
