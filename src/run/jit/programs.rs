//! The programs of one function: found by what they were made for, and made once.
//!
//! Finding one compares the arguments with what each program was made for, and allocates nothing. While a program is being
//! made, its entry is there already but empty: calls that need it wait, and all others go on.
use super::{ArgSet, HeldTuple, locked};
use crate::{
    array::{Array, ArrayType},
    mesh::Mesh,
    trace::fail,
    tree::{Structure, Tree},
};
use std::{
    cell::Cell,
    collections::HashMap,
    sync::{Arc, Condvar, LazyLock, Mutex, OnceLock, PoisonError, RwLock},
    thread::{self, ThreadId},
};

/// What a program is made for: the types of the leaves of its arguments, where they are to be, everything that the arguments
/// have besides, and which of them are moved in.
#[derive(Clone)]
pub(super) struct Signature {
    pub(super) structure: Structure,
    /// Of each leaf. Over a mesh all have a sharding, otherwise none.
    pub(super) types: Vec<ArrayType>,
    /// The number of the argument that each leaf belongs to.
    pub(super) arguments: Vec<usize>,
    /// Of the arguments that have leaves.
    pub(super) moved: ArgSet,
    /// The devices of a program over several.
    pub(super) mesh: Option<Mesh>,
}
impl Signature {
    fn is_like(&self, other: &Signature) -> bool {
        self.types == other.types && self.moved == other.moved && self.structure == other.structure
    }
    fn is_of<T: Tree<Array>>(&self, ids: &[u64], moved: ArgSet, args: &impl HeldTuple<T>) -> bool {
        let alike = |(t, id): (&ArrayType, &u64)| t.id() == *id;
        self.types.len() == ids.len()
            && self.moved == moved
            && self.types.iter().zip(ids).all(alike)
            && self.structure.is_of_walk(|f| args.structure(f))
    }
    /// Is this leaf moved in?
    pub(super) fn is_moved(&self, leaf: usize) -> bool {
        self.moved.contains(self.arguments[leaf])
    }
}

/// The programs so far.
pub(super) struct Programs<P>(RwLock<Vec<Arc<Entry<P>>>>);
struct Entry<P> {
    signature: Signature,
    program: OnceLock<Arc<P>>,
    /// Who is making it.
    maker: Mutex<Option<ThreadId>>,
    made: Condvar,
}
impl<P> Default for Programs<P> {
    fn default() -> Self {
        Programs(RwLock::default())
    }
}

thread_local! {
    /// The types of the arguments of the call that is looked up. Kept, so that looking up allocates nothing.
    static IDS: Cell<Vec<u64>> = const { Cell::new(vec![]) };
}

impl<P> Programs<P> {
    /// The program for these arguments, which are all where it wants them, if there is one.
    pub(super) fn find<T: Tree<Array>>(&self, args: &impl HeldTuple<T>) -> Option<Arc<P>> {
        let (mut ids, mut with_leaves) = (IDS.take(), ArgSet::default());
        ids.clear();
        args.visit(&mut |argument, _, a| {
            with_leaves = with_leaves.with(argument);
            ids.push(a.ty().id());
        });
        let moved = args.moved().and(with_leaves);
        let programs = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let found = programs.iter().find(|e| e.signature.is_of(&ids, moved, args));
        let found = found.and_then(|e| e.program.get().cloned());
        drop(programs);
        IDS.set(ids);
        found
    }

    /// The program for this signature: found, or waited for while another thread makes it. If there is none, the right to
    /// make it, for which others wait from now on.
    #[track_caller]
    pub(super) fn get_or_claim(&self, name: &str, signature: Signature) -> Result<Arc<P>, Claim<P>> {
        let entry = self.entry(signature);
        entry.await_maker(name).ok_or(Claim(entry))
    }

    fn entry(&self, signature: Signature) -> Arc<Entry<P>> {
        let mut programs = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = programs.iter().find(|e| e.signature.is_like(&signature)) {
            return entry.clone();
        }
        let (program, maker, made) = (OnceLock::new(), Mutex::new(None), Condvar::new());
        programs.push(Arc::new(Entry { signature, program, maker, made }));
        programs[programs.len() - 1].clone()
    }
}

/// The right to make a program. Given up when dropped: whoever waits for the program then makes it.
pub(super) struct Claim<P>(Arc<Entry<P>>);
impl<P> Claim<P> {
    pub(super) fn signature(&self) -> &Signature {
        &self.0.signature
    }
    pub(super) fn made(self, program: P) -> Arc<P> {
        self.0.program.get_or_init(|| Arc::new(program)).clone()
    }
}
impl<P> Drop for Claim<P> {
    fn drop(&mut self) {
        let mut maker = locked(&self.0.maker);
        *maker = None;
        let entry = self.0.number();
        locked(&WAITING).retain(|_, wait| wait.entry != entry);
        drop(maker);
        self.0.made.notify_all();
    }
}

/// The threads that wait for a program which another one makes. Changed only while the entry's maker is locked.
static WAITING: LazyLock<Mutex<HashMap<ThreadId, Wait>>> = LazyLock::new(Mutex::default);
struct Wait {
    /// The thread that makes the program.
    maker: ThreadId,
    entry: usize,
}
/// Does this thread, or one that it waits for, wait for another one?
fn waits_for(waiting: &HashMap<ThreadId, Wait>, thread: ThreadId, other: ThreadId) -> bool {
    std::iter::successors(Some(thread), |thread| waiting.get(thread).map(|wait| wait.maker)).any(|maker| maker == other)
}

impl<P> Entry<P> {
    /// Of all entries that there are, its own.
    fn number(&self) -> usize {
        &raw const *self as usize
    }
    /// The program, waited for if another thread makes it; `None` if this thread has to.
    #[track_caller]
    fn await_maker(&self, name: &str) -> Option<Arc<P>> {
        let me = thread::current().id();
        let mut maker = locked(&self.maker);
        loop {
            if let Some(program) = self.program.get() {
                return Some(program.clone());
            }
            match *maker {
                None => break,
                Some(id) => {
                    let mut waiting = locked(&WAITING);
                    if waits_for(&waiting, id, me) {
                        drop((waiting, maker));
                        let why = match id == me {
                            true => format!(
                                "`{name}` is called with the same types of arguments while it is traced for them"
                            ),
                            false => format!(
                                "`{name}` is traced on another thread, which waits for a function that is traced on this one"
                            ),
                        };
                        let help = "inside a traced function call the plain function, not its compiled form";
                        fail("jit", vec![], why, Some(help.into()))
                    }
                    waiting.insert(me, Wait { maker: id, entry: self.number() });
                    drop(waiting);
                    maker = self.made.wait(maker).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
        *maker = Some(me);
        None
    }
}
