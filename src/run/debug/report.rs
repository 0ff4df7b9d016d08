//! Calls of the host after the program has run, from values that it returned.
use super::{HostCall, View};
use crate::prim::Repeats;

/// What is to be done with some of the values that a program returned for the host, in the order of the program.
#[derive(Clone)]
pub(crate) enum Report {
    /// A call, with so many operands.
    Call(HostCall, usize),
    /// Calls in an operation that runs graphs: for each graph its reports, and how many values they take. For one of several graphs,
    /// its number is the first value.
    Within(Repeats, Vec<(Vec<Report>, usize)>),
}
impl Report {
    /// How many values it takes.
    fn values(&self) -> usize {
        match self {
            Report::Call(_, n) => *n,
            Report::Within(repeats, graphs) => {
                usize::from(*repeats == Repeats::OneOfThem) + graphs.iter().map(|(_, n)| n).sum::<usize>()
            }
        }
    }
}

/// Make the calls, with the values that a program returned for them.
///
/// # Errors
/// The message of the first check or assertion that failed.
pub(crate) fn tell(reports: &[Report], values: &[View]) -> Result<(), String> {
    let mut rest = values;
    for report in reports {
        let (own, others) = rest.split_at(report.values());
        rest = others;
        match report {
            Report::Call(call, _) => call.run(own)?,
            Report::Within(Repeats::Once, graphs) => graphs.iter().try_for_each(|(reports, _)| tell(reports, own))?,
            Report::Within(Repeats::EachStep { length, reverse }, graphs) => {
                for step in 0..*length {
                    let at = if *reverse { length - 1 - step } else { step };
                    let slices: Vec<View> = own.iter().map(|x| x.instance(at, 1)).collect();
                    graphs.iter().try_for_each(|(reports, _)| tell(reports, &slices))?;
                }
            }
            Report::Within(Repeats::OneOfThem, graphs) => {
                let chosen = own[0].host().to_ints()[0] as usize;
                let before: usize = graphs[..chosen].iter().map(|(_, n)| n).sum();
                let (reports, n) = &graphs[chosen];
                tell(reports, &own[1 + before..][..*n])?;
            }
        }
    }
    Ok(())
}
