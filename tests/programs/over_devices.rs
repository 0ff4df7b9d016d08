//! What must hold of programs on several devices.
use crate::{
    batch,
    check::*,
    devices::{Layout, grid_of, on_mesh},
    generate::{MIXED, Rng, SMOOTH, top_on_devices},
    over_batch,
    program::{Case, Program, Style},
    random_calls::{new_axes, policy},
    stack, with_cotangents, with_tangents,
};
use raxla::{Aval, DType, Host, RematOptions, Tensor, remat_with};

fn annotated(seed: u64) -> Program {
    top_on_devices(seed, MIXED, 8, false)
}
pub fn mapped(seed: u64) -> Program {
    top_on_devices(seed, MIXED, 3, true)
}
fn smooth(seed: u64) -> Program {
    top_on_devices(seed, SMOOTH, 3, true)
}

/// The results of a function of the program's on the interpreter are those of all devices.
fn compiled(
    what: &str,
    case: &Case,
    rng: &mut Rng,
    x: &[Host],
    tolerance: f64,
    f: impl Fn(&Case, &[Tensor]) -> Vec<Tensor> + 'static,
) -> Checked<Vec<Host>> {
    let g = graph(x, |x| f(case, x))?;
    let want = evaluated(&g, x)?;
    tame(&want, 1e4)?;
    let dims = |avals: Vec<Aval>| -> Vec<Vec<usize>> { avals.into_iter().map(|a| a.dims).collect() };
    let layout = Layout::random(rng, grid_of(case.seed), &dims(avals(x)), &dims(g.out_avals()));
    // (XLA and devices that wait for each other can end the process)
    if let Some(path) = std::env::var_os("RAXLA_PROGRAMS_LAST") {
        let text = format!("{what}, {layout:?}, {case:?}\n\n{g}");
        std::fs::write(path, text).map_err(|e| e.to_string())?;
    }
    let owned = case.clone();
    let have = on_mesh(x, &layout, move |x| f(&owned, &x));
    let told = |e| match e {
        Wrong::Failed(why) => Wrong::Failed(format!("{what}, {layout:?}: {why}")),
        wild => wild,
    };
    let same = |have: Vec<Host>| equal("over devices", &have, &want, tolerance);
    have.and_then(same).map_err(told)?;
    Ok(want)
}
fn of_program(case: &Case, x: &[Tensor]) -> Vec<Tensor> {
    program(case, Style::Raxla)(x)
}

#[test]
fn an_annotated_program_equals_the_interpreter_on_any_mesh() {
    on_programs(3, annotated, |case, rng| {
        compiled("values", case, rng, &inputs(case), 1e-4, of_program)?;
        Ok(())
    });
}

#[test]
fn what_each_device_does_equals_the_interpreter() {
    on_programs(3, mapped, |case, rng| {
        compiled("values", case, rng, &inputs(case), 1e-4, of_program)?;
        Ok(())
    });
}

/// Operands, cotangents of the results and tangents of the operands.
fn directed(case: &Case, rng: &mut Rng) -> [Vec<Host>; 3] {
    [inputs(case), directions(rng, &case.program.out_types()), directions(rng, &case.program.inputs)]
}

#[test]
fn derivatives_of_what_each_device_does_agree() {
    on_programs(3, smooth, |case, rng| {
        let [x, ct, dx] = directed(case, rng);
        let (n, outs) = (x.len(), case.program.outs.len());
        let f = program(case, Style::Raxla);
        let reverse = move |case: &Case, x: &[Tensor]| with_cotangents(&x[..n], &x[n..], program(case, Style::Raxla));
        let forward = move |case: &Case, x: &[Tensor]| with_tangents(&x[..n], &x[n..], program(case, Style::Raxla));
        let ys = run(&[&x[..], &ct].concat(), |x| reverse(case, x))?;
        let dys = run(&[&x[..], &dx].concat(), |x| forward(case, x))?;
        tame(&ys, 1e4)?;
        tame(&dys, 1e4)?;
        let (cotangents, tangents) = (&ys[outs..], &dys[outs..]);
        let size = 1.0 + dot(cotangents, cotangents) + dot(&dx, &dx);
        let [have, want] = [dot(cotangents, &dx), dot(tangents, &ct)].map(|d| scalar(d / size));
        equal("inner product", &have, &want, 1e-10)?;
        let (want, error) = central_difference(&graph(&x, f)?, &x, &dx);
        if error > 1e-4 {
            return Err(Wrong::Wild);
        }
        equal("differences", tangents, &want, 1e-6 + error / 10.0)?;
        if rng.percent(50) {
            compiled("vjp", case, rng, &[&x[..], &ct].concat(), 1e-8, reverse)?;
        } else {
            compiled("jvp", case, rng, &[&x[..], &dx].concat(), 1e-8, forward)?;
        }
        Ok(())
    });
}

#[test]
fn what_each_device_does_again_is_the_same() {
    on_programs(1, smooth, |case, rng| {
        let options = RematOptions { policy: policy(rng), ..RematOptions::default() };
        let [x, ct, _] = directed(case, rng);
        let n = x.len();
        let x = [x, ct].concat();
        let want = run(&x, |x| with_cotangents(&x[..n], &x[n..], program(case, Style::Raxla)))?;
        tame(&want, 1e4)?;
        let again = move |case: &Case, x: &[Tensor]| {
            let f = program(case, Style::Raxla);
            let again = |x: &[Tensor]| remat_with(options.clone(), |x: Vec<Tensor>| f(&x))(x.to_vec());
            with_cotangents(&x[..n], &x[n..], again)
        };
        let have = compiled("remat", case, rng, &x, 1e-8, again)?;
        equal("again", &have, &want, 1e-11)
    });
}

#[test]
fn a_batch_of_what_each_device_does_equals_a_loop() {
    on_programs(2, mapped, |case, rng| {
        let n = rng.between(1, 3);
        let (axes, instances, x) = batch(case, rng, n);
        let types = case.program.out_types();
        let outs = new_axes(rng, &types);
        let single = graph(&instances[0], program(case, Style::Raxla))?;
        let all: Vec<Vec<Host>> = instances.iter().map(|x| single.eval(x)).collect();
        all.iter().try_for_each(|y| tame(y, 1e4))?;
        let at = outs.clone();
        let of_batch = move |case: &Case, x: &[Tensor]| over_batch(&axes, &at, x, program(case, Style::Raxla));
        let have = compiled("batch", case, rng, &x, 1e-4, of_batch)?;
        let stacked = |i: usize| stack(&types[i], &all.iter().map(|y| y[i].clone()).collect::<Vec<_>>(), outs[i]);
        equal("batch", &have, &(0..types.len()).map(stacked).collect::<Vec<_>>(), 1e-4)
    });
}

#[test]
fn random_numbers_are_the_same_on_any_mesh() {
    on_programs(1, annotated, |case, rng| {
        let beside = |case: &Case, x: &[Tensor]| -> Vec<Tensor> {
            let drawn = |(i, y): (usize, &Tensor)| {
                let [bits, normal] = raxla::Key::new(case.seed.wrapping_add(i as u64)).split();
                [bits.bits(y.dims(), DType::U32), normal.normal(y.dims(), DType::F32)]
            };
            x.iter().enumerate().flat_map(drawn).chain(of_program(case, x)).collect()
        };
        compiled("random", case, rng, &inputs(case), 1e-4, beside)?;
        Ok(())
    });
}
