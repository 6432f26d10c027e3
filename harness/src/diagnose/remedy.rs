//! Remedies: which sync, had it been made, would have made failing states impossible, or which answer, had
//! it waited. Each is tried in the model: syncs are added as an overlay, and the states are looked at again
//! under the same profile. What it claims it has tried; where states were too many to try all, it says so.
//! What the program would show with the added call is for the caller to find, who can recover: the remedies
//! come in the order in which it is to try them, the ones that cost a program least first.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

mod misplaced;
mod other;
mod tried;

pub use tried::{number, with_syncs};

use super::cause::Lost;
use super::group::{Failing, Scene};
use super::promise::{Promise, barriers};
use super::site::{During, Part, Site, Sites};
use crate::base::limits::{PAGE_BYTES, SECTOR_BYTES};
use crate::driver::PowerPromise;
use crate::oracle::Kind;
use crate::persistence::{CrashState, EffectNo};
use crate::trace::{Event, EventKind, EventNo, FileId};

/// The most states that one remedy is tried on.
const TRIED: usize = 20_000;
/// So many places of one more sync are tried from the end and from the beginning of what was lost.
const ONCE: usize = 4;

/// So many sorts of calls that survived are tried as what has to come later.
const SURVIVORS: usize = 4;
/// A header or a meta page is written over in so many places of its file, …
const HEADS: usize = 4;
/// … as so many of the states show.
const HEADS_LOOKED: usize = 200;

/// A rule about some of the calls alone rests on at least so many failing states.
const EXCEPTION: usize = 6;

/// A sync that would have helped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remedy {
    /// `add fsync of log.1 after event 7`.
    pub place: String,
    /// How many calls it adds in this recording; 0 where that says no more.
    pub count: usize,
    /// How many such calls there are, those included that have a sync of their own already.
    pub calls: usize,
    /// Where in this recording, in event numbers; empty where that says no more.
    pub detail: String,
    /// True if the place is a rule, and not one place of one recording.
    pub is_rule: bool,
    /// `all 12 failures vanish`; empty where it was not tried.
    pub gone: String,
    /// The syncs that it adds; none where it adds something else.
    pub syncs: Vec<Added>,
    /// The call that such a sync is to come before, where it is an order: the next one after what was lost.
    pub late: Option<EventNo>,
    /// The file of which none of the request under way is there, where that is how the remedy is tried.
    pub whole: Option<Whole>,
}

/// A file as it was before the request under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole {
    /// The file.
    pub file: FileId,
    /// True if the request put something behind its end, and nothing in it was written over.
    pub appended: bool,
}

/// A sync that is added after an event: of this file or directory.
pub type Added = (EventNo, FileId);

impl Remedy {
    /// True if it is one that can be tried on a recording.
    pub fn was_tried(&self) -> bool {
        !self.syncs.is_empty() || self.whole.is_some() || !self.gone.is_empty()
    }

    /// An order as a recovery after a kill keeps it; nothing where it makes none of the calls.
    fn in_recovery(mut self, killed: EventNo) -> Option<Remedy> {
        self.syncs.retain(|(at, _)| *at >= killed);
        self.place.push_str(", in recovery too");
        (self.count, self.calls) = (0, 0);
        (!self.syncs.is_empty()).then_some(self)
    }

    /// One that goes without saying.
    pub fn untried(place: &str) -> Remedy {
        Remedy { place: place.into(), is_rule: true, ..Remedy::default() }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, detail, gone, count, calls, .. } = self;
        let count = match (count, calls) {
            (count, calls) if calls > count && *calls > 1 => {
                format!(" ({count} of {calls} have none)")
            }
            (..=1, _) => String::new(),
            (count, _) => format!(" ({count} of them)"),
        };
        let and = if gone.is_empty() || gone.starts_with(';') { "" } else { " and " };
        // A clause in commas ends where the next one begins.
        let detail = if and.is_empty() { detail.trim_end_matches(',') } else { detail };
        write!(f, "{place}{count}{detail}{and}{gone}")
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

/// What may make `members` impossible; `first` stands for them, and lost what it did only in part if
/// `torn`. Those that come first are to be tried first.
pub(super) fn find<'a>(
    scene: &'a Scene<'a>,
    sites: &'a Sites<'a>,
    (lost, torn): (&'a Lost, bool),
    members: &[&'a Failing<'a>],
    first: &Failing<'_>,
    guilty: Option<EffectNo>,
) -> Vec<Remedy> {
    let tried = members.iter().copied().take(TRIED).collect();
    let search = Search { scene, sites, lost, tried, count: members.len() };
    let later: Vec<Remedy> = search.later().into_iter().collect();
    let is_late = !later.is_empty();
    let mut found = later;
    found.extend(search.recovering());
    let in_flight = search.is_older(first) && !search.is_promised(first);
    if let Some(killed) = scene.recovery.filter(|_| in_flight) {
        // The kill may come before a sync that was not promised: an order has to be kept by the recovery.
        found.extend(search.before(first).into_iter().filter_map(|rule| rule.in_recovery(killed)));
    } else if !is_late {
        // Of rules with as many syncs the one that is told most plainly.
        let everywhere = search.everywhere(&Such::all());
        // A rule with an exception has to be worth it, and rests on more than some states where the exceptions have no
        // sync of their own. A hole lies between any two records.
        let narrower = everywhere.as_ref().zip(guilty).map(|(all, effect)| {
            let such = match first.kind {
                Kind::Hole => Vec::new(),
                _ => search.narrower(effect),
            };
            let known = |rule: &Remedy| search.count >= EXCEPTION || rule.count == all.count;
            let rules = such.iter().filter_map(|such| search.everywhere(such)).filter(known);
            rules.filter(|rule| rule.syncs.len() <= all.syncs.len() / 2).collect::<Vec<_>>()
        });
        let mut rules: Vec<Remedy> = everywhere.into_iter().collect();
        rules.extend(search.before(first));
        rules.extend(search.before_the_head(first));
        rules.extend(narrower.unwrap_or_default());
        // A sync that is there and comes too late is no further one.
        rules.sort_by_key(|rule| if rule.detail.is_empty() { rule.calls } else { 0 });
        rules.dedup_by(|one, other| one.syncs == other.syncs);
        let misplaced = search.misplaced(first).unwrap_or_default();
        for rule in rules.iter_mut().filter(|rule| rule.detail.is_empty()) {
            rule.detail.clone_from(&misplaced);
        }
        found.extend(rules);
        if search.is_made_once(guilty) {
            found.extend(search.once(first));
        }
    }
    let replaced = search.replaces(first);
    let kept = match replaced {
        Some(whole) if whole.appended => other::cut_back(whole, first.kind),
        replaced => replaced.map(other::replaced),
    };
    let known = kept.is_some() && !first.operations.is_empty();
    found.extend(kept);
    if known {
        // It was promised, and every sync fails.
    } else if first.kind == Kind::Hole {
        found.push(other::hole());
    } else if lost.iter().all(|site| matches!(site.part, Part::Bytes | Part::Size))
        && (torn || search.is_mixed(first))
        && !search.is_promised(first)
        && first.kind != Kind::RefusedUnborn
    {
        found.push(other::torn());
    }
    found
}

/// Which calls of the sort that was lost a rule is about.
struct Such {
    during: Option<During>,
    offset: Option<u64>,
}

impl Such {
    fn all() -> Such {
        Such { during: None, offset: None }
    }

    /// `write`, `pwrite64 at offset 0 in a checkpoint`.
    fn words(&self, calls: &str) -> String {
        let offset = self.offset.map_or(String::new(), |offset| format!(" at offset {offset}"));
        let during = self.during.map_or(String::new(), |during| format!(" {}", during.words()));
        format!("{calls}{offset}{during}")
    }
}

impl Search<'_> {
    /// What a state lost of what counts.
    fn effects(&self, one: &Failing<'_>) -> impl Iterator<Item = EffectNo> {
        lost_effects(one.state).into_iter().filter(|effect| self.counts(*effect))
    }

    fn counts(&self, effect: EffectNo) -> bool {
        self.sites.of(effect).is_some_and(|site| self.lost.contains(site))
    }

    /// True if all that was lost had been done before the kill that recovery followed.
    fn is_older(&self, first: &Failing<'_>) -> bool {
        let event = |effect| self.scene.model.effect(effect).map(|found| found.event);
        self.scene
            .recovery
            .is_some_and(|killed| self.effects(first).filter_map(event).all(|event| event < killed))
    }

    /// True if the guilty call was made before any `open` was answered: what makes a new store is made once.
    fn is_made_once(&self, guilty: Option<EffectNo>) -> bool {
        let event = guilty.and_then(|effect| Some(self.scene.model.effect(effect)?.event));
        let answered = (0..).zip(&self.scene.trace.events).find(|(_, event)| event.is_answer());
        event.is_some_and(|event| answered.is_none_or(|(at, _)| event.0 < at))
    }

    /// `fsync of log`, or `msync of log` where it was a store into a mapping that was lost.
    fn sync(&self, what: String) -> String {
        let stores = self.lost.iter().all(|site| site.call == "store");
        match what.strip_prefix("fsync") {
            Some(rest) if stores => format!("msync{rest}"),
            _ => what,
        }
    }

    /// One sync, after an effect that counts: the earliest at first, since a later one leaves more time.
    fn once(&self, first: &Failing<'_>) -> Vec<Remedy> {
        let mut places: Vec<Added> = Vec::new();
        for effect in self.effects(first) {
            let found = self.sites.synced_by(effect).zip(self.scene.model.effect(effect));
            let Some((file, found)) = found else { continue };
            // A process that was killed does nothing more.
            if self.scene.recovery.is_some_and(|killed| found.event < killed) {
                continue;
            }
            let place = (found.event, file);
            if places.last() != Some(&place) {
                places.push(place);
            }
        }
        // With all of a file's effects the last sync of it helps more.
        let last: Vec<Added> = places.iter().rev().take(ONCE).copied().collect();
        let mut tried = BTreeSet::new();
        let candidates = last.into_iter().chain(places.iter().take(ONCE).copied());
        let helps = |place: &Added| self.gone(&|_| true, &[*place]) == self.tried.len();
        let candidates = candidates.filter(|place| tried.insert(*place)).filter(helps);
        let remedy = |(after, file): Added| Remedy {
            place: format!("add {}", self.sync(fsync(self.sites, file, after))),
            detail: format!(" after event {}", after.0),
            is_rule: false,
            gone: self.all(),
            syncs: vec![(after, file)],
            ..Remedy::default()
        };
        candidates.map(remedy).collect()
    }

    /// What was lost synced before what came later and survived: an order between two calls, kept each time.
    fn before(&self, first: &Failing<'_>) -> Vec<Remedy> {
        let (scene, sites) = (self.scene, self.sites);
        let Some(loss) = first.state.loss() else { return Vec::new() };
        let Some(lost) = self.effects(first).next() else { return Vec::new() };
        let Some(own) = scene.model.effect(lost).map(|found| found.event) else {
            return Vec::new();
        };
        let later = (lost.0 + 1..scene.model.effects_before(first.state.point)).map(EffectNo);
        let mut survivors: Vec<&Site> = Vec::new();
        for effect in later {
            let event = scene.model.effect(effect).map(|found| found.event);
            let survives = !loss.is_lost(effect.0) && event.is_some_and(|event| event > own);
            let Some(site) = sites.of(effect).filter(|site| survives && !self.lost.contains(*site))
            else {
                continue;
            };
            if !survivors.contains(&site) {
                survivors.push(site);
            }
        }
        let ordered = |survives: &&Site| {
            let late = |effect: EffectNo| sites.of(effect) == Some(*survives);
            self.ordered(lost, &late, &format!("{} of {}", survives.call, survives.file))
        };
        survivors.iter().take(SURVIVORS).filter_map(ordered).collect()
    }

    /// The same where one sort of call writes both: what is written over again and again, as a header or a meta
    /// page is, behind what it names.
    fn before_the_head(&self, first: &Failing<'_>) -> Option<Remedy> {
        let lost = self.effects(first).next()?;
        let site = self.sites.of(lost)?;
        let mut heads: BTreeSet<u64> = BTreeSet::new();
        for one in self.tried.iter().take(HEADS_LOOKED) {
            heads.insert(self.kept_last(one, site)?);
            if heads.len() > HEADS {
                return None;
            }
        }
        let event = |effect| self.scene.model.effect(effect).map(|found| found.event);
        let at_head = |effect: EffectNo| {
            self.sites.of(effect) == Some(site)
                && event(effect)
                    .and_then(|event| self.sites.offset(event))
                    .is_some_and(|at| heads.contains(&at))
        };
        let all = (0..self.scene.model.effects().len() as u32).map(EffectNo);
        let writes: BTreeSet<EventNo> =
            all.filter(|effect| at_head(*effect)).filter_map(event).collect();
        let mut times: BTreeMap<u64, usize> = BTreeMap::new();
        for at in writes.iter().filter_map(|event| self.sites.offset(*event)) {
            *times.entry(at).or_default() += 1;
        }
        // The end of what is appended comes to one place by chance.
        let is_head = |at: &u64| *at < PAGE_BYTES || at.is_multiple_of(SECTOR_BYTES);
        let again = |at: &u64| times.get(at).is_some_and(|times| *times > 1);
        if !heads.iter().all(|at| is_head(at) && again(at)) || self.effects(first).any(at_head) {
            return None;
        }
        let at: Vec<String> = heads.iter().map(u64::to_string).collect();
        let words = format!("{} of {} at offset {}", site.call, site.file, at.join(" or "));
        self.ordered(lost, &at_head, &words)
    }

    /// Where the last write of this sort that a state kept, after what it lost, puts its bytes.
    fn kept_last(&self, one: &Failing<'_>, site: &Site) -> Option<u64> {
        let model = self.scene.model;
        let loss = one.state.loss()?;
        let lost = self.effects(one).next()?;
        let after = lost.0 + 1..model.effects_before(one.state.point);
        let kept = after
            .rev()
            .map(EffectNo)
            .find(|effect| !loss.is_lost(effect.0) && self.sites.of(*effect) == Some(site))?;
        let event = model.effect(kept)?.event;
        (event != model.effect(lost)?.event).then(|| self.sites.offset(event))?
    }

    /// Before each late call a sync of what is pending of the sort that was lost.
    fn ordered(
        &self,
        lost: EffectNo,
        late: &dyn Fn(EffectNo) -> bool,
        words: &str,
    ) -> Option<Remedy> {
        let (scene, sites) = (self.scene, self.sites);
        let file = sites.synced_by(lost)?;
        let own = scene.model.effect(lost)?.event;
        let mut syncs: Vec<Added> = Vec::new();
        let mut pending: BTreeMap<FileId, EventNo> = BTreeMap::new();
        for effect in (0..scene.model.effects().len() as u32).map(EffectNo) {
            let Some(found) = scene.model.effect(effect) else { continue };
            if late(effect) {
                let before = found.event.0.checked_sub(1).map(EventNo);
                let due = std::mem::take(&mut pending);
                syncs.extend(
                    before.into_iter().flat_map(|at| due.keys().map(move |file| (at, *file))),
                );
            } else if self.counts(effect)
                && let Some(file) = sites.synced_by(effect)
            {
                pending.insert(file, found.event);
            }
        }
        syncs.sort_unstable();
        syncs.dedup();
        if syncs.is_empty() || self.gone(&|effect| !late(effect), &syncs) != self.tried.len() {
            return None;
        }
        let count = syncs.iter().map(|(at, _)| *at).collect::<BTreeSet<EventNo>>().len();
        let path = sites.patterns.path(&sites.names.path(file, own));
        let sync = self.sync(fsync_of(&path));
        let place = format!("add {sync} before each {words}");
        let next = self.next_late(lost, late);
        let detail = match next.is_some_and(|call| self.comes_late(lost, call)) {
            true => ", for the one that is there comes behind it,".to_owned(),
            false => String::new(),
        };
        Some(Remedy {
            place,
            detail,
            count,
            calls: count,
            is_rule: true,
            gone: self.all(),
            syncs,
            late: next,
            ..Remedy::default()
        })
    }

    /// The first late call after what was lost.
    fn next_late(&self, lost: EffectNo, late: &dyn Fn(EffectNo) -> bool) -> Option<EventNo> {
        let model = self.scene.model;
        let after = lost.0 + 1..model.effects().len() as u32;
        let next = after.map(EffectNo).find(|effect| late(*effect))?;
        model.effect(next).map(|found| found.event)
    }

    /// True if the sync that there is comes behind the late call, in the same request: it is at the wrong place.
    fn comes_late(&self, lost: EffectNo, call: EventNo) -> bool {
        let model = self.scene.model;
        let Some(profile) = self.tried.first().map(|one| one.profile) else { return false };
        let Some(by) = model.durable_by(lost, profile) else { return false };
        let synced = self.scene.trace.events.get(by.0 as usize).and_then(Event::synced);
        if synced.is_none() || synced != self.sites.synced_by(lost) {
            return false;
        }
        let between = self.scene.trace.events.get(call.0 as usize..by.0 as usize);
        between.is_some_and(|events| {
            !events.is_empty()
                && events.iter().all(|event| matches!(event.kind, EventKind::Call(_)))
        })
    }

    /// The calls of the guilty one's sort that were asked for alike; and those of them that write to the same
    /// place.
    fn narrower(&self, guilty: EffectNo) -> Vec<Such> {
        let Some(found) = self.scene.model.effect(guilty) else { return Vec::new() };
        let during = Some(self.sites.during(found.event));
        let offset = self.sites.offset(found.event);
        let writes = (0..self.scene.model.effects().len() as u32).map(EffectNo);
        let events: BTreeSet<EventNo> = writes
            .filter(|effect| self.counts(*effect))
            .filter_map(|effect| Some(self.scene.model.effect(effect)?.event))
            .filter(|event| self.sites.offset(*event) == offset)
            .collect();
        // A place that is written once is one call and no sort of calls.
        let again = offset.filter(|_| events.len() > 1);
        let at = again.map(|offset| Such { during, offset: Some(offset) });
        [Such { during, offset: None }].into_iter().chain(at).collect()
    }

    fn is_such(&self, such: &Such, effect: EffectNo) -> bool {
        let Some(found) = self.scene.model.effect(effect) else { return false };
        such.during.is_none_or(|during| during == self.sites.during(found.event))
            && such.offset.is_none_or(|at| Some(at) == self.sites.offset(found.event))
    }

    /// A sync after every such call that does what was lost, or after the last of them before each promise.
    fn everywhere(&self, such: &Such) -> Option<Remedy> {
        let mut everywhere: BTreeSet<Added> = BTreeSet::new();
        let effects = (0..self.scene.model.effects().len() as u32).map(EffectNo);
        for effect in effects.filter(|effect| self.counts(*effect) && self.is_such(such, *effect)) {
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
        // One that leaves some of them helps nobody.
        let counts = |effect: EffectNo| self.is_such(such, effect);
        let gone = (self.gone(&counts, &everywhere) == self.tried.len()).then(|| self.all())?;
        let events: BTreeSet<EventNo> = everywhere.iter().map(|(event, _)| *event).collect();
        let what = self.sync(fsyncs(self.sites, &everywhere));
        let calls: BTreeSet<&str> = self.lost.iter().map(|site| site.call.as_str()).collect();
        let calls = such.words(&calls.into_iter().collect::<Vec<_>>().join(" and "));
        let places = match late {
            true => {
                let barriers = match self.scene.durable {
                    PowerPromise::SyncOrClose => "`sync` and `close`",
                    _ => "`sync`",
                };
                format!("after the last such {calls} before each {barriers}")
            }
            false => format!("after each such {calls}"),
        };
        let place = format!("add {what} {places}");
        let calls = events.len();
        let lacks = |(event, file): &&Added| !self.is_synced(*event, *file);
        let count = everywhere.iter().filter(lacks).map(|(event, _)| *event);
        let count = match count.collect::<BTreeSet<EventNo>>().len() {
            // Each has one, and it is not enough.
            0 => calls,
            some => some,
        };
        let syncs = everywhere;
        Some(Remedy { place, count, calls, is_rule: true, gone, syncs, ..Remedy::default() })
    }

    /// True if the request that makes a call syncs that file after it.
    fn is_synced(&self, event: EventNo, file: FileId) -> bool {
        let later = self.scene.trace.events.iter().skip(event.0 as usize + 1);
        later
            .take_while(|event| matches!(event.kind, EventKind::Call(_)))
            .any(|event| event.synced() == Some(file))
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
    fsync_of(&sites.names.path(file, at))
}

/// The name of the directory itself.
const STORE: &str = "the store's directory";

fn fsync_of(path: &str) -> String {
    match path {
        "." => format!("fsync of {STORE}"),
        path => format!("fsync of {path}"),
    }
}

/// Several of them, by the names that their files have in common.
fn fsyncs(sites: &Sites<'_>, places: &[Added]) -> String {
    let exact: BTreeSet<String> =
        places.iter().map(|(at, file)| sites.names.path(*file, *at)).collect();
    if exact.iter().eq(["."]) {
        return fsync_of(".");
    }
    let alike = |pattern: &dyn Fn(&str) -> String| -> BTreeSet<String> {
        exact.iter().map(|path| pattern(path)).collect()
    };
    let names = alike(&|path| sites.patterns.path(path));
    // Directories over which files are spread have one name only as what stands above a file.
    let above =
        alike(&|path| sites.patterns.path(&format!("{path}/")).trim_end_matches('/').to_owned());
    let names = if above.len() < names.len() { above } else { names };
    let name = |name: &String| if name == "." { STORE.to_owned() } else { name.clone() };
    format!("fsync of {}", names.iter().map(name).collect::<Vec<_>>().join(" and of "))
}

/// Every effect that a state lost, in whole or in part.
pub fn lost_effects(state: &CrashState) -> Vec<EffectNo> {
    let Some(loss) = state.loss() else { return Vec::new() };
    let parts = loss.forms().iter().map(|(effect, _)| EffectNo(*effect));
    let mut effects: Vec<EffectNo> = loss.lost().chain(parts).collect();
    effects.sort_unstable();
    effects
}
