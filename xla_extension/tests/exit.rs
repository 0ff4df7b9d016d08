//! A process that ends while the plugin is at work ends well: a program runs whose result nobody reads, and another thread
//! compiles. Each case is a process of its own, whose main thread it is about, so this test has a `main` of its own.
mod common;

use common::{client, compile, upload};
use raxla_xla::ExecuteOptions;
use std::{
    env, panic,
    process::{Command, ExitCode, exit},
    sync::mpsc,
    thread,
    time::Duration,
};

const CASE: &str = "RAXLA_TEST_CASE";
/// How a case ends: `main` returns, or ends the process, or panics.
const CASES: [(&str, i32); 3] = [("returns", 0), ("exits", 3), ("panics", 101)];

fn main() -> ExitCode {
    let Ok(case) = env::var(CASE) else {
        let filters: Vec<String> = env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
        if !filters.is_empty() && !filters.iter().any(|filter| "exit".contains(&**filter)) {
            return ExitCode::SUCCESS;
        }
        // (as often as it takes to see what depends on the moment)
        for (case, code) in CASES.into_iter().cycle().take(12) {
            let this = env::current_exe().expect("this program");
            let output = Command::new(this).env(CASE, case).output().expect("it starts");
            assert_eq!(output.status.code(), Some(code), "{case}: {} {output:?}", output.status);
            println!("a process that {case} ... ok");
        }
        return ExitCode::SUCCESS;
    };
    work();
    match &*case {
        "returns" => ExitCode::SUCCESS,
        "exits" => exit(3),
        _ => panic!("as it should"),
    }
}

fn work() {
    extern "C" fn linger() {
        thread::sleep(Duration::from_millis(300));
    }
    // SAFETY: the handler is a function of this program. (It was registered first, so it is called last.)
    assert_eq!(unsafe { libc::atexit(linger) }, 0);
    let client = client(1);
    let a = "tensor<400x400xf32>";
    let product = |i: usize| {
        let x = i - 1;
        format!("%{i} = stablehlo.dot_general %{x}, %a, contracting_dims = [1] x [0] : ({a}, {a}) -> {a}")
    };
    let body = (1..100).map(product).collect::<Vec<_>>().join("\n");
    let program = format!(
        "module @long {{ func.func @main(%a: {a}) -> {a} {{\n%0 = stablehlo.negate %a : {a}\n{body}\nreturn %99 : {a}\n}}\n}}"
    );
    let long = compile(&client, &program);
    let x = upload(&client, &[0.001; 160_000], &[400, 400], &client.devices()[0]);
    drop(long.execute(&[&[&x]], &ExecuteOptions::default()).unwrap());
    let (begun, beginning) = mpsc::channel();
    thread::spawn(move || {
        begun.send(()).unwrap();
        loop {
            drop(compile(&client, &program));
        }
    });
    beginning.recv().unwrap();
}
