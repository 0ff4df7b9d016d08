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
    for (dtype, codes) in [(DType::I4, 16), (DType::U4, 16), (DType::F8E4M3FN, 256), (DType::F8E5M2, 256)] {
        let (low, high) = if dtype == DType::I4 { (-8, 8) } else { (0, codes) };
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
    assert_eq!(text(array.to_vec::<i32>().unwrap_err()), "reading an array: the data is f32[3], but i32 is needed");
    let one = "reading a single element: the data is f32[3], but an array of one element is needed";
    assert_eq!(text(array.item::<f32>().unwrap_err()), one);
    let short = Array::from_slice([2, 2], &[1i32, 2, 3]).unwrap_err();
    assert_eq!(text(short), "making an array i32[2, 2]: the data is 3 elements, but 4 is needed");
}

#[test]
fn debug_shows_the_elements() {
    assert_eq!(format!("{:?}", Array::from_slice([2], &[1i32, -2]).unwrap()), "Array(i32[2] [1, -2])");
}
