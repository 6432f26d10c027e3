//! A campaign: one `unplug run`. The pipeline as consecutive calls: control, each fault, confirm,
//! shrink, conclude. Together with its files this is the only room that knows every other.

pub mod audit;
pub mod conclusion;
pub mod confirm;
mod echo;
pub mod place;
pub mod replay;
pub mod share;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use crate::base::{HarnessError, Result, Rng, limits};
use crate::driver::Target;
use crate::driver::protocol::word;
use crate::fault::asked;
use crate::fault::{
    self, Budget, Context, Control, Fault, FaultOutcome, Finding, Observer, Progress, Timing,
    budget::Stop,
};
use crate::oracle::Kind;
use crate::scenario::{Extent, FaultName, Options, Outcome, Strike, TargetText};
use crate::workload::{Answer, History, Request};

pub use conclusion::Conclusion;
use confirm::Confirmed;
pub use place::Place;
pub use replay::{How, Replayed, replay};
use share::Shares;

/// What to run, where, and whom to tell.
pub struct Campaign<'a> {
    /// How the driver is started.
    pub target: &'a Target,
    /// The same as scenarios name it.
    pub text: &'a TargetText,
    /// How to run it.
    pub options: &'a Options,
    /// An existing, empty directory for everything temporary.
    pub run_root: &'a Path,
    /// The same on a memory file system where there is one, for crash states.
    pub image_root: &'a Path,
    /// Set by the user's interrupt.
    pub interrupted: Arc<AtomicBool>,
    /// Whom to tell.
    pub observer: &'a dyn Observer,
}

impl Campaign<'_> {
    /// Runs it. A broken harness is a conclusion, not an error: what was found until then is kept.
    pub fn run(&self) -> Result<Conclusion> {
        self.run_growing(&mut |_| ())
    }

    /// Runs it, and tells after each fault what the run would come to if it ended then.
    pub fn run_growing(&self, grown: &mut dyn FnMut(&Conclusion)) -> Result<Conclusion> {
        let started = Instant::now();
        let mut conclusion = Conclusion::begin(self.text, &self.target.name, self.options);
        match self.stages(&mut conclusion, grown) {
            Ok(()) => {}
            Err(HarnessError::Setup(why) | HarnessError::EndsOtherwise(why)) => {
                conclusion.broken = Some((Outcome::SetupFailed, why));
            }
            Err(HarnessError::Broken(why)) => {
                conclusion.broken = Some((Outcome::HarnessBroken, why));
            }
            Err(HarnessError::NotMeasured(why) | HarnessError::OutOfReach(why)) => {
                conclusion.blind.push(why);
            }
            Err(HarnessError::Interrupted) => conclusion.complete = false,
            Err(error) if conclusion.findings.is_empty() => return Err(error),
            Err(error) => {
                conclusion.complete = false;
                conclusion.broken = Some((Outcome::HarnessBroken, error.to_string()));
            }
        }
        conclusion.complete &= !self.interrupted.load(std::sync::atomic::Ordering::Relaxed);
        conclusion.totals.elapsed = started.elapsed();
        conclusion.decide();
        Ok(conclusion)
    }

    fn stages(
        &self,
        conclusion: &mut Conclusion,
        grown: &mut dyn FnMut(&Conclusion),
    ) -> Result<()> {
        self.observer.on(Progress::ControlStarted);
        let (control, outcome, mut place) = self.control()?;
        conclusion.stand(place.file_system(), place.note());
        conclusion.capabilities = control.capabilities.words();
        conclusion.control_warnings = control.warnings.clone();
        conclusion.take(None, outcome);
        let timing = control.timing;
        self.observer.on(Progress::ControlPassed { timing });
        conclusion.timing = timing;
        conclusion.notes.extend(refused_always(&control.history));
        let shares =
            Shares::new(self.options.extent, Arc::clone(&self.interrupted), timing.recovery);
        if !control.opens {
            conclusion
                .blind
                .push("no fault was injected: the store does not open after a clean close".into());
            return Ok(());
        }
        let ops = asked::ops_in_time(
            self.options,
            timing.workload,
            self.recording_cost(&control, &place),
        );
        if ops < self.options.ops {
            conclusion.notes.push(format!(
                "the program is slow: its workloads have {ops} requests and not {}, so that recording \
                 them leaves time to judge",
                self.options.ops
            ));
        }
        let options = Options { ops, ..self.options.clone() };
        let mut left = self.options.faults.len() as u32;
        for &name in &self.options.faults {
            if shares.interrupted() {
                return Err(HarnessError::Interrupted);
            }
            let Some(fault) = fault::find(name) else {
                conclusion.blind.push(format!("this build has no {name} fault: it did not run"));
                left -= 1;
                continue;
            };
            let budget = shares.of(name, left);
            left -= 1;
            let ctx = self.context(name, &options, &control, &budget, &place);
            self.observer.on(Progress::FaultStarted(name));
            let struck = match self.strike(fault, &ctx, conclusion) {
                // A recording in memory ended otherwise than the control: it may need another file system.
                Err(HarnessError::EndsOtherwise(why)) => match place.moved(self, &why) {
                    Some(moved) => {
                        place = moved;
                        conclusion.stand(place.file_system(), place.note());
                        let ctx = self.context(name, &options, &control, &budget, &place);
                        self.strike(fault, &ctx, conclusion)
                    }
                    None => Err(HarnessError::EndsOtherwise(why)),
                },
                struck => struck,
            };
            let mut outcome = struck?;
            for finding in &mut outcome.findings {
                finding.case.on_disk = place.moved.is_some();
            }
            self.observer.on(Progress::FaultFinished { fault: name, totals: &outcome.totals });
            conclusion.take(Some(name), outcome);
            give_back_memory();
            if left > 0 {
                let mut now = conclusion.clone();
                now.complete = false;
                now.decide();
                grown(&now);
            }
        }
        Ok(())
    }

    /// How many times as long as running it recording the program takes, by one start: a program that opens
    /// many files when it starts is slowed down by far more than one that does not.
    fn recording_cost(&self, control: &Control, place: &Place<'_>) -> f64 {
        let timed = matches!(self.options.extent, Extent::Time(_));
        if !timed || self.target.check.is_some() || control.timing.start.is_zero() {
            return limits::RECORDING_COST;
        }
        let budget = Budget::unlimited();
        let ctx = self.context(FaultName::Power, self.options, control, &budget, place);
        let begun = Instant::now();
        // How it ends is seen when the workload is recorded.
        let recorded = fault::power::studio(&ctx).record(None, &[Request::Open, Request::Close], 1);
        let cost = begun.elapsed().as_secs_f64() / control.timing.start.as_secs_f64();
        if recorded.is_ok() { cost.max(limits::RECORDING_COST) } else { limits::RECORDING_COST }
    }

    /// What a fault of this campaign works with.
    fn context<'a>(
        &'a self,
        fault: FaultName,
        options: &'a Options,
        control: &'a Control,
        budget: &'a Budget,
        place: &'a Place<'a>,
    ) -> Context<'a> {
        Context {
            target: self.target,
            options,
            control,
            recordings: &place.recordings,
            run_root: self.run_root,
            image_root: place.root,
            rng: Rng::new(self.options.seed).fork(fault.name()),
            budget,
            observer: self.observer,
        }
    }

    /// Runs one fault, then confirms and shrinks what it found.
    fn strike(
        &self,
        fault: &dyn Fault,
        ctx: &Context<'_>,
        conclusion: &mut Conclusion,
    ) -> Result<FaultOutcome> {
        let started = Instant::now();
        let mut outcome = match fault.run(ctx) {
            Err(HarnessError::NotMeasured(why)) => {
                FaultOutcome { blind: vec![why], ..FaultOutcome::default() }
            }
            done => done?,
        };
        outcome.totals.elapsed = started.elapsed();
        let mut kept: Vec<Finding> = Vec::new();
        let all = std::mem::take(&mut outcome.findings);
        let beyond = all.len().saturating_sub(limits::FINDINGS);
        outcome
            .totals
            .skip("findings over the limit, neither confirmed nor reported", beyond as u64);
        let count = all.len().min(limits::FINDINGS);
        let mut hung = false;
        for (number, mut finding) in all.into_iter().take(limits::FINDINGS).enumerate() {
            self.observer.on(Progress::Confirming { fault: fault.name(), number, count });
            // A recording's clean close is a case of its own, whichever fault came upon it.
            let judge = finding.case.strike.fault().and_then(fault::find).unwrap_or(fault);
            let is_hang = finding.kind == Kind::RecoveryHung;
            let is_first = number == 0 || is_hang && !hung;
            hung |= is_hang;
            let confirmed = match confirm::confirm(judge, ctx, &mut finding, is_first) {
                Err(HarnessError::Interrupted) => Confirmed::Never(0),
                confirmed => confirmed?,
            };
            match confirmed {
                Confirmed::Again(..) => {
                    let shrinks = finding.kind != Kind::RecoveryHung && !ctx.budget.is_over();
                    if kept.len() < limits::SHRUNK_FINDINGS && shrinks {
                        match confirm::shrink(judge, ctx, finding.kind, &mut finding.case) {
                            Ok(_) | Err(HarnessError::Interrupted) => {}
                            Err(error) => return Err(error),
                        }
                    }
                    self.observer.on(Progress::Confirmed(&finding));
                    kept.push(finding);
                }
                // No time to judge it again: it is told as unconfirmed.
                Confirmed::Never(0) => {
                    if finding.kind == Kind::RecoveryHung {
                        confirm::was_cut(&mut finding);
                    }
                    kept.push(finding);
                }
                Confirmed::Never(tries) => {
                    let text = format!(
                        "{} under {}: seen once and in none of {tries} fresh tries: {}",
                        finding.kind,
                        fault.name(),
                        finding.sentence
                    );
                    // A busy machine makes a driver slow, and threads race: there a second opinion is
                    // enough.
                    let races =
                        matches!(&finding.case.strike, Strike::Io(strike) if strike.may_differ());
                    let unsure = finding.kind == Kind::DiedInUse;
                    if finding.kind == Kind::RecoveryHung {
                        outcome.notes.push(text);
                        if ctx.budget.stopped() == Some(Stop::Hangs) {
                            outcome.blind.push(format!(
                                "{}: it was ended because recovery gave no answer soon, and one that was \
                                 waited for longer answered",
                                fault.name()
                            ));
                        }
                    } else if unsure || races || finding.note {
                        outcome.notes.push(text);
                    } else {
                        conclusion.broken.get_or_insert((Outcome::HarnessBroken, text));
                    }
                }
            }
        }
        outcome.findings = kept;
        Ok(outcome)
    }
}

/// A context for judging one saved case: nothing is known but what the case says.
pub(crate) fn control_of(capabilities: crate::driver::Capabilities, warned: bool) -> Control {
    Control {
        capabilities,
        history: crate::workload::History::default(),
        contents: crate::workload::Contents::new(),
        warnings: if warned { vec!["the control run warned".into()] } else { Vec::new() },
        timing: Timing::default(),
        opens: true,
        forks: true,
        clean: Default::default(),
        slowest: None,
    }
}

/// Gives back to the machine what a fault's images and recordings took and nobody holds any more.
fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes a number and touches free memory alone.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// The faults that this build has.
pub fn available() -> Vec<FaultName> {
    FaultName::ALL.into_iter().filter(|name| fault::find(*name).is_some()).collect()
}
/// A line for each sort of request that the control asked and that was answered with `err` each time: what it does is
/// tested by no crash.
fn refused_always(history: &History) -> Vec<String> {
    // By the word of the request: how many there were, how many failed, and what the last of these said.
    let mut asked: BTreeMap<&str, (u64, u64, &str)> = BTreeMap::new();
    for operation in &history.operations {
        let (all, failed, said) = asked.entry(word(&operation.request)).or_default();
        *all += 1;
        if let Some((_, Answer::Err(text))) = &operation.answered {
            *failed += 1;
            *said = text;
        }
    }
    let always = asked.into_iter().filter(|(_, (all, failed, _))| failed == all);
    let told = |(word, (all, _, said)): (&str, (u64, u64, &str))| {
        format!(
            "not tested: `{word}`: it was answered with `err` {all} of {all} times, without any fault: {said}"
        )
    };
    always.map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Moment, Operation};

    #[test]
    fn what_was_answered_with_an_error_each_time_is_not_tested_and_what_was_once_is() {
        let answered = |request: Request, answer: Answer| Operation {
            request,
            begun: Moment(0),
            answered: Some((Moment(1), answer)),
        };
        let full = || Answer::Err("not empty".into());
        let operations = vec![
            answered(Request::Checkpoint, full()),
            answered(Request::Sync, full()),
            answered(Request::Checkpoint, full()),
            answered(Request::Sync, Answer::Ack),
        ];
        let told = refused_always(&History { operations, ..History::default() });
        let all = "not tested: `checkpoint`: it was answered with `err` 2 of 2 times, without any fault: not empty";
        assert_eq!(told, [all]);
    }
}
