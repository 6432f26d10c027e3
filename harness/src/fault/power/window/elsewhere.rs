//! The recording with a file's new contents written to a file of their own, synced, and renamed over the old ones. Pure.

use super::changed::{Changed, Rewritten, spare};
use crate::base::limits::PAGE_BYTES;
use crate::image::{Builder, Image};
use crate::persistence::{CrashState, Model, Overlay};
use crate::trace::op::Via;
use crate::trace::{Event, EventKind, EventNo, FileId, FileOp, NodeKind, Trace, WriteSync};

/// The largest old contents that are copied, in bytes.
const COPIED: u64 = 4096 * PAGE_BYTES;

/// Where a file was changed in place, and how.
pub(super) struct InPlace {
    /// The file.
    pub file: FileId,
    /// True if the first change emptied it: all of it was written anew.
    emptied: bool,
    /// The last change of the same request.
    last: EventNo,
    /// The files as they were before the first change.
    before: Image,
}

impl InPlace {
    /// Nothing where the two events do not change the contents of one file, or that is still being created.
    pub fn of(trace: &Trace, model: &Model, first: EventNo, closes: EventNo) -> Option<InPlace> {
        let changed = |at: EventNo| content_of(trace.events.get(at.0 as usize)?);
        let file = changed(first)?;
        if changed(closes) != Some(file) {
            return None;
        }
        let emptied = match &trace.events[first.0 as usize].kind {
            EventKind::Call(call) => matches!(call.op, FileOp::Resize { to: 0, .. }),
            _ => false,
        };
        let rest = trace.events.iter().enumerate().skip(first.0 as usize);
        let request = rest.take_while(|(_, event)| !event.is_exchange());
        let last = request.filter(|(_, event)| content_of(event) == Some(file)).last()?.0;
        let before = Builder::new(model).image(&CrashState::kill(first));
        Some(InPlace { file, emptied, last: EventNo(last as u32), before })
    }

    /// True if none of the old contents stays: the file was emptied, or is made in steps and was empty yet.
    pub fn is_anew(&self) -> bool {
        self.emptied || self.before.content(self.file).is_none_or(|old| old.size() == 0)
    }

    /// The recording that switches; with the range of events that it concerns. Nothing where the file has no name of
    /// its own, or is too large to be copied.
    pub fn switched(
        &self,
        trace: &Trace,
        overlay: &Overlay,
        first: EventNo,
    ) -> Option<(Changed, std::ops::RangeInclusive<u32>)> {
        if !Rewritten::keeps(overlay) {
            return None;
        }
        let before = &self.before;
        let [place] = before.names_of(self.file) else { return None };
        let old = before.content(self.file)?;
        let initial = trace.initial.iter().map(|node| node.file.0);
        let made = trace.events.iter().filter_map(made);
        let new = FileId(1 + initial.chain(made).max()?.max(self.file.0));
        let beside = spare(before, place)?;
        let mut events = Rewritten::from(trace, first)?;
        events.make(FileOp::Create {
            at: beside.clone(),
            file: new,
            node: NodeKind::File,
            mode: 0o644,
        });
        if !self.is_anew() {
            if old.size() > COPIED {
                return None;
            }
            let bytes = old.bytes().into();
            let (sync, via) = (WriteSync::None, Via::Call);
            events.make(FileOp::Write { file: new, offset: 0, bytes, sync, via });
        }
        for (at, event) in (0u32..).zip(&trace.events).skip(first.0 as usize) {
            let mut event = event.clone();
            if let EventKind::Call(call) = &mut event.kind {
                redirect(&mut call.op, self.file, new);
                // The new file is empty already.
                if at == first.0 && self.emptied {
                    call.op = FileOp::Nothing { file: Some(new) };
                }
            }
            events.keep(event);
            if at == self.last.0 {
                events.sync(new);
                events.rename_over(new, &beside, place, self.file);
            }
        }
        let changed = events.done(trace, overlay);
        let end = self.last.0 + changed.inserted.len() as u32;
        Some((changed, first.0..=end))
    }
}

/// The file whose contents an event changes.
pub(super) fn content_of(event: &Event) -> Option<FileId> {
    let EventKind::Call(call) = &event.kind else { return None };
    match &call.op {
        FileOp::Write { file, .. } | FileOp::Resize { file, .. } | FileOp::Zero { file, .. } => {
            Some(*file)
        }
        _ => None,
    }
}

/// Has an operation mean another file.
fn redirect(op: &mut FileOp, from: FileId, to: FileId) {
    let swap = |file: &mut FileId| {
        if *file == from {
            *file = to;
        }
    };
    match op {
        FileOp::Link { file, .. }
        | FileOp::Unlink { file, .. }
        | FileOp::Write { file, .. }
        | FileOp::Resize { file, .. }
        | FileOp::Allocate { file, .. }
        | FileOp::Zero { file, .. }
        | FileOp::Sync { file, .. }
        | FileOp::FailedSync { file, .. }
        | FileOp::Create { file, .. }
        | FileOp::CreateUnnamed { file, .. } => swap(file),
        FileOp::Nothing { file } | FileOp::Failed { file } => file.iter_mut().for_each(swap),
        FileOp::Rename { file, replaced, .. } => {
            swap(file);
            replaced.iter_mut().for_each(swap);
        }
        FileOp::Exchange { file_a, file_b, .. } => {
            swap(file_a);
            swap(file_b);
        }
        FileOp::SyncAll => {}
    }
}

/// The number of the file that an event makes.
fn made(event: &Event) -> Option<u32> {
    let EventKind::Call(call) = &event.kind else { return None };
    match &call.op {
        FileOp::Create { file, .. } | FileOp::CreateUnnamed { file, .. } => Some(file.0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persistence::tests::script::Script;

    #[test]
    fn new_contents_are_written_beside_the_old_and_take_their_place() {
        let mut script = Script::new();
        script.create("head");
        script.write("head", 0, b"old one");
        script.fsync("head");
        let first = script.truncate("head", 0);
        let closes = script.write("head", 0, b"new");
        let model = script.model();
        let place = InPlace::of(&script.trace, &model, first, closes).unwrap();
        assert!(place.is_anew());
        let (changed, around) = place.switched(&script.trace, &Overlay::NONE, first).unwrap();
        assert_eq!(changed.inserted.len(), 4);
        let changed_model = Model::with(&changed.trace, &changed.overlay, Default::default());
        let mut builder = Builder::new(&changed_model);
        let seen: Vec<Vec<u8>> = around
            .map(|at| builder.image(&CrashState::kill(EventNo(at + 1))).bytes("head").unwrap())
            .collect();
        assert!(seen.iter().all(|bytes| bytes == b"old one" || bytes == b"new"), "{seen:?}");
        assert_eq!(seen.last().unwrap(), b"new");
    }

    #[test]
    fn a_part_that_is_written_over_takes_the_rest_with_it() {
        let mut script = Script::new();
        script.create("pages");
        script.write("pages", 0, b"aabbcc");
        let first = script.write("pages", 0, b"AA");
        let closes = script.write("pages", 4, b"CC");
        let model = script.model();
        let place = InPlace::of(&script.trace, &model, first, closes).unwrap();
        assert!(!place.is_anew());
        let (changed, _) = place.switched(&script.trace, &Overlay::NONE, first).unwrap();
        let changed_model = Model::with(&changed.trace, &changed.overlay, Default::default());
        let end = changed_model.last_point();
        let image = Builder::new(&changed_model).image(&CrashState::kill(end));
        assert_eq!(image.bytes("pages").unwrap(), b"AAbbCC");
    }

    #[test]
    fn a_file_that_is_made_in_steps_has_nothing_to_keep() {
        let mut script = Script::new();
        script.create("store");
        let first = script.truncate("store", 8192);
        let closes = script.write("store", 0, b"head");
        let place = InPlace::of(&script.trace, &script.model(), first, closes).unwrap();
        assert!(place.is_anew());
        let (changed, around) = place.switched(&script.trace, &Overlay::NONE, first).unwrap();
        let model = Model::with(&changed.trace, &changed.overlay, Default::default());
        let mut builder = Builder::new(&model);
        let sizes: Vec<usize> = around
            .map(|at| {
                builder.image(&CrashState::kill(EventNo(at + 1))).bytes("store").unwrap().len()
            })
            .collect();
        assert!(sizes.iter().all(|size| [0, 8192].contains(size)), "{sizes:?}");
        assert_eq!(sizes.last(), Some(&8192));
    }
}
