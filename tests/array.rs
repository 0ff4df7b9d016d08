//! Arrays: what goes to the device comes back.
use half::{bf16, f16};
use raxla::{Element, prelude::*, prim::sample};

#[test]
fn every_dtype_goes_to_the_device_and_back() {
    for dtype in DType::ALL {
        for dims in [&[][..], &[7], &[2, 3, 4], &[0, 2]] {
            let host = sample(dtype, dims, 1);
            let array = Array::from_host(&host).unwrap_or_else(|e| panic!("{dtype}: {e}"));
            assert_eq!((array.dtype(), array.dims()), (dtype, dims));
            assert_eq!(array.to_host().unwrap(), host);
            // and through a program
            let identity = jit(|x: Tensor| (x, x.reshape([x.size()])));
            let (same, flat) = identity.call((array,)).unwrap_or_else(|e| panic!("{dtype}: {e}"));
            assert_eq!(
                (same.to_host().unwrap(), flat.to_host().unwrap()),
                (host.clone(), host.reshaped([flat.dims()[0]]))
            );
        }
    }
}

#[test]
fn extreme_values_keep_their_bits() {
    fn check<T: Element + PartialEq>(values: &[T]) {
        let array = Array::from_slice([values.len()], values).unwrap();
        assert_eq!((array.dtype(), array.to_vec::<T>().unwrap().as_slice()), (T::DTYPE, values));
    }
    check(&[i8::MIN, -1, i8::MAX]);
    check(&[i16::MIN, i16::MAX]);
    check(&[i32::MIN, i32::MAX]);
    check(&[i64::MIN, -1, i64::MAX]);
    check(&[u8::MAX, 1]);
    check(&[u16::MAX, 1]);
    check(&[u32::MAX, 1]);
    check(&[u64::MAX, 1]);
    check(&[true, false]);
    check(&[f32::MIN_POSITIVE / 2.0, -0.0, f32::MAX, f32::INFINITY]);
    check(&[f64::MIN_POSITIVE / 2.0, f64::MIN, f64::NEG_INFINITY]);
    check(&[f16::MAX, f16::MIN_POSITIVE, f16::from_f32(-0.1)]);
    check(&[bf16::MAX, bf16::MIN_POSITIVE, bf16::from_f32(-0.1)]);
    let nan = Array::scalar(f32::from_bits(0xffc0_1234)).unwrap();
    assert_eq!(nan.item::<f32>().unwrap().to_bits(), 0xffc0_1234);
    // all codes of the dtypes that Rust has no type for
    let without = |d: &DType| d.bits() == 4 || (d.is_float() && d.bits() == 8);
    for dtype in DType::ALL.into_iter().filter(without) {
        let (low, high) = if dtype == DType::I4 { (-8, 8) } else { (0, 1 << dtype.bits()) };
        let bytes: Vec<u8> = (low..high).map(|x: i32| x as u8).collect();
        let host = Host::from_bytes(&Aval::new(dtype, [bytes.len()]), &bytes);
        let back = Array::from_host(&host).unwrap().to_host().unwrap();
        assert_eq!(back.to_bytes(), host.to_bytes(), "{dtype}");
    }
}

#[test]
fn ndarrays_of_any_layout_convert() {
    let a = ndarray::Array::from_shape_fn((2, 3), |(i, j)| (10 * i + j) as f32);
    let array = Array::from_ndarray(&a).unwrap();
    assert_eq!((array.dims(), array.to_ndarray::<f32>().unwrap()), (&[2, 3][..], a.clone().into_dyn()));
    let columns = a.reversed_axes();
    let array = Array::from_ndarray(&columns).unwrap();
    assert_eq!(array.to_vec::<f32>().unwrap(), [0., 10., 1., 11., 2., 12.]);
    assert_eq!(array.to_ndarray::<f32>().unwrap(), columns.into_dyn());
    let halves = ndarray::arr1(&[bf16::from_f32(1.5), bf16::from_f32(-2.0)]);
    let array = Array::from_ndarray(&halves).unwrap();
    assert_eq!((array.dtype(), array.to_ndarray::<bf16>().unwrap()), (DType::BF16, halves.into_dyn()));
    let scalar = ndarray::arr0(7u8);
    assert_eq!(Array::from_ndarray(&scalar).unwrap().item::<u8>().unwrap(), 7);
}

#[test]
fn wrong_readings_say_what_the_data_is() {
    let array = Array::from_slice([3], &[1f32, 2., 3.]).unwrap();
    let text = |e: raxla::Error| e.to_string();
    let other = "reading an array f32[3]: its elements are f32, but i32 is asked for\n  help: read it as what it is, or convert it \
        first: `eager(|x: Tensor| x.cast(DType::I32), (&x,))`";
    assert_eq!(text(array.to_vec::<i32>().unwrap_err()), other);
    let one =
        "reading a single element: the array is f32[3], but it must have one element\n  help: read all with `to_vec`";
    assert!(text(array.item::<f32>().unwrap_err()).starts_with(one));
    let short = Array::from_slice([2, 2], &[1i32, 2, 3]).unwrap_err();
    let fewer =
        "making an array i32[2, 2]: the data has 3 elements, but it takes 4 elements\n  help: give as many elements";
    assert!(text(short).starts_with(fewer));
}

#[test]
fn format_options_are_those_of_each_element() {
    let x = Array::from_slice([2], &[1f32, -22.375]).unwrap();
    let shown = [
        format!("{x:.1}"),
        format!("{x:8.2}"),
        format!("{x:<8.1}"),
        format!("{x:+.0}"),
        format!("{x:08.2}"),
        format!("{x:.2e}"),
        format!("{x:e}"),
    ];
    let wanted = [
        "[  1.0 -22.4]",
        "[    1.00   -22.38]",
        "[1.0      -22.4   ]",
        "[ +1 -22]",
        "[00001.00 -0022.38]",
        "[ 1.00e+00 -2.24e+01]",
        "[ 1.0000e+00 -2.2375e+01]",
    ];
    assert_eq!(shown, wanted);
    let one = Array::scalar(0.5f32).unwrap();
    assert_eq!([format!("{one:.3}"), format!("{one:>6.2}"), format!("{one:<6}|")], ["0.500", "  0.50", "0.5   |"]);
    let whole = Array::from_slice([3], &[1i32, -20, 3]).unwrap();
    assert_eq!([format!("{whole:5}"), format!("{whole:+.2}")], ["[    1   -20     3]", "[ +1 -20  +3]"]);
    let long = Array::from_slice([1001], &[0u8; 1001]).unwrap();
    assert_eq!((format!("{long}").matches('0').count(), format!("{long:#}").matches('0').count()), (6, 1001));
}

#[test]
fn debug_shows_the_elements() {
    assert_eq!(format!("{:?}", Array::from_slice([2], &[1i32, -2]).unwrap()), "Array(i32[2] [1, -2])");
}
