//! Meshes, shardings, and what devices do together.
use super::{Lower, Region, Value, mlir_type, typed_names};
use crate::{
    aval::{Aval, DType},
    graph::Graph,
    mesh::{Mesh, NamedSharding, PartitionSpec},
    trace::{NamedAxis, fail},
};
use std::fmt::Write;

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

    /// The region of a manual computation: `body`, with the mesh known to the collectives in it. With `effect`, a first
    /// parameter and result orders the calls of the host.
    pub(crate) fn manual_region(&mut self, mesh: &Mesh, effect: Option<&Value>, body: &Graph) -> Region {
        let avals: Vec<Aval> = effect.map(|v| v.aval.clone()).into_iter().chain(body.in_avals()).collect();
        let outer = self.manual.replace(mesh.clone());
        let (args, text, outs) = self.nested(&avals, |cx, args| {
            let (first, args) = args.split_at(effect.is_some() as usize);
            first.iter().for_each(|v| cx.set_last_effect(v.clone()));
            let y = cx.graph(body, args);
            [cx.last_effect_if(effect.is_some()), y].concat()
        });
        self.manual = outer;
        let head: Vec<String> = args.iter().map(|a| format!("{}: {}", a.name, mlir_type(&a.aval))).collect();
        let pad = "  ".repeat(self.depth);
        let ret = match outs.is_empty() {
            true => "\"sdy.return\"() : () -> ()".to_string(),
            false => {
                let names: Vec<&str> = outs.iter().map(|v| &*v.name).collect();
                let types = typed_names(&outs);
                let types = types.split_once(" : ").map_or("", |t| t.1);
                format!("\"sdy.return\"({}) : ({types}) -> ()", names.join(", "))
            }
        };
        Region(format!("{pad}^bb0({}):\n{text}{pad}  {ret}\n", head.join(", ")))
    }

    /// The body of a manual computation over a single device: nothing is divided.
    pub(crate) fn on_one_device(&mut self, mesh: &Mesh, body: &Graph, x: &[Value]) -> Vec<Value> {
        let outer = self.manual.replace(mesh.clone());
        let y = self.graph(body, x);
        self.manual = outer;
        y
    }

    /// The mesh that collectives work over. Outside `shard_map` no axis of a mesh has a name.
    fn manual_mesh(&self) -> &Mesh {
        self.manual.as_ref().expect("the collectives refuse names that no mesh or vmap has")
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
        if axis.size == 1 {
            return self.splat(&Aval::new(DType::I32, []), 0.0);
        }
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
