//! Strategy 7: seeded random closed subsets, without end. Each draws a profile, how much is lost, and
//! whether by effects, files or a prefix of the metadata; then perhaps some forms.

use super::batch::Batch;
use super::forms::forms;
use super::strategy::{Site, Strategy};
use crate::persistence::{EffectKind, Form, Loss, Profile};

/// How many states are drawn at a point before another is.
const DRAWS: usize = 24;

pub(super) struct Random;

impl Strategy for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn propose(&self, site: &mut Site<'_, '_>, batch: &mut Batch) {
        let profiles: Vec<Profile> = site.profiles().collect();
        for _ in 0..DRAWS {
            let Some(&profile) = site.rng.pick(&profiles) else { return };
            if site.view.pending(profile).is_empty() {
                continue;
            }
            let lost = draw(site, profile);
            let forms =
                if site.rng.percent(40) { shapes(site, profile, &lost) } else { Vec::new() };
            batch.power(site.view.point(), Loss::new(&lost, forms));
        }
    }
}

/// A closed set of lost effects.
fn draw(site: &mut Site<'_, '_>, profile: Profile) -> Vec<u32> {
    let (view, rng) = (site.view, &mut *site.rng);
    let pending = view.pending(profile);
    let metadata = view.metadata(profile);
    let percent = [3, 10, 30, 50, 70, 90, 97][rng.index(7)];
    let mut tosses = rng.tosses(percent);
    let kind = |effect: u32| &view.model().effects()[effect as usize].kind;
    match rng.below(4) {
        // Lost at random, with what depends on it.
        0 => view.closed_loss(profile, pending.iter().copied().filter(|_| tosses.toss())),
        // Kept at random, with what it depends on.
        1 => {
            let kept = pending.iter().copied().filter(|_| tosses.toss());
            view.keeping(profile, kept).lost().map(|effect| effect.0).collect()
        }
        // The metadata cut somewhere, the rest at random.
        2 => {
            let cut = rng.index(metadata.len() + 1);
            let first = metadata.get(cut).copied();
            let is_metadata = |effect: &u32| metadata.binary_search(effect).is_ok();
            let lost = pending.iter().copied();
            let lost = lost.filter(|effect| !is_metadata(effect) && tosses.toss()).chain(first);
            view.closed_loss(profile, lost)
        }
        // Each file lost, kept or mixed.
        _ => {
            let salt = rng.next_u64();
            let fate =
                |file: u32| (salt ^ u64::from(file)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 62;
            let lost =
                pending.iter().copied().filter(|effect| match fate(kind(*effect).file().0) {
                    0 => true,
                    1 => tosses.toss(),
                    _ => false,
                });
            view.closed_loss(profile, lost)
        }
    }
}

/// Forms for a few effects, such that the state stays closed: only the last survivor of a page is
/// torn, and only what is lost is garbage.
fn shapes(site: &mut Site<'_, '_>, profile: Profile, lost: &[u32]) -> Vec<(u32, Form)> {
    let view = site.view;
    let pending = view.pending(profile);
    let is_lost = |effect: u32| lost.binary_search(&effect).is_ok();
    let mut shapes: Vec<(u32, Form)> = Vec::new();
    for _ in 0..1 + site.rng.index(4) {
        let effect = pending[site.rng.index(pending.len())];
        let kind = &view.model().effects()[effect as usize].kind;
        let all = forms(kind, site.rng);
        let Some(&form) = site.rng.pick(&all) else { continue };
        let fits = match (kind, form) {
            (EffectKind::Data { .. }, Form::Sectors { arrived: 0, .. }) => is_lost(effect),
            (EffectKind::Data { file, page, .. }, _) => {
                let chain = view.model().page_effects(*file, *page);
                let next = chain.get(chain.partition_point(|other| *other <= effect));
                !is_lost(effect)
                    && next.is_none_or(|next| !view.is_pending(*next, profile) || is_lost(*next))
            }
            _ => !is_lost(effect),
        };
        if fits && shapes.iter().all(|shape| shape.0 != effect) {
            shapes.push((effect, form));
        }
    }
    // A form that this profile does not know would make the whole state illegal.
    shapes.retain(|shape| {
        let state =
            crate::persistence::CrashState::power(view.point(), Loss::new(lost, vec![*shape]));
        view.check(&state, profile).is_ok()
    });
    shapes
}
