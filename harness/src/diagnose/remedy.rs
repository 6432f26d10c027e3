//! The counterfactual: which sync, had it been made, would have made failing states impossible, or which
//! answer, had it waited. It is tried in the model: syncs are added as an overlay, and the states are
//! looked at again under the same profile. What it claims it has tried; where states were too many to try
//! all, it says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

mod other;
mod tried;

use tried::{Added, gone};

use super::cause::Lost;
use super::group::{Failing, Scene};
use super::names::plain;
use super::promise::{Promise, barriers};
use super::site::Sites;
use crate::driver::Durable;
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

/// Finds what makes `members` impossible; `first` stands for them, and lost what it did only in part if
/// `torn`.
pub(super) fn find(
    scene: &Scene<'_>,
    sites: &Sites<'_>,
    (lost, torn): (&Lost, bool),
    members: &[&Failing<'_>],
    first: &Failing<'_>,
) -> Option<Remedy> {
    let mut effects: Vec<EffectNo> = lost_effects(first.state);
    effects.retain(|effect| sites.of(*effect).is_some_and(|site| lost.contains(site)));
    let tried: Vec<&Failing<'_>> = members.iter().copied().take(TRIED).collect();
    if torn && !other::is_promised(scene, first, &effects) {
        return Some(other::torn());
    }
    if let Some(remedy) = other::later(scene, sites, lost, &tried, members)
        .or_else(|| other::recovering(scene, sites, lost, &tried, members))
    {
        return Some(remedy);
    }
    // After the last effect of each file that counts.
    let mut places: Vec<Added> = Vec::new();
    for effect in effects {
        let (Some(file), Some(found)) = (sites.synced_by(effect), scene.model.effect(effect))
        else {
            continue;
        };
        // A process that was killed does nothing more.
        if scene.recovery.is_some_and(|killed| found.event < killed) {
            continue;
        }
        places.retain(|(_, other)| *other != file);
        places.push((found.event, file));
    }
    for (after, file) in &places {
        if gone(scene, sites, (lost, &|_| true), &[(*after, *file)], &tried) == tried.len() {
            return Some(Remedy {
                place: format!("add {}", fsync(sites, *file, *after)),
                detail: format!(" after event {}", after.0),
                is_rule: false,
                gone: all(&tried, members),
            });
        }
    }
    everywhere(scene, sites, lost, &tried, members)
}

/// A sync after every call that does what was lost, or after the last of them before each promise.
fn everywhere(
    scene: &Scene<'_>,
    sites: &Sites<'_>,
    lost: &Lost,
    tried: &[&Failing<'_>],
    members: &[&Failing<'_>],
) -> Option<Remedy> {
    let mut everywhere: BTreeSet<Added> = BTreeSet::new();
    for number in 0..scene.model.effects().len() as u32 {
        let effect = EffectNo(number);
        if sites.of(effect).is_some_and(|site| lost.contains(site)) {
            let event = scene.model.effect(effect).map(|found| found.event);
            everywhere.extend(event.zip(sites.synced_by(effect)));
        }
    }
    let promised = match scene.durable {
        Durable::Sync => before_each(&barriers(scene.trace), &everywhere),
        Durable::Ack | Durable::None => Vec::new(),
    };
    let late = !promised.is_empty();
    let everywhere = if late { promised } else { everywhere.into_iter().collect() };
    if everywhere.is_empty() {
        return None;
    }
    let gone = gone(scene, sites, (lost, &|_| true), &everywhere, tried);
    let events: BTreeSet<EventNo> = everywhere.iter().map(|(event, _)| *event).collect();
    let what = fsyncs(sites, &everywhere);
    let calls: BTreeSet<&str> = lost.iter().map(|site| site.call.as_str()).collect();
    let calls: Vec<&str> = calls.into_iter().collect();
    let (calls, count) = (calls.join(" and "), events.len());
    let places = match late {
        true => {
            format!("after the last such {calls} before each `sync` and `close` ({count} of them)")
        }
        false => format!("after each such {calls} ({count} of them)"),
    };
    let gone = most(gone, tried, members)?;
    let place = format!("add {what} {places}");
    Some(Remedy { place, detail: String::new(), is_rule: true, gone })
}

/// How many of the failures vanish; nothing where most do not: that helps nobody.
fn most(gone: usize, tried: &[&Failing<'_>], members: &[&Failing<'_>]) -> Option<String> {
    match gone {
        0 => None,
        _ if gone * 2 < tried.len() => None,
        _ if gone == tried.len() => Some(all(tried, members)),
        _ => Some(format!("{gone} of {} failures vanish", tried.len())),
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

fn all(tried: &[&Failing<'_>], members: &[&Failing<'_>]) -> String {
    match (tried.len(), members.len()) {
        (1, 1) => "this failure vanishes".into(),
        (some, whole) if some == whole => format!("all {whole} failures vanish"),
        (some, whole) => format!("all {some} failures that were tried of {whole} vanish"),
    }
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
