//! Compiled programs in files: a header that says what for, and the plugin's bytes.
//!
//! A file is the 16 bytes of [`MAGIC`], the length of the header as 8 bytes (little end first), the header as JSON, the plugin's bytes, and
//! the sha256 of all of this.
use super::{
    Program,
    division::{Axes, Said, axes_of},
    refused,
};
use crate::{
    aval::{Aval, DType},
    cache::processor,
    error::{Error, Result},
    jit::{Lowered, platform_options},
    mesh::NamedSharding,
    runtime,
    trace::Tensor,
    tree::{Hole, Tree},
};
use raxla_xla::{Client, CompileOptions, Layout};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How a file begins. The number changes when what follows does.
const MAGIC: &[u8; 16] = b"raxla compiled 1";
const SUM: usize = 32;

/// What an argument or a result is, on one device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Argument {
    /// Its path: `0.w`.
    pub name: String,
    /// Its dtype: `bf16`.
    pub dtype: String,
    /// Its sizes.
    pub dims: Vec<usize>,
    /// Its axes as they lie in memory, the fastest first; empty where the plugin does not tell.
    pub minor_to_major: Vec<i64>,
    /// For each of its axes the axes of the mesh that divide it; of a program for one device, none.
    #[serde(default)]
    pub divided: Axes,
}
impl Argument {
    pub(super) fn aval(&self) -> Result<Aval> {
        let dtype: Option<DType> = self.dtype.parse().ok();
        let aval = dtype.filter(|d| d.bytes_of(&self.dims).is_some()).map(|d| Aval::new(d, self.dims.clone()));
        aval.ok_or_else(|| damaged(format!("`{}` is {}{:?}, which there is not", self.name, self.dtype, self.dims)))
    }
}

/// What a compiled program is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// What was compiled, in words.
    pub name: String,
    /// The devices that were named: `cpu`, `v5e:2x4`.
    pub target: String,
    /// The plugin's platform: `cpu`, `tpu`, `cuda`.
    pub platform: String,
    /// The plugin's build: in its own words, or its file's name and size.
    pub plugin: String,
    /// The processor, of a program for CPUs: a sha256 over what it can do.
    pub processor: Option<String>,
    /// On how many devices it runs.
    pub devices: usize,
    /// Names and sizes of the axes of their mesh.
    #[serde(default)]
    pub mesh: Vec<(String, usize)>,
    /// What each device takes.
    pub arguments: Vec<Argument>,
    /// What the program returns, in whole.
    pub results: Vec<Argument>,
    /// Which arguments results take over, by number.
    pub donated: Vec<usize>,
}

/// A compiled program and what it is for.
#[derive(Clone, Debug, PartialEq)]
pub struct Packed {
    /// What it is for.
    pub header: Header,
    /// The plugin's own bytes.
    pub program: Vec<u8>,
}

fn damaged(have: impl Into<String>) -> Error {
    refused("the compiled program", have, "a whole file is needed", "compile it again: `raxla compile`")
}

/// What a CPU's code depends on.
fn this_processor() -> String {
    Sha256::digest(processor()).iter().map(|b| format!("{b:02x}")).collect()
}

/// Which build of its plugin this is: in the plugin's own words or, where these have no number (the plugin for CPUs says `cpu`), by
/// the name and size of its file.
fn build(client: &Client) -> String {
    let version = client.platform_version();
    if version.contains(|c: char| c.is_ascii_digit()) {
        return version.into();
    }
    let path = client.plugin().path();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("{version}: {name}, {} bytes", path.metadata().map_or(0, |file| file.len()))
}

impl Packed {
    pub(super) fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC[..14])
    }
    /// Reads a file.
    ///
    /// # Errors
    /// A file of another version, that is cut off, or that was changed.
    pub fn read(bytes: &[u8]) -> Result<Packed> {
        if !bytes.starts_with(MAGIC) {
            return Err(damaged("it is of another version of raxla's format, or none"));
        }
        let short = || damaged(format!("it is cut off after {} bytes", bytes.len()));
        let end = bytes.len().checked_sub(SUM).filter(|end| *end >= MAGIC.len() + 8).ok_or_else(short)?;
        let (whole, sum) = bytes.split_at(end);
        if Sha256::digest(whole)[..] != *sum {
            return Err(damaged("its checksum is another: it is cut off, or was changed"));
        }
        let (length, rest) = whole[MAGIC.len()..].split_at(8);
        let length = u64::from_le_bytes(length.try_into().expect("eight bytes"));
        let header = usize::try_from(length).ok().and_then(|n| rest.get(..n)).ok_or_else(short)?;
        let (program, read) = (rest[header.len()..].to_vec(), serde_json::from_slice(header));
        let header = read.map_err(|e| damaged(format!("its header is not readable: {e}")))?;
        Ok(Packed { header, program })
    }
    /// The file's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let header = serde_json::to_vec(&self.header).expect("names and numbers are JSON");
        let mut bytes = MAGIC.to_vec();
        bytes.extend((header.len() as u64).to_le_bytes());
        bytes.extend(header);
        bytes.extend(&self.program);
        let sum = Sha256::digest(&bytes);
        bytes.extend(sum);
        bytes
    }

    /// Makes it ready to run on this client.
    ///
    /// # Errors
    /// Another platform, build of the plugin or processor than it was compiled for, by name; more devices than there are; what the plugin reports.
    pub fn load(&self, client: &Client) -> Result<Program> {
        let h = &self.header;
        let other = |what: &str, theirs: &str, own: &str| {
            let have = format!("it was compiled for {} with the {what} `{theirs}`", h.target);
            let help = "compile it where it runs, or for that: `raxla compile --target`";
            refused("the compiled program", have, &format!("here it is `{own}`"), help)
        };
        let own = [("platform", &*h.platform, client.platform_name()), ("plugin", &*h.plugin, &*build(client))];
        for (what, theirs, own) in own {
            if theirs != own {
                return Err(other(what, theirs, own));
            }
        }
        let own = this_processor();
        if let Some(theirs) = h.processor.as_ref().filter(|theirs| **theirs != own) {
            return Err(other("processor", theirs, &own));
        }
        let divided = |list: &[Argument]| list.iter().map(|a| a.divided.clone()).collect::<Vec<_>>();
        let outs = divided(&h.results).into_iter().map(Some).collect();
        let said = Said { mesh: h.mesh.clone(), ins: divided(&h.arguments), outs };
        let mesh = if h.devices == 1 { None } else { Some(said.mesh_on(client)?) };
        if let Some(mesh) = mesh.as_ref().filter(|mesh| mesh.size() != h.devices) {
            let have = format!("it is for {} devices, and its mesh is {mesh}", h.devices);
            return Err(damaged(have));
        }
        let types = h.arguments.iter().map(|a| a.aval().map(|aval| (aval.dtype, aval.dims.to_vec())));
        let mut options = platform_options(client.platform_name(), CompileOptions::default());
        if let Some(mesh) = &mesh {
            options = said.options(mesh, options);
        }
        options.parameters = Some(types.collect::<Result<_>>()?);
        options.donated = Some(h.donated.clone());
        runtime::register(client, None)?;
        let executable = client.deserialize(&self.program, &options)?;
        let gives = executable.output_dtypes()?.into_iter().zip(executable.output_dims()?);
        let gives: Vec<Aval> = gives.map(|(dtype, dims)| Aval::new(dtype, dims)).collect();
        let division = mesh.map(|mesh| said.division(mesh, &executable, &gives)).transpose()?;
        let wholes = h.results.iter().map(Argument::aval).collect::<Result<Vec<_>>>()?;
        let part = |(i, aval): (usize, &Aval)| match &division {
            Some(division) => division.outs[i].local_dims(aval).ok().map(|dims| aval.with_dims(dims)),
            None => Some(aval.clone()),
        };
        if !wholes.iter().enumerate().map(part).eq(gives.into_iter().map(Some)) {
            return Err(damaged("its program returns other types than its header says"));
        }
        Program::of_parts(executable, client, &h.arguments, &h.results, division)
    }
}

impl<Args: Tree<Tensor>, Out: Tree<Tensor>> Lowered<Args, Out>
where
    Out::With<Hole>: Tree<Hole>,
{
    /// The header of this program.
    pub(in crate::run) fn header(&self, name: &str, target: &str, layouts: &[Layout]) -> Header {
        let argument = |name: String, aval: Aval, layout: Option<&Layout>, place: Option<&NamedSharding>| Argument {
            name,
            dtype: aval.dtype.to_string(),
            dims: aval.dims.to_vec(),
            minor_to_major: layout.map(|layout| layout.minor_to_major.clone()).unwrap_or_default(),
            divided: place.map(|place| axes_of(&place.spec)).unwrap_or_default(),
        };
        let named = |(i, path): (usize, String)| if path.is_empty() { i.to_string() } else { path };
        let paths = self.out_paths().into_iter().enumerate().map(named);
        let results = paths.zip(self.graph.out_avals()).enumerate();
        let results = results.map(|(i, (name, aval))| argument(name, aval, None, self.places().1[i]));
        let arguments = self.arguments().into_iter().enumerate();
        let arguments = arguments.map(|(i, (name, aval))| argument(name, aval, layouts.get(i), self.places().0[i]));
        Header {
            name: name.into(),
            target: target.into(),
            platform: String::new(),
            plugin: String::new(),
            processor: None,
            devices: self.mesh().map_or(1, |mesh| mesh.size()),
            mesh: self.mesh().map_or(vec![], |mesh| mesh.axes().iter().map(|(a, n)| (a.to_string(), *n)).collect()),
            arguments: arguments.collect(),
            results: results.collect(),
            donated: self.donated().to_vec(),
        }
    }
    /// Compiles for one device of this client, to be kept in a file under this name.
    ///
    /// # Errors
    /// A program that calls this process; what the plugin reports.
    pub fn pack(self, client: &Client, name: &str) -> Result<Packed> {
        self.refuse_calls()?;
        let mut header = self.header(name, client.platform_name(), &[]);
        header.platform = client.platform_name().into();
        header.plugin = build(client);
        header.processor = (header.platform == "cpu").then(this_processor);
        // (not from the cache: the plugin writes a program that it read without its functions)
        let compiled = self.compile_by(client, |client, text, options| client.compile(text.as_bytes(), options))?;
        for (argument, ty) in header.arguments.iter_mut().zip(compiled.executable().parameters()) {
            argument.minor_to_major = ty.layout.minor_to_major.clone();
        }
        Ok(Packed { header, program: compiled.executable().serialize()? })
    }
}
