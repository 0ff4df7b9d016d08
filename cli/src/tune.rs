//! `raxla tune`
use crate::{
    Result,
    bench::{
        Bench,
        figure::Figure,
        name_of,
        settings::{What, Work},
        variants::{Subject, Variant},
    },
    note,
    options::{Global, ModelArgs},
    screen,
    tuned::{self, Entry},
    usage,
};
use std::io::Write;

/// Find out how a model runs fastest on this machine, for `raxla generate` and `raxla chat`
#[derive(clap::Args)]
#[command(after_help = DETAILS)]
pub struct Args {
    /// Show what was found so far, of all models
    #[arg(long)]
    list: bool,
    /// Forget what was found for the model
    #[arg(long, conflicts_with = "list")]
    forget: bool,
    #[command(flatten)]
    work: Work,
    #[command(flatten)]
    model: ModelArgs,
}

const DETAILS: &str = "\
Measures ways to hold the model that give the same texts, with a prompt of --prompt tokens and --new \
tokens after it, and keeps the fastest below RAXLA_HOME, for this model, dtype and machine. `raxla \
generate` and `raxla chat` then hold it so (-v says it), but for what their own options say, and \
unless --untuned is given. What was found with another version of raxla, another plugin or another \
model of the same name is not used.

Examples:
  raxla tune
  raxla tune --model ./my-llama --dtype bf16 --prompt 512
  raxla tune --list";

/// By how much a variant must be faster to be chosen: less may be chance.
const GAIN: f64 = 0.02;

impl Args {
    /// Run the command.
    pub fn run(self, global: &Global) -> Result {
        let bench = Bench { global, model: &self.model, work: &self.work, layers: &[] };
        if let Some(outcome) = bench.as_child() {
            return outcome;
        }
        if self.list {
            return list();
        }
        if self.work.mesh.is_some() {
            return Err(usage("what is tuned is how one device holds a model: leave out --mesh").into());
        }
        if [Subject::Layers, Subject::Head].into_iter().any(|subject| self.model.says(subject)) {
            return Err(usage("tuning chooses by itself: leave out --scan and --share-head").into());
        }
        let client = global.client()?;
        let mut entry = Entry::new(&self.model, &self.model.files()?.config, &client);
        if self.forget {
            let what = if entry.forget()? { "forgotten" } else { "nothing was kept for" };
            writeln!(screen::stdout(), "{what} {} in {}", entry.model, entry.dtype)?;
            return Ok(());
        }
        crate::bench::settings::check(What::Decode, &self.work)?;
        tuned::check()?;
        let table: Vec<Variant> = bench.table(What::Decode)?;
        let rows = table.iter().filter(|row| row.subject != Subject::Other && row.changes(&bench.settings()));
        let rows: Vec<&Variant> = rows.collect();
        let names: Vec<String> = [String::new()].into_iter().chain(rows.iter().map(|row| row.name.clone())).collect();
        let mut found = self.seconds(&bench, &names, &client)?;
        let asked = found.iter().find(|(name, _)| name.is_empty()).map(|(_, s)| *s);
        let asked = asked.ok_or("the model does not run as raxla holds it anyway: see the notes above")?;
        if let Some(both) = combined(&rows, &found, asked) {
            found.extend(self.seconds(&bench, &[both], &client)?);
        }
        found.sort_by(|a, b| a.1.total_cmp(&b.1));
        let mut best = found.first().filter(|(_, s)| *s < asked * (1.0 - GAIN)).cloned();
        let mut seconds = [asked; 2];
        if let Some((name, first)) = &best {
            // (what is faster once may be so by chance)
            let again = self.seconds(&bench, &[String::new(), name.clone()], &client)?;
            let [Some(asked_again), Some(second)] = [0, 1].map(|i| again.get(i).map(|(_, s)| *s)) else {
                return Err("what ran before does not run again: see the notes above".into());
            };
            seconds = [asked.min(asked_again), first.min(second)];
            if second >= asked_again * (1.0 - GAIN) {
                note(format!("note: {name} was faster once, but not when it was measured again: nothing is chosen"));
                (best, seconds) = (None, [seconds[0]; 2]);
            }
        }
        let chosen = best.map_or(String::new(), |(name, _)| name);
        entry.chosen = chosen.split('+').filter(|name| !name.is_empty()).map(String::from).collect();
        entry.seconds = seconds;
        let mut out = screen::stdout();
        for (name, seconds) in &found {
            let name = if name.is_empty() { "as raxla does anyway" } else { name };
            writeln!(out, "{name:<24} {:>10.1} ms", seconds * 1e3)?;
        }
        writeln!(out, "{}", line(&entry))?;
        entry.store()
    }

    /// Seconds that each variant takes for a prompt and the new tokens.
    fn seconds(&self, bench: &Bench, names: &[String], client: &raxla::Client) -> Result<Vec<(String, f64)>> {
        let (mut totals, mut all) = (vec![], vec![]);
        for what in [What::Prefill, What::Decode] {
            note(format!("{}: {} variants", name_of(what), names.len()));
            all.extend(bench.measure(what, names, client)?.0);
        }
        for name in names {
            let of = |metric: &str| {
                let one = |f: &&Figure| f.metric == metric && f.variant() == name;
                all.iter().find(one).and_then(|f| f.seconds).map(|s| s.median)
            };
            // (one that cannot run was told about)
            if let (Some(prefill), Some(step)) = (of("prefill_tok_s"), of("decode_tok_s")) {
                totals.push((name.clone(), prefill + step * self.work.new as f64));
            }
        }
        Ok(totals)
    }
}

/// The best row of each subject, at once, if several subjects have one that helps.
fn combined(rows: &[&Variant], found: &[(String, f64)], asked: f64) -> Option<String> {
    let seconds = |row: &Variant| found.iter().find(|(name, _)| *name == row.name).map_or(f64::INFINITY, |(_, s)| *s);
    let mut best: Vec<&Variant> = vec![];
    for row in rows.iter().filter(|row| seconds(row) < asked) {
        match best.iter_mut().find(|other| other.subject == row.subject) {
            Some(other) if seconds(row) < seconds(other) => *other = row,
            Some(_) => {}
            None => best.push(row),
        }
    }
    let names: Vec<&str> = best.iter().map(|row| &*row.name).collect();
    (names.len() > 1).then(|| names.join("+"))
}

/// What was found, in one line.
fn line(entry: &Entry) -> String {
    let [asked, chosen] = entry.seconds.map(|s| s * 1e3);
    let what = match &entry.chosen[..] {
        [] => "as raxla does anyway".to_string(),
        names => format!("{}, {chosen:.1} ms instead of {asked:.1}", names.join(" and ")),
    };
    format!("{} in {}: fastest {what}", entry.model, entry.dtype)
}

fn list() -> Result {
    let (entries, damaged) = tuned::all()?;
    damaged.iter().for_each(|path| note(format!("note: {path} is damaged, and is not used")));
    let mut out = screen::stdout();
    if entries.is_empty() {
        writeln!(out, "nothing was tuned yet")?;
    }
    for entry in entries {
        writeln!(out, "{} ({}, {})", line(&entry), entry.plugin.platform, entry.machine)?;
    }
    Ok(())
}
