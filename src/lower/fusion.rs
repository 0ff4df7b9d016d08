//! Which values the compiler may compute in one kernel with others: for what it does wrongly there.
use super::{Cure, Lower, Value};
use std::{collections::HashSet, rc::Rc};

/// Where a value comes from. Those that are missing are arguments, of the program or of a region.
pub(super) struct Origin {
    /// Origins are numbered in the order in which they are written.
    number: usize,
    how: How,
    from: Rc<[Value]>,
}

/// How operations make values, as far as fusion is concerned.
#[derive(Clone, Copy, PartialEq)]
enum How {
    /// The same elements in the same memory, perhaps.
    Renamed,
    /// In the memory of the first operand.
    Updated,
    /// By a kernel or library call of its own.
    Alone,
    Fused,
}
impl How {
    fn of(op: &str) -> How {
        match op {
            "reshape" | "transpose" | "bitcast_convert" | "optimization_barrier" | "sdy.sharding_constraint" => {
                How::Renamed
            }
            "dynamic_update_slice" => How::Updated,
            "dot_general" | "convolution" | "custom_call" | "sort" | "rng_bit_generator" | "fft" => How::Alone,
            _ => How::Fused,
        }
    }
}

impl Lower {
    pub(super) fn note_origin(&mut self, op: &str, x: &[Value], y: &[Value]) {
        let (from, how): (Rc<[Value]>, How) = (x.into(), How::of(op));
        for (i, y) in y.iter().enumerate() {
            // (of several renamed at once, each is its own)
            let from = if how == How::Renamed { x[i..=i].into() } else { from.clone() };
            self.origins.insert(y.name.clone(), Origin { number: self.origins.len(), how, from });
        }
    }

    /// May the compiler read `x` while it overwrites it, to make `part`, which is to be written into `x`?
    ///
    /// An update in place is one kernel with what computes the update, and with what changes only the shape of the array that is
    /// updated. Where both are, XLA's CPU compiler does not see that the kernel also reads elements that it has overwritten.
    /// An array that nothing reshapes is copied in time: an argument, the state of a loop, the result of another update. (The
    /// compiler reshapes the results of many operations.)
    pub(crate) fn reads_what_it_overwrites(&self, x: &Value, part: &Value) -> bool {
        let Some(made) = self.origins.get(&x.name) else { return false };
        if !Cure::UpdatesApart.applies()
            || made.how == How::Updated
            || part.aval.size() < 2
            || part.aval.dims == x.aval.dims
        {
            return false;
        }
        // the memory that is overwritten
        let mut root = x;
        while let Some(o) = self.origins.get(&root.name).filter(|o| o.how == How::Renamed) {
            root = &o.from[0];
        }
        let since = self.origins.get(&root.name).map(|o| o.number);
        let mut seen: HashSet<&str> = HashSet::new();
        let mut todo = vec![part];
        while let Some(v) = todo.pop() {
            if v.name == root.name {
                return true;
            }
            // (nothing from before the array comes from it)
            let made = self.origins.get(&v.name).filter(|o| Some(o.number) > since && o.how != How::Alone);
            if let Some(o) = made.filter(|_| seen.insert(&v.name)) {
                todo.extend(o.from.iter());
            }
        }
        false
    }
}
