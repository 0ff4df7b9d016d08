//! The kernel that the row `custom_call` of the table calls.
use raxla::DType;
use raxla_xla::{Result, ffi};

/// Make it known to the default plugin.
pub fn register() {
    let client = raxla::runtime::client().expect("a device");
    ffi::register(client.plugin(), "raxla_test_scale_and_add", scale_and_add).expect("a name of its own");
}

fn scale_and_add(call: &mut ffi::Call<'_>) -> Result<()> {
    match call.args[0].dtype() {
        DType::F64 => of::<f64>(call, |factor, x, y| factor * x + y),
        _ => of::<f32>(call, |factor, x, y| factor as f32 * x + y),
    }
}

fn of<T: ffi::Element + Copy>(call: &mut ffi::Call<'_>, f: fn(f64, T, T) -> T) -> Result<()> {
    let factor = call.attrs.float("factor")?;
    assert_eq!(call.attrs.string("name")?, "scale and \"add\"");
    let x = call.args[0].as_slice::<T>()?;
    // in place, the sums start with the second operand
    if call.args[1].in_place().is_none() {
        let y = call.args[1].as_slice::<T>()?;
        call.results[0].as_mut_slice::<T>()?.copy_from_slice(y);
    }
    let sums = call.results[0].as_mut_slice::<T>()?;
    sums.iter_mut().zip(x).for_each(|(y, x)| *y = f(factor, *x, *y));
    Ok(())
}
