//! raxla: JAX for Rust.
//!
//! A model is an ordinary Rust function on [`Tensor`]s. Tracing records it as a [`Graph`]; [`grad`], [`vmap`] and
//! [`scan`] rewrite graphs; [`jit()`] lowers a graph to StableHLO, and a PJRT plugin compiles and runs it on CPU,
//! GPU or TPU. This page is a tour of five minutes. All its code is run by the tests.
//!
//! # Trace and compile
//! [`Tensor`] is a value inside a trace: it has a shape and a dtype, but no elements. [`Array`] is data on a
//! device: it has elements, but no arithmetic. `jit` turns a function of the first into a function of the second.
//! It compiles once per type of arguments.
//! ```
//! use raxla::prelude::*;
//!
//! let f = jit(|x: Tensor, w: Tensor| einsum("bi,io->bo", x, w).tanh().sum(-1));
//! let x = Array::from_slice([2, 3], &[1f32, 2., 3., 4., 5., 6.])?;
//! let w = Array::from_slice([3, 1], &[0.1f32, 0.2, -0.1])?;
//! let y = f.call((&x, &w))?; // borrowed: x and w stay; moved arguments may give their memory to results
//! assert_eq!(y.dims(), [2]);
//! assert!((y.to_vec::<f32>()?[0] - 0.2f32.tanh()).abs() < 1e-6);
//! f.call((&x, &w))?;
//! assert_eq!(f.compiles(), 1);
//! # Ok::<(), raxla::Error>(())
//! ```
//! A Rust number is an argument too (`f.call((&x, 0.1f32))`), [`eager`] runs one expression now, and an [`Array`] displays as
//! NumPy prints it. [`Jit::explain`] says why there is another program, [`Jit::deny_recompile`] makes it an error. [`Jit::bucketed`] pads
//! arguments of varying length to a few sizes.
//!
//! Every step can be looked at. A graph prints as one line per operation; [`Jit::lower`] needs no device, only
//! types:
//! ```
//! use raxla::prelude::*;
//! let f = jit(|x: Tensor, y: Tensor| x + y);
//! let vector = Aval::new(DType::F32, [3]);
//! let lowered = f.lower(&(vector.clone(), vector))?;
//! assert_eq!(lowered.graph.to_string(), "graph(%0: f32[3], %1: f32[3]) {\n  %2: f32[3] = Add %0 %1\n  return %2\n}");
//! assert!(lowered.text.contains("stablehlo.add"));
//! # Ok::<(), raxla::Error>(())
//! ```
//! A number takes the dtype of the tensor it meets (`x * 2.0`), which must have that number. Tensors of different dtypes do not mix;
//! [`Tensor::cast`] converts.
//!
//! # Structures
//! Functions take and return trees: tuples, arrays, `Vec`, `Option`, and structs with [`derive(Tree)`](macro@Tree).
//! A struct is generic in its leaf, so that one declaration serves the model in a trace, on a device, and as a
//! specification of types ([`Aval`]) or of parameters ([`Param`]).
//! ```
//! use raxla::prelude::*;
//!
//! #[derive(Tree, Clone)]
//! struct Linear<T = Tensor> {
//!     w: T,         // [in, out]
//!     b: Option<T>, // [out]
//! }
//! impl Linear {
//!     fn call(&self, x: Tensor) -> Tensor {
//!         let y = einsum("bi,io->bo", x, self.w);
//!         self.b.map_or(y, |b| y + b)
//!     }
//! }
//! let m = Linear { w: Array::from_slice([2, 2], &[1f32, 2., 3., 4.])?, b: None };
//! assert_eq!(m.paths(), ["w"]);
//! let x = Array::from_slice([1, 2], &[1f32, 1.])?;
//! let y = jit(|m: Linear, x: Tensor| m.call(x)).call((&m, &x))?;
//! assert_eq!(y.to_vec::<f32>()?, [4., 6.]);
//! # Ok::<(), raxla::Error>(())
//! ```
//! Parameters are declared with their shapes, roles and first values, and made by [`ParamTree::init`]; [`tree::save`] and
//! [`tree::load`] keep any tree in a file. Code for any model is generic in [`JitTree`], and [`BoxJit`] is a [`Jit`] whose type
//! a struct can name.
//!
//! Lengths, variants and fields marked `#[tree(skip)]` are part of a tree's [`Structure`]: another structure is
//! another program.
//!
//! # Derivatives
//! [`grad`] takes a function of a tree to the function that returns the derivative by every leaf. It is used inside
//! a traced function, as everything below.
//! ```
//! use raxla::prelude::*;
//!
//! #[derive(Tree, Clone)]
//! struct Line<T = Tensor> {
//!     slope: T,
//!     offset: T,
//! }
//! fn step(m: Line, x: Tensor, y: Tensor) -> (Line, Tensor) {
//!     let loss = |m: Line| (m.slope * x + m.offset - y).powi(2).mean(0); // x and y are captured: constants of the loss
//!     let (loss, g) = value_and_grad(loss)(m.clone());
//!     (Line { slope: m.slope - g.slope * 0.1, offset: m.offset - g.offset * 0.1 }, loss)
//! }
//! let step = jit(step);
//! let mut m = Line { slope: Array::scalar(0f32)?, offset: Array::scalar(0f32)? };
//! let x = Array::from_slice([4], &[-1f32, 0., 1., 2.])?;
//! let y = Array::from_slice([4], &[-1f32, 1., 3., 5.])?; // 2x + 1
//! for _ in 0..200 {
//!     m = step.call((m, &x, &y))?.0; // m is moved in: the new model takes over its memory
//! }
//! assert!((m.slope.item::<f32>()? - 2.0).abs() < 1e-3 && (m.offset.item::<f32>()? - 1.0).abs() < 1e-3);
//! # Ok::<(), raxla::Error>(())
//! ```
//! The others: [`value_and_grad_aux`], [`vjp`], [`jvp`], [`linearize()`], [`jacfwd`], [`jacrev`], [`hessian`];
//! [`remat`] recomputes instead of keeping; [`custom_vjp`] and [`custom_jvp`] replace a derivative. They nest in
//! any order.
//!
//! # Batching and loops
//! [`vmap`] adds an axis to a function; [`vmap_with`] gives it a name, over which [`psum`], [`all_gather`],
//! [`ppermute`], ... exchange values. [`scan`] loops over an axis with a state; its body is compiled once.
//! [`while_loop`], [`fori_loop`], [`cond`] and [`switch`] decide at run time.
//! ```
//! use raxla::prelude::*;
//!
//! // f(x) = x^3, written as a loop; its derivative at many points
//! let cube = |x: Tensor| scan(|p: Tensor, one: Tensor| (p * x * one, ()), x.like(1.0), ones([3], DType::F32)).0;
//! let f = jit(move |xs: Tensor| vmap(grad(cube))(xs));
//! let xs = Array::from_slice([3], &[1f32, 2., 3.])?;
//! assert_eq!(f.call((&xs,))?.to_vec::<f32>()?, [3., 12., 27.]);
//! # Ok::<(), raxla::Error>(())
//! ```
//!
//! # Random numbers
//! A [`Key`] is moved by what uses it, so that using one twice does not compile. The numbers equal those of
//! `jax.random`.
//! ```
//! use raxla::prelude::*;
//! let f = jit(|key: Key| {
//!     let [a, b] = key.split();
//!     (a.normal([3], DType::F32), b.randint([2], DType::I32, 0, 10))
//! });
//! let (normal, ints) = f.call((Key::host(42),))?; // an argument: another seed does not compile again
//! assert_eq!((normal.dims(), ints.dims()), ([3].as_slice(), [2].as_slice()));
//! # Ok::<(), raxla::Error>(())
//! ```
//!
//! A closure that may be called several times (a loss with dropout) cannot give its key away: it uses [`Key::again`].
//!
//! # Errors
//! Traced code returns no `Result`. A wrong operation ends tracing, and `call` returns the error, with your line
//! and the [`scope`] around it:
//! ```
//! use raxla::prelude::*;
//! let f = jit(|x: Tensor, y: Tensor| scope("mlp", || x + y));
//! let error = f.lower(&(Aval::new(DType::F32, [4, 8]), Aval::new(DType::F32, [4, 3]))).map(|_| ()).unwrap_err();
//! let text = error.to_string();
//! assert!(text.starts_with("add of f32[4, 8] and f32[4, 3]: the shapes do not broadcast\n  at "), "{text}");
//! assert!(text.ends_with(" in mlp\n  help: axis 1 is 8 on the left and 3 on the right"), "{text}");
//! ```
//! ```text
//! add of f32[4, 8] and f32[4, 3]: the shapes do not broadcast
//!   at src/model.rs:12 in mlp
//!   help: axis 1 is 8 on the left and 3 on the right
//! ```
//! `docs/errors.md` has a section on every error.
//!
//! # Looking inside
//! [`debug_print`] prints when the program runs; [`debug_check`] and [`debug_assert()`] make it fail where something is
//! wrong, and [`debug_nans`] finds the operation that makes a NaN.
//! ```
//! use raxla::prelude::*;
//! let f = jit(|x: Tensor| {
//!     debug_print("x = {}, norm {norm:.2}", Norm { x, norm: (x * x).sum(0).sqrt() });
//!     debug_check(x.log(), "log of x")
//! });
//! #[derive(Tree, Clone)]
//! struct Norm<T = Tensor> {
//!     x: T,
//!     norm: T,
//! }
//! f.call((Array::from_slice([2], &[3f32, 4.])?,))?; // x = [3. 4.], norm 5.00
//! let error = f.call((Array::from_slice([2], &[3f32, -4.])?,)).unwrap_err();
//! assert!(error.to_string().contains("`log of x` (f32[2]) has 1 NaN of 2 elements, the first at [1]"));
//! # Ok::<(), raxla::Error>(())
//! ```
//!
//! # Where things run
//! The first [`Array`] or call loads the default plugin ([`runtime::client`]). [`runtime::client_with`] makes
//! others, for [`Jit::on`] and [`Array::on`].
//!
//! | variable | meaning |
//! |---|---|
//! | `RAXLA_PLATFORM` | `cpu` (the default), `cuda` (`cuda12` or `cuda13`), `tpu`, or a plugin's file |
//! | `RAXLA_PLUGIN`, else `PJRT_PLUGIN_LIBRARY_PATH` | a plugin's file, instead of an installed one |
//! | `RAXLA_HOME` | where plugins, weights and compiled programs are kept; by default `raxla` in the user's cache directory |
//! | `RAXLA_OFFLINE` | `1` forbids downloads |
//! | `RAXLA_COMPILE_CACHE` | `0` turns off the [cache] of compiled programs on disk |
//! | `RAXLA_WATCHDOG` | seconds within which a program over several devices must complete; else a report on stderr, and the process ends with status 124 ([`runtime::watch`]) |
//! | `RAXLA_MEMORY_LIMIT` | how much memory the process may hold (`16GB`), in place of what the system says ([memory]) |
//! | `RAXLA_VERBOSE` | `1` shows the plugin's own messages |
//! | `RAXLA_PIP` | a program that takes pip's arguments, instead of `python3 -m pip` |
//! | `XLA_FLAGS` | XLA's own flags; unknown ones are an error, and compiled programs are then not kept |
//!
//! # Several devices
//! A [`Mesh`] gives devices named axes; [`P!`](macro@P) says along which of them an array's axes are divided. `jit(..).on(&mesh)` lets
//! the compiler divide the work, [`shard_map`] runs what is written for one device on all, [`pmap()`] one instance on each.
//! [`Jit::communication`] lists the collectives of a program over several devices: bytes, axes of the mesh, your lines, and
//! which of them the partitioner inserted; [`Jit::deny_implicit_gather`] makes large ones of those an error.
//! [`Rules`] say once what the roles of axes ([`Param::axes`], [`with_logical_sharding`]) mean on a mesh; [`param::init`] makes a model's
//! parameters in place.
//!
//! [`distributed`] joins several processes, whose devices make one mesh.
//!
//! # Where to find what
//! Programs begin with `use raxla::prelude::*`. Operations are methods of [`Tensor`] where there is one main operand, and
//! functions where there is none.
//!
//! | for | there is |
//! |---|---|
//! | compiling and running | [`jit()`], [`Jit`], [`BoxJit`], [`eager`], [`Lowered`], [`Compiled`], [`pmap()`] |
//! | data | [`Array`], [`Element`], [`Host`]; types: [`Aval`], [`DType`], [`Dims`]; clients: [`Client`], [`runtime`] |
//! | values in a trace | [`Tensor`], [`Rhs`], [`scope`], [`TraceError`]; what they become: [`Graph`], [`Var`] |
//! | making tensors | [`zeros`], [`ones`], [`full`], [`literal`], [`arange`], [`iota`], [`linspace`], [`eye`], [`causal`], [`one_hot`]; more in [`numpy`] |
//! | products | [`Tensor::matmul`], [`einsum()`], [`einsum_n`], [`einsum_with`], [`conv`], [`Window`], [`Padding`], [`Precision`] |
//! | matrices | [`linalg`], [`custom_linear_solve`], [`custom_root`] |
//! | special functions | [`special`], [`Tensor::lgamma`], [`Tensor::erfc`] |
//! | reductions by any function | [`reduce`], [`reduce_window`], [`associative_scan`] |
//! | the rest of NumPy | [`numpy`] |
//! | shapes and indices | [`Tensor::reshape`], [`REST`], [`concat()`], [`stack`], [`where_`], [`Axes`], [`Parts`], [`Tensor::at`], [`Index`], [`IndexMode`] |
//! | trees | [`Tree`], [`TensorTree`], [`JitTree`], [`ParamTree`], [`tree`], [`Path`], [`Structure`], [`Fact`], [`Leaf`], [`Hole`], [`Static`] |
//! | derivatives | [`grad`], [`value_and_grad`], [`value_and_grad_aux`], [`vjp`], [`jvp`], [`linearize()`], [`jacfwd`], [`jacrev`], [`hessian`] |
//! | keeping less, own rules | [`remat`], [`remat_with`], [`RematOptions`], [`Policy`], [`checkpoint_name`], [`custom_vjp`], [`custom_jvp`], [`optimization_barrier`] |
//! | batching | [`vmap`], [`vmap_axes`], [`vmap_with`], [`VmapOptions`], [`Axis`], [`AxisTree`], [`PerLeaf`] |
//! | loops and branches | [`scan`], [`scan_with`], [`ScanOptions`], [`while_loop`], [`fori_loop`], [`Bound`], [`cond`], [`switch`] |
//! | random numbers | [`Key`], [`random`] |
//! | parts of models | [`nn`], [`Param`], [`param`] |
//! | checkpoints of training | [`checkpoint`] |
//! | optimizers | [`optim`]: what optax has |
//! | several devices | [`Mesh`], [`P!`](macro@P), [`PartitionSpec`], [`NamedSharding`], [`SpecTree`], [`Rules`], [`with_sharding`], [`with_logical_sharding`], [`shard_map`], [`shard_map_with`], [`ShardMapOptions`], [`parallel`], [`Communication`] |
//! | several processes | [`distributed`] |
//! | collectives | [`psum`], [`pmean`], [`pmax`], [`pmin`], [`all_gather`], [`all_to_all`], [`ppermute`], [`pshuffle`], [`psum_scatter`], [`pvary`], [`axis_index`], [`axis_size`], [`AxisNames`] |
//! | accelerators that are not there | [`aot`] |
//! | looking inside | [`debug_print`], [`debug_check`], [`debug_assert()`], [`debug_nans`], [`debug`], [`Jit::explain`], [`testing`] |
//! | errors | [`Error`], [`Result`], [`Refusal`] |
//! | the primitives, and one of your own | [`prim`], [`Scalar`], [`transform`], [`lower`], [`trace`], [`graph`] |
//!
//! `docs/sharding.md` teaches meshes, divided arrays and parallel training; `docs/for_jax_users.md` says for the functions of
//! JAX what they are called here; `docs/errors.md` has a section on every error, and on what the compiler says. The models are in the crate
//! `raxla_graphs`. `docs/reading.md` follows one addition and one transformer through the code; `docs/autodidax.md` explains
//! how the core works; `ARCHITECTURE.md` says what is where and what must stay true.
extern crate self as raxla;

// (the pages of docs, whose examples are tests)
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../docs/reading.md")]
    struct Reading;
    #[doc = include_str!("../docs/for_jax_users.md")]
    struct ForJaxUsers;
    #[doc = include_str!("../docs/for_pytorch_users.md")]
    struct ForPytorchUsers;
    #[doc = include_str!("../docs/tracing.md")]
    struct Tracing;
    #[doc = include_str!("../docs/trees.md")]
    struct Trees;
    #[doc = include_str!("../docs/transformations.md")]
    struct Transformations;
    #[doc = include_str!("../docs/memory.md")]
    struct Memory;
    #[doc = include_str!("../docs/autodidax.md")]
    struct Autodidax;
    #[doc = include_str!("../docs/errors.md")]
    struct Errors;
    #[doc = include_str!("../docs/sharding.md")]
    struct Sharding;
    #[doc = include_str!("../docs/custom_kernel.md")]
    struct CustomKernel;
    #[doc = include_str!("../docs/custom_primitive.md")]
    struct CustomPrimitive;
    #[doc = include_str!("../docs/tpu_vm.md")]
    struct TpuVm;
    #[doc = include_str!("../docs/plan.md")]
    struct Plan;
}

pub mod checkpoint;
pub mod error;
pub mod fft;
mod ir;
pub mod linalg;
pub mod lower;
pub mod mesh;
pub mod nn;
pub mod numpy;
mod ops;
pub mod optim;
pub mod param;
pub mod prim;
pub mod random;

mod run;
pub mod special;
pub mod testing;
pub mod transform;

pub(crate) use ir::refusal;
pub use ir::{aval, graph, host, inner, trace, tree};
pub use mesh::{communication, parallel, pmap};
pub(crate) use run::file;
pub use run::{aot, array, cache, debug, distributed, export, jit, memory, runtime};

#[doc(inline)]
pub use array::{Array, Element};
#[doc(inline)]
pub use aval::{Aval, DType, Dims};
#[doc(inline)]
pub use communication::Communication;
#[doc(inline)]
pub use error::{Error, Result};
#[doc(inline)]
pub use graph::{Graph, Var};
#[doc(inline)]
pub use host::Host;
#[doc(inline)]
pub use jit::{BoxJit, Compiled, Jit, JitTree, Lowered, eager, jit};
#[doc(inline)]
pub use linalg::custom_root;
#[doc(inline)]
pub use mesh::{Mesh, NamedSharding, PartitionSpec, Rules, SpecTree, with_logical_sharding};
#[doc(inline)]
pub use num_complex::{Complex32, Complex64};
#[doc(inline)]
pub use ops::at::{At, Index, Indices};
#[doc(inline)]
pub use ops::einsum::{einsum, einsum_n, einsum_with};
#[doc(inline)]
pub use ops::prefix::{associative_scan, reduce, reduce_window};
#[doc(inline)]
pub use ops::reduce::Axes;
pub use ops::scaled::scaled_dot;
#[doc(inline)]
pub use ops::shape::{Parts, Shifts, arange, causal, concat, eye, linspace, one_hot, stack};
#[doc(inline)]
pub use ops::{Rhs, complex, where_};
#[doc(inline)]
pub use param::{Param, ParamTree};
#[doc(inline)]
pub use pmap::pmap;
#[doc(inline)]
pub use prim::{IndexMode, Padding, Precision, Window, conv, iota, optimization_barrier};
#[doc(inline)]
pub use prim::{NewShape, REST, Scalar, full, literal, ones, zeros};
#[doc(inline)]
pub use prim::{debug_assert, debug_check, debug_nans, debug_print};
#[doc(inline)]
pub use random::Key;
#[doc(inline)]
pub use refusal::Refusal;
#[doc(inline)]
pub use runtime::Client;
#[doc(inline)]
pub use trace::{Tensor, TensorTree, TraceError, scope};
#[doc(inline)]
pub use tree::{Fact, Hole, Leaf, Path, Static, Structure, Tree};

// operations that take functions
#[doc(inline)]
pub use prim::{
    AxisNames, all_gather, all_to_all, axis_index, axis_size, pmax, pmean, pmin, ppermute, pshuffle, psum, psum_scatter,
};
#[doc(inline)]
pub use prim::{Bound, ScanOptions, cond, fori_loop, scan, scan_with, switch, while_loop};
#[doc(inline)]
pub use prim::{Policy, RematOptions, checkpoint_name, custom_jvp, custom_linear_solve, custom_vjp, remat, remat_with};
#[doc(inline)]
pub use prim::{ShardMapOptions, pvary, shard_map, shard_map_with, with_sharding};
#[doc(inline)]
pub use transform::holomorphic;
#[doc(inline)]
pub use transform::{
    Axis, AxisTree, PerLeaf, VmapOptions, grad, hessian, jacfwd, jacrev, jvp, linearize, value_and_grad,
    value_and_grad_aux, vjp, vmap, vmap_axes, vmap_with,
};

/// What programs that use raxla import.
pub mod prelude {
    // data, values in a trace, structures of them
    pub use crate::{Array, Aval, DType, Host, Key, Param, ParamTree, Tensor, Tree};
    // compiling and running
    pub use crate::{BoxJit, Jit, JitTree, eager, jit, scope};
    // tensors, and operations without one main operand
    pub use crate::{
        REST, arange, causal, concat, conv, einsum, eye, full, iota, linspace, literal, one_hot, ones, stack, where_,
        zeros,
    };
    // functions of functions
    pub use crate::{
        Axis, ScanOptions, cond, custom_jvp, custom_vjp, fori_loop, grad, hessian, jacfwd, jacrev, jvp, linearize,
        remat, scan, scan_with, switch, value_and_grad, value_and_grad_aux, vjp, vmap, vmap_axes, while_loop,
    };
    // several devices
    pub use crate::{Mesh, P};
    // looking inside
    pub use crate::{debug_assert, debug_check, debug_nans, debug_print};
}
