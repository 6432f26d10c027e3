//! Where every campaign of the command line takes place: its temporary roots, and who may interrupt it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use unplug_harness::base::{HarnessError, Result};
use unplug_harness::campaign::Campaign;
use unplug_harness::driver::Target;
use unplug_harness::fault::Observer;
use unplug_harness::scenario::{Options, TargetText};

use super::confine::confine;
use super::{interrupt, roots::Roots, say};

/// The place of one campaign, or of several, one after the other.
#[derive(Debug)]
pub struct Setting {
    roots: Roots,
    interrupted: Arc<AtomicBool>,
    temporary: Option<PathBuf>,
}

impl Setting {
    /// From now on Ctrl-C is a request; the folders go when this goes.
    pub fn make() -> Result<Self> {
        Ok(Self { interrupted: interrupt::watch()?, roots: Roots::make()?, temporary: None })
    }

    /// The same for cases from files, which nobody vouches for: from now on only these folders and `besides` can be written
    /// to. Says so where the kernel cannot see to that.
    pub fn confined(besides: &[&Path]) -> Result<Self> {
        let setting = Self::make()?;
        let own = [setting.roots.run(), setting.roots.image()];
        if !confine(&[&own[..], besides].concat())? {
            say::aside(
                "this kernel cannot confine what is replayed (Landlock, Linux 5.19): it can write wherever you can",
            );
            return Ok(setting);
        }
        let temporary = setting.roots.run().join("tmp");
        std::fs::create_dir(&temporary)
            .map_err(|error| HarnessError::at("creating", &temporary, error))?;
        Ok(Self { temporary: Some(temporary), ..setting })
    }

    /// True if what is started here can write to these folders alone.
    pub fn is_confined(&self) -> bool {
        self.temporary.is_some()
    }

    /// Where the programs' own temporary files may be, if they are confined.
    pub fn give_temporary(&self, target: &mut Target) {
        let folder = self.temporary.iter().map(|folder| folder.display().to_string());
        target.env.extend(folder.map(|folder| ("TMPDIR".to_owned(), folder)));
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
