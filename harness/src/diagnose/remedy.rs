//! The counterfactual: which sync, had it been made, would have made failing states impossible, or which
//! answer, had it waited. It is tried in the model: syncs are added as an overlay, and the states are
//! looked at again under the same profile. What it claims it has tried; where states were too many to try
//! all, it says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

mod other;
mod tried;

use tried::Added;

use super::cause::Lost;
use super::group::{Failing, Scene};
use super::names::plain;
use super::promise::{Promise, barriers};
use super::site::Sites;
use crate::driver::PowerPromise;
use crate::persistence::{CrashState, EffectNo};
use crate::trace::{EventNo, FileId};

/// The most states that one remedy is tried on.
const TRIED: usize = 20_000;

/// A sync that would have helped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// `add fsync of log.1 after event 7`.
    pub place: String,
    /// Where in this recording, in event numbers; empty where that says no more.
    pub detail: String,
    /// True if the place is a rule, and not one place of one recording.
    pub is_rule: bool,
    /// `all 12 failures vanish`; empty where it was not tried.
    pub gone: String,
}

impl Remedy {
    /// One that goes without saying.
    pub fn untried(place: &str) -> Remedy {
        Remedy { place: place.into(), detail: String::new(), is_rule: true, gone: String::new() }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, detail, gone, .. } = self;
        let and = if gone.is_empty() { "" } else { " and " };
        write!(f, "{place}{detail}{and}{gone}")
    }
}

/// Failing states of one cause, for which a remedy is looked for.
struct Search<'a> {
    scene: &'a Scene<'a>,
    sites: &'a Sites<'a>,
    /// What they lost.
    lost: &'a Lost,
    /// As many of them as a remedy is tried on.
    tried: Vec<&'a Failing<'a>>,
    /// How many there are.
    count: usize,
}

/// Finds what makes `members` impossible; `first` stands for them, and lost what it did only in part if
/// `torn`.
pub(super) fn find<'a>(
    scene: &'a Scene<'a>,
    sites: &'a Sites<'a>,
    (lost, torn): (&'a Lost, bool),
    members: &[&'a Failing<'a>],
    first: &Failing<'_>,
) -> Option<Remedy> {
    let tried = members.iter().copied().take(TRIED).collect();
    let search = Search { scene, sites, lost, tried, count: members.len() };
    if torn && !search.is_promised(first) {
        return Some(other::torn());
    }
    search
        .later()
        .or_else(|| search.recovering())
        .or_else(|| search.once(first))
        .or_else(|| search.everywhere())
}

impl Search<'_> {
    /// What a state lost of what counts.
    fn effects(&self, one: &Failing<'_>) -> impl Iterator<Item = EffectNo> {
        lost_effects(one.state).into_iter().filter(|effect| self.counts(*effect))
    }

    fn counts(&self, effect: EffectNo) -> bool {
        self.sites.of(effect).is_some_and(|site| self.lost.contains(site))
    }

    /// One sync, after the last effect of a file that counts.
    fn once(&self, first: &Failing<'_>) -> Option<Remedy> {
        let mut places: Vec<Added> = Vec::new();
        for effect in self.effects(first) {
            let found = self.sites.synced_by(effect).zip(self.scene.model.effect(effect));
            let Some((file, found)) = found else { continue };
            // A process that was killed does nothing more.
            if self.scene.recovery.is_some_and(|killed| found.event < killed) {
                continue;
            }
            places.retain(|(_, other)| *other != file);
            places.push((found.event, file));
        }
        let helps = |place: &&Added| self.gone(&|_| true, &[**place]) == self.tried.len();
        let (after, file) = places.iter().find(helps)?;
        Some(Remedy {
            place: format!("add {}", fsync(self.sites, *file, *after)),
            detail: format!(" after event {}", after.0),
            is_rule: false,
            gone: self.all(),
        })
    }

    /// A sync after every call that does what was lost, or after the last of them before each promise.
    fn everywhere(&self) -> Option<Remedy> {
        let mut everywhere: BTreeSet<Added> = BTreeSet::new();
        let effects = (0..self.scene.model.effects().len() as u32).map(EffectNo);
        for effect in effects.filter(|effect| self.counts(*effect)) {
            let event = self.scene.model.effect(effect).map(|found| found.event);
            everywhere.extend(event.zip(self.sites.synced_by(effect)));
        }
        let promised = match self.scene.durable {
            promised @ (PowerPromise::Sync | PowerPromise::SyncOrClose) => {
                before_each(&barriers(self.scene.trace, promised), &everywhere)
            }
            PowerPromise::Ack | PowerPromise::None => Vec::new(),
        };
        let late = !promised.is_empty();
        let everywhere = if late { promised } else { everywhere.into_iter().collect() };
        if everywhere.is_empty() {
            return None;
        }
        let gone = self.most(self.gone(&|_| true, &everywhere))?;
        let events: BTreeSet<EventNo> = everywhere.iter().map(|(event, _)| *event).collect();
        let what = fsyncs(self.sites, &everywhere);
        let calls: BTreeSet<&str> = self.lost.iter().map(|site| site.call.as_str()).collect();
        let calls: Vec<&str> = calls.into_iter().collect();
        let (calls, count) = (calls.join(" and "), events.len());
        let places = match late {
            true => {
                let barriers = match self.scene.durable {
                    PowerPromise::SyncOrClose => "`sync` and `close`",
                    _ => "`sync`",
                };
                format!("after the last such {calls} before each {barriers} ({count} of them)")
            }
            false => format!("after each such {calls} ({count} of them)"),
        };
        let place = format!("add {what} {places}");
        Some(Remedy { place, detail: String::new(), is_rule: true, gone })
    }

    /// How many of the failures vanish; nothing where most do not: that helps nobody.
    fn most(&self, gone: usize) -> Option<String> {
        let tried = self.tried.len();
        match gone {
            0 => None,
            _ if gone * 2 < tried => None,
            _ if gone == tried => Some(self.all()),
            _ => Some(format!("{gone} of {tried} failures vanish")),
        }
    }

    fn all(&self) -> String {
        match (self.tried.len(), self.count) {
            (1, 1) => "this failure vanishes".into(),
            (some, whole) if some == whole => format!("all {whole} failures vanish"),
            (some, whole) => format!("all {some} failures that were tried of {whole} vanish"),
        }
    }
}

/// The last place of each file before each promise; what no promise follows needs no sync.
fn before_each(barriers: &[Promise], everywhere: &BTreeSet<Added>) -> Vec<Added> {
    let mut last: BTreeMap<(usize, FileId), EventNo> = BTreeMap::new();
    for (event, file) in everywhere {
        if let Some(barrier) = barriers.iter().position(|barrier| barrier.answered > *event) {
            last.insert((barrier, *file), *event);
        }
    }
    last.into_iter().map(|((_, file), event)| (event, file)).collect()
}

fn fsync(sites: &Sites<'_>, file: FileId, at: EventNo) -> String {
    match sites.names.path(file, at).as_str() {
        "." => "fsync of the store's directory".into(),
        path => format!("fsync of {path}"),
    }
}

/// Several of them, by the names that their files have in common.
fn fsyncs(sites: &Sites<'_>, places: &[Added]) -> String {
    let exact: BTreeSet<String> =
        places.iter().map(|(at, file)| sites.names.path(*file, *at)).collect();
    if let (1, Some((at, file))) = (exact.len(), places.first()) {
        return fsync(sites, *file, *at);
    }
    let alike = |plain: &dyn Fn(&str) -> String| -> BTreeSet<String> {
        exact.iter().map(|path| plain(path)).collect()
    };
    let names = alike(&plain);
    // Directories over which files are spread have one name only as what stands above a file.
    let above = alike(&|path| plain(&format!("{path}/")).trim_end_matches('/').to_owned());
    let names = if above.len() < names.len() { above } else { names };
    format!("fsync of {}", names.into_iter().collect::<Vec<_>>().join(" and of "))
}

/// Every effect that a state lost, in whole or in part.
pub(super) fn lost_effects(state: &CrashState) -> Vec<EffectNo> {
    let Some(loss) = state.loss() else { return Vec::new() };
    let parts = loss.forms().iter().map(|(effect, _)| EffectNo(*effect));
    let mut effects: Vec<EffectNo> = loss.lost().chain(parts).collect();
    effects.sort_unstable();
    effects
}
