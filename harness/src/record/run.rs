//! Recording in one call.

use super::options::RecordOptions;
use super::recorder::Recorder;
use super::recording::Recording;
use crate::base::Result;
use crate::driver::{self, Driven, Host, Plan, Session, Target, Timeline};

/// Drives a workload through `target` under the recorder, as [`driver::drive`] does without.
pub fn record_workload(
    target: &Target,
    options: &RecordOptions,
    plan: &Plan<'_>,
) -> Result<(Recording, Driven)> {
    let mut recorder = Recorder::new(target, options)?;
    let mut watcher = recorder.watcher();
    let driven = driver::drive(&mut recorder, &mut watcher, plan);
    recorder.has_room()?;
    let driven = driven?;
    Ok((recorder.into_recording()?, driven))
}

/// Runs one process of `target` under the recorder and lets `talk` speak with it. Afterwards the
/// program's input ends and it may exit by itself; then whatever is left of it is killed.
pub fn record<T>(
    target: &Target,
    options: &RecordOptions,
    talk: impl FnOnce(&mut Session, &mut dyn Timeline) -> Result<T>,
) -> Result<(Recording, T)> {
    let mut recorder = Recorder::new(target, options)?;
    let mut watcher = recorder.watcher();
    let mut session = recorder.start()?;
    let said = talk(&mut session, &mut watcher);
    recorder.has_room()?;
    let said = said?;
    // How it ended is in the recording.
    let _ = recorder.finish(session);
    Ok((recorder.into_recording()?, said))
}
