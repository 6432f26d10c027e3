//! Who judges a run with failing calls: its history, and what had been promised before it where the
//! store was no new one. One court, three questions: what the running store shows, what a restart
//! shows, what a power cut leaves. Pure.
//!
//! * The running store: everything acknowledged is there, whatever `durable=` and `kill=` say of
//!   crashes. After a `close` that failed only what survives a kill is.
//! * A crash: ORACLE.md, and of an operation that was answered with `err` also that it stays what a
//!   dump had shown it to be. Where no `open` came in between this is worth a word and no alarm.
//! * A store that had been through a power cut is first judged by what was promised before it, until
//!   its first dump; afterwards by what that dump showed.
//!
//! Not judged: writes to a store that never showed what it recovered.

use crate::driver::{Capabilities, Dump, KillPromise};
use crate::oracle::{CycleJudge, Cycles, END, Judge, Loss, Verdict};
use crate::recover::{Recovered, Recovery};
use crate::trace::EventNo;
use crate::workload::{Answer, History, Moment, OpNo, Operation, Request};

use super::run::Before;
use super::stays::Stays;
use crate::fault::power;

/// The court of one run.
#[derive(Debug)]
pub struct Court {
    capabilities: Capabilities,
    history: History,
    past: Past,
    stays: Stays,
}

#[derive(Debug)]
enum Past {
    /// A new store.
    None(Box<Judge>),
    /// A store that had lost its power.
    Cut {
        /// What had been promised before.
        before: Box<Judge>,
        /// The same as a cycle, once a dump was answered.
        shown: Option<Box<Shown>>,
    },
}

/// What was promised before, as a cycle that a first dump ended.
#[derive(Debug)]
struct Shown {
    /// When that dump was answered.
    at: Moment,
    /// Judges what comes after it.
    after: CycleJudge<'static>,
    /// The same while the store runs.
    living: CycleJudge<'static>,
}

/// What a dump of the running store showed.
#[derive(Clone, Debug)]
pub struct Living {
    /// Which request it was.
    pub op: OpNo,
    /// When it was answered.
    pub moment: Moment,
    /// What is wrong with it.
    pub verdict: Verdict,
}

impl power::court::Court for Court {
    fn key(&self, moment: Moment, loss: Loss) -> u64 {
        moment.0 << 2 | loss as u64
    }

    fn at(&self, moment: Moment, loss: Loss, recovery: &Recovery) -> Verdict {
        Court::at(self, moment, loss, recovery).unwrap_or_default()
    }
}

impl Court {
    /// The court of a run that had this history and these dumps.
    pub fn new(
        before: Option<&Before>,
        history: History,
        dumps: &[(OpNo, Dump)],
        capabilities: &Capabilities,
    ) -> Court {
        let past = match before {
            None => Past::None(Box::new(Judge::new(&history, capabilities))),
            Some(before) => {
                let shown = dumps.first().and_then(|(op, dump)| {
                    let dumped = history.operations.get(op.0 as usize)?;
                    let at = dumped.acknowledged()?;
                    // A dump may have failed, and writes gone before the first that did not.
                    if wrote_before(&history, dumped.begun) {
                        return None;
                    }
                    let after = |capabilities: &Capabilities| {
                        let mut cycles = Cycles::new(capabilities);
                        cycles.then(&before.history, END, Loss::Power, &dump.contents);
                        cycles.into_judge(&history)
                    };
                    let (after, living) = (after(capabilities), after(&living(capabilities)));
                    Some(Box::new(Shown { at, after, living }))
                });
                let before = Box::new(Judge::new(&before.history, capabilities));
                Past::Cut { before, shown }
            }
        };
        let stays = match past {
            Past::None(_) => Stays::new(&history, dumps, capabilities),
            Past::Cut { .. } => Stays::default(),
        };
        Court { capabilities: capabilities.clone(), history, past, stays }
    }

    /// Judges each dump of the running store.
    pub fn living(&self, dumps: &[(OpNo, Dump)], failure: &str) -> Vec<Living> {
        let judge = match &self.past {
            Past::None(_) => Some(Judge::new(&self.history, &living(&self.capabilities))),
            Past::Cut { .. } => None,
        };
        let one = |(number, (op, dump)): (usize, &(OpNo, Dump))| {
            let dumped = self.history.operations.get(op.0 as usize)?;
            let moment = dumped.acknowledged()?;
            let recovered = Recovered {
                contents: dump.contents.clone(),
                contradiction: dump.contradiction.clone(),
                ..Recovered::default()
            };
            let recovery = Recovery::Opened(recovered);
            let closed_badly = self.history.operations.iter().any(|operation| {
                operation.request == Request::Close
                    && operation.begun < dumped.begun
                    && !matches!(operation.answered, Some((_, Answer::Ack)))
            });
            let verdict = match (&self.past, &judge) {
                (Past::None(plain), _) if closed_badly => plain.at(moment, Loss::Kill, &recovery),
                (Past::None(_), Some(judge)) => judge.at(moment, Loss::Kill, &recovery),
                (Past::None(_), None) => return None,
                (Past::Cut { shown: None, .. }, _) => return None,
                (Past::Cut { before, .. }, _) if number == 0 => {
                    before.failing_recovery(END, Loss::Power, failure, &recovery)
                }
                (Past::Cut { shown: Some(shown), .. }, _) if closed_badly => {
                    shown.after.at(moment, Loss::Kill, &recovery)
                }
                (Past::Cut { shown: Some(shown), .. }, _) => {
                    shown.living.at(moment, Loss::Kill, &recovery)
                }
            };
            Some(Living { op: *op, moment, verdict })
        };
        dumps.iter().enumerate().filter_map(one).collect()
    }

    /// True if the store was opened again after an event and before a request.
    pub fn reopens(&self, after: EventNo, before: OpNo) -> bool {
        let asked = self.history.operations.iter().take(before.0 as usize);
        let later = |operation: &&Operation| operation.begun > Moment(u64::from(after.0));
        asked.filter(later).any(|operation| operation.request == Request::Open)
    }

    /// Judges what recovery made of what `loss` left at `moment`; nothing where it cannot be judged.
    pub fn at(&self, moment: Moment, loss: Loss, recovery: &Recovery) -> Option<Verdict> {
        match &self.past {
            Past::None(judge) => {
                let mut verdict = judge.at(moment, loss, recovery);
                if verdict.violations.is_empty() && matches!(recovery, Recovery::Opened(_)) {
                    verdict.merge(self.stays.judge(&self.history, moment, loss, recovery));
                }
                Some(verdict)
            }
            Past::Cut { shown: Some(shown), .. } if shown.at < moment => {
                Some(shown.after.at(moment, loss, recovery))
            }
            Past::Cut { before, shown } => {
                if shown.is_none() && wrote_before(&self.history, moment) {
                    return None;
                }
                Some(before.at(END, Loss::Power, recovery))
            }
        }
    }
}

/// True if a write was begun before this moment.
fn wrote_before(history: &History, moment: Moment) -> bool {
    let writes = |operation: &Operation| !operation.request.mutations().is_empty();
    history.operations.iter().any(|operation| writes(operation) && operation.begun < moment)
}

/// The promise of a store that runs: what it acknowledged it shows.
fn living(capabilities: &Capabilities) -> Capabilities {
    Capabilities { kill: KillPromise::Ack, ..capabilities.clone() }
}

#[cfg(test)]
mod tests;
