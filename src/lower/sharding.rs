//! Meshes, shardings, and what devices do together.
use super::{Cure, Lower, Region, Value, enclosed, mlir_type, typed_names};
use crate::{
    aval::{Aval, DType},
    graph::Graph,
    mesh::{Entry, Mesh, NamedSharding, PartitionSpec},
    trace::{NamedAxis, fail},
    transform::linearize::{chosen, spread_out},
};
use std::{fmt::Write, rc::Rc};

impl Lower {
    /// The name of a mesh in the module.
    pub(super) fn mesh(&mut self, mesh: &Mesh) -> String {
        let known = self.meshes.iter().position(|m| m.axes() == mesh.axes());
        let i = known.unwrap_or_else(|| {
            let size = self.meshes.first().map_or(mesh.size(), Mesh::size);
            if size != mesh.size() {
                let reason = format!("one program cannot run on the meshes {} and {mesh}", self.meshes[0]);
                fail("jit", vec![], reason, Some("use meshes of the same devices".into()))
            }
            self.meshes.push(mesh.clone());
            self.meshes.len() - 1
        });
        if i == 0 { "mesh".into() } else { format!("mesh_{i}") }
    }

    /// The operations that declare the meshes.
    pub(super) fn declared_meshes(&self) -> String {
        let mut text = String::new();
        for (i, mesh) in self.meshes.iter().enumerate() {
            let axes: Vec<String> = mesh.axes().iter().map(|(name, n)| format!("{name:?}={n}")).collect();
            let name = if i == 0 { "mesh".into() } else { format!("mesh_{i}") };
            let _ = writeln!(text, "sdy.mesh @{name} = <[{}]>", axes.join(", "));
        }
        text
    }

    /// `<@mesh, [{"data"}, {}]>` for an array of this rank.
    pub(crate) fn sharding(&mut self, sharding: &NamedSharding, rank: usize) -> String {
        let mesh = self.mesh(&sharding.mesh);
        sharding.sdy(&mesh, rank, false, &[])
    }

    /// The same for an operand or result of a manual computation over these axes: along the others, the compiler chooses.
    pub(crate) fn manual_sharding(
        &mut self,
        mesh: &Mesh,
        manual: &[NamedAxis],
        spec: &PartitionSpec,
        rank: usize,
    ) -> String {
        let symbol = self.mesh(mesh);
        let open = manual.len() < mesh.axes().len();
        let unused = |m: &&NamedAxis| !spec.names().any(|n| **n == *m.name);
        let whole: Vec<&str> = manual.iter().filter(unused).map(|m| &*m.name).collect();
        mesh.sharding(spec.clone()).sdy(&symbol, rank, open, if open { &whole } else { &[] })
    }

    /// May the compiler divide what is written here between devices?
    pub(crate) fn is_divided(&self) -> bool {
        self.divided_axes().is_some()
    }

    /// `x`, of which every device has these axes whole.
    pub(crate) fn undivided(&mut self, x: &Value, axes: &[usize]) -> Value {
        let Some((mesh, _)) = self.divided_axes().filter(|_| !axes.is_empty()) else { return x.clone() };
        let entry = |i: usize| if axes.contains(&i) { Entry::whole() } else { Entry::Unconstrained };
        let spec = PartitionSpec((0..x.aval.rank()).map(entry).collect());
        let attrs = format!("sharding = #sdy.sharding{}", self.sharding(&mesh.sharding(spec), x.aval.rank()));
        self.op("sdy.sharding_constraint", std::slice::from_ref(x), &attrs, &x.aval)
    }

    /// A result of a branch: XLA refuses branches that return annotated values (`sharding_constraint`) with different
    /// annotations, before it looks at them.
    pub(crate) fn unannotated(&mut self, y: Value) -> Value {
        let aval = y.aval.clone();
        let annotated = self.is_divided() && Cure::PlainBranchResults.applies();
        if annotated { self.op("optimization_barrier", &[y], "", &aval) } else { y }
    }

    /// The mesh here, and those of its axes along which the compiler divides the work.
    fn divided_axes(&self) -> Option<(Mesh, Vec<NamedAxis>)> {
        let none = vec![];
        let (mesh, manual) = match &self.manual {
            Some((mesh, manual)) => (mesh, manual),
            None => (self.devices.as_ref()?, &none),
        };
        let rest = mesh.axes().iter().filter(|(name, _)| !manual.iter().any(|m| **m == **name));
        let named = |(name, size): &(std::sync::Arc<str>, usize)| NamedAxis {
            name: Rc::from(&**name),
            size: *size,
            mesh: true,
        };
        let rest: Vec<NamedAxis> = rest.map(named).collect();
        (!self.alone(&rest)).then(|| (mesh.clone(), rest))
    }

    /// What `write` writes, written for one device: along those axes of the mesh where the compiler would divide the work,
    /// all devices do it with the whole of `x`, and have the same results.
    fn by_every_device(
        &mut self,
        x: &[Value],
        y: &[Aval],
        write: impl FnOnce(&mut Lower, &[Value], &[NamedAxis]) -> Vec<Value>,
    ) -> Vec<Value> {
        let Some((mesh, rest)) = self.divided_axes() else { return write(self, x, &[]) };
        let avals: Vec<Aval> = x.iter().map(|v| v.aval.clone()).collect();
        let region = self.region_over(&mesh, &rest, &avals, |cx, x| write(cx, x, &rest));
        let whole = PartitionSpec::default();
        let mut all_whole = |avals: &[Aval]| {
            let each: Vec<String> =
                avals.iter().map(|a| self.manual_sharding(&mesh, &rest, &whole, a.rank())).collect();
            format!("#sdy.sharding_per_value<[{}]>", each.join(", "))
        };
        let names: Vec<String> = rest.iter().map(|a| format!("{:?}", &*a.name)).collect();
        let attrs = format!(
            "in_shardings = {}, manual_axes = #sdy<manual_axes{{{}}}>, out_shardings = {}",
            all_whole(&avals),
            names.join(", "),
            all_whole(y)
        );
        self.op_with("sdy.manual_computation", x, &attrs, vec![region], y)
    }

    /// A call of the host that `write` writes: where the compiler would divide the work, one device makes it for all. Its
    /// result has the type of the last operand, which the other devices return.
    pub(crate) fn by_one_device(&mut self, x: &[Value], write: impl FnOnce(&mut Lower, &[Value]) -> Value) -> Value {
        let result = x.last().map(|v| v.aval.clone()).expect("an operand");
        let call = |cx: &mut Lower, x: &[Value], rest: &[NamedAxis]| {
            let numbers: Vec<Value> = rest.iter().map(|a| cx.device_number(a)).collect();
            let add = |a: Value, b: Value| cx.op("add", &[a, b], "", &Aval::new(DType::I32, []));
            let Some(number) = numbers.into_iter().reduce(add) else { return vec![write(cx, x)] };
            // (a number past the last branch means the last)
            let calls = cx.region(&[], |cx, _| vec![write(cx, x)]);
            let others = cx.region(&[], |_, _| vec![x[x.len() - 1].clone()]);
            cx.op_with("case", &[number], "", vec![calls, others], std::slice::from_ref(&result))
        };
        self.by_every_device(x, std::slice::from_ref(&result), call).swap_remove(0)
    }

    /// The region of a manual computation: `body`, with the mesh known to the collectives in it. With `effect`, a first
    /// parameter and result orders the calls of the host. Inputs of the body that are not `given` have no elements.
    pub(crate) fn manual_region(
        &mut self,
        mesh: &Mesh,
        manual: &[NamedAxis],
        effect: Option<&Value>,
        body: &Graph,
        given: &[bool],
    ) -> Region {
        let ins = body.in_avals();
        let operands = chosen(&ins, given);
        let avals: Vec<Aval> = effect.map(|v| v.aval.clone()).into_iter().chain(operands).collect();
        self.region_over(mesh, manual, &avals, |cx, args| {
            let (first, args) = args.split_at(effect.is_some() as usize);
            first.iter().for_each(|v| cx.set_last_effect(v.clone()));
            let args = spread_out(args, given).into_iter().zip(&ins);
            let args: Vec<Value> = args.map(|(v, a)| v.unwrap_or_else(|| cx.splat(a, 0.0))).collect();
            let y = cx.graph(body, &args);
            [cx.last_effect_if(effect.is_some()), y].concat()
        })
    }

    /// The region of a manual computation over these axes.
    fn region_over(
        &mut self,
        mesh: &Mesh,
        manual: &[NamedAxis],
        avals: &[Aval],
        write: impl FnOnce(&mut Lower, &[Value]) -> Vec<Value>,
    ) -> Region {
        let outer = self.enter_mesh(mesh, manual);
        let (args, text, outs) = self.nested(avals, write);
        self.manual = outer;
        let head: Vec<String> = args.iter().map(|a| format!("{}: {}", a.name, mlir_type(&a.aval))).collect();
        let pad = self.margin();
        let ret = match outs.is_empty() {
            true => "\"sdy.return\"() : () -> ()".to_string(),
            false => {
                let names: Vec<&str> = outs.iter().map(|v| &*v.name).collect();
                let types = typed_names(&outs);
                let types = types.split_once(" : ").map_or("", |t| t.1);
                format!("\"sdy.return\"({}) : ({types}) -> ()", names.join(", "))
            }
        };
        Region(enclosed(&format!("{pad}^bb0({}):\n", head.join(", ")), text, &format!("{pad}  {ret}\n")))
    }

    /// The body of a manual computation over a single device: nothing is divided.
    pub(crate) fn on_one_device(&mut self, mesh: &Mesh, manual: &[NamedAxis], body: &Graph, x: &[Value]) -> Vec<Value> {
        let outer = self.enter_mesh(mesh, manual);
        let y = self.graph(body, x);
        self.manual = outer;
        y
    }

    /// From now on, collectives are over this mesh, of which these axes are manual too. Returns what was so before.
    fn enter_mesh(&mut self, mesh: &Mesh, manual: &[NamedAxis]) -> Option<(Mesh, Vec<Rc<str>>)> {
        let outer = self.manual.iter().filter(|(m, _)| m.axes() == mesh.axes()).flat_map(|(_, axes)| axes.clone());
        let axes = outer.chain(manual.iter().map(|a| a.name.clone())).collect();
        self.manual.replace((mesh.clone(), axes))
    }

    /// The mesh that collectives work over. Outside `shard_map` no axis of a mesh has a name.
    fn manual_mesh(&self) -> &Mesh {
        &self.manual.as_ref().expect("the collectives refuse names that no mesh or vmap has").0
    }

    /// Is there one device along these axes, so that nothing need be communicated?
    pub(crate) fn alone(&self, axes: &[NamedAxis]) -> bool {
        axes.iter().all(|a| a.size == 1)
    }

    /// The devices that differ only along these axes.
    fn device_groups(&self, axes: &[NamedAxis]) -> Vec<Vec<usize>> {
        self.manual_mesh().groups(&axes.iter().map(|a| &*a.name).collect::<Vec<_>>())
    }

    /// `replica_groups` of the devices that differ only along these axes.
    pub(crate) fn groups(&self, axes: &[NamedAxis]) -> String {
        let groups = self.device_groups(axes);
        let row = |g: &Vec<usize>| format!("[{}]", g.iter().map(usize::to_string).collect::<Vec<_>>().join(", "));
        let rows: Vec<String> = groups.iter().map(row).collect();
        format!("dense<[{}]> : tensor<{}x{}xi64>", rows.join(", "), groups.len(), groups[0].len())
    }

    /// `source_target_pairs`: these pairs of numbers along the axes, for all devices.
    pub(crate) fn device_pairs(&self, axes: &[NamedAxis], pairs: &[(usize, usize)]) -> String {
        let groups = self.device_groups(axes);
        let all = groups.iter().flat_map(|g| pairs.iter().map(|(from, to)| format!("[{}, {}]", g[*from], g[*to])));
        let all: Vec<String> = all.collect();
        format!("dense<[{}]> : tensor<{}x2xi64>", all.join(", "), all.len())
    }

    /// A channel that no other collective of the module has.
    pub(crate) fn channel(&mut self) -> String {
        self.channels += 1;
        format!("#stablehlo.channel_handle<handle = {}, type = 1>", self.channels)
    }

    /// The number of this device along an axis of the mesh, an i32 scalar.
    pub(crate) fn device_number(&mut self, axis: &NamedAxis) -> Value {
        let number = Aval::new(DType::I32, []);
        if axis.size == 1 {
            return self.splat(&number, 0.0);
        }
        // (only where all axes are manual does a device have a number)
        let own = |cx: &mut Lower, _: &[Value], _: &[NamedAxis]| vec![cx.own_number(axis)];
        self.by_every_device(&[], &[number], own).swap_remove(0)
    }
    fn own_number(&mut self, axis: &NamedAxis) -> Value {
        let mesh = self.manual_mesh();
        let at = mesh.axes().iter().position(|a| *a.0 == *axis.name).expect("an axis of the mesh");
        let stride: usize = mesh.axes()[at + 1..].iter().map(|a| a.1).product();
        let u32_ = Aval::new(DType::U32, []);
        let device = self.op("partition_id", &[], "", &u32_);
        let (stride, size) = (self.splat(&u32_, stride as f64), self.splat(&u32_, axis.size as f64));
        let row = self.op("divide", &[device, stride], "", &u32_);
        let number = self.op("remainder", &[row, size], "", &u32_);
        self.op("convert", &[number], "", &Aval::new(DType::I32, []))
    }
}
