//! A saved crash inside recovery looked for in today's program: the state of the first crash is restaged,
//! the recovery from it recorded again, and cut again at the matching call. Where that state cannot come
//! about, or its recovery holds, so are the recoveries from the states around it: what is wrong with a
//! recovery does not depend on the one crash that led to it.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::super::ground::{Ground, Spot};
use super::super::record::Studio;
use super::search::{Any, Found, Saved, Search, side};
use crate::base::{Result, limits};
use crate::fault::today::around::Around;
use crate::fault::today::{Transfer, align, transfer};
use crate::image::{Builder, Image};
use crate::persistence::{CrashState, Device, Loss, View};
use crate::recover::Recovery;
use crate::trace::EventNo;

/// A part of the recoveries is recorded from states that lost nothing: a log that was not closed.
const PLAIN: usize = 3;
/// The least that is judged of one recovery.
const LEAST: u64 = 16;

/// Records recoveries again.
pub struct Nested<'a> {
    /// Records.
    pub studio: Studio<'a>,
    /// The device.
    pub device: Device,
}

impl Nested<'_> {
    /// Looks for the innermost of `levels`, outermost first, below `ground`.
    pub fn search(
        &self,
        search: &mut Search<'_, '_>,
        levels: &[Saved],
        ground: &Rc<Ground>,
        upto: u64,
    ) -> Result<Found> {
        let (Some(outer), [_, below @ ..]) = (levels.first(), levels) else {
            return Ok(Found { wrong: None, matched: false, why: "no state was saved".into() });
        };
        if below.is_empty() {
            return search.on(outer, ground, upto);
        }
        let mut best: Option<Found> = None;
        let mut recorded = 0;
        let most = limits::REPLAY_RECOVERIES.div_ceil(ground.depth() + 1);
        let mut shapes: BTreeSet<u128> = BTreeSet::new();
        let mut builder = Builder::new(&ground.model);
        for (nth, state) in candidates(search, outer, ground).into_iter().enumerate() {
            let used = search.judging.recoveries();
            if recorded >= most || used >= upto || !search.effort.take(used)? {
                break;
            }
            let image = builder.image(&state);
            let spot = Spot { ground: Rc::clone(ground), state };
            if !shapes.insert(image.hash()) {
                continue;
            }
            if let Some(wrong) = search.fails(&spot, &image, Any::Kind, false)? {
                // Not what was sought, unless it is the very state: that it held once was the point.
                if nth == 0 && search.kind == Some(wrong.0.kind) {
                    let why = "the first crash alone shows it".to_owned();
                    return Ok(Found { wrong: Some(wrong), matched: true, why });
                }
                continue;
            }
            let Some(deeper) = self.below(search, &spot, &image)? else { continue };
            recorded += 1;
            let left = upto.saturating_sub(search.judging.recoveries());
            let share = (left / (most - recorded + 1) as u64 * 2).max(LEAST);
            let limit = upto.min(search.judging.recoveries() + share);
            let found = self.search(search, below, &deeper, limit)?;
            if found.wrong.is_some() {
                return Ok(found);
            }
            let better = best.as_ref().is_none_or(|best| found.matched && !best.matched);
            if better {
                best = Some(found);
            }
        }
        let nothing = Found {
            wrong: None,
            matched: false,
            why: "no recovery writes anything that could be cut".into(),
        };
        let mut found = best.unwrap_or(nothing);
        found.why =
            format!("{} (the recoveries from {recorded} crash states were cut again)", found.why);
        Ok(found)
    }

    /// The ground of the recovery from `image`; nothing where it did not open or changed no file.
    fn below(
        &self,
        search: &Search<'_, '_>,
        spot: &Spot,
        image: &Image,
    ) -> Result<Option<Rc<Ground>>> {
        let (recorded, recovery) = self.studio.recovery(image)?;
        if !matches!(recovery, Recovery::Opened(_)) || !recorded.blind.is_empty() {
            return Ok(None);
        }
        let view = View::at(&spot.ground.model, spot.state.point);
        let under = (!spot.state.is_kill()).then(|| view.legal_in(&spot.state, search.profiles));
        let capabilities = self.studio.capabilities;
        let ground =
            Ground::below(spot, recorded.trace, &recovery, under, capabilities, self.device);
        let changes = (ground.offset..ground.model.last_point().0)
            .any(|event| ground.model.changes_files(EventNo(event)));
        Ok(changes.then(|| Rc::new(ground)))
    }
}

/// The crash states whose recoveries are cut again: the saved one, then those around it, by turns with
/// some that lost nothing.
fn candidates(search: &Search<'_, '_>, saved: &Saved, ground: &Rc<Ground>) -> Vec<CrashState> {
    let (old, new) = (side(&saved.spot.ground), side(ground));
    let joints = (saved.spot.ground.offset, ground.offset);
    let alignment = align(old.trace, new.trace, joints, &search.stable);
    let there = transfer(&saved.spot.state, old, new, &alignment, saved.profiles);
    let mut states = Vec::new();
    if let Transfer::State { state, .. } = &there {
        states.push(state.clone());
    }
    let around = Around {
        trace: &ground.trace,
        model: &ground.model,
        sites: there.sites(),
        crash: &saved.spot.state.crash,
        point: there.point(),
        from: EventNo(if ground.depth() > 0 { ground.offset + 1 } else { 0 }),
        profiles: search.profiles,
    };
    let near = around.states();
    let plain = near.iter().map(|state| match state.is_kill() {
        true => CrashState::kill(state.point),
        false => CrashState::power(state.point, Loss::default()),
    });
    let plain: Vec<CrashState> = plain.collect();
    for (nth, state) in near.into_iter().enumerate() {
        states.push(state);
        if nth % PLAIN == 0 {
            states.extend(plain.get(nth).cloned());
        }
    }
    // Last come kills from all over the recording, which are all there is where nothing is left of what led there: a
    // recovery is one of the program's, not of the one crash before it.
    let (from, end) = (around.from.0, ground.model.last_point().0);
    let step = (end.saturating_sub(from) as usize / limits::REPLAY_RECOVERIES).max(1);
    states.extend((from..=end).step_by(step).map(|point| CrashState::kill(EventNo(point))));
    states
}
