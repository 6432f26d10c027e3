//! The recording of the first workload, made once for all faults that derive their states from it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::power::record::Recorded;
use crate::base::Result;

/// What was recorded so far in one run.
#[derive(Debug, Default)]
pub struct Recordings(Mutex<Option<(PathBuf, Recorded)>>);

impl Recordings {
    /// The recording of the first workload, made by `make` unless one was made below `root` already; and
    /// true if it was made just now.
    pub fn first(
        &self,
        root: &Path,
        make: impl FnOnce() -> Result<Recorded>,
    ) -> Result<(Recorded, bool)> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some((there, recorded)) if there == root => Ok((recorded.clone(), false)),
            _ => {
                let recorded = make()?;
                *known = Some((root.to_path_buf(), recorded.clone()));
                Ok((recorded, true))
            }
        }
    }
}
