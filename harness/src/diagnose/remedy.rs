//! The counterfactual: which sync, had it been made, would have made failing states impossible. It is
//! tried in the model: syncs are added as an overlay, and the states are looked at again under the
//! same profile. What it claims it has tried; where states were too many to try all, it says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::group::{Failing, Scene};
use super::names::plain;
use super::promise::{Promise, barriers};
use super::site::{Site, Sites};
use crate::driver::Durable;
use crate::persistence::{AddedSync, CrashState, EffectNo, Form, Loss, Model, View};
use crate::trace::{EventNo, FileId, SyncScope};

/// The most states that one remedy is tried on.
const TRIED: usize = 20_000;

/// A sync that would have helped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// `add fsync of log.1 after event 7`.
    pub place: String,
    /// True if that is one place of one recording; otherwise it is told without event numbers.
    pub once: bool,
    /// `all 12 failures vanish`; empty where it was not tried.
    pub gone: String,
}

impl Remedy {
    /// One that goes without saying.
    pub fn untried(place: &str) -> Remedy {
        Remedy { place: place.into(), once: false, gone: String::new() }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, gone, .. } = self;
        if gone.is_empty() { write!(f, "{place}") } else { write!(f, "{place} and {gone}") }
    }
}

/// Finds a sync that makes `members` impossible; `first` stands for them.
pub(super) fn find(
    scene: &Scene<'_>,
    sites: &Sites<'_>,
    lost: &BTreeSet<Site>,
    members: &[&Failing<'_>],
    first: &Failing<'_>,
) -> Option<Remedy> {
    let mut effects: Vec<EffectNo> = lost_effects(first.state);
    effects.retain(|effect| sites.of(*effect).is_some_and(|site| lost.contains(site)));
    // After the last effect of each file that counts.
    let mut places: Vec<(EventNo, FileId)> = Vec::new();
    for effect in effects {
        let (Some(file), Some(found)) = (sites.synced_by(effect), scene.model.effect(effect))
        else {
            continue;
        };
        places.retain(|(_, other)| *other != file);
        places.push((found.event, file));
    }
    let tried: Vec<&Failing<'_>> = members.iter().copied().take(TRIED).collect();
    for (after, file) in &places {
        if gone(scene, &[(*after, *file)], &tried) == tried.len() {
            let what = fsync(sites, *file, *after);
            return Some(Remedy {
                place: format!("add {what} after event {}", after.0),
                once: true,
                gone: all(&tried, members),
            });
        }
    }
    // No single one: after every such call.
    let mut everywhere: BTreeSet<(EventNo, FileId)> = BTreeSet::new();
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
    let gone = gone(scene, &everywhere, &tried);
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
    let gone = match gone {
        // What most of them do not need helps nobody.
        _ if gone * 2 < tried.len() => return None,
        _ if gone == tried.len() => all(&tried, members),
        _ => format!("{gone} of {} failures vanish", tried.len()),
    };
    Some(Remedy { place: format!("add {what} {places}"), once: false, gone })
}

/// The last place of each file before each promise; what no promise follows needs no sync.
fn before_each(
    barriers: &[Promise],
    everywhere: &BTreeSet<(EventNo, FileId)>,
) -> Vec<(EventNo, FileId)> {
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
fn fsyncs(sites: &Sites<'_>, places: &[(EventNo, FileId)]) -> String {
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

/// How many of the states cannot be with these syncs. A power cut between a call and the sync that is
/// added after it loses what that call did as before.
fn gone(scene: &Scene<'_>, syncs: &[(EventNo, FileId)], states: &[&Failing<'_>]) -> usize {
    let mut overlay = scene.overlay.clone();
    overlay.added_syncs.extend(syncs.iter().map(|(after, file)| AddedSync {
        after: *after,
        file: Some(*file),
        scope: SyncScope::Full,
    }));
    let model = Model::with(scene.trace, &overlay, scene.device);
    let mut states: Vec<&&Failing<'_>> = states.iter().collect();
    states.sort_by_key(|failing| failing.state.point);
    let mut view = View::new(&model);
    let gone = states.iter().filter(|failing| {
        view.advance(failing.state.point.min(model.last_point()));
        let state = translate(scene.model, &model, failing.state);
        let last = failing.state.point.0.checked_sub(1).map(EventNo);
        let unsynced = |effect: &EffectNo| scene.model.effect(*effect).map(|at| at.event) == last;
        let lost = lost_effects(failing.state);
        if !lost.is_empty() && lost.iter().all(unsynced) {
            return false;
        }
        view.check(&state, failing.profile).is_err()
    });
    gone.count()
}

/// A state in the numbers of another model of the same trace. Syncs may leave an effect out (a punch
/// into what was never written needs no zeros); all others are the same in the same order.
fn translate(from: &Model, to: &Model, state: &CrashState) -> CrashState {
    if from.effects().len() == to.effects().len() {
        return state.clone();
    }
    let Some(loss) = state.loss() else { return state.clone() };
    let number = |effect: EffectNo| -> Option<u32> {
        let found = from.effect(effect)?;
        let before = from.effects_of(found.event);
        let alike = |model: &Model, at: u32| {
            let other = model.effect(EffectNo(at)).map(|other| &other.kind);
            other.is_some_and(|other| {
                (other.word(), other.file()) == (found.kind.word(), found.kind.file())
            })
        };
        let rank = (before.start..effect.0).filter(|at| alike(from, *at)).count();
        to.effects_of(found.event).filter(|at| alike(to, *at)).nth(rank)
    };
    let lost: Vec<u32> = loss.lost().filter_map(number).collect();
    let forms: Vec<(u32, Form)> = loss
        .forms()
        .iter()
        .filter_map(|(effect, form)| Some((number(EffectNo(*effect))?, *form)))
        .collect();
    CrashState::power(state.point, Loss::new(&lost, forms))
}

/// Every effect that a state lost, in whole or in part.
pub(super) fn lost_effects(state: &CrashState) -> Vec<EffectNo> {
    let Some(loss) = state.loss() else { return Vec::new() };
    let parts = loss.forms().iter().map(|(effect, _)| EffectNo(*effect));
    let mut effects: Vec<EffectNo> = loss.lost().chain(parts).collect();
    effects.sort_unstable();
    effects
}
