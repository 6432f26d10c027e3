//! What a run comes to: the outcome by the rules of ORACLE.md, and everything that the report says.
//! Pure: it decides from what the faults handed back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::echo;
use crate::fault::media::WRONG_BEFORE;
use crate::fault::{FaultOutcome, Finding, Timing, Totals};
use crate::oracle::Kind;
use crate::scenario::{Extent, FaultName, Options, Outcome, TargetText};

/// How many recoveries show something of most programs.
const ENOUGH_RECOVERIES: u32 = 100;

/// A finished run, or as much of it as was done.
#[derive(Clone, Debug)]
pub struct Conclusion {
    /// How it ended.
    pub outcome: Outcome,
    /// False if it was interrupted.
    pub complete: bool,
    /// What was run.
    pub target: TargetText,
    /// What reports call it.
    pub target_name: String,
    /// What the driver promised, in its words.
    pub capabilities: Vec<String>,
    /// How it was run.
    pub options: Options,
    /// The `warn`s of the control run.
    pub control_warnings: Vec<String>,
    /// The file system on which control, recordings and recoveries stood; empty before the control.
    pub file_system: String,
    /// All faults together.
    pub totals: Totals,
    /// The totals of each fault that ran.
    pub faults: BTreeMap<FaultName, Totals>,
    /// What failed, in the order of [`Finding::order`].
    pub findings: Vec<Finding>,
    /// The properties that were judged in at least one case.
    pub judged: BTreeSet<Kind>,
    /// Properties that were judged in no case.
    pub not_judged: BTreeSet<Kind>,
    /// Of those the ones that the faults and the capabilities call for.
    pub missed: BTreeSet<Kind>,
    /// Faults that were asked for and judged no case that takes something from the store, for want of
    /// time or of anything to strike.
    pub idle: Vec<FaultName>,
    /// Faults that visited a smaller share of their groups than was asked for.
    pub thin: Vec<FaultName>,
    /// How fast the program was in the control.
    pub timing: Timing,
    /// Calls that changed files and are not modelled.
    pub unmodelled: BTreeMap<String, u64>,
    /// What the recorder could not see past.
    pub blind: Vec<String>,
    /// Worth a line.
    pub notes: Vec<String>,
    /// Cases in which damage left an earlier legal state, as far as the snapshots tell.
    pub rollback_exempt: u64,
    /// Cases in which the oracle gave up its search; they count as held.
    pub undecided: u64,
    /// Why there is no verdict, where the program does not run without any fault or unplug contradicts itself.
    pub broken: Option<(Outcome, String)>,
}

impl Conclusion {
    /// A run of which nothing is known yet.
    pub fn begin(target: &TargetText, target_name: &str, options: &Options) -> Self {
        Self {
            outcome: Outcome::HarnessBroken,
            complete: true,
            target: target.clone(),
            target_name: target_name.to_owned(),
            capabilities: Vec::new(),
            options: options.clone(),
            control_warnings: Vec::new(),
            file_system: String::new(),
            totals: Totals::default(),
            faults: BTreeMap::new(),
            findings: Vec::new(),
            judged: BTreeSet::new(),
            not_judged: BTreeSet::new(),
            missed: BTreeSet::new(),
            idle: Vec::new(),
            thin: Vec::new(),
            timing: Timing::default(),
            unmodelled: BTreeMap::new(),
            blind: Vec::new(),
            notes: Vec::new(),
            rollback_exempt: 0,
            undecided: 0,
            broken: None,
        }
    }

    /// Says where stores stand from now on.
    pub fn stand(&mut self, file_system: String, note: Option<String>) {
        self.file_system = file_system;
        self.notes.extend(note);
    }

    /// Takes in what one fault handed back. A property that the fault calls for counts as judged only
    /// where that fault judged it.
    pub fn take(&mut self, fault: Option<FaultName>, outcome: FaultOutcome) {
        self.totals.add(&outcome.totals);
        if let Some(fault) = fault {
            self.measure(fault, &outcome);
            self.missed.extend(outcome.called_for.difference(&outcome.judged));
            self.faults.insert(fault, outcome.totals);
        }
        self.findings.extend(outcome.findings);
        // The control is one state without any fault: it measures no property of a crash.
        if fault.is_some() {
            self.judged.extend(&outcome.judged);
        }
        for (name, count) in outcome.unmodelled {
            *self.unmodelled.entry(name).or_default() += count;
        }
        for text in outcome.blind {
            if !self.blind.contains(&text) {
                self.blind.push(text);
            }
        }
        self.notes.extend(outcome.notes);
        self.rollback_exempt += outcome.rollback_exempt;
        self.undecided += outcome.undecided;
    }

    /// Notes a fault that saw too little for a verdict, with the option that would get there.
    fn measure(&mut self, fault: FaultName, outcome: &FaultOutcome) {
        let covered = &outcome.totals.covered;
        let unseen = !outcome.blind.is_empty() || !outcome.unmodelled.is_empty();
        if covered.lossy == 0 && outcome.findings.is_empty() {
            self.idle.push(fault);
            let nothing = covered.groups.all == 0 && outcome.totals.recoveries > 0;
            let help = match nothing {
                _ if unseen => String::new(),
                _ if outcome.totals.skipped.contains_key(WRONG_BEFORE) => {
                    ": all that were to be damaged lose something, or do not open, without any damage".into()
                }
                true => ": the program left nothing that could be lost".into(),
                false => format!("; {} would get there", self.more(&outcome.totals)),
            };
            self.notes.push(format!("{fault}: judged no case that takes something away{help}"));
        } else if covered.groups.share() < self.options.min_coverage {
            self.thin.push(fault);
            self.notes.push(format!(
                "{fault}: visited {:.0}% of the groups, and --min-coverage asks for {:.0}%; {} would \
                 get further",
                covered.groups.share() * 100.0,
                self.options.min_coverage * 100.0,
                self.more(&outcome.totals)
            ));
        }
    }

    /// The option with which a fault that was done with `totals` would see more.
    fn more(&self, totals: &Totals) -> String {
        if let Extent::Cases(cases) = self.options.extent {
            return format!("--cases {}", cases.saturating_mul(4));
        }
        let faults = self.options.faults.len().max(1) as u32;
        let one = totals.elapsed * 2 + self.timing.recovery * ENOUGH_RECOVERIES;
        let seconds = (one * faults).as_secs_f64().ceil().max(1.0);
        format!("--budget {seconds}s")
    }

    /// Decides the outcome once everything is in.
    pub fn decide(&mut self) {
        let fail_on = self.options.harshest();
        for finding in &mut self.findings {
            let too_harsh = finding.grade().is_some_and(|grade| grade > fail_on);
            finding.note |= too_harsh || finding.kind == Kind::RefusedUnborn;
        }
        self.findings.sort_by(Finding::order);
        echo::fold(&mut self.findings);
        self.tell_apart();
        let never = |kind: &Kind| *kind != Kind::RefusedUnborn && !self.judged.contains(kind);
        self.not_judged = Kind::ALL.into_iter().filter(never).collect();
        let (confirmed, not): (Vec<_>, Vec<_>) = self
            .findings
            .iter()
            .filter(|finding| !finding.note)
            .partition(|finding| finding.is_confirmed());
        self.outcome = if !confirmed.is_empty() {
            Outcome::Violated
        } else if let Some((outcome, _)) = self.broken {
            outcome
        } else if !not.is_empty() || self.unmeasured() {
            Outcome::NotMeasured
        } else {
            Outcome::Held
        };
    }

    /// Findings that lose the same calls' effects and need remedies of their own have one identifier, and each
    /// needs a folder: the first keeps it, the others are told apart by their kinds.
    fn tell_apart(&mut self) {
        let mut known = BTreeSet::new();
        for finding in &mut self.findings {
            if known.insert(finding.id.clone()) {
                continue;
            }
            let longer = match finding.note {
                true => format!("{}-note", finding.id),
                false => format!("{}-{}", finding.id, finding.kind),
            };
            let mut id = longer.clone();
            let mut number = 2;
            while !known.insert(id.clone()) {
                id = format!("{longer}-{number}");
                number += 1;
            }
            finding.id = id;
        }
    }

    /// True if something was asked for that this run can say nothing about.
    fn unmeasured(&self) -> bool {
        let all_ran = self.options.faults.iter().all(|fault| self.faults.contains_key(fault));
        !(all_ran
            && self.unmodelled.is_empty()
            && self.blind.is_empty()
            && self.missed.is_empty()
            && self.idle.is_empty()
            && self.thin.is_empty())
    }

    /// The exit code of `unplug run`.
    pub fn exit_code(&self) -> u8 {
        match (self.outcome, self.complete) {
            (Outcome::Held | Outcome::NotMeasured, false) => 130,
            (outcome, _) => outcome.exit_code(),
        }
    }

    /// Wall time, from the parts.
    pub fn elapsed(&self) -> Duration {
        self.totals.elapsed
    }
}

#[cfg(test)]
mod tests;
