//! A failed operation stays what it turned out to be: what a dump had shown of it before a crash holds
//! after the crash too. Pure.
//!
//! * A recovery showed the store without it, and later it is there: `resurrected`. A recovery showed it,
//!   and after a kill it is gone: `vanished`.
//! * Where only the running store showed it the same is worth a word and never an alarm. A store whose
//!   sync failed cannot know what a restart will find; if it goes on reading, it shows one of the two.
//!
//! Not judged: what power cuts take away of operations that were never acknowledged.

use crate::driver::{Capabilities, Dump, KillPromise};
use crate::oracle::{Judge, Kind, Loss, Verdict, Violation};
use crate::recover::Recovery;
use crate::workload::{History, Moment, OpNo};

use super::fates::{Fates, fates, settled};

/// How many operations a sentence names.
const NAMED: usize = 3;

/// What each dump showed of failed operations, ready for judging.
#[derive(Debug, Default)]
pub struct Stays {
    fates: Vec<(Fates, Sharper)>,
    /// True if acknowledged operations survive a kill: then what was shown must.
    kill: bool,
}

/// The same history with what a dump showed of failed operations.
#[derive(Debug)]
struct Sharper {
    without: Judge,
    with: Judge,
}

impl Stays {
    /// From what the dumps of a run showed.
    pub fn new(history: &History, dumps: &[(OpNo, Dump)], capabilities: &Capabilities) -> Stays {
        let sharper = |fates: Fates| {
            let judge = |kept| Judge::new(&settled(history, &fates.known, kept), capabilities);
            let sharper = Sharper { without: judge(false), with: judge(true) };
            (fates, sharper)
        };
        let fates = fates(history, dumps).into_iter().map(sharper).collect();
        Stays { fates, kill: capabilities.kill == KillPromise::Ack }
    }

    /// Judges what recovery made of what `loss` left at `moment`, which must be legal in itself.
    pub fn judge(
        &self,
        history: &History,
        moment: Moment,
        loss: Loss,
        recovery: &Recovery,
    ) -> Verdict {
        let mut verdict = Verdict::default();
        let Some((fates, judges)) = self.fates.iter().rfind(|(fates, _)| fates.since < moment)
        else {
            return verdict;
        };
        let killed = loss == Loss::Kill && self.kill;
        verdict.judged.insert(Kind::Resurrected);
        let note = !fates.recovered;
        let back = judges.without.at(moment, loss, recovery);
        if let Some(found) = back.violations.into_iter().next() {
            let text = told(history, fates, false, "is there");
            verdict.violations.push(renamed(found, Kind::Resurrected, text, note));
        } else if killed {
            verdict.judged.insert(Kind::Vanished);
            let gone = judges.with.at(moment, loss, recovery);
            if let Some(found) = gone.violations.into_iter().next() {
                let text = told(history, fates, true, "is gone");
                verdict.violations.push(renamed(found, Kind::Vanished, text, note));
            }
        }
        verdict
    }
}

/// Which operations, and what became of them.
fn told(history: &History, fates: &Fates, happened: bool, now: &str) -> String {
    let showed = if happened { "showed it" } else { "showed the store without it" };
    let named = fates.known.iter().filter(|(_, fate)| **fate == happened);
    let one = |(op, _): (&u32, &bool)| {
        let operation = history.operations.get(*op as usize)?;
        let keys: Vec<&str> =
            operation.request.mutations().iter().map(|change| change.key().as_str()).collect();
        Some(format!("request {op} (keys {})", keys.join(", ")))
    };
    let mut named: Vec<String> = named.filter_map(one).collect();
    if let Some(more @ 1..) = named.len().checked_sub(NAMED) {
        named.truncate(NAMED);
        named.push(format!("one of {more} more"));
    }
    format!(
        "{} was answered with `err`, a dump then {showed}, and now it {now}",
        named.join(" or ")
    )
}

fn renamed(found: Violation, kind: Kind, sentence: String, note: bool) -> Violation {
    Violation { kind, sentence, note, operations: Vec::new(), ..found }
}
