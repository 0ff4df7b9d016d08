//! Types of arrays, of which equal ones exist once.
use crate::{aval::Aval, mesh::NamedSharding};
use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Arc, LazyLock, Mutex, PoisonError, Weak},
};

/// Shape and dtype of an array, and how it is divided over a mesh. Cheap to clone; comparing two compares two numbers,
/// which is what makes a call with hundreds of arguments quick.
#[derive(Clone)]
pub(crate) struct ArrayType(Arc<Known>);

struct Known {
    /// Another one for each type that this process ever had.
    id: u64,
    aval: Aval,
    sharding: Option<NamedSharding>,
}

/// The types that are in use, by hash.
#[derive(Default)]
struct Table {
    known: HashMap<u64, Vec<Weak<Known>>>,
    next: u64,
    /// The number of entries at which those of types that are no longer in use are dropped.
    full: usize,
}
static TABLE: LazyLock<(RandomState, Mutex<Table>)> = LazyLock::new(Default::default);

impl ArrayType {
    /// This type.
    pub(crate) fn new(aval: Aval, sharding: Option<NamedSharding>) -> ArrayType {
        let (hasher, table) = &*TABLE;
        let hash = hasher.hash_one((&aval, &sharding));
        let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
        let alike = |t: &Arc<Known>| t.aval == aval && t.sharding == sharding;
        let found = table.known.get(&hash).into_iter().flatten().filter_map(Weak::upgrade).find(alike);
        if let Some(known) = found {
            return ArrayType(known);
        }
        if table.known.len() >= table.full {
            table.known.retain(|_, of_hash| of_hash.iter().any(|t| t.strong_count() > 0));
            table.full = 2 * table.known.len() + 64;
        }
        table.next += 1;
        let known = Arc::new(Known { id: table.next, aval, sharding });
        let of_hash = table.known.entry(hash).or_default();
        of_hash.retain(|t| t.strong_count() > 0);
        of_hash.push(Arc::downgrade(&known));
        ArrayType(known)
    }
    /// Equal for equal types, and for no others.
    pub(crate) fn id(&self) -> u64 {
        self.0.id
    }
    /// Shape and dtype.
    pub(crate) fn aval(&self) -> &Aval {
        &self.0.aval
    }
    /// How the array is divided; `None` on one device.
    pub(crate) fn sharding(&self) -> Option<&NamedSharding> {
        self.0.sharding.as_ref()
    }
}
impl PartialEq for ArrayType {
    fn eq(&self, other: &ArrayType) -> bool {
        self.0.id == other.0.id
    }
}
impl fmt::Debug for ArrayType {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.0.aval)?;
        self.0.sharding.iter().try_for_each(|s| write!(f, " {s:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Mesh, P};

    #[test]
    fn equal_types_are_one_and_others_are_not() {
        let of = |n: usize| ArrayType::new(Aval::new(DType::F32, [n]), None);
        assert_eq!((of(3), of(3).id() == of(4).id()), (of(3), false));
        let mesh = || Mesh::abstract_mesh([("types_test", 2)]).unwrap();
        let divided = || ArrayType::new(Aval::new(DType::F32, [4]), Some(mesh().sharding(P!["types_test"])));
        assert_eq!(divided(), divided());
        assert_ne!(divided(), of(4));
    }

    #[test]
    fn types_out_of_use_are_forgotten() {
        (0..10_000).for_each(|n| drop(ArrayType::new(Aval::new(DType::I8, [n, 77]), None)));
        assert!(TABLE.1.lock().unwrap().known.len() < 1000);
    }
}
