//! Parameters with their first values, made where they are to be.
use super::{Param, Slice, Stored};
use crate::{
    Array, Result,
    aval::DType,
    jit::{Jit, jit},
    mesh::{Mesh, Rules},
    prim,
    random::Key,
    runtime::{self, Client},
    trace::{Tensor, fail},
    tree::Tree,
};

/// All parameters of a model with their initial values, divided over a mesh as the rules say: each device computes its own
/// part, by programs that parameters of a kind share. The values are the same on every mesh.
///
/// Each parameter is drawn under `key` folded with its checkpoint name (its path in the tree, if it has none), as the stored
/// tensor of that name or its slice of it. So tied parameters are equal, slices of one tensor differ, and a model has the
/// same values whether it keeps a fused matrix whole or in parts.
///
/// ```
/// use raxla::{Mesh, P, Param, mesh::Rules, param::init, prelude::*, runtime};
/// #[derive(Tree, Clone)]
/// struct Mlp<T = Tensor> {
///     up: T,
///     down: T,
/// }
/// let up = Param::new([8, 32], ["embed", "mlp"]).normal(0.02);
/// let spec = Mlp { up, down: Param::new([32, 8], ["mlp", "embed"]).normal(0.02) };
/// let client = runtime::client_with(&runtime::Options { cpu_devices: Some(8), ..Default::default() })?;
/// let mesh = Mesh::new(&client, [("data", 4), ("model", 2)])?;
/// let m = init(&spec, &Key::host(0), &mesh, &Rules::new([("mlp", "model"), ("embed", "data")]))?;
/// assert_eq!(m.up.sharding().unwrap().spec, P!["data", "model"]);
/// assert_eq!(m.down.addressable_shards()[0].data.dims(), [16, 2]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// What the plugin reports.
pub fn init<M: Tree<Param>>(
    spec: &M,
    key: &Key<crate::Host>,
    mesh: &Mesh,
    rules: &Rules,
) -> Result<<M as Tree<Param>>::With<Array>> {
    let draw = |p: &Param| {
        let spec = rules.spec_of(p, mesh);
        (spec.to_string(), Box::new(move |jit: Draw| jit.on(mesh).out_shardings(spec)) as Box<dyn FnOnce(Draw) -> Draw>)
    };
    each(spec, key, &mesh.client()?.clone(), draw)
}

/// As [`init`], on the first device of this client.
///
/// # Errors
/// What the plugin reports.
pub fn init_on<M: Tree<Param>>(
    spec: &M,
    key: &Key<crate::Host>,
    client: &Client,
) -> Result<<M as Tree<Param>>::With<Array>> {
    each(spec, key, client, |_| (String::new(), Box::new(|jit: Draw| jit.on(client))))
}

/// A tree of specifications: every [`Tree`] of [`Param`]s is one.
pub trait ParamTree: Tree<Param> {
    /// All parameters with their initial values, on the first device of the default client. [`init`] divides them over a mesh.
    ///
    /// ```
    /// use raxla::prelude::*;
    /// #[derive(Tree, Clone)]
    /// struct Linear<T = Tensor> {
    ///     w: T,
    ///     b: T,
    /// }
    /// let spec = Linear { w: Param::new([2, 3], ["in", "out"]).normal(0.1), b: Param::new([3], ["out"]) };
    /// let model: Linear<Array> = spec.init(Key::host(0))?;
    /// assert_eq!(model.b.to_string(), "[0. 0. 0.]");
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// What the plugin reports.
    fn init(&self, key: Key<crate::Host>) -> Result<Self::With<Array>> {
        init_on(self, &key, &runtime::client()?)
    }
}
impl<M: Tree<Param>> ParamTree for M {}

/// From the key and a parameter's fingerprint to its values.
type Draw = Jit<(Key, Tensor), Box<dyn Fn(Key, Tensor) -> Tensor>>;

/// Draw each parameter by a program that all of its kind share. `place` says where its values are to be, as a text and as what
/// makes a program put them there.
fn each<'a, M: Tree<Param>>(
    spec: &M,
    key: &Key<crate::Host>,
    client: &Client,
    place: impl Fn(&Param) -> (String, Box<dyn FnOnce(Draw) -> Draw + 'a>),
) -> Result<<M as Tree<Param>>::With<Array>> {
    let words: Vec<u32> = key.data().to_ints().iter().map(|w| *w as u32).collect();
    let key = Key::from_data(Array::on(client, [2], &words)?);
    let mut programs: Vec<(Param, String, Draw)> = vec![];
    spec.try_map_named(|path, p| {
        let kind = p.clone().anonymous();
        let (place, put) = place(p);
        let at = match programs.iter().position(|(k, at, _)| *k == kind && *at == place) {
            Some(at) => at,
            None => {
                let drawn = kind.clone();
                let f: Box<dyn Fn(Key, Tensor) -> Tensor> = Box::new(move |key, name| drawn.draw(key.fold_in(name)));
                programs.push((kind, place, put(jit(f).named("init"))));
                programs.len() - 1
            }
        };
        let name = Array::on(client, [], &[p.fingerprint(&path.to_string())])?;
        programs[at].2.call((&key, name))
    })
}

impl Param {
    /// Without what does not matter to its initial value but for the key: its name.
    fn anonymous(self) -> Param {
        Param { name: String::new(), tied: None, layers: None, axes: vec![], ..self }
    }
    /// Its initial value, inside a trace. Random elements are drawn in the order of a checkpoint, and then brought into the
    /// parameter's own.
    #[track_caller]
    pub fn draw(&self, key: Key) -> Tensor {
        let (dims, s) = (&self.aval.dims, self.stacks);
        let part = match (self.selection(), self.slice) {
            (Err(reason), _) => fail(
                "init",
                vec![self.aval.clone()],
                format!("its slice is no slice: {reason}"),
                Some("correct `Param::slice`".into()),
            ),
            (Ok(_), part) => part,
        };
        let order: Vec<usize> = (0..s).chain(self.stored_order().into_iter().map(|i| s + i)).collect();
        let back = prim::inverse(&order);
        if self.init.is_of_matrices() && part.is_none() {
            // (a whole matrix: in its own order, each of a stack by itself)
            return self.init.of_matrices(key, dims, s, self.inputs()).cast(self.aval.dtype);
        }
        let whole = [&dims[..s], &self.whole_dims()].concat();
        let own: Vec<usize> = back.iter().map(|i| whole[*i]).collect();
        let mut drawn = self.init.elements(key, &whole, DType::F32, self.init.fans(&own[s..], self.inputs()));
        if let Some(Slice { axis, start, step, of }) = part {
            let (mut from, mut to, mut steps) = (vec![0; whole.len()], whole.clone(), vec![1; whole.len()]);
            (from[s + axis], steps[s + axis]) = (start, step);
            to[s + axis] = of.min(start + step * dims[order[s + axis]]);
            drawn = prim::slice(drawn, from, to, steps);
        }
        drawn.cast(self.aval.dtype).transpose(back)
    }
    /// How many of its axes are inputs, if that is known: of a matrix that is stored transposed.
    fn inputs(&self) -> Option<usize> {
        if let Stored::Transposed(inputs) = self.layout { Some(inputs) } else { None }
    }
    /// A number for [`Key::fold_in`] that depends on the name in a checkpoint, else on the path of what it is tied to, else
    /// on this path, and is the same on every machine (FNV-1a).
    pub fn fingerprint(&self, path: &str) -> u32 {
        let name = if self.name.is_empty() { self.tied.as_deref().unwrap_or(path) } else { &self.name };
        // (of a pattern of layers, each stack has the same name)
        let first = self.layers.filter(|layers| layers.0 > 0).map(|layers| format!(" from {}", layers.0));
        name.bytes()
            .chain(first.iter().flat_map(|text| text.bytes()))
            .fold(0x811c_9dc5, |hash, byte| (hash ^ byte as u32).wrapping_mul(0x0100_0193))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_what_they_are_of_the_whole_on_any_mesh() {
        let client = runtime::client_with(&runtime::Options { cpu_devices: Some(8), ..Default::default() }).unwrap();
        let (d, h, g, k) = (8, 4, 2, 4);
        let part = |heads, at| {
            let p = Param::new([d, heads, k], ["embed", "heads", "head"]).normal(1.0).stored("layers.{}.qkv");
            p.transposed(1).slice(0, at, h + 2 * g).stacked(2, "layers")
        };
        let strided = |at| Param::new([d, 6], ["embed", "mlp"]).normal(1.0).stored("gate_up").strided(1, at, 2, 12);
        let mut whole = part(h + 2 * g, 0);
        whole.slice = None;
        let mut both = strided(0);
        (both.aval, both.slice) = (both.aval.with_dims([d, 12]), None);
        let tied = Param::new([d, 12], ["embed", "mlp"]).normal(1.0).tied_to("7");
        let named = Param::new([d, 12], ["embed", "mlp"]).normal(1.0);
        let spec = vec![whole, part(h, 0), part(g, h), part(g, h + g), both, strided(0), strided(1), named, tied];
        let drawn = |mesh: &[(&str, usize)]| -> Vec<Vec<f32>> {
            let mesh = Mesh::new(&client, mesh.to_vec()).unwrap();
            let rules = Rules::new([("heads", "model"), ("mlp", "model"), ("embed", "data")]);
            let arrays = init(&spec, &Key::host(7), &mesh, &rules).unwrap();
            arrays.iter().map(|a| a.to_vec::<f32>().unwrap()).collect()
        };
        let one = drawn(&[("model", 1)]);
        assert_eq!(drawn(&[("data", 4), ("model", 2)]), one);
        assert_eq!(one[7], one[8]);
        let [whole, q, key, v, both, gate, up, ..] = &one[..] else { panic!() };
        let at = |x: &[f32], heads: usize, head: usize| x[(d + 3) * heads * k + head * k + 1];
        for (part, heads, first) in [(q, h, 0), (key, g, h), (v, g, h + g)] {
            assert_eq!(at(part, heads, 1), at(whole, h + 2 * g, first + 1));
        }
        assert_eq!((gate[6 * 2 + 4], up[6 * 2 + 4]), (both[12 * 2 + 8], both[12 * 2 + 9]));
    }
}
