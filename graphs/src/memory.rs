//! What a model needs of memory, asked for before it is spent: parameters when it is loaded, caches and programs when it
//! generates. [`raxla::memory`] knows what there is.
use crate::{
    Result,
    generation::{buckets, limits},
    models::Decoder,
    programs::{Placement, step_avals},
    sampling::Shape,
};
use raxla::{
    Aval, Client, DType, NamedSharding, Param, Tree,
    memory::{self, Available, bytes_of, show},
};

/// Bytes on each device of values that are divided so.
fn on_each(avals: &[Aval], places: Option<&[NamedSharding]>) -> u64 {
    let part = |(i, aval): (usize, &Aval)| match places.map(|places| places[i].local_dims(aval)) {
        Some(Ok(dims)) => bytes_of(&aval.with_dims(dims)),
        // (what does not fit its place is refused where it is made)
        _ => bytes_of(aval),
    };
    avals.iter().enumerate().map(part).fold(0, u64::saturating_add)
}

/// Is there memory for these parameters, and for these caches? One parameter at a time also passes through memory of
/// the host.
///
/// # Errors
/// [`raxla::Error::Memory`], which says in what dtype they would fit.
pub(crate) fn ask_for_parameters(
    name: &str,
    params: &[(String, Param)],
    dtype: DType,
    client: &Client,
    places: Option<&[NamedSharding]>,
    caches: Option<(Room, u64)>,
) -> Result<()> {
    let (room, caches) = caches.unzip();
    let caches = caches.unwrap_or(0);
    let devices = places.and_then(|p| p.first()).map_or(1, |place| place.mesh.size());
    let on_cpu = client.platform_name() == "cpu";
    let times = if on_cpu { devices as u64 } else { 1 };
    let own = dtype;
    let bytes = |dtype: DType, copies: bool| {
        let of = |p: &Param| {
            // (packed matrices are as they are; what other dtypes would need is told of numbers)
            let held = if dtype == own { p.held(dtype) } else { p.aval.with_dtype(dtype) };
            if copies || p.tied.is_none() { held } else { held.with_dims([0]) }
        };
        let avals: Vec<Aval> = params.iter().map(|(_, p)| of(p)).collect();
        let largest = avals.iter().map(bytes_of).max().unwrap_or(0);
        (on_each(&avals, places), if on_cpu { largest / times } else { 0 })
    };
    let (all, largest) = bytes(dtype, true);
    let parts = [
        (&*format!("parameters in {dtype}"), all),
        ("the largest of them while it is loaded", largest),
        ("caches", caches),
    ];
    let parts: Vec<(&str, u64)> = parts.into_iter().filter(|part| part.1 > 0).collect();
    let needs = |dtype: DType, copies: bool, caches: u64| {
        let (all, largest) = bytes(dtype, copies);
        all.saturating_add(largest).saturating_add(caches).saturating_mul(times)
    };
    let help = |available: &Available| {
        let alone = needs(dtype, true, 0);
        if let Some(room) = room.filter(|_| alone < available.bytes) {
            let each = (caches.saturating_mul(times) / room.slots as u64).max(1);
            let positions = (available.bytes - alone) / each;
            return format!(
                "there is room for {positions} positions: generate fewer tokens (-n), or fewer texts at once"
            );
        }
        let ways = [
            ("share the memory of the tied head (--share-head)".to_string(), needs(dtype, false, caches)),
            ("hold it in bf16 (--dtype bf16)".to_string(), needs(DType::BF16, true, caches)),
            (
                "hold it in bf16, with a shared head (--dtype bf16 --share-head)".into(),
                needs(DType::BF16, false, caches),
            ),
        ];
        let more =
            if on_cpu { "use a machine with more memory" } else { "divide it over more devices (--mesh model=N)" };
        let least = ways.iter().filter(|way| way.1 < needs(dtype, true, caches)).min_by_key(|way| way.1);
        match (ways.iter().find(|way| way.1 <= available.bytes), least) {
            (Some((how, bytes)), _) => format!("{how}: that needs {}", show(*bytes)),
            (None, Some((how, bytes))) => {
                format!("take a smaller model, or {more}; to {how} would still need {}", show(*bytes))
            }
            (None, None) => format!("take a smaller model, or {more}"),
        }
    };
    Ok(memory::ask(client, devices, &format!("loading {name}"), &parts, help)?)
}

/// How many rows, of how many slots: what the caches of a generation grow with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Prompts, which are rows while they are taken in.
    pub prompts: usize,
    /// Rows for each of them afterwards.
    pub samples: usize,
    /// Positions that a cache holds.
    pub slots: usize,
    /// How many of the latest can be taken back.
    pub spare: usize,
}

/// A model, as far as its memory matters.
#[derive(Clone, Copy)]
pub(crate) struct Held<'a> {
    pub spec: &'a Decoder<Param>,
    pub dtype: DType,
    pub client: &'a Client,
    pub placement: Option<&'a Placement>,
}

impl Room {
    /// Room for rows of one prompt, and for this many positions, of which no more are used than the model's context.
    pub fn of(model: Held, samples: usize, positions: usize) -> Room {
        let positions = positions.min(model.spec.context).min(limits::POSITIONS);
        Room { prompts: 1, samples, slots: buckets(0, positions).1, spare: 0 }
    }

    /// Bytes on each device of the states of all rows.
    pub fn bytes(self, model: Held, shape: Shape) -> u64 {
        let of = |rows: usize| {
            let size = [self.slots, self.spare];
            let (_, _, _, state, _) = step_avals(model.spec, model.dtype, shape, [rows, 1], size);
            let place = |p: &Placement| p.state(&state).leaves().into_iter().map(|s| p.mesh().sharding(s)).collect();
            let places: Option<Vec<NamedSharding>> = model.placement.map(place);
            on_each(&state.leaves(), places.as_deref())
        };
        let prompts = of(self.prompts);
        // rows of several samples are copies of those of the prompts
        if self.samples == 1 { prompts } else { prompts.saturating_add(of(self.prompts.saturating_mul(self.samples))) }
    }

    /// Is there memory for these states, and for a program that takes so much beside them?
    ///
    /// # Errors
    /// [`raxla::Error::Memory`], which says how many positions or rows would fit.
    pub fn ask(self, model: Held, shape: Shape, program: u64) -> Result<()> {
        let devices = model.placement.map_or(1, |p| p.mesh().size());
        let times = if model.client.platform_name() == "cpu" { devices as u64 } else { 1 };
        let Room { prompts, samples, slots, .. } = self;
        let rows = match (prompts, samples) {
            (1, 1) => String::new(),
            (n, 1) => format!("{n} prompts at once, "),
            (1, n) => format!("{n} continuations at once, "),
            (n, m) => format!("{n} prompts with {m} continuations each, "),
        };
        let what = format!("generating ({rows}up to {slots} positions)");
        let parts = [("caches", self.bytes(model, shape)), ("the program that takes prompts in", program)];
        let parts = if program == 0 { &parts[..1] } else { &parts[..] };
        let help = |available: &Available| {
            let needs = |room: Room| room.bytes(model, shape).saturating_add(program).saturating_mul(times);
            let fits = |room: &Room| needs(*room) <= available.bytes;
            let halves = |n: usize| std::iter::successors(Some(n / 2), |n| Some(n / 2)).take_while(|n| *n > 0);
            let fewer = halves(samples).map(|samples| Room { samples, ..self }).find(fits);
            let shorter = halves(slots).map(|slots| Room { slots, ..self }).find(fits);
            let fewer = fewer.map(|room| format!("{} at once", room.samples));
            let shorter =
                shorter.map(|room| format!("{} positions (a shorter prompt, fewer new tokens: -n)", room.slots));
            match fewer.into_iter().chain(shorter).collect::<Vec<_>>() {
                ways if ways.is_empty() => "take a smaller model, or a narrower dtype (--dtype)".into(),
                ways => format!("these would fit: {}", ways.join(", or ")),
            }
        };
        Ok(memory::ask(model.client, devices, &what, parts, help)?)
    }
}
