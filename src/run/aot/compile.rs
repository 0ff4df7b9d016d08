//! A lowered program, compiled for devices that are not there.
use super::{
    Devices, Make, Plan, Work,
    buffers::{arguments, values},
    plan::Memory,
    traffic::traffic,
};
use crate::{
    aval::DType,
    communication::{Communication, hlo},
    error::{Error, Result},
    export::{Header, Packed},
    jit::Lowered,
    mesh::Mesh,
    trace::Tensor,
    tree::{Hole, Tree},
};
use raxla_xla::{Code, CompileOptions};
use std::time::Instant;

/// XLA's effort O1, on TPUs: compiles 10 to 30 times faster than as a rule, with a plan of memory that is a little higher. (On GPUs it adds
/// passes to those that are the rule, one of which, the unrolling of loops, leaves loops that the next cannot take.)
const FAST: i32 = 19;

/// How to plan.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Let the compiler for TPUs try less: it is done much sooner, and needs a little more memory. That for GPUs has nothing to leave out.
    pub fast: bool,
    /// The dtype of the factors of most products, by which the estimate takes the chip's peak.
    pub dtype: DType,
}
impl Default for Options {
    fn default() -> Options {
        Options { fast: false, dtype: DType::BF16 }
    }
}

impl<Args, Out: Tree<Tensor>> Lowered<Args, Out> {
    /// How it is compiled for these devices, of which there must be enough.
    fn options_of(&self, devices: &Devices, options: &Options) -> Result<CompileOptions> {
        self.mesh().map_or(Ok(()), |mesh| devices.check(mesh))?;
        let ids = self.mesh().map_or(1, Mesh::size);
        let ids = devices.topology.devices()[..ids].iter().map(|device| device.id).collect();
        let mut compile = self.options_on(devices.topology.platform_name(), ids);
        let tpu = matches!(devices.target.chip.make, Make::Tpu { .. });
        compile.optimization_level = (options.fast && tpu).then_some(FAST).or(compile.optimization_level);
        Ok(compile)
    }

    /// Compiles for these devices, to be kept in a file under this name, and loaded where they are.
    ///
    /// # Errors
    /// As [`Lowered::plan`]; a program that does not fit, or that calls this process.
    pub fn pack_for(&self, devices: &Devices, options: &Options, name: &str) -> Result<Packed>
    where
        Args: Tree<Tensor>,
        Out::With<Hole>: Tree<Hole>,
    {
        self.refuse_calls()?;
        if self.mesh().is_some_and(|mesh| mesh.size() > 1)
            && let Some(i) = self.places().1.iter().position(Option::is_none)
        {
            let reason = format!("nothing says how result {i} is divided, which whoever loads the program must know");
            return Err(Error::Sharding { reason, help: "say it: `jit(..).out_shardings(..)`".into() });
        }
        let compile = self.options_of(devices, options)?;
        let compiled = devices.topology.compile(self.portable_text().as_bytes(), &compile)?;
        let layouts = compiled.parameter_layouts().unwrap_or_default();
        let header = Header {
            platform: devices.topology.platform_name().into(),
            plugin: devices.topology.platform_version().into(),
            ..self.header(name, &devices.target.to_string(), &layouts)
        };
        Ok(Packed { header, program: compiled.serialize()? })
    }

    /// Compiles for these devices, and says what the program needs there. A program that needs more memory than there is has a plan
    /// too, which says so.
    ///
    /// # Errors
    /// A mesh of more devices than there are; what else the compiler reports.
    pub fn plan(&self, devices: &Devices, options: &Options) -> Result<Plan> {
        let axes = self.mesh().map(|mesh| mesh.axes().iter().map(|(name, n)| (name.to_string(), *n)).collect());
        let mesh: Vec<(String, usize)> = axes.unwrap_or_default();
        let compile = self.options_of(devices, options)?;
        let start = Instant::now();
        let text = self.portable_text();
        let compiled = devices.topology.compile_with_text(text.as_bytes(), &compile);
        let seconds = start.elapsed().as_secs_f64();
        let own = arguments(self);
        let cost = self.graph.cost();
        let work = |bytes: u64, sent: Vec<(usize, u64)>| Work {
            flops: cost.flops / mesh.iter().map(|(_, n)| *n as f64).product::<f64>(),
            bytes: bytes as f64,
            sent,
            dtype: options.dtype,
        };
        let plan = |memory: Memory| Plan::new(devices, &mesh, seconds, cost.flops, cost.bytes, memory);
        let (memory, hlo) = match compiled {
            Ok((compiled, hlo)) => (Memory::of(&compiled.memory_stats()?, devices.limit), hlo),
            Err(error) if error.code == Code::ResourceExhausted => {
                let memory = Memory::exceeded(&error.message, &own, devices.limit);
                let buffers = super::buffers::of_message(&error.message, own);
                return Ok(Plan { buffers, refusal: Some(error.message), ..plan(memory) });
            }
            Err(error) => return Err(Error::Runtime(error)),
        };
        let module = hlo.as_deref().and_then(hlo::Module::parse);
        let Some((module, hlo)) = module.zip(hlo.as_deref()) else {
            return Ok(Plan { buffers: own, ..plan(memory) });
        };
        let communication = Communication::of_hlo(hlo, &mesh, text)?;
        let bytes = traffic(&module);
        let work = work(bytes, super::estimate::sent(&communication));
        Ok(Plan {
            buffers: super::buffers::merged(own, values(&module)),
            traffic: super::plan::totals(&communication),
            accessed: Some(bytes),
            estimate: Some(work.on(&devices.target)),
            ..plan(memory)
        })
    }
}
