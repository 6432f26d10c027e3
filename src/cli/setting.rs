//! Where every campaign of the command line takes place: its temporary roots, and who may interrupt it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use unplug_harness::base::Result;
use unplug_harness::campaign::Campaign;
use unplug_harness::driver::Target;
use unplug_harness::fault::Observer;
use unplug_harness::scenario::{Options, TargetText};

use super::{interrupt, roots::Roots};

/// The place of one campaign, or of several, one after the other.
#[derive(Debug)]
pub struct Setting {
    roots: Roots,
    interrupted: Arc<AtomicBool>,
}

impl Setting {
    /// From now on Ctrl-C is a request; the folders go when this goes.
    pub fn make() -> Result<Self> {
        Ok(Self { interrupted: interrupt::watch()?, roots: Roots::make()? })
    }

    /// True once somebody asked for an end.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// A campaign that takes place here.
    pub fn campaign<'a>(
        &'a self,
        target: &'a Target,
        text: &'a TargetText,
        options: &'a Options,
        observer: &'a dyn Observer,
    ) -> Campaign<'a> {
        Campaign {
            target,
            text,
            options,
            run_root: self.roots.run(),
            image_root: self.roots.image(),
            interrupted: Arc::clone(&self.interrupted),
            observer,
        }
    }
}
