//! What came of the damaged directories: each recovery judged, failing cases gathered by kind and
//! cause. The order in which recoveries are done plays no part in the outcome.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::fault::context::Context;
use crate::fault::finding::{Cause, Finding, Lines};
use crate::fault::outcome::{FaultOutcome, FirstFailure, Totals};
use crate::fault::stored;
use crate::image::Image;
use crate::media::Damage;
use crate::oracle::media::Damage as Harmed;
use crate::oracle::{Judge, Kind, Verdict, Violation};
use crate::recover::{Done, Recovery};
use crate::scenario::{Case, FaultName, HistoryText, MediaStrike, Strike};

use super::rest::Rest;
use super::weigh::weigh;

/// A damaged directory on its way through recovery.
#[derive(Clone, Debug)]
pub struct Struck {
    /// Its number in the order of choice.
    pub id: u64,
    /// Which store at rest it was.
    pub rest: usize,
    /// What was done to it.
    pub damage: Damage,
    /// What that left.
    pub image: Image,
}

/// Counts and gathers.
pub struct Tally<'a> {
    ctx: &'a Context<'a>,
    rests: &'a [Rest],
    judges: Vec<Judge>,
    under_way: BTreeMap<u64, Struck>,
    groups: BTreeMap<(Kind, Cause), Group>,
    /// The counts so far.
    pub totals: Totals,
    images: BTreeSet<u128>,
    judged: BTreeSet<Kind>,
    undecided: u64,
    rollback_exempt: u64,
    notes: BTreeSet<String>,
}

/// Failing cases of one kind and one cause; the one that was chosen first stands for all.
struct Group {
    states: u64,
    struck: Struck,
    harmed: Harmed,
    violation: Violation,
    evidence: String,
    operators: BTreeSet<&'static str>,
}

impl<'a> Tally<'a> {
    /// Nothing yet.
    pub fn new(ctx: &'a Context<'a>, rests: &'a [Rest]) -> Self {
        let capabilities = &ctx.control.capabilities;
        let judges = rests.iter().map(|rest| Judge::new(&rest.history, capabilities)).collect();
        let totals = Totals {
            requests: rests.iter().map(|rest| rest.history.operations.len() as u64).sum(),
            crash_points: rests.iter().filter(|rest| rest.killed).count() as u64,
            ..Totals::default()
        };
        Self {
            ctx,
            rests,
            judges,
            under_way: BTreeMap::new(),
            groups: BTreeMap::new(),
            totals,
            images: BTreeSet::new(),
            judged: BTreeSet::new(),
            undecided: 0,
            rollback_exempt: 0,
            notes: BTreeSet::new(),
        }
    }

    /// A damaged directory goes to recovery.
    pub fn expect(&mut self, struck: Struck) {
        if self.images.insert(struck.image.hash()) {
            self.totals.distinct_images += 1;
        }
        self.under_way.insert(struck.id, struck);
    }

    /// How many kinds of failure there are so far.
    pub fn failing(&self) -> usize {
        self.groups.len()
    }

    /// It comes back.
    pub fn take(&mut self, done: Done) {
        let Some(struck) = self.under_way.remove(&done.id) else { return };
        self.totals.recoveries += 1;
        self.totals.states += 1;
        let (verdict, harmed) = self.judge(&struck, &done.recovery);
        // A process that has recovered from many directories may fail for reasons of its own: a fresh
        // one has the last word.
        let (verdict, recovery) = match &done.again {
            Some(again) => {
                let second = self.judge(&struck, again).0;
                if verdict.worst().map(|worst| worst.kind) != second.worst().map(|worst| worst.kind)
                {
                    self.notes.insert(
                        "media: a driver that had recovered before and a fresh one did not agree on \
                         a damaged directory; the fresh one was judged"
                            .into(),
                    );
                }
                (second, again)
            }
            None => (verdict, &done.recovery),
        };
        self.judged.extend(&verdict.judged);
        self.undecided += u64::from(verdict.undecided);
        self.rollback_exempt += u64::from(harmed.rollback);
        let evidence = evidence(recovery);
        // One case is one finding: its worst violation.
        let Some(violation) = verdict.violations.first().cloned() else { return };
        let cause = cause(&struck);
        let operators = BTreeSet::from([struck.damage.harm.name()]);
        let fresh = Group { states: 1, struck, harmed, violation, evidence, operators };
        let key = (fresh.violation.kind, cause);
        if self.totals.first_failure.is_none() && !fresh.violation.note {
            let (recoveries, after) = (self.totals.recoveries, self.ctx.budget.elapsed());
            self.totals.first_failure = Some(FirstFailure { recoveries, after });
        }
        self.ctx.budget.note_failure();
        match self.groups.entry(key) {
            Entry::Vacant(entry) => drop(entry.insert(fresh)),
            Entry::Occupied(mut entry) => {
                let group = entry.get_mut();
                let states = group.states + 1;
                let operators = &group.operators | &fresh.operators;
                if fresh.struck.id < group.struck.id {
                    *group = fresh;
                }
                (group.states, group.operators) = (states, operators);
            }
        }
    }

    fn judge(&self, struck: &Struck, recovery: &Recovery) -> (Verdict, Harmed) {
        let rest = &self.rests[struck.rest];
        let harm = std::slice::from_ref(&struck.damage);
        let warned = !self.ctx.control.warnings.is_empty();
        let judge = &self.judges[struck.rest];
        weigh(rest, judge, (&struck.image, harm), warned, recovery)
    }

    /// Everything that was gathered.
    pub fn into_outcome(self) -> FaultOutcome {
        let mut all: Vec<Finding> =
            self.groups.iter().map(|(key, group)| self.finding(key, group)).collect();
        all.sort_by(Finding::order);
        // Damage of one file that is not noticed shows in several kinds of failures.
        let mut findings: Vec<Finding> = Vec::new();
        for finding in all {
            match findings.iter_mut().find(|known| known.is_one_flaw(&finding)) {
                Some(known) => known.stand_for(finding),
                None => findings.push(finding),
            }
        }
        FaultOutcome {
            findings,
            totals: self.totals,
            judged: self.judged,
            notes: self.notes.into_iter().collect(),
            undecided: self.undecided,
            rollback_exempt: self.rollback_exempt,
            ..FaultOutcome::default()
        }
    }

    fn finding(&self, (kind, cause): &(Kind, Cause), group: &Group) -> Finding {
        let rest = &self.rests[group.struck.rest];
        let mut case = Case {
            capabilities: self.ctx.control.capabilities.words().join(" "),
            control_warned: group.harmed.control_warned,
            strike: Strike::Media(MediaStrike {
                history: HistoryText::of(&rest.history),
                base: "base".into(),
                killed: rest.killed,
                damages: vec![group.struck.damage.to_string()],
                written_after: group.harmed.written_after.map(|moment| moment.0),
                rollback: group.harmed.rollback,
            }),
            ..Case::default()
        };
        stored::put(&mut case.files, "base", &rest.image);
        let mut shown = cause.clone();
        let operators: Vec<&str> = group.operators.iter().copied().collect();
        shown.parts.insert("operators".into(), operators.join(" "));
        let came = if rest.killed { "killed" } else { "closed cleanly" };
        Finding {
            id: Finding::stable_id(Some(FaultName::Media), *kind, cause),
            kind: *kind,
            fault: Some(FaultName::Media),
            profiles: BTreeSet::new(),
            note: group.violation.note,
            states: group.states,
            sentence: format!(
                "{} (`{}` on a store that was {came})",
                group.violation.sentence,
                short(&group.struck.damage)
            ),
            cause: shown,
            lines: Lines::default(),
            case,
            trace: None,
            image: Some(group.struck.image.clone()),
            evidence: group.evidence.clone(),
            shows: Vec::new(),
            frequency: None,
        }
    }
}

/// The file that was damaged: the number in its name is no cause, and which operator showed it neither.
fn cause(struck: &Struck) -> Cause {
    let mut file = String::new();
    for c in struck.damage.file.display().to_string().chars() {
        let c = if c.is_ascii_digit() { '#' } else { c };
        if c != '#' || !file.ends_with('#') {
            file.push(c);
        }
    }
    Cause {
        sentence: format!("bytes of the file {file} were damaged at rest"),
        counterfactual: None,
        mechanism: Some(format!("damage of {file}")),
        blameless: false,
        tried: false,
        parts: [("file".to_owned(), file)].into(),
    }
}

/// A damage in words that fit on a line; its scenario has it in full.
fn short(damage: &Damage) -> String {
    let text = damage.to_string();
    match text.char_indices().nth(100) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// The driver's words.
pub fn evidence(recovery: &Recovery) -> String {
    match recovery {
        Recovery::Opened(recovered) => recovered.warnings.join("\n"),
        Recovery::Refused { text, warnings, .. } => {
            [warnings.join("\n"), format!("refused: {text}")].join("\n").trim().to_owned()
        }
        Recovery::Crashed { how, stderr, .. } => format!("{how}\n{stderr}"),
        Recovery::Hung { stage, .. } => format!("no answer at {stage:?}"),
    }
}
