//! A campaign: one `unplug run`. The pipeline as consecutive calls: control, each fault, confirm,
//! shrink, conclude. Together with its files this is the only room that knows every other.

pub mod audit;
pub mod conclusion;
pub mod confirm;
mod echo;
pub mod replay;
pub mod share;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use crate::base::{HarnessError, Result, Rng, limits};
use crate::driver::Target;
use crate::fault::{
    self, Budget, Context, Control, Fault, FaultOutcome, Finding, Observer, Progress,
};
use crate::oracle::Kind;
use crate::scenario::{FaultName, Options, Strike, TargetText};

pub use conclusion::Conclusion;
use confirm::Confirmed;
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
        let started = Instant::now();
        let mut conclusion = Conclusion::begin(self.text, &self.target.name, self.options);
        let mut called_for = BTreeSet::new();
        match self.stages(&mut conclusion, &mut called_for) {
            Ok(()) => {}
            Err(HarnessError::Broken(why)) => conclusion.broken = Some(why),
            Err(HarnessError::Interrupted) => conclusion.complete = false,
            Err(error) => return Err(error),
        }
        conclusion.complete &= !self.interrupted.load(std::sync::atomic::Ordering::Relaxed);
        conclusion.totals.elapsed = started.elapsed();
        conclusion.decide(&called_for);
        Ok(conclusion)
    }

    fn stages(&self, conclusion: &mut Conclusion, called_for: &mut BTreeSet<Kind>) -> Result<()> {
        let shares = Shares::new(self.options.extent, Arc::clone(&self.interrupted));
        self.observer.on(Progress::ControlStarted);
        let (control, outcome) = self.control()?;
        conclusion.capabilities = control.capabilities.words();
        conclusion.control_warnings = control.warnings.clone();
        conclusion.take(None, outcome, called_for);
        self.observer.on(Progress::ControlPassed);
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
            let ctx = self.context(name, &control, &budget);
            self.observer.on(Progress::FaultStarted(name));
            let outcome = self.strike(fault, &ctx, conclusion)?;
            self.observer.on(Progress::FaultFinished { fault: name, totals: &outcome.totals });
            conclusion.take(Some(name), outcome, called_for);
        }
        Ok(())
    }

    /// What a fault of this campaign works with.
    fn context<'a>(
        &'a self,
        fault: FaultName,
        control: &'a Control,
        budget: &'a Budget,
    ) -> Context<'a> {
        Context {
            target: self.target,
            options: self.options,
            control,
            run_root: self.run_root,
            image_root: self.image_root,
            rng: Rng::new(self.options.seed).fork(fault.name()),
            budget,
            observer: self.observer,
        }
    }

    /// The control; a second one where the first saw a violation: only what both see counts.
    fn control(&self) -> Result<(Control, FaultOutcome)> {
        let run = || fault::control::run(self.target, self.options, self.run_root);
        let (control, mut outcome) = run()?;
        if !outcome.findings.is_empty() {
            let again = run()?.1.findings;
            for finding in &mut outcome.findings {
                let seen = again.iter().any(|other| other.kind == finding.kind);
                finding.frequency = Some((1 + u32::from(seen), 2));
            }
        }
        Ok((control, outcome))
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
        for mut finding in all.into_iter().take(limits::FINDINGS) {
            match confirm::confirm(fault, ctx, &mut finding)? {
                Confirmed::Again(..) => {
                    if kept.len() < limits::SHRUNK_FINDINGS && finding.kind != Kind::RecoveryHung {
                        confirm::shrink(fault, ctx, finding.kind, &mut finding.case)?;
                    }
                    self.observer.on(Progress::Confirmed(&finding));
                    kept.push(finding);
                }
                // Interrupted before it could be judged again: say so, keep it.
                Confirmed::Never(0) => kept.push(finding),
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
                    if finding.kind == Kind::RecoveryHung || races {
                        outcome.notes.push(text);
                    } else {
                        conclusion.broken.get_or_insert(text);
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
    }
}

/// The faults that this build has.
pub fn available() -> Vec<FaultName> {
    FaultName::ALL.into_iter().filter(|name| fault::find(*name).is_some()).collect()
}
