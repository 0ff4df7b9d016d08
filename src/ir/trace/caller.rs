//! Whose line an operation belongs to: that of what the user called, with its name and the scopes around it.
use crate::graph::Site;
use std::{
    cell::{Cell, RefCell},
    panic::Location,
    rc::Rc,
};

thread_local! {
    static AT: Cell<Option<Here>> = const { Cell::new(None) };
    static SCOPE: RefCell<Rc<str>> = RefCell::new(Rc::from(""));
}

/// What the user called: from where, and its name.
#[derive(Clone, Copy)]
pub(super) struct Here {
    line: &'static Location<'static>,
    op: Option<&'static str>,
}

/// What the user called, and the operation that is wrong inside it unless its name says the same.
pub(super) fn called(op: &str) -> (String, Option<String>) {
    match op_now() {
        None => (op.into(), None),
        // (`einsum "ij,jk->ik"` says more than `einsum`)
        Some(called) if op.strip_prefix(called).is_some_and(|rest| rest.starts_with(' ')) => (op.into(), None),
        Some(called) if op.contains(called) || called.contains(op) => (called.into(), None),
        Some(called) => (called.into(), Some(op.into())),
    }
}

#[track_caller]
pub(super) fn here() -> &'static Location<'static> {
    AT.get().map_or(Location::caller(), |here| here.line)
}

/// Where an operation bound now comes from.
#[track_caller]
pub(crate) fn site() -> Site {
    Site { at: here(), scope: SCOPE.with(|s| s.borrow().clone()) }
}

/// While alive, operations report the line where this was made: composites (`softmax`, `einsum`, operators) point at
/// their caller, even from inside closures, which `#[track_caller]` does not see through. The outermost one wins.
pub struct At {
    outermost: bool,
}
impl At {
    /// Point at the caller of the calling `#[track_caller]` function.
    #[track_caller]
    pub fn caller() -> At {
        At::line(Location::caller())
    }
    /// Point at this line.
    pub fn line(line: &'static Location<'static>) -> At {
        At::here(Here { line, op: None })
    }
    /// As [`At::caller`], with the name under which the user knows the operation, which errors inside it then have.
    #[track_caller]
    pub fn op(op: &'static str) -> At {
        At::op_at(op, Location::caller())
    }
    /// As [`At::op`], at this line.
    pub fn op_at(op: &'static str, line: &'static Location<'static>) -> At {
        At::here(Here { line, op: Some(op) })
    }
    fn here(here: Here) -> At {
        let outermost = AT.get().is_none();
        if outermost {
            AT.set(Some(here));
        }
        At { outermost }
    }
}
impl Drop for At {
    fn drop(&mut self) {
        if self.outermost {
            AT.set(None);
        }
    }
}

/// The name under which the user knows the operation, if [`At::op`] has one.
pub(crate) fn op_name(otherwise: &'static str) -> &'static str {
    op_now().unwrap_or(otherwise)
}

/// Run `f` with every operation attributed to `site`: how transformations keep an equation's origin.
pub fn with_site<R>(site: &Site, f: impl FnOnce() -> R) -> R {
    with_site_of(site, None, f)
}

/// The name of what the user called, for [`with_site_of`].
pub(crate) fn op_now() -> Option<&'static str> {
    AT.get().and_then(|here| here.op)
}

/// As [`with_site`], with the name of what the user called there.
pub(crate) fn with_site_of<R>(site: &Site, op: Option<&'static str>, f: impl FnOnce() -> R) -> R {
    struct Restore(Option<Here>, Rc<str>);
    impl Drop for Restore {
        fn drop(&mut self) {
            AT.set(self.0);
            SCOPE.with(|s| *s.borrow_mut() = self.1.clone());
        }
    }
    let _restore = Restore(
        AT.replace(Some(Here { line: site.at, op })),
        SCOPE.with(|s| std::mem::replace(&mut *s.borrow_mut(), site.scope.clone())),
    );
    f()
}

/// Name the operations performed by `f`: in error messages, in `Display`, in the compiled program's metadata.
pub fn scope<R>(name: &str, f: impl FnOnce() -> R) -> R {
    struct Restore(Rc<str>);
    impl Drop for Restore {
        fn drop(&mut self) {
            SCOPE.with(|s| *s.borrow_mut() = self.0.clone());
        }
    }
    let outer = SCOPE.with(|s| s.borrow().clone());
    let inner: Rc<str> = if outer.is_empty() { name.into() } else { format!("{outer}/{name}").into() };
    SCOPE.with(|s| *s.borrow_mut() = inner);
    let _restore = Restore(outer);
    f()
}

/// What the user called, put aside while a closure of theirs runs.
pub(super) fn take_caller() -> Option<Here> {
    AT.take()
}
/// What the user called, as [`take_caller`] or [`caller_now`] gave it.
pub(super) fn set_caller(caller: Option<Here>) {
    AT.set(caller);
}
pub(super) fn caller_now() -> Option<Here> {
    AT.get()
}
/// The scopes around what runs now.
pub(super) fn scope_now() -> String {
    SCOPE.with(|s| s.borrow().to_string())
}
