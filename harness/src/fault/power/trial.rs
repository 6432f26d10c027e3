//! A state tried here and now: what is wrong with what recovers from it. A store's recovery is judged by what was
//! promised; a whole program has a check.

use std::rc::Rc;

use super::ground::Spot;
use super::prove::Prover;
use super::shrink::judged;
use crate::base::Result;
use crate::image::{Builder, Image};
use crate::oracle::{Kind, Violation};
use crate::persistence::CrashState;

/// Says what is wrong with single states.
pub trait Trial {
    /// What is wrong with what recovers from `image`, at the moment of `spot`; second openings and a put too
    /// where `besides` asks for them.
    fn violations(&mut self, image: &Image, spot: &Spot, besides: bool) -> Result<Vec<Violation>>;

    /// How many recoveries were run.
    fn recoveries(&self) -> u64;
}

impl Trial for Prover {
    fn violations(&mut self, image: &Image, spot: &Spot, besides: bool) -> Result<Vec<Violation>> {
        Ok(judged(self, image, spot, besides)?.0.violations)
    }

    fn recoveries(&self) -> u64 {
        self.recoveries
    }
}

/// What is wrong with a state of the ground of `spot`.
pub fn of_state(
    trial: &mut dyn Trial,
    builder: &mut Builder<'_>,
    spot: &Spot,
    state: CrashState,
    kind: Kind,
) -> Result<Vec<Violation>> {
    let image = builder.image(&state);
    let spot = Spot { ground: Rc::clone(&spot.ground), state };
    trial.violations(&image, &spot, is_besides(kind))
}

/// True of what shows only when a recovered store is used.
pub fn is_besides(kind: Kind) -> bool {
    matches!(kind, Kind::Unstable | Kind::NotWritable | Kind::DiedInUse)
}
