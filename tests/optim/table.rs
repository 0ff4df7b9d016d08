//! The optimizers that scripts/make_optim_fixtures.py runs, under its names.
use raxla::{optim::*, prelude::*};
use std::sync::Arc;

pub fn schedule() -> Schedule {
    let s = WarmupCosine {
        init_value: 1e-4,
        peak_value: 0.1,
        warmup_steps: 3,
        decay_steps: 8,
        end_value: 1e-3,
        exponent: 1.0,
    };
    warmup_cosine_decay_schedule(s)
}
fn matrices() -> Option<Mask> {
    Some(Mask::new(|_, a| a.rank() > 1))
}

/// Adam and its kin.
pub fn adams() -> Vec<(&'static str, Optimizer)> {
    let (d, w) = (AdamOptions::default, AdamWOptions::default);
    let decay = |decay: f64| AdamWOptions { weight_decay: decay.into(), ..w() };
    let other = AdamWOptions { b1: 0.8, b2: 0.95, eps: 1e-3, eps_root: 1e-4, ..decay(0.1) };
    let half = Some(DType::BF16);
    vec![
        ("adamw", adamw(0.01, w())),
        ("adamw_other", adamw(0.05, other)),
        ("adamw_mask", adamw(0.05, AdamWOptions { mask: matrices(), ..decay(0.5) })),
        ("adamw_schedule", adamw(schedule(), w())),
        ("adamw_decay_schedule", adamw(0.05, AdamWOptions { weight_decay: schedule(), ..w() })),
        ("adam", adam(0.05, d())),
        ("adam_mu_bf16", adam(0.05, AdamOptions { mu_dtype: half, ..d() })),
        ("nadam", nadam(0.05, d())),
        ("nadamw", nadamw(0.05, decay(0.1))),
        ("adamax", adamax(0.05, d())),
        ("adamaxw", adamaxw(0.05, decay(0.1))),
        ("amsgrad", amsgrad(0.05, d())),
        ("radam", radam(0.05, d())),
        ("radam_nesterov", radam(0.05, AdamOptions { b2: 0.9, nesterov: true, ..d() })),
        ("adabelief", adabelief(0.05, adabelief_options())),
        ("yogi", yogi(0.05, 0.9, 0.999, 1e-3)),
        ("adan", adan(0.05, 0.1, None)),
        ("adopt", adopt(0.05, adopt_options())),
        ("adopt_nesterov", adopt(0.05, AdamOptions { nesterov: true, ..adopt_options() })),
        ("novograd", novograd(0.05, novograd_options(), 0.1)),
        ("lion", lion(0.01, LionOptions::default())),
        (
            "lion_other",
            lion(
                schedule(),
                LionOptions { b1: 0.8, b2: 0.7, weight_decay: 0.1.into(), mask: matrices(), mu_dtype: None },
            ),
        ),
        ("lamb", lamb(0.05, AdamWOptions { weight_decay: 0.1.into(), ..lamb_options() })),
    ]
}
/// The others.
pub fn others() -> Vec<(&'static str, Optimizer)> {
    let (d, half) = (SgdOptions::default(), Some(DType::BF16));
    let momentum = SgdOptions { momentum: Some(0.9), ..d };
    let rms = RmsOptions { decay: 0.8, eps: 1e-3, initial_scale: 0.1, eps_in_sqrt: false, ..RmsOptions::default() };
    let rms = RmsOptions { momentum: Some(0.9), nesterov: true, bias_correction: true, ..rms };
    let centered =
        RmsOptions { eps: 1e-2, centered: true, momentum: Some(0.5), bias_correction: true, ..Default::default() };
    let small = FactoredOptions { min_dim_size_to_factor: 2, ..FactoredOptions::default() };
    let factored = AdafactorOptions {
        second: small,
        momentum: Some(0.9),
        weight_decay_rate: Some(1e-3.into()),
        ..Default::default()
    };
    let alone = AdafactorOptions {
        second: small,
        multiply_by_parameter_scale: false,
        clipping_threshold: None,
        ..Default::default()
    };
    let lars_ = |o: LarsOptions| lars(1.0, o);
    vec![
        ("sgd", sgd(0.05, d)),
        ("sgd_schedule", chain([clip_by_global_norm(0.5), sgd(schedule(), d)])),
        ("sgd_momentum", sgd(0.05, momentum)),
        ("sgd_nesterov", sgd(0.05, SgdOptions { nesterov: true, ..momentum })),
        ("sgd_accumulator_bf16", sgd(0.05, SgdOptions { accumulator_dtype: half, ..momentum })),
        ("sign_sgd", sign_sgd(0.01)),
        ("signum", signum(0.01, 0.9)),
        ("rmsprop", rmsprop(0.05, RmsOptions::default())),
        ("rmsprop_other", rmsprop(0.05, rms)),
        ("rmsprop_centered", rmsprop(0.01, centered)),
        ("adagrad", adagrad(0.1, 0.1, 1e-7)),
        ("adadelta", adadelta(1.0, 0.9, 1e-6, 0.1)),
        ("lars", lars_(LarsOptions { weight_decay: 0.1.into(), trust_ratio_mask: matrices(), ..Default::default() })),
        ("lars_nesterov", lars_(LarsOptions { eps: 1e-3, nesterov: true, ..Default::default() })),
        ("sm3", sm3(0.1, 0.9)),
        ("adafactor", adafactor(Some(0.05.into()), AdafactorOptions::default())),
        ("adafactor_factored", adafactor(Some(schedule()), factored)),
        ("adafactor_alone", adafactor(None, alone)),
        ("clip", chain([clip(0.3), sgd(0.1, d)])),
        ("clip_by_global_norm", chain([clip_by_global_norm(0.5), adamw(0.05, AdamWOptions::default())])),
        ("clip_by_block_rms", chain([clip_by_block_rms(0.3), sgd(0.1, d)])),
        ("adaptive_grad_clip", chain([adaptive_grad_clip(0.1, 1e-3), sgd(0.1, d)])),
        ("centralize", chain([centralize(), sgd(0.1, d)])),
        ("ema", chain([ema(0.8, true, None), sgd(0.1, d)])),
        ("scale_by_param_block_norm", chain([scale_by_param_block_norm(1e-3), sgd(0.1, d)])),
    ]
}
/// Of `contrib`, and wrappers.
pub fn wrapped() -> Vec<(&'static str, Optimizer)> {
    let adam = || adam(0.05, AdamOptions::default());
    let conv = |_: &str, a: &Aval| (a.rank() == 3).then(|| MuonAxes { reduction: vec![1], output: vec![2] });
    let decayed = AdamWOptions { weight_decay: 0.01.into(), ..AdamWOptions::default() };
    let muon_ = MuonOptions { weight_decay: 0.1.into(), adam: decayed, ..MuonOptions::default() };
    let muon_other = MuonOptions {
        nesterov: false,
        adaptive: true,
        consistent_rms: Some(0.2),
        adam_learning_rate: Some(0.05.into()),
        dimension_numbers: Arc::new(conv),
        ..MuonOptions::default()
    };
    let far = DistanceOptions { estim_lr0: 1e-3, weight_decay: 0.1, ..DistanceOptions::default() };
    let prodigy_other = DistanceOptions {
        learning_rate: schedule(),
        beta3: Some(0.9),
        estim_lr0: 1e-2,
        estim_lr_coef: 0.5,
        safeguard_warmup: true,
        ..DistanceOptions::default()
    };
    vec![
        ("muon", muon(0.02, muon_)),
        ("muon_other", muon(0.02, muon_other)),
        ("schedule_free_sgd", schedule_free_sgd(0.1, Some(5), Default::default())),
        ("schedule_free_adamw", schedule_free_adamw(0.05, None, 0.1, Default::default())),
        ("prodigy", prodigy(far.clone())),
        ("prodigy_other", prodigy(prodigy_other)),
        ("dadapt_adamw", dadapt_adamw(far)),
        ("apply_every", chain([adam(), apply_every(3)])),
        ("masked", masked(adam(), matrices().unwrap_or_default())),
        ("partition", partition([("s*", set_to_zero()), ("*", adam())])),
        ("multi_steps", multi_steps(adam(), 3)),
        ("lookahead", lookahead(sgd(0.1, SgdOptions::default()), 3, 0.5)),
    ]
}
