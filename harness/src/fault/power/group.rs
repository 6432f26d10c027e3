//! Failing states into groups, one kind and one cause each: diagnosis groups the states of each
//! ground; groups with the same cause on different grounds are one. What a power cut takes is often
//! taken by one inside a later recovery as well: such an echo belongs to the finding that it echoes.
//! The state that stands for a group is made as small as it goes.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::ask::Failure;
use super::fewer::Fewer;
use super::ground::{Ground, Spot};
use super::remedied::{Remedied, Sought};
use super::shrink::{self, Trier};
use super::trial::Trial;
use super::window;
use crate::base::Result;
use crate::diagnose::{
    self, Cause, During, Failing, INSIDE, Lost, Part, Remedy, Scene, Sites, TORN,
};
use crate::driver::PowerPromise;
use crate::fault::{Budget, Context};
use crate::fault::{Symptom, in_use};
use crate::oracle::{Kind, Violation};
use crate::persistence::{CrashState, Device, EffectNo, Loss, Profile, ProfileSet, View};
use crate::trace::EventNo;
use crate::workload::{Moment, Workload};

/// How many recoveries the search for causes on one ground may take.
const PROBES: u64 = 600;
/// The most members of one group that are kept.
const MEMBERS: usize = 4_000;
/// So many recoveries are spent on comparing groups; those that are left then stay apart.
const COMPARED: u64 = 4_000;
/// A group with fewer than one in this many of the states of another shows seldom.
const SELDOM: u64 = 10;
/// The causes of this many groups are looked into closely, …
const EXPLAINED: usize = 8;
/// … by the return of this many lost calls, one at a time.
const RETURNS: usize = 12;
/// Said of the other groups.
const OTHERS_FIRST: &str = "eight others came first";

/// Failing states of one kind and one cause.
#[derive(Clone, Debug)]
pub struct Group {
    /// What is violated.
    pub kind: Kind,
    /// Worth a word and no alarm.
    pub note: bool,
    /// The state that stands for all.
    pub spot: Spot,
    /// What is wrong with that one.
    pub violation: Violation,
    /// Why.
    pub cause: Cause,
    /// Under which profiles it shows.
    pub profiles: ProfileSet,
    /// How many states are in it.
    pub states: u64,
    /// How many of them are of the recording of the one that stands for all.
    pub own: u64,
    /// True if remedies were tried.
    pub is_explained: bool,
    /// Why none was, where one may be.
    pub untried: Option<&'static str>,
    /// The other kinds of states that fail for the same cause.
    pub shows: Vec<Symptom>,
    /// Those of them that are looked at again with a remedy.
    pub members: Rc<[Member]>,
    /// How many of them are crashes inside a later recovery, where the one that stands for all is not.
    pub echoes: u64,
    /// The workload that was recorded for the case that stands for all, if that is a smaller one of its
    /// own, and how many requests the whole had.
    pub requests: Option<(Workload, usize)>,
}

/// A failing state under the mildest of its profiles.
#[derive(Clone, Debug)]
pub struct Member {
    /// The state.
    pub spot: Spot,
    /// What is wrong with it.
    pub violation: Violation,
    /// Nothing where a kill alone shows it.
    pub mildest: Option<Profile>,
    profiles: ProfileSet,
}

/// By what states are judged.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The device.
    pub device: Device,
    /// What makes a write durable by promise.
    pub durable: PowerPromise,
    /// The harshest profile that makes a failure an alarm.
    pub fail_on: Profile,
}

impl Terms {
    /// Those of a run.
    pub fn of(ctx: &Context<'_>) -> Self {
        let durable = ctx.control.capabilities.power_promise();
        Self { device: super::device(ctx), durable, fail_on: ctx.options.harshest() }
    }
}

/// Groups what failed, worst first.
pub fn group(
    members: impl IntoIterator<Item = Member>,
    trial: &mut dyn Trial,
    terms: Terms,
    budget: &Budget,
) -> Result<Vec<Group>> {
    let mut grounds: BTreeMap<(u32, bool), (Rc<Ground>, Vec<Member>)> = BTreeMap::new();
    for member in members {
        let ground = Rc::clone(&member.spot.ground);
        let key = (ground.number, member.violation.note);
        grounds.entry(key).or_insert_with(|| (ground, Vec::new())).1.push(member);
    }
    let mut groups: Vec<Group> = Vec::new();
    for (ground, members) in grounds.into_values() {
        for found in on_ground(&ground, members, trial, terms, budget)? {
            let same = |group: &&mut Group| {
                // A store that was never opened is worth one word, whatever was lost.
                let unborn = match group.kind {
                    Kind::RefusedUnborn => true,
                    Kind::RecoveryCrashed | Kind::RecoveryHung => group.note,
                    _ => false,
                };
                if unborn {
                    return (found.kind, found.note) == (group.kind, group.note);
                }
                // Recovery left it so, and nothing that was lost: the death alone tells them apart.
                if group.kind == Kind::DiedInUse {
                    return in_use::death(&found.violation) == in_use::death(&group.violation)
                        && (found.kind, found.note) == (group.kind, group.note);
                }
                // Where nothing was lost, the moment alone is no cause of its own.
                let moments = group.cause.guilty.is_none() && found.cause.guilty.is_none();
                let same = group.cause.sentence == found.cause.sentence;
                let inside = group.is_inside() == found.is_inside();
                (group.kind, group.note) == (found.kind, found.note)
                    && (inside && (same || moments) || same && found.is_echo())
            };
            match groups.iter_mut().find(same) {
                Some(group) => group.absorb(found),
                None => groups.push(found),
            }
        }
    }
    for group in &mut groups {
        smaller(group, trial, budget)?;
    }
    explain_first(&mut groups, |_| true, trial, terms, budget)?;
    let mut groups = flaws(groups, trial, terms, budget)?;
    // Where those were few flaws, there is room for others.
    let waits = |group: &Group| group.untried == Some(OTHERS_FIRST);
    if groups.iter().take(EXPLAINED).any(waits) {
        explain_first(&mut groups, waits, trial, terms, budget)?;
        groups = flaws(groups, trial, terms, budget)?;
    }
    let order = |group: &Group| {
        let mildest = group.profiles.mildest();
        (group.note, group.is_inside(), group.kind, mildest, u64::MAX - group.states)
    };
    groups.sort_by_key(order);
    Ok(groups)
}

impl Group {
    /// Takes another group with the same cause in. What stands for both is a state of the milder grade.
    pub fn absorb(&mut self, mut other: Group) {
        if other.profiles.mildest() < self.profiles.mildest() {
            std::mem::swap(self, &mut other);
        }
        if other.is_inside() && !self.is_inside() {
            self.echoes += other.states;
        }
        self.states += other.states;
        self.profiles = self.profiles.union(other.profiles);
    }

    /// True if something of what they lost is the same, on one recording.
    fn may_be_one_with(&self, other: &Group) -> bool {
        if [self.kind, other.kind].contains(&Kind::DiedInUse) {
            return false;
        }
        if !Rc::ptr_eq(&self.spot.ground, &other.spot.ground) {
            let opens = |group: &Group| {
                let opens =
                    group.cause.moment.as_ref().and(group.cause.parts.get("after")).cloned();
                opens.map(|opens| (group.kind, opens))
            };
            if opens(self).is_some() && opens(self) == opens(other) {
                return true;
            }
            if self.echoes(other) {
                return true;
            }
            // What was lost in or after a recovery as before it.
            let same = self.cause.lost == other.cause.lost && !self.cause.lost.is_empty();
            let alike = || self.during().is_some_and(|during| Some(during) == other.during());
            return same && (self.is_echo() || other.is_echo() || alike());
        }
        let whole = |group: &Group| {
            group.cause.counterfactual.as_ref().is_some_and(|remedy| remedy.whole.is_some())
        };
        let moment = self.cause.moment.is_some() && self.cause.moment == other.cause.moment;
        let files = |group: &Group| -> BTreeSet<String> {
            group.cause.lost.iter().map(|site| site.file.clone()).collect()
        };
        moment || !files(self).is_disjoint(&files(other)) || whole(self) || whole(other)
    }

    /// True if the other one shows by a power cut in a later recovery that what this one lost was not durable before
    /// it, whatever recovery's own doing is lost besides.
    fn echoes(&self, other: &Group) -> bool {
        let ground = &other.spot.ground;
        let sites = Sites::knowing(&ground.trace, &ground.model, &ground.patterns);
        let guilty = other.cause.guilty.and_then(|event| sites.site_of(event));
        !self.is_inside()
            && other.is_echo()
            && guilty.is_some_and(|site| self.cause.lost.contains(site))
            && self.cause.lost.is_subset(&other.cause.lost)
    }

    /// What had been asked for when the guilty call was made.
    fn during(&self) -> Option<During> {
        let ground = &self.spot.ground;
        let guilty = self.cause.guilty?;
        Some(Sites::knowing(&ground.trace, &ground.model, &ground.patterns).during(guilty))
    }

    /// Takes in a group that fails for the same cause.
    fn stand_for(&mut self, other: Group) {
        self.shows.push(Symptom {
            kind: other.kind,
            fault: None,
            note: other.note,
            profiles: other.profiles.iter().collect(),
            states: other.states,
            sentence: other.violation.sentence,
        });
        self.shows.extend(other.shows);
    }

    /// True if it takes a crash inside a recovery to show it.
    pub fn is_inside(&self) -> bool {
        self.spot.ground.depth() > 0
    }

    /// True if what was lost was not recovery's own doing: it had been done before (after a kill the
    /// page cache is intact, so what lacked a sync lacks it still), or was written when recovery was over.
    pub fn is_echo(&self) -> bool {
        let offset = self.spot.ground.offset;
        let before = self.cause.guilty.is_some_and(|event| event.0 < offset);
        self.is_inside() && before || self.is_later()
    }

    /// True if what was lost, or took it, was done when a recovery was over.
    pub fn is_later(&self) -> bool {
        let court = self.spot.ground.nested.as_ref();
        let over =
            |at: EventNo| court.is_some_and(|court| court.has_shown(Moment(u64::from(at.0))));
        self.is_inside() && self.cause.guilty.is_some_and(over)
    }

    /// True if all that its states lose are deletes.
    pub fn loses_only_deletes(&self) -> bool {
        let is_delete = |one: &Violation| one.sentence.starts_with("del ");
        self.members.iter().map(|member| &member.violation).chain([&self.violation]).all(is_delete)
    }
}

impl Member {
    fn failing(&self) -> Failing<'_> {
        Failing {
            state: &self.spot.state,
            profile: self.mildest.unwrap_or(Profile::Ext4),
            kind: self.violation.kind,
            operations: &self.violation.operations,
        }
    }

    /// A failing state with what is wrong with it, and the profiles under which it is legal.
    pub fn new(spot: Spot, violation: Violation, profiles: ProfileSet) -> Member {
        Member { spot, violation, mildest: profiles.mildest(), profiles }
    }

    /// The same contents and promise in another state, legal under these profiles.
    pub fn widen(&mut self, spot: Spot, profiles: ProfileSet) {
        if profiles.mildest() < self.mildest {
            (self.spot, self.mildest) = (spot, profiles.mildest());
        }
        self.profiles = self.profiles.union(profiles);
    }

    /// What failed at the bench.
    pub fn of(failure: &Failure<Spot>) -> Option<Member> {
        // What names the failure: the worst that is no note.
        let violation =
            failure.violations.iter().min_by_key(|violation| (violation.note, violation.kind))?;
        let ask = failure.asks.iter().min_by_key(|ask| ask.profiles.mildest())?;
        let all = failure.asks.iter().fold(ProfileSet::EMPTY, |all, ask| all.union(ask.profiles));
        let mildest = ask.profiles.mildest();
        Some(Member { mildest, ..Member::new(ask.what.clone(), violation.clone(), all) })
    }
}

/// What the diagnosis knows of a ground.
fn scene(ground: &Ground, terms: Terms) -> Scene<'_> {
    let Terms { device, durable, .. } = terms;
    Scene {
        trace: &ground.trace,
        model: &ground.model,
        overlay: &ground.overlay,
        device,
        durable,
        patterns: &ground.patterns,
        recovery: (ground.offset > 0).then_some(EventNo(ground.offset)),
    }
}

/// Tells why groups fail; what would help is looked for in the first ones.
fn explain_first(
    groups: &mut [Group],
    which: impl Fn(&Group) -> bool,
    trial: &mut dyn Trial,
    terms: Terms,
    budget: &Budget,
) -> Result<()> {
    for at in 0..groups.len() {
        if !which(&groups[at]) {
            continue;
        }
        let others: Vec<Lost> = groups
            .iter()
            .enumerate()
            .filter(|(other, group)| *other != at && group.kind == groups[at].kind)
            .map(|(_, group)| group.cause.lost.clone())
            .collect();
        explain(&mut groups[at], &others, trial, terms, budget, at < EXPLAINED)?;
    }
    Ok(())
}

/// Tells why the state that stands for a group fails, now that it is small, and which remedy holds where it
/// is tried. `others` are the losses of other groups of the same kind.
fn explain(
    group: &mut Group,
    others: &[Lost],
    trial: &mut dyn Trial,
    terms: Terms,
    budget: &Budget,
    closely: bool,
) -> Result<()> {
    let is_plain = !matches!(group.kind, Kind::RecoveryHung | Kind::DiedInUse);
    if !is_plain {
        return Ok(());
    }
    group.untried = match closely {
        _ if budget.must_confirm() => Some("the time was over"),
        false => Some(OTHERS_FIRST),
        true => None,
    };
    let closely = group.untried.is_none();
    if group.cause.lost.is_empty() {
        if closely && let Some(cause) = window::cause(group, trial, terms, budget)? {
            group.cause = cause;
            group.is_explained = true;
        }
        return Ok(());
    }
    if closely && let Some(cause) = window::without_the_loss(group, trial, terms, budget)? {
        group.cause = cause;
        group.is_explained = true;
        return Ok(());
    }
    let Some(profile) = legal_profile(group) else { return Ok(()) };
    let ground = Rc::clone(&group.spot.ground);
    let scene = scene(&ground, terms);
    let sites = Sites::knowing(&ground.trace, &ground.model, &ground.patterns);
    let members: Vec<Failing<'_>> = group.members.iter().map(Member::failing).collect();
    let members: Vec<&Failing<'_>> = members.iter().collect();
    let one = Failing {
        state: &group.spot.state,
        profile,
        kind: group.kind,
        operations: &group.violation.operations,
    };
    group.is_explained = closely;
    let cures = if closely { cures(group, profile, trial, budget)? } else { Vec::new() };
    let loss = (&group.cause.lost, group.cause.torn);
    let mut cause = diagnose::explain(&scene, &sites, loss, &members, &one, &cures);
    // What the finding is called stays.
    (cause.sentence, cause.parts) = (group.cause.sentence.clone(), group.cause.parts.clone());
    if closely && is_torn(group, profile, trial)? {
        cause.parts.insert(TORN.into(), "yes".into());
    }
    if closely {
        let sought = sought(group, others, profile);
        let mut tried = Remedied::new(&ground, trial, terms.device, budget);
        cause.counterfactual = tried.first(&cause.remedies, &sought)?;
    } else {
        // What was not tried is not offered.
        cause.counterfactual = None;
    }
    group.cause = cause;
    Ok(())
}

/// True if the state that stands for a group lost some pages of a call and not others, and holds where it loses all.
fn is_torn(group: &Group, profile: Profile, trial: &mut dyn Trial) -> Result<bool> {
    let spot = &group.spot;
    let model = &spot.ground.model;
    // A size is set as a whole.
    if !group.cause.lost.iter().all(|site| site.part == Part::Bytes) {
        return Ok(false);
    }
    let Some(loss) = spot.state.loss() else { return Ok(false) };
    let lost: BTreeSet<u32> = loss.lost().map(|effect| effect.0).collect();
    let event = |effect: &u32| model.effect(EffectNo(*effect)).map(|found| found.event);
    let events: BTreeSet<EventNo> = lost.iter().filter_map(event).collect();
    let whole: BTreeSet<u32> = events.iter().flat_map(|event| model.effects_of(*event)).collect();
    if whole == lost || lost.is_empty() {
        return Ok(false);
    }
    let view = View::at(model, spot.state.point);
    let state = CrashState::power(spot.state.point, view.losing(profile, whole));
    let is_there = state != spot.state && view.check(&state, profile).is_ok();
    Ok(is_there && !Trier::new(trial, spot, group.kind).alarms(!group.note).fails(&state)?)
}

/// What a remedy of a group has to make impossible; `others` are the losses of groups that have causes of
/// their own.
fn sought<'a>(group: &'a Group, others: &'a [Lost], profile: Profile) -> Sought<'a> {
    Sought {
        kind: group.kind,
        alarm: !group.note,
        lost: &group.cause.lost,
        others: others.iter().collect(),
        profile,
        members: &group.members,
    }
}

/// One flaw shows in several kinds of failures: of groups that have lost the same calls' effects the worst
/// takes in those that its remedy cures as well, and those that it shares everything with.
fn flaws(
    mut groups: Vec<Group>,
    trial: &mut dyn Trial,
    terms: Terms,
    budget: &Budget,
) -> Result<Vec<Group>> {
    // Nothing that counts is a symptom of something that does not.
    let counts = |group: &Group| {
        !group.note && group.profiles.mildest().is_none_or(|mildest| mildest <= terms.fail_on)
    };
    groups.sort_by_key(|group| (!counts(group), group.kind, group.profiles.mildest()));
    let mut flaws: Vec<Group> = Vec::new();
    let before = trial.recoveries();
    for mut group in groups {
        let mut of = None;
        for (at, flaw) in flaws.iter_mut().enumerate() {
            if trial.recoveries() - before > COMPARED {
                break;
            }
            if flaw.may_be_one_with(&group) && is_one_flaw(flaw, &mut group, trial, terms, budget)?
            {
                of = Some(at);
                break;
            }
        }
        match of {
            Some(at) => flaws[at].stand_for(group),
            None => flaws.push(group),
        }
    }
    Ok(flaws)
}

/// True if a remedy of one of them cures the other as well, which then has it; or if nothing tells them apart
/// but what was violated.
fn is_one_flaw(
    flaw: &mut Group,
    group: &mut Group,
    trial: &mut dyn Trial,
    terms: Terms,
    budget: &Budget,
) -> Result<bool> {
    let same = !flaw.cause.lost.is_empty()
        && (&flaw.cause.lost, flaw.cause.torn) == (&group.cause.lost, group.cause.torn);
    let place = |of: &Group| of.cause.counterfactual.as_ref().map(|remedy| remedy.place.clone());
    let untried = !(flaw.is_explained && group.is_explained);
    if takes_torn_for_data(flaw.kind) != takes_torn_for_data(group.kind) && tears_alike(flaw, group)
    {
        return Ok(is_seldom(flaw, group));
    }
    let moment = |of: &Group| of.cause.moment.clone();
    let apart = !Rc::ptr_eq(&flaw.spot.ground, &group.spot.ground);
    if moment(flaw).is_some() && (apart || moment(flaw) == moment(group)) {
        return Ok(true);
    }
    if apart && flaw.echoes(group) {
        return Ok(true);
    }
    let alike = flaw.cause.lost == group.cause.lost && place(flaw) == place(group);
    if same && untried || alike && (same || place(flaw).is_some()) {
        return Ok(true);
    }
    // A remedy is tried on one recording; and each try of a hang would take the whole time limit.
    if apart {
        return Ok(false);
    }
    if [flaw.kind, group.kind].contains(&Kind::RecoveryHung) {
        return Ok(same);
    }
    let ground = Rc::clone(&flaw.spot.ground);
    let mut cures = |healer: &Group, sick: &Group| -> Result<bool> {
        let (Some(remedy), Some(profile)) = (&healer.cause.counterfactual, legal_profile(sick))
        else {
            return Ok(false);
        };
        // The old contents of a store of one file are no remedy where a sync is one.
        let has_syncs = sick.cause.counterfactual.as_ref().is_some_and(|own| !own.syncs.is_empty());
        // Where nothing of a write arrives nothing is torn: that tells flaws of one kind apart from none of another.
        let other =
            |whole: diagnose::Whole| has_syncs || whole.appended && healer.kind != sick.kind;
        if budget.must_confirm() || remedy.whole.is_some_and(other) {
            return Ok(false);
        }
        let mut tried = Remedied::new(&ground, trial, terms.device, budget);
        tried.holds(remedy, &sought(sick, &[], profile))
    };
    if cures(flaw, group)? {
        return Ok(true);
    }
    if cures(group, flaw)? {
        flaw.cause.counterfactual = group.cause.counterfactual.take();
        return Ok(true);
    }
    Ok(false)
}

/// True if what is torn was taken for data.
fn takes_torn_for_data(kind: Kind) -> bool {
    matches!(kind, Kind::CorruptValue | Kind::GhostKey)
}

/// True if both leave a part of the same call.
fn tears_alike(one: &Group, other: &Group) -> bool {
    let inside = |of: &Group| of.cause.parts.get(INSIDE).cloned();
    let torn = |of: &Group| of.cause.torn || of.cause.parts.contains_key(TORN);
    let lost = one.cause.lost == other.cause.lost && !one.cause.lost.is_empty();
    lost && torn(one) && torn(other) || inside(one).is_some() && inside(one) == inside(other)
}

/// What is torn and taken for data seldom hides what was promised, and a recovery that drops too much seldom shows what is
/// torn: true if one shows so seldom that it is a symptom of the other, whose remedy then stands for both.
fn is_seldom(flaw: &mut Group, group: &mut Group) -> bool {
    let seldom = |one: u64, other: u64| one.saturating_mul(SELDOM) < other;
    if seldom(flaw.states, group.states) {
        flaw.cause.counterfactual = group.cause.counterfactual.take();
        return true;
    }
    seldom(group.states, flaw.states)
}

/// The lost effects of the state that stands for a group whose return alone makes it pass.
fn cures(
    group: &Group,
    profile: Profile,
    trial: &mut dyn Trial,
    budget: &Budget,
) -> Result<Vec<EffectNo>> {
    let spot = group.spot.clone();
    let Some(loss) = spot.state.loss() else { return Ok(Vec::new()) };
    let model = &spot.ground.model;
    let view = View::at(model, spot.state.point);
    let all = diagnose::lost_effects(&spot.state);
    let event = |effect: EffectNo| model.effect(effect).map(|found| found.event);
    let events: BTreeSet<EventNo> = all.iter().filter_map(|effect| event(*effect)).collect();
    let mut cures = Vec::new();
    let mut trier = Trier::new(trial, &spot, group.kind).alarms(!group.note);
    for returned in events.into_iter().take(RETURNS) {
        if budget.must_confirm() {
            break;
        }
        let stays = |effect: &u32| event(EffectNo(*effect)) != Some(returned);
        let lost = loss.lost().map(|effect| effect.0).filter(stays);
        let closed = view.closed_loss(profile, lost);
        let forms = loss.forms().iter().copied().filter(|(effect, _)| stays(effect)).collect();
        let state = CrashState::power(spot.state.point, Loss::new(&closed, forms));
        let is_back = state != spot.state && view.check(&state, profile).is_ok();
        if is_back && !trier.fails(&state)? {
            cures.extend(all.iter().copied().filter(|effect| event(*effect) == Some(returned)));
        }
    }
    Ok(cures)
}

/// The groups of one ground.
fn on_ground(
    ground: &Rc<Ground>,
    members: Vec<Member>,
    trial: &mut dyn Trial,
    terms: Terms,
    budget: &Budget,
) -> Result<Vec<Group>> {
    let scene = scene(ground, terms);
    let failing: Vec<Failing<'_>> = members.iter().map(Member::failing).collect();
    let mut trouble = None;
    let mut left = PROBES;
    let first = Spot { ground: Rc::clone(ground), state: members[0].spot.state.clone() };
    // All of one ground and call are alarms, or notes.
    let alarm = members.iter().all(|member| !member.violation.note);
    let mut trier = Trier::new(trial, &first, Kind::LostAck).alarms(alarm);
    let found = diagnose::group(&scene, &failing, &[], |one, state| {
        // A hang takes the whole limit; a death in use is recovery's doing and no lost effect's.
        let is_plain = !matches!(one.kind, Kind::RecoveryHung | Kind::DiedInUse);
        if trouble.is_some() || left == 0 || !is_plain || budget.must_confirm() {
            return None;
        }
        left -= 1;
        match trier.shows(state, one.kind) {
            Ok(shows) => Some(shows),
            Err(error) => {
                trouble = Some(error);
                None
            }
        }
    });
    if let Some(error) = trouble {
        return Err(error);
    }
    let group = |found: diagnose::Group| {
        let first = &members[found.members[0]];
        let profiles = found.members.iter().map(|at| members[*at].profiles);
        Group {
            kind: found.kind,
            note: first.violation.note,
            spot: first.spot.clone(),
            violation: first.violation.clone(),
            cause: found.cause,
            profiles: profiles.fold(ProfileSet::EMPTY, ProfileSet::union),
            states: found.members.len() as u64,
            is_explained: false,
            untried: None,
            shows: Vec::new(),
            own: found.members.len() as u64,
            members: found.members.iter().take(MEMBERS).map(|at| members[*at].clone()).collect(),
            echoes: 0,
            requests: None,
        }
    };
    Ok(found.into_iter().map(group).collect())
}

impl Group {
    /// Has a failure from fewer requests stand for all, where it has the same cause.
    pub fn adopt(
        &mut self,
        found: Fewer,
        trial: &mut dyn Trial,
        terms: Terms,
        budget: &Budget,
    ) -> Result<()> {
        let mut small = Group { spot: found.spot, violation: found.violation, ..self.clone() };
        smaller(&mut small, trial, budget)?;
        let member = Member {
            mildest: legal_profile(&small),
            profiles: self.profiles,
            spot: small.spot.clone(),
            violation: small.violation.clone(),
        };
        let ground = Rc::clone(&small.spot.ground);
        let told = on_ground(&ground, vec![member], trial, terms, budget)?;
        let told = told.into_iter().next();
        match told {
            Some(mut told) => {
                explain(&mut told, &[], trial, terms, budget, true)?;
                if told.cause.sentence != self.cause.sentence {
                    return Ok(());
                }
                small.cause = told.cause;
            }
            None => return Ok(()),
        }
        // What was tried on all failing states says more, but not with an event of another recording.
        let tried = |old: &Remedy| old.is_rule && !old.gone.is_empty();
        if let Some(old) = self.cause.counterfactual.take().filter(tried) {
            let gone = format!("{} in the recording of the whole workload", old.gone);
            let same = small.cause.counterfactual.filter(|new| new.place == old.place);
            let (detail, late) = same.map_or_else(Default::default, |new| (new.detail, new.late));
            small.cause.counterfactual = Some(Remedy { gone, detail, late, ..old });
        }
        self.spot = small.spot;
        self.violation = small.violation;
        self.cause = small.cause;
        self.requests = Some((found.workload, found.whole));
        Ok(())
    }
}

/// Makes the state that stands for a group smaller.
fn smaller(group: &mut Group, trial: &mut dyn Trial, budget: &Budget) -> Result<()> {
    let Some(profile) = legal_profile(group) else { return Ok(()) };
    // Each try would take the whole time limit; or nothing that was lost is to blame.
    let is_plain = !matches!(group.kind, Kind::RecoveryHung | Kind::DiedInUse);
    if !is_plain || budget.must_confirm() {
        return Ok(());
    }
    let spot = group.spot.clone();
    let sought = (group.kind, !group.note);
    let state = shrink::smallest(trial, &spot, profile.into(), sought, budget)?;
    if state == spot.state {
        return Ok(());
    }
    let found = Trier::new(trial, &spot, group.kind).violations(&state)?;
    let same = |found: &Violation| (found.kind, found.note) == (group.kind, group.note);
    if let Some(same) = found.into_iter().find(same) {
        group.violation = same;
        group.spot.state = state;
    }
    Ok(())
}

/// The mildest profile under which the state that stands for a group is legal.
pub fn legal_profile(group: &Group) -> Option<Profile> {
    let model = &group.spot.ground.model;
    group.profiles.iter().find(|profile| model.is_legal(&group.spot.state, *profile))
}
