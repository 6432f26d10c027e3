//! Records one recovery after the other. Starting a program costs many times what a small recovery does,
//! so a bundled driver is started once: it is known to be done with a store when it answers `close`, and
//! to wait for its next request at an empty pipe. Nobody knows that of a program that is not ours, whatever
//! it says: each of its recoveries has a process of its own. So has every recovery of a bundled driver that
//! does not stay, or that does with its second store otherwise than with its first.

use crate::base::Result;
use crate::base::limits::RECOVERY_ROOM_BYTES;
use crate::driver::{End, Plan, drive};
use crate::image::{Image, Workdir};
use crate::persistence::files_of;
use crate::record::Recorder;
use crate::recover::Recovery;
use crate::trace::{Call, Event, EventKind, Trace};

use super::record::{Recorded, Studio};

/// Where recoveries are recorded.
#[derive(Debug)]
pub struct Booth<'a> {
    studio: Studio<'a>,
    /// A process that waits for another store.
    kept: Option<Kept>,
    /// No process is asked for a second store.
    apart: bool,
}

#[derive(Debug)]
struct Kept {
    recorder: Recorder,
    workdir: Workdir,
    _folder: tempfile::TempDir,
}

/// One recorded recovery.
#[derive(Debug)]
pub struct Take {
    /// What was recorded.
    pub recorded: Recorded,
    /// What the recovery showed.
    pub recovery: Recovery,
    /// The process had recovered other stores before.
    pub is_used: bool,
}

impl<'a> Booth<'a> {
    /// A booth in which nothing was recorded yet.
    pub fn new(studio: Studio<'a>) -> Self {
        let may_stay = studio.target.bundled && studio.capabilities.reopen;
        Self { studio, kept: None, apart: !may_stay }
    }

    /// Records the recovery of `image`.
    pub fn recovery(&mut self, image: &Image) -> Result<Take> {
        if self.apart {
            let (recorded, recovery) = self.studio.recovery(image)?;
            return Ok(Take { recorded, recovery, is_used: false });
        }
        if let Some(second) = self.second(image)? {
            return Ok(second);
        }
        let kept = Kept::new(&self.studio, image)?;
        let first = self.take(kept, false)?;
        let second = self.second(image)?;
        let same = |second: &Take| do_the_same(&first.recorded.trace, &second.recorded.trace);
        if self.kept.is_none() || !second.as_ref().is_some_and(same) {
            self.kept = None;
            self.apart = true;
        }
        Ok(first)
    }

    /// The recovery of `image` in the process that waits, if one does.
    fn second(&mut self, image: &Image) -> Result<Option<Take>> {
        let Some(mut kept) = self.kept.take() else { return Ok(None) };
        kept.workdir.become_image(image)?;
        self.take(kept, true).map(Some)
    }

    /// Records the recovery of what the directory holds.
    fn take(&mut self, mut kept: Kept, is_used: bool) -> Result<Take> {
        kept.workdir.lend();
        let requests = self.studio.recovering();
        let dir = kept.workdir.path().to_owned();
        let capabilities = Some(self.studio.capabilities);
        let plan = Plan { dir: &dir, requests: &requests, threads: 1, capabilities };
        let mut watcher = kept.recorder.watcher();
        let driven = drive(&mut kept.recorder, &mut watcher, &plan)?;
        // What a process holds that was refused, or failed, is not certain.
        let stays = if driven.end == End::Finished { kept.recorder.take() } else { None };
        kept.workdir.note_recovery()?;
        let left = kept.workdir.holds().clone();
        let recording = match stays {
            Some(recording) => {
                self.kept = Some(kept);
                recording
            }
            None => kept.recorder.into_recording()?,
        };
        let recorded = Recorded::new(recording, driven, left);
        Ok(Take { recovery: recorded.recovery(), recorded, is_used })
    }
}

impl Kept {
    fn new(studio: &Studio<'_>, image: &Image) -> Result<Self> {
        let folder = studio.folder("record-")?;
        let mut workdir = Workdir::new(folder.path().join("store"))?;
        // What it holds now is what the recording begins with.
        workdir.become_image(image)?;
        let mut options = studio.options(workdir.path(), folder.path());
        options.room_bytes = RECOVERY_ROOM_BYTES;
        let recorder = Recorder::new(studio.target, &options)?.keeping();
        Ok(Self { recorder, workdir, _folder: folder })
    }
}

/// True if from the first request to the last answer the same calls were made of the same files, in the
/// same order. Names, lengths and bytes may hold numbers of processes and stores, and are not compared.
fn do_the_same(one: &Trace, other: &Trace) -> bool {
    let (one, other) = (conversation(one), conversation(other));
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| is_same(&one.kind, &other.kind))
}

/// The events from the first request to the last answer.
fn conversation(trace: &Trace) -> &[Event] {
    let is_talk =
        |event: &Event| matches!(event.kind, EventKind::Request { .. } | EventKind::Reply { .. });
    let first = trace.events.iter().position(is_talk).unwrap_or(0);
    let end = trace.events.iter().rposition(is_talk).map_or(first, |last| last + 1);
    &trace.events[first..end]
}

fn is_same(one: &EventKind, other: &EventKind) -> bool {
    match (one, other) {
        (EventKind::Call(one), EventKind::Call(other)) => {
            let what = |call: &Call| (std::mem::discriminant(&call.op), files_of(&call.op));
            let failed = |call: &Call| call.result < 0;
            one.name == other.name && failed(one) == failed(other) && what(one) == what(other)
        }
        (EventKind::Warn(_), EventKind::Warn(_)) => true,
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests;
