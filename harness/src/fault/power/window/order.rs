//! The recording with two calls in the other order, or without the first: what rests on the call that moves, moves with
//! it. Pure.

use std::ops::Range;

use super::changed::Changed;
use crate::diagnose::{Order, with_syncs};
use crate::persistence::Overlay;
use crate::trace::{Event, EventKind, EventNo, FileId, FileOp, NodeKind, Place, Trace};

/// The recording with the one call, and what rests on it, right behind the other; in between a sync of `synced`. With
/// the calls that moved besides the first, by their old numbers. Nothing where the other rests on it.
pub(super) fn swapped(
    trace: &Trace,
    overlay: &Overlay,
    order: Order,
    synced: Option<FileId>,
) -> Option<(Changed, Vec<EventNo>)> {
    let (from, to) = (order.last.0 as usize, order.first.0 as usize);
    let events = trace.events.get(from..=to)?;
    let mut own = touched(&events[0]);
    if own.is_empty() {
        return None;
    }
    let mut moves = vec![true];
    let mut with = Vec::new();
    for (event, at) in events.iter().zip(order.last.0..).skip(1) {
        let touches = touched(event);
        let rests = touches.iter().any(|one| own.iter().any(|own| own.meets(one)));
        // A file's own sync goes with what it wrote.
        let syncs = event.synced().is_some_and(|file| own.iter().any(|own| own.is_in(file)));
        let is_first = at == order.first.0;
        if rests && is_first {
            return None;
        }
        if rests {
            own.extend(touches);
            with.push(EventNo(at));
        }
        moves.push(rests || syncs && !is_first);
    }
    let part = |moved: bool| {
        let those = events.iter().zip(&moves).filter(move |(_, moves)| **moves == moved);
        those.map(|(event, _)| event.clone())
    };
    let behind = EventNo((from + part(false).count() - 1) as u32);
    let added: Vec<_> = synced.map(|file| (behind, file)).into_iter().collect();
    let mut swapped = trace.clone();
    swapped.events.splice(from..=to, part(false).chain(part(true)));
    let overlay = with_syncs(overlay, &added);
    Some((Changed { trace: swapped, overlay, inserted: Vec::new() }, with))
}

/// The recording without a name's removal before the rename that takes its place: that replaces it at once. Nothing
/// where the first call does not take away the name that the other makes, or the program uses the other name later.
pub(super) fn without_removal(trace: &Trace, overlay: &Overlay, order: Order) -> Option<Changed> {
    let op = |at: EventNo| match &trace.events.get(at.0 as usize)?.kind {
        EventKind::Call(call) => Some(&call.op),
        _ => None,
    };
    let (gone, old, aside) = match op(order.last)? {
        FileOp::Unlink { at, file } => (at, *file, None),
        FileOp::Rename { from, to, file, .. } => (from, *file, Some(to)),
        _ => return None,
    };
    match op(order.first)? {
        FileOp::Rename { to, replaced: None, .. } if to == gone => {}
        _ => return None,
    }
    // A rename replaces no directory that has something in it.
    let made = |event: &Event| {
        matches!(&event.kind, EventKind::Call(call)
            if matches!(call.op, FileOp::Create { file, node: NodeKind::Dir, .. } if file == old))
    };
    let was = trace.initial.iter().any(|node| node.file == old && node.node == NodeKind::Dir);
    if was || trace.events.iter().any(made) {
        return None;
    }
    let mut changed = trace.clone();
    for (at, event) in (0u32..).zip(&mut changed.events).skip(order.last.0 as usize) {
        let EventKind::Call(call) = &mut event.kind else { continue };
        let drops = matches!(&call.op, FileOp::Unlink { at, .. } if aside == Some(at));
        match &mut call.op {
            op if at == order.last.0 || drops => *op = FileOp::Nothing { file: None },
            FileOp::Rename { replaced, .. } if at == order.first.0 => *replaced = Some(old),
            // It is moved aside again and again: each time it takes the place of the one before.
            FileOp::Rename { from, to, .. } | FileOp::Exchange { a: from, b: to, .. }
                if aside == Some(&*from) || aside == Some(&*to) =>
            {
                changed.events.truncate(at as usize);
                break;
            }
            _ => {}
        }
    }
    Some(Changed { trace: changed, overlay: overlay.clone(), inserted: Vec::new() })
}

/// A thing that calls change, and whose changes keep their order.
#[derive(Debug)]
enum Touched {
    Bytes(FileId, Range<u64>),
    Name(Place),
}

impl Touched {
    fn meets(&self, other: &Touched) -> bool {
        match (self, other) {
            (Touched::Name(one), Touched::Name(other)) => one == other,
            (Touched::Bytes(one, here), Touched::Bytes(other, there)) => {
                one == other && here.start < there.end && there.start < here.end
            }
            _ => false,
        }
    }

    /// True if it is a part of this file. A directory's sync may serve other names as well, and stays.
    fn is_in(&self, synced: FileId) -> bool {
        matches!(self, Touched::Bytes(file, _) if *file == synced)
    }
}

/// What an event changes.
fn touched(event: &Event) -> Vec<Touched> {
    let EventKind::Call(call) = &event.kind else { return Vec::new() };
    let bytes = |file: &FileId, range| Touched::Bytes(*file, range);
    let name = |place: &Place| Touched::Name(place.clone());
    match &call.op {
        FileOp::Write { file, offset, bytes: written, .. } => {
            vec![bytes(file, *offset..offset.saturating_add(written.len() as u64))]
        }
        FileOp::Allocate { file, offset, len } | FileOp::Zero { file, offset, len } => {
            vec![bytes(file, *offset..offset.saturating_add(*len))]
        }
        FileOp::Resize { file, from, to, .. } => vec![bytes(file, (*from).min(*to)..u64::MAX)],
        FileOp::Create { at, file, .. } => vec![name(at), bytes(file, 0..u64::MAX)],
        FileOp::CreateUnnamed { file, .. } => vec![bytes(file, 0..u64::MAX)],
        FileOp::Link { at, .. } | FileOp::Unlink { at, .. } => vec![name(at)],
        FileOp::Rename { from, to, .. } => vec![name(from), name(to)],
        FileOp::Exchange { a, b, .. } => vec![name(a), name(b)],
        FileOp::Sync { .. }
        | FileOp::SyncAll
        | FileOp::FailedSync { .. }
        | FileOp::Nothing { .. }
        | FileOp::Failed { .. } => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Builder;
    use crate::persistence::tests::script::Script;
    use crate::persistence::{CrashState, Model};

    fn names(changed: &Changed) -> Vec<String> {
        let name = |event: &Event| match &event.kind {
            EventKind::Call(call) => match &call.op {
                FileOp::Create { .. } => "create",
                FileOp::Unlink { .. } => "unlink",
                FileOp::Rename { .. } => "rename",
                FileOp::Write { .. } => "write",
                FileOp::Sync { .. } => "sync",
                _ => "other",
            },
            _ => "said",
        };
        changed.trace.events.iter().map(|event| name(event).to_owned()).collect()
    }

    #[test]
    fn what_rests_on_the_moved_call_moves_with_it() {
        let mut script = Script::new();
        script.create("log");
        script.create("snap.tmp");
        let unlink = script.unlink("log");
        let create = script.create("log");
        script.fsync("log");
        let rename = script.rename("snap.tmp", "snap");
        script.fsync("");
        let order = Order { first: rename, last: unlink };
        let (changed, with) = swapped(&script.trace, &Overlay::NONE, order, None).unwrap();
        assert_eq!(with, [create]);
        let expected = ["create", "create", "rename", "unlink", "create", "sync", "sync"];
        assert_eq!(names(&changed), expected);
    }

    #[test]
    fn a_name_that_a_rename_takes_need_not_go_first() {
        let mut script = Script::new();
        script.create("db");
        script.write("db", 0, b"old");
        script.create("db.new");
        let aside = script.rename("db", "db.bak");
        let renamed = script.rename("db.new", "db");
        script.unlink("db.bak");
        let order = Order { first: renamed, last: aside };
        let changed = without_removal(&script.trace, &Overlay::NONE, order).unwrap();
        let model = Model::new(&changed.trace);
        let mut builder = Builder::new(&model);
        for at in aside.0..=changed.trace.events.len() as u32 {
            let image = builder.image(&CrashState::kill(EventNo(at)));
            assert!(image.bytes("db").is_some() && image.bytes("db.bak").is_none(), "{at}");
        }
        let other = Order { first: renamed, last: EventNo(0) };
        assert!(without_removal(&script.trace, &Overlay::NONE, other).is_none());
    }

    #[test]
    fn a_call_does_not_move_behind_what_rests_on_it() {
        let mut script = Script::new();
        let create = script.create("a");
        let rename = script.rename("a", "b");
        let order = Order { first: rename, last: create };
        assert!(swapped(&script.trace, &Overlay::NONE, order, None).is_none());
    }
}
