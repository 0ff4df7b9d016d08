//! How the arrays of a program that was read from a file are divided over several devices.
use super::refused;
use crate::{
    aval::Aval,
    error::{Error, Result},
    mesh::{Entry, Mesh, NamedSharding, PartitionSpec},
};
use raxla_xla::{Client, CompileOptions, Executable};
use std::{iter::zip, sync::Arc};

/// For each axis of an array the axes of the mesh that divide it; axes behind the last are whole.
pub(super) type Axes = Vec<Vec<String>>;

/// What a file says: the axes of the mesh, and how each argument and result is divided. The compiler chooses for results of which nothing
/// is said.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Said {
    pub(super) mesh: Vec<(String, usize)>,
    pub(super) ins: Vec<Axes>,
    pub(super) outs: Vec<Option<Axes>>,
}

/// The division over the devices of a client.
#[derive(Debug)]
pub(super) struct Division {
    pub(super) mesh: Mesh,
    pub(super) ins: Vec<NamedSharding>,
    pub(super) outs: Vec<NamedSharding>,
    /// For each of the mesh's devices that is this process's, its number among the program's devices.
    pub(super) devices: Vec<usize>,
}

/// How an array is divided, as files have it.
pub(super) fn axes_of(spec: &PartitionSpec) -> Axes {
    spec.0.iter().map(|entry| entry.names().iter().map(|name| name.to_string()).collect()).collect()
}
fn spec(axes: &Axes) -> PartitionSpec {
    let names = |names: &Vec<String>| Entry::Axes(names.iter().map(|name| Arc::from(name.as_str())).collect());
    PartitionSpec::new(axes.iter().map(names).collect())
}
/// The whole of which each device has such a part.
pub(super) fn whole(part: &Aval, sharding: &NamedSharding) -> Aval {
    let parts = |axis: usize| {
        let names = sharding.spec.0.get(axis).map_or(&[][..], |entry| entry.names());
        names.iter().map(|name| sharding.mesh.axis(name).unwrap_or(1)).product::<usize>()
    };
    part.with_dims(part.dims.iter().enumerate().map(|(axis, n)| n * parts(axis)).collect::<Vec<_>>())
}

impl Said {
    /// The mesh of the first devices of a client.
    pub(super) fn mesh_on(&self, client: &Client) -> Result<Mesh> {
        Mesh::new(client, self.mesh.iter().map(|(name, n)| (name.as_str(), *n)))
    }
    /// What the compiler is told.
    pub(super) fn options(&self, mesh: &Mesh, options: CompileOptions) -> CompileOptions {
        CompileOptions {
            num_partitions: mesh.size(),
            use_spmd: true,
            use_shardy: true,
            device_assignment: Some(vec![mesh.devices().iter().map(|device| device.id()).collect()]),
            propagate_to_parameters: vec![false],
            propagate_to_outputs: self.outs.iter().map(Option::is_none).collect(),
            ..options
        }
    }
    /// The division of this program, whose results have these types on one device.
    pub(super) fn division(&self, mesh: Mesh, executable: &Executable, results: &[Aval]) -> Result<Division> {
        let counts = [(self.ins.len(), executable.parameters().len()), (self.outs.len(), results.len())];
        if counts.iter().any(|(said, has)| said != has) {
            let [(ins, takes), (outs, gives)] = counts;
            let have = format!("it says how {ins} arguments and {outs} results are divided");
            return Err(refused("the program", have, &format!("it has {takes} and {gives}"), "export it anew"));
        }
        let known: Vec<&String> = self.ins.iter().chain(self.outs.iter().flatten()).flatten().flatten().collect();
        if let Some(name) = known.into_iter().find(|name| mesh.axis(name).is_none()) {
            let have = format!("it divides an array along `{name}`");
            return Err(refused("the program", have, &format!("its mesh is {mesh}"), "export it anew"));
        }
        let tilings = if self.outs.iter().all(Option::is_some) { None } else { executable.output_tilings()? };
        let out = |(i, (said, aval)): (usize, (&Option<Axes>, &Aval))| match said {
            Some(axes) => Ok(mesh.sharding(spec(axes))),
            None => match tilings.as_ref().and_then(|all| all.get(i)) {
                Some(tiling) => NamedSharding::of_tiling(&mesh, aval.rank(), tiling),
                None => Some(mesh.replicated()),
            }
            .ok_or_else(|| Error::Sharding {
                reason: format!("the compiler divides result {i} ({aval}) in a way that axes of the mesh do not say"),
                help: "export it with shardings of its results".into(),
            }),
        };
        let outs = zip(&self.outs, results).enumerate().map(out).collect::<Result<Vec<_>>>()?;
        let number = |device| executable.devices().iter().position(|own| own.id() == device);
        let devices = mesh.addressable_devices().map(|device| number(device.id())).collect::<Option<Vec<_>>>();
        let devices = devices.ok_or_else(|| {
            let help = "compile it for the devices that are here";
            refused("the program", "it is for other devices", &format!("the mesh is {mesh}"), help)
        })?;
        let ins = self.ins.iter().map(|axes| mesh.sharding(spec(axes))).collect();
        Ok(Division { mesh, ins, outs, devices })
    }

    /// What a module's text says, if it has a mesh of several devices.
    ///
    /// # Errors
    /// A form of sharding that is not understood.
    pub(super) fn read(text: &str) -> std::result::Result<Option<Said>, String> {
        let meshes: Vec<&str> = text.lines().filter_map(|line| line.trim_start().strip_prefix("sdy.mesh @")).collect();
        let Some(declared) = meshes.first() else { return Ok(None) };
        let axes = declared.split_once("<[").and_then(|(_, rest)| rest.split_once("]>"));
        let axes = axes.map(|(axes, _)| axes).filter(|_| meshes.len() == 1 && !declared.contains("device_ids"));
        let axes = axes.ok_or("it has several meshes, or one of devices in an order of its own")?;
        let axis = |text: &str| {
            let (name, n) = text.split_once('=')?;
            Some((name.trim().trim_matches('"').to_string(), n.trim().parse::<usize>().ok()?))
        };
        let mesh: Option<Vec<(String, usize)>> = axes.split(',').map(axis).collect();
        let mesh = mesh.ok_or_else(|| format!("its mesh is `{declared}`"))?;
        if mesh.iter().map(|(_, n)| *n).fold(1, usize::saturating_mul) <= 1 {
            return Ok(None);
        }
        let (_, rest) = text.split_once("@main(").ok_or("it has no function @main")?;
        let head = rest.lines().next().unwrap_or_default();
        let (ins, outs) = head.split_once(") -> ").unwrap_or((head, ""));
        let each = |part: &str| {
            let starts: Vec<usize> = part.match_indices("tensor<").map(|(at, _)| at).chain([part.len()]).collect();
            starts.windows(2).map(|w| divided(&part[w[0]..w[1]])).collect::<std::result::Result<Vec<_>, String>>()
        };
        let ins = each(ins)?.into_iter().map(Option::unwrap_or_default).collect();
        Ok(Some(Said { mesh, ins, outs: each(outs)? }))
    }
}

/// `.. sdy.sharding = #sdy.sharding<@mesh, [{"data", "fsdp"}, {}]> ..`
fn divided(text: &str) -> std::result::Result<Option<Axes>, String> {
    let Some((_, rest)) = text.split_once("#sdy.sharding<@") else { return Ok(None) };
    let wrong = || format!("a sharding is `{}`", rest.split('>').next().unwrap_or_default());
    let entries = rest.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map(|(entries, _)| entries);
    let entry = |entry: &str| -> Option<Vec<String>> {
        let names = entry.split_once('{')?.1;
        let name = |name: &str| Some(name.trim().strip_prefix('"')?.strip_suffix('"')?.to_string());
        if names.trim().is_empty() { Some(vec![]) } else { names.split(',').map(name).collect() }
    };
    let entries = entries.ok_or_else(wrong)?;
    let all: Vec<&str> = entries.split('}').filter(|entry| !entry.trim().is_empty()).collect();
    all.into_iter().map(entry).collect::<Option<Axes>>().map(Some).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shardings_are_read_from_modules() {
        let text = r#"module {
  sdy.mesh @mesh = <["data"=2, "model"=4]>
  func.func public @main(%arg0: tensor<8x4xf32> {sdy.sharding = #sdy.sharding<@mesh, [{"data", "model"}, {}]>}, %arg1: tensor<f32>) -> (tensor<8xf32> {jax.result_info = "", sdy.sharding = #sdy.sharding<@mesh, [{"data"}]>}, tensor<4xf32>) {
"#;
        let said = Said::read(text).unwrap().unwrap();
        let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        assert_eq!(said.mesh, [("data".to_string(), 2), ("model".to_string(), 4)]);
        assert_eq!(said.ins, [vec![names(&["data", "model"]), vec![]], vec![]]);
        assert_eq!(said.outs, [Some(vec![names(&["data"])]), None]);
        assert!(Said::read(&text.replace("\"data\"}]", "\"data\":(1)2}]")).unwrap_err().contains("a sharding is"));
        assert_eq!(Said::read(&text.replace("2, \"model\"=4", "1")), Ok(None));
    }
}
