//! The definition of legality. A crash state is a crash point and a set of surviving effects. Under a
//! profile it is legal if
//!
//! 1. everything that a barrier had made durable survives, in whole;
//! 2. it is closed: what survives has what it needs (`chains`), no page has a sector from an effect
//!    without the same sector of the page's earlier effects;
//! 3. in ext4, xfs and btrfs what survives of the pending metadata is a prefix of it, and a Grow
//!    survives only with all metadata before its write;
//! 4. what survives in part does so in a form that the profile knows: sectors of a page that had
//!    blocks (`--atomic-write 4096`: none; btrfs: none), a Grow cut at a page boundary inside its
//!    write, garbage in the place of lost appended bytes (strict alone).
//!
//! A kill loses nothing and may cut the write in flight at a page boundary of the file.

use std::fmt;

use super::effect::{EffectKind, EffectNo};
use super::model::Model;
use super::profile::{Profile, ProfileSet};
use super::state::{Crash, CrashState, Form, Loss};
use super::view::View;
use crate::base::limits::PAGE_BYTES;

/// Why a crash state is not legal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The rule that forbids it.
    pub rule: &'static str,
    /// The effect that it cannot do without, or not in this form.
    pub effect: Option<EffectNo>,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.effect {
            Some(effect) => write!(f, "effect {effect}: {}", self.rule),
            None => f.write_str(self.rule),
        }
    }
}

fn breach<T>(rule: &'static str, effect: u32) -> Result<T, Breach> {
    Err(Breach { rule, effect: Some(EffectNo(effect)) })
}

impl Model {
    /// Whether a crash state is legal under a profile, and if not by which rule. For many states of
    /// one point, [`View::check`] is cheaper.
    pub fn check(&self, state: &CrashState, profile: Profile) -> Result<(), Breach> {
        View::at(self, state.point.min(self.last_point())).check(state, profile)
    }

    /// True if a crash state is legal under a profile.
    pub fn is_legal(&self, state: &CrashState, profile: Profile) -> bool {
        self.check(state, profile).is_ok()
    }
}

impl View<'_> {
    /// The profiles among `asked` under which a state of this point is legal.
    pub fn legal_in(&self, state: &CrashState, asked: ProfileSet) -> ProfileSet {
        asked.iter().filter(|profile| self.check(state, *profile).is_ok()).collect()
    }

    /// Whether a state of this point is legal under a profile, and if not by which rule.
    pub fn check(&self, state: &CrashState, profile: Profile) -> Result<(), Breach> {
        if state.point != self.point {
            return Err(Breach { rule: "the trace has no such crash point", effect: None });
        }
        let loss = match &state.crash {
            Crash::Power(loss) => loss,
            Crash::Kill { pages } if *pages <= self.model.kill_cuts(self.point) => return Ok(()),
            Crash::Kill { .. } => {
                let rule = "a kill cuts the write in flight after fewer pages than it has";
                return Err(Breach { rule, effect: None });
            }
        };
        if let Some(greatest) = loss.greatest().filter(|greatest| *greatest >= self.end) {
            return breach("it had not happened when the crash came", greatest);
        }
        for effect in loss.lost().map(|effect| effect.0) {
            self.check_incomplete(loss, effect, profile)?;
        }
        for &(effect, form) in loss.forms() {
            self.check_incomplete(loss, effect, profile)?;
            self.check_form(loss, effect, form, profile)?;
        }
        self.check_order(loss, profile)
    }

    /// Rules 1 and 2 for one effect that did not survive in whole.
    fn check_incomplete(&self, loss: &Loss, effect: u32, profile: Profile) -> Result<(), Breach> {
        if !self.is_pending(effect, profile) {
            return breach("a barrier had made it durable", effect);
        }
        let arrived = loss.arrived(effect);
        for edge in &self.model.breakdown.chains.needed_by[effect as usize] {
            let later = edge.effect;
            if !edge.profiles.contains(profile) || !self.is_pending(later, profile) {
                continue;
            }
            if edge.chain && loss.arrived(later) & !arrived != 0 {
                return breach("a page survives as after some prefix of its writes", later);
            }
            if !edge.chain && !loss.is_lost(later) {
                return breach("it survives only with what it follows", later);
            }
        }
        Ok(())
    }

    /// Rule 3.
    fn check_order(&self, loss: &Loss, profile: Profile) -> Result<(), Breach> {
        if profile == Profile::Strict {
            return Ok(());
        }
        let in_block = profile == Profile::Ext4;
        let is_metadata = |effect: u32| self.model.kind(effect).is_metadata(in_block);
        let mut lost = loss.lost().map(|effect| effect.0);
        let Some(first) = lost.find(|effect| is_metadata(*effect)) else { return Ok(()) };
        let metadata = self.metadata(profile);
        let after = metadata.partition_point(|effect| *effect < first);
        if let Some(&kept) = metadata[after..].iter().find(|effect| !loss.is_lost(**effect)) {
            return breach("what survives of the metadata is a prefix", kept);
        }
        let grows = self.grows(profile);
        let after = grows.partition_point(|effect| *effect < first);
        if let Some(&kept) = grows[after..].iter().find(|effect| !loss.is_lost(**effect)) {
            return breach("growth needs all metadata before its write", kept);
        }
        Ok(())
    }

    /// Rule 4.
    fn check_form(&self, loss: &Loss, no: u32, form: Form, profile: Profile) -> Result<(), Breach> {
        match (self.model.kind(no), form) {
            (&EffectKind::Grow { from, to, offset, .. }, Form::Cut(size)) => {
                let inside = size > from.max(offset) && size < to;
                if inside && size % PAGE_BYTES == 0 {
                    return Ok(());
                }
                breach("a Grow may be cut at a page boundary inside its write", no)
            }
            (&EffectKind::Data { file, page, fresh, .. }, Form::Sectors { arrived, garbage }) => {
                let chain = self.model.page_effects(file, page);
                let before = chain.partition_point(|effect| *effect < no);
                let previous = before.checked_sub(1).map(|at| chain[at]);
                if arrived != 0 {
                    self.check_torn(no, previous, profile)?;
                }
                if garbage {
                    let replaces_nothing =
                        match previous.map(|previous| (previous, self.model.kind(previous))) {
                            None => page >= self.model.initial_size(file).div_ceil(PAGE_BYTES),
                            Some((resize, EffectKind::Resize { .. })) => !loss.is_lost(resize),
                            Some(_) => false,
                        };
                    if profile != Profile::Strict {
                        return breach("only strict leaves garbage", no);
                    }
                    if !fresh || !replaces_nothing {
                        return breach("garbage is only where nothing was", no);
                    }
                }
                Ok(())
            }
            _ => breach("it has no such form", no),
        }
    }

    /// Whether a page can be torn by a `Data` effect that follows `previous` on its page.
    fn check_torn(&self, no: u32, previous: Option<u32>, profile: Profile) -> Result<(), Breach> {
        if self.model.device.atomic_pages {
            return breach("this device writes whole pages", no);
        }
        let EffectKind::Data { file, page, .. } = *self.model.kind(no) else {
            return breach("it has no such form", no);
        };
        let on_disk = match previous.map(|previous| self.model.kind(previous)) {
            None => page < self.model.initial_size(file).div_ceil(PAGE_BYTES),
            Some(kind) if kind.frees_page() => false,
            Some(EffectKind::Data { .. }) => true,
            Some(_) => false,
        };
        match profile {
            Profile::Strict => Ok(()),
            _ if self.model.kind(no).frees_page() => breach("a hole is punched page by page", no),
            Profile::Btrfs => breach("btrfs never tears what it overwrites", no),
            Profile::Ext4 | Profile::Xfs if on_disk => Ok(()),
            Profile::Ext4 | Profile::Xfs => {
                breach("a page that had no blocks is wholly there or not at all", no)
            }
        }
    }
}
