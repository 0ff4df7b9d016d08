//! Typical mistakes in traced functions: the whole message of each, and that it points at its line in this file.
/// The expression, on whose line the mistake is.
macro_rules! wrong {
    ($e:expr) => {{
        crate::trace_errors::WRONG.set((file!(), line!()));
        $e
    }};
}

mod functions;
mod operations;

use raxla::{prelude::*, trace::trace_graph};
use std::cell::Cell;

thread_local! {
    static WRONG: Cell<(&str, u32)> = const { Cell::new(("", 0)) };
}

type Program = fn(&[Tensor]) -> Vec<Tensor>;
/// Types of the operands, a program with a mistake, and the message without the line.
type Mistake = (Vec<Aval>, Program, &'static str);

fn f(dims: &[usize]) -> Aval {
    Aval::new(DType::F32, dims)
}
fn i(dims: &[usize]) -> Aval {
    Aval::new(DType::I32, dims)
}
fn b(dims: &[usize]) -> Aval {
    Aval::new(DType::Bool, dims)
}

/// Every message is as written, with the line of the mistake after the first one.
fn check(mistakes: Vec<Mistake>) {
    let mut failures = vec![];
    for (avals, program, want) in mistakes {
        WRONG.set(("", 0));
        let error = match trace_graph(&avals, program) {
            Ok(g) => format!("no error, but {:?}", g.out_avals()),
            Err(e) => e.to_string(),
        };
        let mut lines: Vec<&str> = want.lines().collect();
        let (file, line) = WRONG.get();
        let at = format!("  at {file}:{line}");
        lines.insert(1, &at);
        if error != lines.join("\n") {
            failures.push(format!("{error}\nbut should be\n{}", lines.join("\n")));
        }
    }
    assert!(failures.is_empty(), "{} messages differ:\n{}", failures.len(), failures.join("\n\n"));
}

#[test]
fn a_result_that_outlived_its_trace_is_named_where_tracing_began() {
    let kept = Cell::new(None);
    trace_graph(&[f(&[3])], |x| {
        kept.set(Some(x[0]));
        vec![]
    })
    .expect("it traces");
    let error = trace_graph(&[], |_| vec![kept.get().expect("it was set")]).expect_err("it outlived its trace");
    assert_eq!((error.file, error.line), (file!(), line!() - 1));
    assert_eq!(error.reason, "a tensor outlived the trace that made it");
}
