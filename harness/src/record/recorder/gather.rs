//! What was recorded, gathered once a program has ended, or waits.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use super::Recorder;
use crate::base::{HarnessError, Result};
use crate::record::lives::say;
use crate::record::recording::Recording;
use crate::trace::{Event, EventKind, Trace};
use crate::workload::OpNo;

impl Recorder {
    /// The recording, where the process waits to be asked for another store. Whatever is done to the
    /// directory until then is not recorded: the next recording begins with what it holds then. Nothing
    /// if no process waits.
    pub fn take(&mut self) -> Option<Recording> {
        self.waiting.is_some().then(|| self.gather())
    }

    /// The recording, once no process is there any more; one that waits may end by itself, and any other
    /// is killed.
    pub fn into_recording(mut self) -> Result<Recording> {
        if let Some(session) = self.waiting.take() {
            // How it ended is in the recording.
            let _ = self.end(session);
        }
        self.wait(Duration::ZERO);
        self.orders = None;
        let context = format!("tracing {}", self.target.name);
        let joined = self.tracing.take().map(JoinHandle::join);
        match joined {
            Some(Ok(Ok(()))) => {
                self.has_room()?;
                Ok(self.gather())
            }
            Some(Ok(Err(error))) => Err(HarnessError::machine(context, error)),
            _ => Err(HarnessError::broken(format!("{context}: the tracer panicked"))),
        }
    }

    /// An error where the program was ended because its recording had grown to its limit.
    pub(in crate::record) fn has_room(&self) -> Result<()> {
        match &self.shared.lock().full {
            None => Ok(()),
            Some(why) => Err(HarnessError::NotMeasured(why.clone())),
        }
    }

    /// What was recorded since the begin. Nothing of it is left for a later recording, but what the
    /// program did once and for all so that nothing is certain any more.
    pub(super) fn gather(&mut self) -> Recording {
        let mut state = self.shared.lock();
        let events = state.take_events();
        let mut seen = std::mem::take(&mut state.seen);
        let heard = std::mem::take(&mut state.heard);
        seen.blind.extend(unread(&heard, &events));
        state.seen.blind.clone_from(&seen.blind);
        let status = state.status;
        drop(state);
        // The private folders are the program's to use: they are gone before any recovery.
        let own = &self.run_folders;
        let paths = |set: BTreeSet<Vec<u8>>| {
            set.into_iter()
                .map(|path| PathBuf::from(OsString::from_vec(path)))
                .filter(|path| !own.iter().any(|folder| path.starts_with(folder)))
                .collect()
        };
        Recording {
            trace: Trace {
                initial: std::mem::take(&mut self.initial),
                events,
                unmodelled: seen.unmodelled,
                blind: seen.blind,
            },
            exit: status.map_or_else(|| "never ended".into(), say),
            clean: status == Some(0),
            overdue: self.overdue,
            operations: seen.operations,
            looks: seen.looks,
            struck: seen.struck,
            cut_off: seen.cut_off,
            weakened: seen.weakened,
            answered: seen.answered,
            modules: seen.modules,
            coarse: seen.coarse,
            stderr: std::mem::take(&mut self.stderr),
            outside_written: paths(seen.outside_written),
            outside_read: paths(seen.outside_read),
        }
    }
}

/// A blind spot where answers reached the session that no traced call wrote: when they were given is
/// not known, so nothing is known to have been promised.
fn unread(heard: &BTreeSet<OpNo>, events: &[Event]) -> Option<String> {
    let written: BTreeSet<OpNo> = events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Reply { op, .. } => Some(*op),
            _ => None,
        })
        .collect();
    let unread = heard.difference(&written).count();
    (unread > 0).then(|| "the program answered in a way that was not seen".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::workload::Answer;

    #[test]
    fn an_answer_that_no_traced_call_wrote_is_a_blind_spot() {
        let reply = |op: u32| Event {
            thread: 1,
            kind: EventKind::Reply { op: OpNo(op), answer: Answer::Ack },
            stack: Arc::default(),
        };
        let heard = BTreeSet::from([OpNo(0), OpNo(1)]);
        assert_eq!(unread(&heard, &[reply(0), reply(1), reply(2)]), None);
        assert!(unread(&heard, &[reply(0)]).is_some());
    }
}
