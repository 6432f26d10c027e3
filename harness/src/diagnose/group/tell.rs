//! A group in words: the state that stands for it, what it lost, what had been promised, and what
//! would help.

use super::super::cause::{Cause, Lost, Manner, of_loss, of_moment};
use super::super::promise::promise;
use super::super::remedy;
use super::super::site::{During, Part, Site, Sites};
use super::{Failing, Found, Group, Scene, Seen};
use crate::persistence::{Crash, EffectKind, EffectNo, Form};
use crate::trace::EventNo;

/// Why states of one kind and one cause fail, told of the state that stands for them: `cures` are lost
/// effects of it whose return alone makes it pass, if the caller has looked for them.
pub fn explain(
    scene: &Scene<'_>,
    sites: &Sites<'_>,
    (lost, torn): (&Lost, bool),
    members: &[&Failing<'_>],
    one: &Failing<'_>,
    cures: &[EffectNo],
) -> Cause {
    let what = Seen::new(sites, one);
    let of_it = lost.iter().filter_map(|site| what.sites.get(site)).flatten();
    let mut effects: Vec<EffectNo> = of_it.copied().collect();
    effects.sort_unstable();
    let inside = matches!(one.state.crash, Crash::Kill { pages } if pages > 0);
    let mut cause = match lost.is_empty() {
        true => of_moment(what.during.words(), &sites.around(one.state.point), inside),
        false => {
            let survivor = survivor(scene, sites, one, &effects);
            of_loss(one.kind, lost, manner(torn, members), survivor)
        }
    };
    let event = |effect: &EffectNo| scene.model.effect(*effect).map(|found| found.event);
    let promised = one
        .operations
        .first()
        .and_then(|op| promise(scene.trace, scene.durable, *op, one.state.point));
    // What alone makes the difference; else what was lost of what had been done by the promise; where there
    // is none, the last loss.
    let curing: Vec<EffectNo> =
        effects.iter().copied().filter(|effect| cures.contains(effect)).collect();
    let suspects = if curing.is_empty() { &effects } else { &curing };
    let before = promised.and_then(|promised| {
        suspects
            .iter()
            .rev()
            .find(|effect| event(effect).is_some_and(|event| event < promised.answered))
    });
    let latest = before.or(suspects.last()).copied();
    cause.promised = promised.filter(|_| before.is_some());
    cause.guilty = latest.as_ref().and_then(event).or_else(|| inside.then_some(one.state.point));
    cause.detail = detail(scene, sites, one, &cause, latest);
    if !effects.is_empty() {
        cause.remedies = remedy::find(scene, sites, (lost, torn), members, one, latest);
        cause.counterfactual = cause.remedies.first().cloned();
    }
    cause
}

/// The group that was found.
pub(super) fn tell(
    scene: &Scene<'_>,
    sites: &Sites<'_>,
    failing: &[Failing<'_>],
    found: Found,
) -> Group {
    let first = found.members[0];
    let members: Vec<&Failing<'_>> = found.members.iter().map(|at| &failing[*at]).collect();
    let loss = (&found.lost, found.torn);
    let cause = explain(scene, sites, loss, &members, &failing[first], &[]);
    Group { kind: found.kind, members: found.members, cause }
}

/// How failing states lost what they did, some of it in part if `torn`.
fn manner(torn: bool, members: &[&Failing<'_>]) -> Manner {
    let garbage = |form: &Form| matches!(form, Form::Sectors { garbage: true, .. });
    let only = |one: &&Failing<'_>| {
        let forms = one.state.loss().map_or(&[][..], |loss| loss.forms());
        !forms.is_empty() && forms.iter().all(|(_, form)| garbage(form))
    };
    match torn {
        false => Manner::Whole,
        true if members.iter().all(only) => Manner::Garbage,
        true => Manner::Torn,
    }
}

/// A name that a lost file has and that survives, though it came later.
fn survivor(
    scene: &Scene<'_>,
    sites: &Sites<'_>,
    one: &Failing<'_>,
    lost: &[EffectNo],
) -> Option<String> {
    let first = scene.model.effect(*lost.first()?)?;
    sites.of(lost[0]).filter(|site| site.part != Part::Name)?;
    let later = lost[0].0 + 1..scene.model.effects_before(one.state.point);
    let named = later.map(EffectNo).find(|effect| {
        let found = scene.model.effect(*effect).map(|found| &found.kind);
        let rename = matches!(found, Some(EffectKind::Rename { .. } | EffectKind::Link { .. }));
        let same = found.is_some_and(|kind| kind.file() == first.kind.file());
        rename && same && one.state.loss().is_some_and(|loss| !loss.is_lost(effect.0))
    })?;
    sites.of(named).map(Site::words)
}

/// The case that stands for all, with its events.
fn detail(
    scene: &Scene<'_>,
    sites: &Sites<'_>,
    one: &Failing<'_>,
    cause: &Cause,
    latest: Option<EffectNo>,
) -> String {
    let point = one.state.point.0;
    let Some(effect) = latest else {
        return match one.state.crash {
            Crash::Kill { pages } if pages > 0 => {
                let all = scene.model.kill_cuts(one.state.point) + 1;
                format!("{pages} of the {all} pages of event {point} are there")
            }
            _ => format!("stopped before event {point}"),
        };
    };
    let during = scene.model.effect(effect).map_or(During::Idle, |at| sites.during(at.event));
    let mut text =
        format!("stopped before event {point}; lost: {}, {}", sites.event(effect), during.words());
    match scene.model.durable_by(effect, one.profile) {
        Some(by) if by >= one.state.point => {
            let call = sites.call(by).unwrap_or("event");
            text.push_str(&format!(", durable only by event {} ({call})", by.0));
        }
        Some(_) => {}
        None => text.push_str(", never made durable"),
    }
    if let Some(promised) = cause.promised {
        let of = promised.barrier.map_or(String::new(), |barrier| format!(" of `{barrier}`"));
        let at = promised.answered.0;
        text.push_str(&match cause.rests_on_it() {
            false => format!("; promised by the acknowledgement{of} at event {at}"),
            true => format!("; with it goes the promise of the acknowledgement{of} at event {at}"),
        });
    }
    text
}

impl Sites<'_> {
    /// The calls that changed files right before and right after a crash point.
    fn around(&self, point: EventNo) -> (String, String) {
        let name = |event: EventNo| -> String {
            let call = self.call(event).unwrap_or("the end");
            let site = self.site_of(event);
            match site {
                Some(site) => format!("{call} of {}", site.file),
                None => call.to_owned(),
            }
        };
        let before = (0..point.0).rev().map(EventNo).find(|event| self.changes(*event));
        let after = (point.0..self.end().0).map(EventNo).find(|event| self.changes(*event));
        let before = before.map_or("the beginning".into(), name);
        (before, after.map_or("the end".into(), name))
    }
}
