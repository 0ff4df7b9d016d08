//! Planning for accelerators that are not there, as far as no plugin for them is needed: what targets are, and the arithmetic.
use raxla::{
    DType,
    aot::{Buffer, CHIPS, Chip, Estimate, Make, Memory, Plan, Target, Traffic, Work},
};

fn target(text: &str) -> Target {
    Target::parse(text).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn targets_are_read_and_written() {
    for (text, devices, hosts) in [
        ("v5e:2x4", 8, 1),
        ("v5e:4x4", 16, 4),
        ("v4:2x2x1", 4, 1),
        ("v5p:2x2x4", 16, 4),
        ("tpu7x:2x2x1", 8, 1),
        ("v6e:16x16", 256, 64),
        ("h100x8", 8, 1),
        ("a100-40gbx4", 4, 1),
        ("b200x8", 8, 1),
        ("h200x2x8", 16, 2),
    ] {
        let t = target(text);
        assert_eq!((t.to_string(), t.devices(), t.hosts()), (text.to_string(), devices, hosts));
    }
    assert_eq!(target("h100"), target("h100x1"));
    assert_eq!(target("a100x8"), target("a100-80gbx8"));
    assert_eq!(target("v5e:4x4").with_slices(2).unwrap().devices(), 32);
    assert_eq!(target("h200x2x8").neighbours(), 8);
    assert_eq!(target("v5p:2x2x4").with_slices(4).unwrap().neighbours(), 16);
}

#[test]
fn targets_that_there_cannot_be_are_refused_with_what_there_is() {
    for (text, part) in [
        ("v5p:2x4", "a grid of three sizes"),
        ("v5e:2x2x2", "a grid of two sizes"),
        ("v5e:0x4", "`0x4` is no grid of chips"),
        ("v5e:200x200", "`200x200` is no grid of chips"),
        ("v5e:3x5", "of which no grid of 3x5 is made"),
        ("v5e", "is a TPU, which has a grid of chips"),
        ("v9:2x2", "no TPU is called `v9`"),
        ("h100:8", "`h100` is no TPU"),
        ("h100x", "`` is no number of GPUs"),
        ("h100x1x2x3", "is no number of GPUs"),
        ("h100x99999999999999999999", "is no number of GPUs"),
        ("", "no chip of that name is known"),
        ("v5litepod-8", "write the grid of its chips, as `gcloud compute tpus` has it: v5e:2x4, if"),
        ("v5p-8", ": v5p:2x2x1, if"),
        ("v5p-32", ": v5p:2x2x4, if"),
        ("v6e-256", ": v6e:16x16, if"),
    ] {
        let error = Target::parse(text).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("help: "), "{text}: {error}");
    }
    assert!(target("h100x8").with_slices(2).unwrap_err().to_string().contains("only TPUs have slices"));
    assert!(target("v5e:2x4").with_slices(0).is_err());
}

#[test]
fn the_next_larger_target_has_twice_the_devices() {
    for (text, next) in [
        ("v5e:2x4", "v5e:4x4"),
        ("v5e:4x4", "v5e:4x8"),
        ("v5p:2x2x4", "v5p:2x4x4"),
        ("h100x4", "h100x8"),
        ("h100x8", "h100x2x8"),
    ] {
        assert_eq!(target(text).doubled().to_string(), next);
    }
}

#[test]
fn every_chip_has_what_a_roofline_needs() {
    for chip in CHIPS {
        assert_eq!(Chip::named(chip.name), Some(chip));
        assert!(chip.flops(DType::F32) > 1e12 && chip.flops(DType::BF16) >= chip.flops(DType::F32), "{}", chip.name);
        assert!(chip.bandwidth > 5e11 && chip.memory > 1 << 33 && chip.link > chip.network, "{}", chip.name);
        let text = if let Make::Tpu { axes, .. } = chip.make {
            format!("{}:{}", chip.name, ["2"; 3][..axes].join("x"))
        } else {
            format!("{}x8", chip.name)
        };
        assert_eq!(target(&text).chip, chip);
    }
}

#[test]
fn a_roofline_divides_work_by_peaks() {
    let work = Work {
        flops: 197e12,
        bytes: 409.5e9,
        sent: vec![(8, 50_000_000_000), (16, 3_125_000_000)],
        dtype: DType::BF16,
    };
    let estimate = Estimate::of(&work, &target("v5e:2x4").with_slices(2).unwrap());
    // a second of products, half of one of memory, half of one in a slice, and one between slices
    assert_eq!((estimate.compute, estimate.memory, estimate.communication), (1.0, 0.5, 1.5));
    assert_eq!((estimate.seconds(), estimate.bound()), (2.5, "communication"));
    assert!(
        estimate.to_string().contains("estimate (a roofline at the chip's peaks, not a measurement): 2.50 s a run")
    );
}

#[test]
fn a_plan_says_what_there_is_and_what_is_needed() {
    let stats = raxla_xla::MemoryStats {
        arguments: 4_000_000_000,
        outputs: 2_000_000_000,
        aliased: 1_900_000_000,
        temporaries: 500_000_000,
        total_allocation: 4_700_000_000,
        ..Default::default()
    };
    let per_device = Memory::of(&stats, 16_900_000_000);
    assert_eq!((per_device.outputs, per_device.peak), (100_000_000, 4_700_000_000));
    let plan = Plan {
        target: "v5e:2x4".into(),
        slices: 1,
        devices: 8,
        mesh: vec![("model".into(), 8)],
        per_device,
        buffers: vec![Buffer {
            name: "0.embed.table".into(),
            shape: "bf16[32000, 3072]".into(),
            bytes: 196_608_000,
            count: 1,
            argument: true,
            source: None,
        }],
        flops: 8e12,
        bytes: 1e9,
        accessed: Some(3_000_000_000),
        traffic: vec![Traffic { kind: "all-reduce".into(), axes: "model".into(), runs: 56, bytes: 1000, sent: 1750 }],
        estimate: None,
        compile_seconds: 1.5,
        refusal: None,
    };
    assert!(plan.fits());
    let text = plan.to_string();
    for part in [
        "fits: 4.7 GB of 16.9 GB on each of 8 devices of v5e:2x4",
        "arguments",
        "0.embed.table  bf16[32000, 3072]",
        "56 all-reduce along model",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let back: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    assert_eq!(back, plan);
    let full = Plan { per_device: Memory { peak: 17_000_000_000, ..plan.per_device }, ..plan };
    assert!(!full.fits() && full.room() < 0.0 && full.to_string().starts_with("does not fit: 17.0 GB of 16.9 GB"));
}
