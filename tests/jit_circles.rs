//! Compiled functions that need themselves while they are traced: an error, on one thread and on several, and never a wait for
//! ever.
use raxla::{jit::Jit, prelude::*};
use std::{
    sync::{Barrier, LazyLock, Mutex, PoisonError},
    thread,
};

type Function = Jit<(Tensor,), fn(Tensor) -> Tensor>;
fn compiled(name: &'static str, f: fn(Tensor) -> Tensor) -> Function {
    jit(f).named(name)
}
fn ones(n: usize) -> Array {
    Array::from_slice([n], &vec![1f32; n]).expect("it is uploaded")
}

#[test]
fn of_the_same_types() {
    static F: LazyLock<Function> = LazyLock::new(|| compiled("f", f));
    fn f(x: Tensor) -> Tensor {
        let error = F.call((ones(3),)).unwrap_err().to_string();
        assert!(
            error.contains("`f` is called with the same types of arguments while it is traced for them"),
            "{error}"
        );
        assert!(error.contains("help: inside a traced function call the plain function"), "{error}");
        x * 2.0
    }
    for _ in 0..2 {
        assert_eq!(F.call((ones(3),)).unwrap().to_vec::<f32>().unwrap(), [2.0; 3]);
    }
}

#[test]
fn of_more_and_more_types() {
    static F: LazyLock<Function> = LazyLock::new(|| compiled("f", f));
    static ERRORS: Mutex<Vec<String>> = Mutex::new(vec![]);
    fn f(x: Tensor) -> Tensor {
        if let Err(error) = F.call((ones(x.dim(0) + 1),)) {
            ERRORS.lock().unwrap_or_else(PoisonError::into_inner).push(error.to_string());
        }
        x * 2.0
    }
    assert_eq!(F.call((ones(3),)).unwrap().to_vec::<f32>().unwrap(), [2.0; 3]);
    let errors = ERRORS.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(errors.len() == 1 && errors[0].contains("one seems to call itself"), "{errors:?}");
}

#[test]
fn of_two_threads() {
    static F: LazyLock<Function> = LazyLock::new(|| compiled("f", f));
    static G: LazyLock<Function> = LazyLock::new(|| compiled("g", g));
    static BOTH: Barrier = Barrier::new(2);
    static ERRORS: Mutex<Vec<String>> = Mutex::new(vec![]);
    fn need(other: &Function, x: Tensor) -> Tensor {
        BOTH.wait();
        if let Err(error) = other.call((ones(3),)) {
            ERRORS.lock().unwrap_or_else(PoisonError::into_inner).push(error.to_string());
        }
        x * 2.0
    }
    fn f(x: Tensor) -> Tensor {
        need(&G, x)
    }
    fn g(x: Tensor) -> Tensor {
        need(&F, x)
    }
    thread::scope(|scope| {
        for function in [&F, &G] {
            scope.spawn(|| assert_eq!(function.call((ones(3),)).unwrap().to_vec::<f32>().unwrap(), [2.0; 3]));
        }
    });
    let errors = ERRORS.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(errors.len(), 1, "the second to wait is told: {errors:?}");
    assert!(errors[0].contains("which waits for a function that is traced on this one"), "{}", errors[0]);
}
