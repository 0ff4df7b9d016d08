//! Floats of 4 and 8 bits against ml_dtypes and JAX (tests/fixtures/small_floats.json): their numbers, and conversions to and from them,
//! on the host, by the interpreter and by XLA.
use raxla::{
    concat, grad,
    host::{float_bits, float_from_bits},
    prelude::*,
    trace::trace_graph,
    tree,
};
use serde_json::Value;

struct Small {
    dtype: DType,
    /// What each code means.
    values: Vec<f32>,
    /// Numbers, and the codes that they become.
    rounded: Vec<(f32, u8)>,
    to: Value,
}
fn numbers(v: &Value) -> impl Iterator<Item = u64> {
    v.as_array().unwrap().iter().map(|v| v.as_u64().unwrap())
}
/// `float8_e4m3fn` is `f8e4m3fn` here.
fn dtype_of(name: &str) -> DType {
    name.replace("float", "f").replace('_', "").parse().unwrap()
}
fn all() -> Vec<Small> {
    let fixture: Value = serde_json::from_str(include_str!("fixtures/small_floats.json")).unwrap();
    let small = |t: &Value| Small {
        dtype: dtype_of(t["name"].as_str().unwrap()),
        values: numbers(&t["values"]).map(|b| f32::from_bits(b as u32)).collect(),
        rounded: t["from_f32"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| {
                let [bits, code] = [0, 1].map(|i| p[i].as_u64().unwrap());
                (f32::from_bits(bits as u32), code as u8)
            })
            .collect(),
        to: t["to"].clone(),
    };
    let all: Vec<Small> = fixture["types"].as_array().unwrap().iter().map(small).collect();
    let ours = DType::ALL.into_iter().filter(|d| d.is_float() && d.bits() <= 8).count();
    assert_eq!(all.len(), ours);
    all
}
fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

#[test]
fn every_code_means_what_ml_dtypes_says() {
    for t in all() {
        for (code, value) in t.values.iter().enumerate() {
            let have = float_from_bits(t.dtype, code as u64);
            assert!(same(have, f64::from(*value)), "{} {code:#04x}: {have}, not {value}", t.dtype);
            assert!(have.is_nan() || float_bits(t.dtype, have) == code as u64, "{} {code:#04x}", t.dtype);
        }
    }
}

#[test]
fn numbers_are_rounded_as_jax_rounds_them() {
    for t in all() {
        let d = t.dtype;
        let x: Vec<f32> = t.rounded.iter().map(|(x, _)| *x).collect();
        let want: Vec<f64> = t.rounded.iter().map(|(_, code)| float_from_bits(d, (*code).into())).collect();
        let host = Host::floats(d, [x.len()], x.iter().map(|x| f64::from(*x)).collect());
        let array = jit(move |x: Tensor| x.cast(d)).call((Array::from_slice([x.len()], &x).unwrap(),)).unwrap();
        for (what, have) in [("host", host), ("XLA", array.to_host().unwrap())] {
            for ((x, have), want) in x.iter().zip(have.to_f64()).zip(&want) {
                assert!(same(have, *want), "{what}: {x} in {d} is {have}, not {want}");
            }
        }
    }
}

#[test]
fn all_numbers_are_converted_as_jax_converts_them() {
    for t in all() {
        let d = t.dtype;
        let codes: Vec<u8> = (0..t.values.len()).map(|c| c as u8).collect();
        let x = Host::from_bytes(&Aval::new(d, [codes.len()]), &codes);
        let array = Array::from_host(&x).unwrap();
        for (name, to) in
            [("int32", DType::I32), ("uint8", DType::U8), ("bool", DType::Bool), ("bfloat16", DType::BF16)]
        {
            let want: Vec<f64> = match to {
                DType::BF16 => numbers(&t.to[name]).map(|b| float_from_bits(to, b)).collect(),
                _ => t.to[name].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect(),
            };
            let xla = jit(move |x: Tensor| x.cast(to)).call((&array,)).unwrap().to_host().unwrap();
            for (what, have) in [("host", x.cast(to)), ("XLA", xla)] {
                for ((code, have), want) in have.to_f64().into_iter().enumerate().zip(&want) {
                    assert!(same(have, *want), "{what}: {d} {code:#04x} in {to} is {have}, not {want}");
                }
            }
        }
    }
}

#[test]
fn they_move_and_have_straight_gradients() {
    for t in all() {
        let d = t.dtype;
        let f = move |x: Tensor| {
            let small = x.cast(d).reshape([2, 2]).transpose([1, 0]);
            concat(&[small, small], 0).slice_axis(0, 1..3).cast(DType::F32)
        };
        let x = Array::from_slice([4], &[1f32, 2.0, 3.9, 0.5]).unwrap();
        let host = trace_graph(&[x.aval().clone()], |x| vec![f(x[0])]).unwrap().eval(&[x.to_host().unwrap()]);
        assert_eq!(jit(f).call((&x,)).unwrap().to_host().unwrap(), host[0], "{d}");
        assert_eq!(&host[0].to_f64()[..2], [2.0, 0.5], "{d}");
        let slope = jit(move |x: Tensor| grad(move |x: Tensor| (x.cast(d).cast(DType::F32) * 2.0).sum(..))(x));
        assert_eq!(slope.call((&x,)).unwrap().to_vec::<f32>().unwrap(), [2.0; 4], "{d}");
    }
}

#[test]
fn what_only_keeps_numbers_is_not_computed_with() {
    for d in DType::ALL.into_iter().filter(|d| d.is_storage()) {
        for f in [|x: Tensor| x + x, |x: Tensor| x.exp(), |x: Tensor| x.max(0), |x: Tensor| x.matmul(x)] {
            let e = trace_graph(&[Aval::new(d, [3])], |x| vec![f(x[0])]).unwrap_err().to_string();
            let reason = format!("numbers of {d} are kept, moved and converted, but not computed with");
            assert!(e.contains(&reason) && e.contains("convert it first with `.cast(DType::BF16)`"), "{e}");
        }
    }
}

#[test]
fn files_have_those_that_safetensors_has() {
    let path = std::env::temp_dir().join(format!("small-floats-{}.safetensors", std::process::id()));
    for t in all() {
        let d = t.dtype;
        let x = Array::from_host(&Host::floats(d, [3], vec![1.0, 2.0, 4.0])).unwrap();
        let name = format!("{d:?}");
        match tree::save(&x, &path) {
            Ok(()) => {
                let back = tree::load(x.aval(), &path).unwrap();
                assert_eq!(back.to_host().unwrap(), x.to_host().unwrap(), "{d}");
                assert!(["F8E8M0FNU", "F8E4M3FN", "F8E4M3FNUZ", "F8E5M2", "F8E5M2FNUZ"].contains(&&*name));
            }
            Err(e) => {
                assert!(["F4E2M1FN", "F8E3M4", "F8E4M3", "F8E4M3B11FNUZ"].contains(&&*name), "{e}");
                assert!(e.to_string().contains("cast it in a traced function before it is saved"), "{e}");
            }
        }
    }
    std::fs::remove_file(path).unwrap();
}
