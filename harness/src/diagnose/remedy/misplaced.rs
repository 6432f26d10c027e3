//! Why the sync that a program makes does not do: it comes before the call, goes to another file of that name, or
//! covers other bytes. An author who is told to add a sync looks at the one that is there. Pure.

use super::{Search, lost_effects};
use crate::diagnose::group::Failing;
use crate::trace::{Call, Event, EventKind, EventNo, FileId, FileOp, SyncScope};

/// A sync of the request that made the guilty call.
struct Made<'a> {
    at: EventNo,
    call: &'a str,
    file: FileId,
    range: bool,
}

impl Search<'_> {
    /// `, for the fdatasync that is there comes before it,`; nothing where the request makes no sync that could have
    /// been meant.
    pub(super) fn misplaced(&self, first: &Failing<'_>) -> Option<String> {
        let (trace, sites) = (self.scene.trace, self.sites);
        let guilty = lost_effects(first.state).into_iter().find(|effect| self.counts(*effect))?;
        let own = self.scene.model.effect(guilty)?.event;
        let file = sites.synced_by(guilty)?;
        let events = &trace.events;
        let from =
            events[..own.0 as usize].iter().rposition(Event::is_exchange).map_or(0, |at| at + 1);
        let to = events[own.0 as usize..].iter().position(Event::is_exchange);
        let to = to.map_or(events.len(), |at| own.0 as usize + at);
        let made: Vec<Made<'_>> =
            (from..to).filter_map(|at| sync(EventNo(at as u32), &events[at])).collect();
        let path = sites.names.path(file, own);
        let same = |made: &&Made<'_>| made.file == file;
        // One that wrote it comes too late for something else.
        if made.iter().filter(same).any(|made| made.at > own && !made.range) {
            return None;
        }
        let told = |made: &Made<'_>, how: &str| {
            Some(format!(", for the {} that is there {how},", made.call))
        };
        if let Some(made) = made.iter().filter(same).find(|made| made.range && made.at > own) {
            return told(made, "covers other bytes");
        }
        let was = |made: &&Made<'_>| {
            let first = sites.names.path(made.file, EventNo(0));
            made.file != file
                && made.at > own
                && [first, sites.names.path(made.file, made.at)].contains(&path)
        };
        if let Some(made) = made.iter().find(was) {
            return told(made, &format!("goes to the file that {path} replaced"));
        }
        let made = made.iter().rev().filter(same).find(|made| made.at < own)?;
        told(made, "comes before it")
    }
}

fn sync(at: EventNo, event: &Event) -> Option<Made<'_>> {
    let EventKind::Call(Call { name, op: FileOp::Sync { file, scope }, .. }) = &event.kind else {
        return None;
    };
    Some(Made { at, call: name, file: *file, range: matches!(scope, SyncScope::Range { .. }) })
}
