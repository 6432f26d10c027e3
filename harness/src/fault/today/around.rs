//! The states around a saved one: other points of the same recording at which something of the same
//! sites is lost. Nearest to the saved point first; at each point everything of the sites, then each of
//! their effects alone, the latest first, then torn where the saved one was. For a kill: every point, and
//! every write cut at each of its pages. Pure.

use crate::diagnose::{Lost, Sites};
use crate::explore::points;
use crate::persistence::{
    Crash, CrashState, EffectKind, EffectNo, Form, Loss, Model, ProfileSet, View,
};
use crate::trace::{EventNo, Trace};

/// How many effects of the sites are lost one by one at each point.
const SINGLE: usize = 12;
/// How many of them are torn.
const TORN: usize = 4;
/// Sectors that arrive of a torn page.
const SECTORS: [u8; 4] = [0x01, 0x0f, 0xf0, 0x80];

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// The recording.
    pub trace: &'a Trace,
    /// Its model.
    pub model: &'a Model,
    /// What is lost; nothing where the moment alone was the cause.
    pub sites: &'a Lost,
    /// The saved state was of this sort.
    pub crash: &'a Crash,
    /// Where it was.
    pub point: EventNo,
    /// No point before this one.
    pub from: EventNo,
    /// Under these profiles.
    pub profiles: ProfileSet,
}

impl Around<'_> {
    /// The states, in the order in which they are to be judged.
    pub fn states(&self) -> Vec<CrashState> {
        let mut near: Vec<EventNo> = points(self.trace, self.model)
            .into_iter()
            .filter(|point| point.telling || matches!(self.crash, Crash::Kill { .. }))
            .map(|point| point.at)
            .filter(|at| *at >= self.from)
            .collect();
        near.sort_by_key(|at| at.0.abs_diff(self.point.0));
        let mut states: Vec<CrashState> = Vec::new();
        match self.crash {
            Crash::Kill { .. } => {
                for at in near {
                    let cuts = 0..=self.model.kill_cuts(at);
                    states.extend(
                        cuts.map(|pages| CrashState { point: at, crash: Crash::Kill { pages } }),
                    );
                }
            }
            Crash::Power(_) if self.sites.is_empty() => {
                states.extend(near.into_iter().map(|at| CrashState::power(at, Loss::default())));
            }
            Crash::Power(loss) => {
                let sites = Sites::new(self.trace, self.model);
                let torn = !loss.forms().is_empty();
                let (mut all, mut single): (Vec<_>, Vec<_>) = (Vec::new(), Vec::new());
                for at in near {
                    let view = View::at(self.model, at);
                    let (whole, parts) = self.at_point(&view, &sites, torn);
                    all.extend(whole);
                    single.extend(parts);
                }
                // Singles of the nearest points come before everything at the farthest.
                let mut single = single.into_iter();
                for whole in all {
                    states.push(whole);
                    states.extend(single.by_ref().take(1));
                }
                states.extend(single);
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        states.retain(|state| seen.insert(state.clone()));
        states
    }

    /// What is lost at one point: everything of the sites under each profile, then parts of it.
    fn at_point(
        &self,
        view: &View<'_>,
        sites: &Sites<'_>,
        torn: bool,
    ) -> (Vec<CrashState>, Vec<CrashState>) {
        let of_these = |effect: &u32| {
            sites.of(EffectNo(*effect)).is_some_and(|site| self.sites.contains(site))
        };
        let (mut whole, mut parts) = (Vec::new(), Vec::new());
        let state = |loss| CrashState::power(view.point(), loss);
        for profile in self.profiles.iter() {
            let pending: Vec<u32> =
                view.pending(profile).iter().copied().filter(of_these).collect();
            if pending.is_empty() {
                continue;
            }
            whole.push(state(view.losing(profile, pending.iter().copied())));
            let latest = pending.iter().rev();
            if torn {
                for effect in latest.clone().take(TORN) {
                    parts.extend(
                        self.forms(*effect)
                            .into_iter()
                            .map(|form| state(Loss::new(&[], vec![(*effect, form)]))),
                    );
                }
            }
            parts.extend(latest.take(SINGLE).map(|effect| state(view.losing(profile, [*effect]))));
        }
        let legal = |state: &CrashState| !view.legal_in(state, self.profiles).is_empty();
        whole.retain(legal);
        parts.retain(legal);
        (whole, parts)
    }

    /// How an effect may survive in part.
    fn forms(&self, effect: u32) -> Vec<Form> {
        match self.model.effect(EffectNo(effect)).map(|found| &found.kind) {
            Some(EffectKind::Data { .. }) => {
                let torn = SECTORS.map(|arrived| Form::Sectors { arrived, garbage: false });
                let garbage = [0x00, 0x0f].map(|arrived| Form::Sectors { arrived, garbage: true });
                torn.into_iter().chain(garbage).collect()
            }
            Some(EffectKind::Grow { from, to, .. }) => {
                let page = crate::base::limits::PAGE_BYTES;
                let first = (from / page + 1) * page;
                let last = to.saturating_sub(1) / page * page;
                [first, last].into_iter().filter(|size| size < to).map(Form::Cut).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The same state without the loss of anything of `sites`; nothing where what it lost besides cannot be
/// lost alone. What fails without them fails for another reason.
pub fn without(
    state: &CrashState,
    sites: &Lost,
    trace: &Trace,
    model: &Model,
    profiles: ProfileSet,
) -> Option<CrashState> {
    let loss = state.loss()?;
    let known = Sites::new(trace, model);
    let other =
        |effect: &u32| !known.of(EffectNo(*effect)).is_some_and(|site| sites.contains(site));
    let lost: Vec<u32> = loss.lost().map(|effect| effect.0).filter(other).collect();
    let forms: Vec<(u32, Form)> =
        loss.forms().iter().copied().filter(|(effect, _)| other(effect)).collect();
    let less = CrashState::power(state.point, Loss::new(&lost, forms));
    let view = View::at(model, state.point);
    let is_less = &less != state;
    (is_less && !view.legal_in(&less, profiles).is_empty()).then_some(less)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::{Part, Site};
    use crate::persistence::tests::script::Script;

    fn site(call: &str, file: &str) -> Site {
        Site { call: call.into(), file: file.into(), part: Part::Bytes }
    }

    /// Two files, each written twice and never synced.
    fn script() -> Script {
        let mut script = Script::new();
        for file in ["log", "page"] {
            script.create(file);
            script.fsync("");
        }
        for at in 0..2 {
            script.write("log", at * 8192, &[1; 100]);
            script.write("page", at * 8192, &[2; 100]);
        }
        script
    }

    #[test]
    fn the_states_around_lose_something_of_the_sites_at_the_nearest_points_first() {
        let script = script();
        let model = script.model();
        let known = Sites::new(&script.trace, &model);
        let write = (0..model.effects().len() as u32)
            .filter_map(|effect| known.of(EffectNo(effect)).cloned())
            .find(|site| site.file == "log" && site.part == Part::Bytes)
            .expect("a write to the log");
        let sites: Lost = [write].into_iter().collect();
        let around = Around {
            trace: &script.trace,
            model: &model,
            sites: &sites,
            crash: &Crash::Power(Loss::default()),
            point: script.end(),
            from: EventNo(0),
            profiles: ProfileSet::ALL,
        };
        let states = around.states();
        assert_eq!(states.first().map(|state| state.point), Some(script.end()));
        let points: std::collections::BTreeSet<u32> =
            states.iter().map(|state| state.point.0).collect();
        assert!(points.len() > 2, "{points:?}");
        for state in &states {
            let loss = state.loss().expect("a power cut");
            let mut lost = loss.lost().filter_map(|effect| known.of(effect));
            assert!(lost.any(|site| sites.contains(site)), "{state}");
        }
        let kills = Around { crash: &Crash::Kill { pages: 0 }, ..around };
        assert!(kills.states().iter().all(CrashState::is_kill));
    }

    #[test]
    fn a_state_without_the_loss_of_a_site_keeps_the_other_losses() {
        let script = script();
        let model = script.model();
        let view = View::at(&model, script.end());
        let profiles: ProfileSet = [crate::persistence::Profile::Strict].into_iter().collect();
        let all =
            CrashState::power(script.end(), view.losing_all(crate::persistence::Profile::Strict));
        let known = Sites::new(&script.trace, &model);
        let of_log: Lost = effects(&all)
            .filter_map(|effect| known.of(EffectNo(effect)).cloned())
            .filter(|site| site.file == "log")
            .collect();
        let less = without(&all, &of_log, &script.trace, &model, profiles).expect("less");
        assert!(effects(&less).count() > 0);
        let files: Vec<&str> = effects(&less)
            .filter_map(|effect| Some(known.of(EffectNo(effect))?.file.as_str()))
            .collect();
        assert!(files.iter().all(|file| *file == "page"), "{files:?}");
        let none: Lost = [site("write", "other")].into_iter().collect();
        assert_eq!(without(&all, &none, &script.trace, &model, profiles), None);
    }

    fn effects(state: &CrashState) -> impl Iterator<Item = u32> {
        state.loss().into_iter().flat_map(super::super::transfer::effects_of)
    }
}
