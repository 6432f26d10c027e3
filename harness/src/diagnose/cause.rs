//! A cause and its words.

use std::collections::{BTreeMap, BTreeSet};

use super::promise::Promise;
use super::remedy::Remedy;
use super::site::{Part, Site};
use crate::oracle::Kind;
use crate::trace::EventNo;

/// Why states fail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// One plain sentence, without event numbers: the same flaw has the same in every run.
    pub sentence: String,
    /// The same in parts, for programs.
    pub parts: BTreeMap<String, String>,
    /// The events of the case that stands for all, in words.
    pub detail: String,
    /// What would make the failing states impossible, if that was found: the first of `remedies` until the
    /// caller has tried them.
    pub counterfactual: Option<Remedy>,
    /// Everything that may, in the order in which it is to be tried.
    pub remedies: Vec<Remedy>,
    /// What has to be lost, by its sites; nothing where the moment alone is the cause.
    pub lost: Lost,
    /// True if something of it has to survive in part.
    pub torn: bool,
    /// The call whose effect was lost: where the source line is to be looked for.
    pub guilty: Option<EventNo>,
    /// The call that the guilty one comes before, where their order is the cause.
    pub behind: Option<EventNo>,
    /// What is done in which order, where the moment is the cause and that was found.
    pub moment: Option<String>,
    /// The acknowledgement that promised it, where one did.
    pub promised: Option<Promise>,
}

impl Cause {
    /// The call that the guilty one comes before, or a sync of it is to.
    pub fn comes_before(&self) -> Option<EventNo> {
        self.behind.or_else(|| self.counterfactual.as_ref()?.late)
    }

    /// True if the guilty call came before the request whose answer promised something: that rests on it, and
    /// is not it.
    pub fn rests_on_it(&self) -> bool {
        let own = self.promised.filter(|promised| promised.barrier.is_none());
        own.zip(self.guilty).is_some_and(|(promised, guilty)| guilty < promised.asked)
    }

    /// Which calls' effects have to be lost, `rename of CURRENT (name)`, or what comes before what; nothing where
    /// neither is known.
    pub fn mechanism(&self) -> Option<String> {
        let lost = (!self.lost.is_empty()).then(|| mechanism(&self.lost));
        lost.or_else(|| self.moment.clone())
    }
}

/// What the failing states of one cause lost; nothing where they lost nothing.
pub type Lost = BTreeSet<Site>;

/// The part of a cause that says that what was lost has to survive in part.
pub const TORN: &str = "torn";

/// The part of a cause that names the call of which a kill leaves a part, `write of log`.
pub const INSIDE: &str = "inside";

/// Between the sites of a mechanism.
pub const AND: &str = "; ";

/// What was lost as findings name it: `rename of CURRENT (name); write of log (bytes)`.
pub fn mechanism(lost: &Lost) -> String {
    let one = |site: &Site| {
        let Site { call, file, part } = site;
        format!("{call} of {file} ({part:?})").to_lowercase()
    };
    lost.iter().map(one).collect::<Vec<_>>().join(AND)
}

/// How what was lost was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// All of it.
    Whole,
    /// Some sectors or pages arrived.
    Torn,
    /// The sectors that did not arrive hold neither the old bytes nor the new ones, in every failing state.
    Garbage,
}

/// The sentence and the parts of a loss; `survivor` is what depends on it and survives.
pub(super) fn of_loss(kind: Kind, lost: &Lost, manner: Manner, survivor: Option<String>) -> Cause {
    let words: Vec<String> = lost.iter().map(Site::words).collect();
    let can = match manner {
        _ if lost.iter().any(|site| site.part != Part::Bytes) => "can be lost",
        Manner::Whole => "can be lost",
        Manner::Torn => "can be torn",
        Manner::Garbage => "can be left as garbage",
    };
    let torn = manner != Manner::Whole;
    let when = match (kind, survivor) {
        (Kind::LostAck, _) => " after it was promised".into(),
        (_, Some(survivor)) => format!(" while {survivor} survives"),
        _ => String::new(),
    };
    let sentence = format!("{} {can}{when}", words.join(" and "));
    let mut cause = Cause { sentence, lost: lost.clone(), torn, ..Cause::default() };
    let mut part = |name: &str, value: &dyn Fn(&Site) -> String| {
        let values: BTreeSet<String> = lost.iter().map(value).collect();
        let values: Vec<String> = values.into_iter().collect();
        cause.parts.insert(name.into(), values.join(", "));
    };
    part("call", &|site| site.call.clone());
    part("file", &|site| site.file.clone());
    part("part", &|site| format!("{:?}", site.part).to_lowercase());
    if torn {
        cause.parts.insert(TORN.into(), "yes".into());
    }
    cause
}

/// The sentence and the parts where nothing was lost: the moment alone matters. `between` are the calls
/// before and after it, the second one under way if `inside`.
pub(super) fn of_moment(during: &str, between: &(String, String), inside: bool) -> Cause {
    let (before, after) = between;
    if inside {
        return Cause {
            sentence: format!("a kill can cut {after} short"),
            parts: [(INSIDE.to_owned(), after.clone())].into(),
            moment: Some(format!("{INSIDE} {after}")),
            ..Cause::default()
        };
    }
    let sentence = format!("the store is stopped {during}, between {before} and {after}");
    let parts = [("after", before.as_str()), ("before", after), ("during", during)];
    let parts = parts.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Cause { sentence, parts: parts.into(), ..Cause::default() }
}
