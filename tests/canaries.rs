//! A canary for each known fault of the plugin's compiler: docs/plugin_faults.md lists them.
//!
//! Each runs a program with the cure, which must give what the interpreter gives, and without it, which must not. So a canary fails
//! when a plugin has a fault again in spite of the cure, and when a plugin no longer needs the cure, which then can go. Of a cure
//! for what is slow, the compiled program shows whether it is fast: nothing is timed.
//!
//! Without its cure a program may end the process: it runs in one of its own.
use raxla::{
    Client, Host, IndexMode, Mesh, P, Padding, Precision, Tensor, Window, cond, conv, einsum, einsum_with,
    lower::{Cure, without},
    prelude::*,
    prim::{self, Combine, Gather, IndexDims, IndexOptions, Scatter, with_sharding},
    runtime,
    testing::close,
    trace::trace_graph,
};
use std::{collections::BTreeSet, fs, path::Path, process::Command, sync::OnceLock};

struct Canary {
    name: &'static str,
    cure: Cure,
    /// `Divided`, if the program is for several devices; `Library`, if the compiler is to give it to its library.
    place: &'static str,
    inputs: fn() -> Vec<Host>,
    f: fn(&[Tensor]) -> Vec<Tensor>,
}

macro_rules! canaries {
    ($($name:ident: $cure:ident $place:ident, $inputs:expr, $f:expr;)*) => {
        const CANARIES: &[Canary] = &[$(Canary {
            name: stringify!($name),
            cure: Cure::$cure,
            place: stringify!($place),
            inputs: || $inputs,
            f: $f,
        }),*];
        $(
            #[test]
            fn $name() {
                sings(stringify!($name));
            }
        )*
    };
}

/// The variable that tells a child process whose program to run.
const WHOSE: &str = "RAXLA_CANARY";

fn client() -> Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    let made = || {
        raxla::cache::disable();
        let options = runtime::Options { cpu_devices: Some(8), ..runtime::Options::default() };
        runtime::client_with(&options).expect("the CPU plugin")
    };
    CLIENT.get_or_init(made).clone()
}
fn mesh() -> Mesh {
    Mesh::new(&client(), [("x", 4), ("y", 2)]).unwrap()
}
fn on(x: Tensor, spec: raxla::PartitionSpec) -> Tensor {
    with_sharding(x, &mesh().sharding(spec))
}

fn floats(dims: &[usize]) -> Host {
    let n: usize = dims.iter().product();
    Host::floats(DType::F32, dims, (0..n).map(|i| ((i * 37 % 19) as f64 - 9.0) / 7.0).collect())
}
/// Few bits each, so that sums of products are exact.
fn bf16(dims: &[usize]) -> Host {
    let n: usize = dims.iter().product();
    Host::floats(DType::BF16, dims, (0..n).map(|i| (i * 37 % 19) as f64 - 9.0).collect())
}
fn ints(dims: &[usize], values: impl IntoIterator<Item = i128>) -> Host {
    Host::ints(DType::I32, dims, values.into_iter().collect())
}

impl Canary {
    fn want(&self) -> Vec<Host> {
        let x = (self.inputs)();
        let types: Vec<Aval> = x.iter().map(|h| h.aval().clone()).collect();
        trace_graph(&types, self.f).unwrap().eval(&x)
    }
    fn have(&self) -> raxla::Result<Vec<Host>> {
        let arrays = (self.inputs)()
            .iter()
            .map(|h| Array::from_bytes(&client(), h.aval().clone(), &h.to_bytes()))
            .collect::<raxla::Result<Vec<_>>>()?;
        let f = self.f;
        let f = jit(move |x: Vec<Tensor>| f(&x));
        let y = if self.place.eq_ignore_ascii_case("divided") {
            f.on(&mesh()).call((arrays,))?
        } else {
            f.on(&client()).call((arrays,))?
        };
        y.iter().map(Array::to_host).collect()
    }
    /// What is wrong with the results on the device, if anything is.
    fn symptom(&self, want: &[Host]) -> Option<String> {
        match self.have() {
            Err(e) => Some(format!("an error: {e}")),
            Ok(have) => want.iter().zip(&have).find_map(|(want, have)| close(have, want, 1e-5).err()),
        }
        .or_else(|| self.misses_library())
    }
    /// Is it slow, because the compiler does not give it to its library?
    fn misses_library(&self) -> Option<String> {
        let types: Vec<Aval> = (self.inputs)().iter().map(|h| h.aval().clone()).collect();
        let f = self.f;
        // (raxla's own kernels are not asked)
        let hlo = || jit(move |x: Vec<Tensor>| f(&x)).lower(&(types,))?.portable().optimized_hlo(&client());
        if self.place != "Library" {
            return None;
        }
        // one for each result
        let (found, wanted) = (hlo().unwrap().matches("__ynn_fusion").count(), self.want().len());
        (found < wanted).then(|| format!("the library computes {found} of {wanted} results"))
    }
}

/// Runs in a process of its own: the program without its cure. Prints the symptom.
#[test]
fn uncured() {
    let Ok(name) = std::env::var(WHOSE) else { return };
    let canary = CANARIES.iter().find(|c| c.name == name).expect("a canary");
    // (the interpreter is to know what the cure refuses)
    let symptom = without(canary.cure, || canary.symptom(&canary.want()));
    println!("symptom: {}", symptom.unwrap_or_else(|| "none".into()).replace('\n', " "));
}

fn sings(name: &str) {
    let canary = CANARIES.iter().find(|c| c.name == name).expect("a canary");
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "uncured", "--nocapture"])
        .env(WHOSE, name)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    let symptom = said.lines().find_map(|l| l.split_once("symptom: ").map(|s| s.1));
    println!("without {:?}: {}", canary.cure, symptom.unwrap_or("the process ends"));
    assert!(
        symptom != Some("none"),
        "the plugin no longer needs {:?}: the cure can go, with its row in docs/plugin_faults.md",
        canary.cure
    );
    if canary.cure != Cure::NoTopKOfFourBits {
        let symptom = canary.symptom(&canary.want());
        assert!(symptom.is_none(), "in spite of {:?}: {}", canary.cure, symptom.unwrap_or_default());
    }
}

fn windows() -> IndexDims {
    IndexDims { window: vec![0], indexed: vec![0], ..IndexDims::default() }
}

canaries! {
    nested_slices: ClampedStarts Alone, vec![ints(&[10], 0..10), ints(&[], [9]), ints(&[], [0])], |x| {
        vec![prim::dynamic_slice(prim::dynamic_slice(x[0], &[x[1]], [4]), &[x[2]], [1])]
    };
    slices_of_windows: ClampedStarts Alone, vec![ints(&[10], 0..10), ints(&[1], [9]), ints(&[], [0])], |x| {
        let options = IndexOptions { mode: IndexMode::Clip, ..IndexOptions::default() };
        let window = prim::gather(x[0], x[1], Gather { dims: windows(), sizes: vec![4], options, fill: None });
        vec![prim::dynamic_slice(window, &[x[2]], [1])]
    };
    starts_beyond_a_divided_axis: ClampedStarts Divided, vec![floats(&[8, 4]), ints(&[], [43])], |x| {
        vec![prim::dynamic_update_slice(on(x[0], P!["x"]), x[0].slice_axis(0, 0..1), &[x[1], x[1]])]
    };
    updates_with_a_shifted_part: UpdatesApart Alone, vec![floats(&[16]), ints(&[], [2])], |x| {
        let y = prim::cumsum(x[0], 0, false);
        vec![prim::dynamic_update_slice(y, y.slice_axis(0, ..12) + 1.0, &[x[1]])]
    };
    windows_set_to_a_turned_part: UpdatesApart Alone, vec![floats(&[16]), ints(&[1], [2])], |x| {
        let y = prim::cumsum(x[0], 0, false);
        let how = Scatter { dims: windows(), combine: Combine::Set, options: IndexOptions::default() };
        vec![prim::scatter(y, x[1], prim::reverse(y.slice_axis(0, ..12), [0]), how)]
    };
    nan_in_minimum: MinimumKeepsNan Alone, vec![
        Host::floats(DType::F32, [4], vec![f64::NAN, 1.0, 2.0, f64::NAN]),
        Host::floats(DType::F32, [4], vec![1.0, f64::NAN, 3.0, f64::NAN]),
    ], |x| {
        vec![x[0].minimum(x[1]), x[0].maximum(x[1]), x[0].min(0), x[1].max(0)]
    };
    padding_that_cuts_a_divided_axis: PaddedAxesWhole Divided, vec![floats(&[8, 4])], |x| {
        vec![prim::pad(on(x[0], P!["x"]), full([], DType::F32, 0.0), [(-1, 2, 1), (1, -1, 0)])]
    };
    sums_over_three_divided_axes: TwoContractedAxes Divided, vec![floats(&[4, 4, 4]), floats(&[4, 4, 4])], |x| {
        let (a, b) = (on(x[0], P!["x", "y"]), on(x[1], P!["x", _, "y"]));
        vec![einsum("abc,abc->", a, b), einsum("abc,cab->", a, b)]
    };
    convolutions_over_a_divided_axis: SpatialAxesWhole Divided, vec![floats(&[4, 4, 4]), floats(&[8, 4, 4])], |x| {
        let at = |n: i64, by: usize, a, b| {
            let padding = Padding::Explicit(vec![(n, n)]);
            let around = Window { padding, kernel_dilation: vec![by], ..Window::default() };
            conv("ncw,oiw->ncw", on(x[0], a), on(x[1], b), around)
        };
        vec![at(1, 1, P![_, _, "x"], P![_, _, "x"]), at(3, 2, P!["x"], P![_, _, "y"])]
    };
    bits_of_a_divided_axis: CombinedBitsWhole Divided, vec![floats(&[8, 4])], |x| {
        let bits = on((x[0] * 100.0).cast(DType::I32), P!["x", "y"]);
        vec![prim::reduce_and(bits, [0]), prim::reduce_or(bits, [0]), prim::reduce_xor(bits, [0])]
    };
    branches_divided_differently: PlainBranchResults Divided, vec![floats(&[8, 4])], |x| {
        let (rows, columns) = (|x| on(x, P!["x"]), |x| on(x, P![_, "y"]));
        vec![cond(x[0].sum([0, 1]).gt(0.0), rows, columns, x[0])]
    };
    top_k_of_four_bits: NoTopKOfFourBits Alone, vec![Host::ints(DType::I4, [4], vec![3, -2, 7, 1])], |x| {
        let (largest, positions) = x[0].top_k(2);
        vec![largest, positions]
    };
    products_of_transposed_matrices: ProductsInLibrary Library, vec![bf16(&[64, 96]), bf16(&[64, 128]), bf16(&[2, 64, 96])], |x| {
        let product = |spec, x, y| einsum_with(spec, &[x, y], Precision::Default, Some(DType::F32));
        vec![product("km,kn->mn", x[0], x[1]), product("bkm,bkn->bmn", x[2], x[2])]
    };
}

/// Not a fault, but a difference that constant folding must respect: numbers too small to be normal are zero.
#[test]
fn subnormals_are_zero() {
    let x = Array::from_slice([1], &[1e-38f32]).unwrap();
    let y = jit(|x: Tensor| x * 0.25).call((x,)).unwrap().to_vec::<f32>().unwrap();
    assert_eq!(y, [0.0], "the plugin keeps subnormals: constants could be folded to them (src/prim/known.rs)");
}

/// The rows of the table below a heading, as cells.
fn rows(page: &str, heading: &str) -> Vec<Vec<String>> {
    let section =
        page.split("\n## ").find(|s| s.starts_with(heading)).unwrap_or_else(|| panic!("no section {heading}"));
    let table = section.lines().filter(|l| l.starts_with('|')).skip(2);
    table.map(|l| l.trim_matches('|').split(" | ").map(|c| c.trim().to_string()).collect()).collect()
}

#[test]
fn the_page_lists_every_fault_with_its_cure_and_canary() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/plugin_faults.md")).unwrap();
    let listed: BTreeSet<(String, String)> = ["Wrong programs", "Slow programs"]
        .into_iter()
        .flat_map(|heading| rows(&page, heading))
        .map(|row| {
            let [_, _, cure, canary] = &row[..] else { panic!("fault, symptom, cure, canary: {row:?}") };
            let (name, file) = cure.split_once(", ").expect("a name and a file");
            let file = file.trim_matches('`');
            assert!(root.join(file).exists(), "{file} does not exist");
            (name.trim_matches('`').to_string(), canary.trim_matches('`').to_string())
        })
        .collect();
    let known: BTreeSet<(String, String)> =
        CANARIES.iter().map(|c| (format!("{:?}", c.cure), c.name.to_string())).collect();
    assert_eq!(listed, known, "docs/plugin_faults.md lists other canaries than there are");
    let watched: Vec<Cure> =
        Cure::ALL.iter().copied().filter(|cure| CANARIES.iter().all(|c| c.cure != *cure)).collect();
    assert!(watched.is_empty(), "without a canary: {watched:?}");
    for row in rows(&page, "Calls that are not checked") {
        let [_, _, guard, test] = &row[..] else { panic!("fault, symptom, guard, test: {row:?}") };
        let (guard, test) = (guard.trim_matches('`'), test.trim_matches('`'));
        let (file, name) = test.split_once("::").expect("a file and a test");
        assert!(root.join(guard).exists(), "{guard} does not exist");
        let source = fs::read_to_string(root.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert!(source.contains(&format!("fn {name}(")), "{file} has no test {name}");
    }
}
