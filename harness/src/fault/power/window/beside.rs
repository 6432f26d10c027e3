//! The recording in which a name that is taken away and made anew is made under another name instead, synced, and
//! renamed over the old one. Pure.

use std::ops::RangeInclusive;

use super::changed::{Changed, Rewritten, spare};
use super::elsewhere::content_of;
use crate::diagnose::Order;
use crate::image::Builder;
use crate::persistence::{CrashState, Model, Overlay};
use crate::trace::{Event, EventKind, FileId, FileOp, NodeKind, Place, Trace};

/// The recording that renames, with the range of events that it concerns. Nothing where the first of the two calls does
/// not take away a file's name, or the same request does not make it anew as anything but a directory.
pub(super) fn renamed_over(
    trace: &Trace,
    model: &Model,
    overlay: &Overlay,
    order: Order,
) -> Option<(Changed, RangeInclusive<u32>)> {
    if !Rewritten::keeps(overlay) {
        return None;
    }
    let gone = order.last.0 as usize;
    let Some(FileOp::Unlink { at: name, file: old }) = op(trace.events.get(gone)?) else {
        return None;
    };
    let request = trace.events.iter().skip(gone + 1).take_while(|event| !event.is_exchange());
    let request: Vec<&Event> = request.collect();
    let (made, new) =
        (gone + 1..).zip(&request).find_map(|(at, event)| Some((at, makes(event, name)?)))?;
    let rest = (gone + 1..).zip(&request).skip(made - gone);
    let last = rest.filter(|(_, event)| content_of(event) == Some(new)).map(|(at, _)| at).last();
    let (last, written) = (last.unwrap_or(made), last.is_some());
    // Its name is used for something else before it is complete.
    let (before, after) = (&trace.events[gone + 1..made], &trace.events[made + 1..=last]);
    if before.iter().chain(after).any(|event| names(event, name)) {
        return None;
    }
    let image = Builder::new(model).image(&CrashState::kill(order.last));
    let beside = spare(&image, name)?;
    let mut events = Rewritten::from(trace, order.last)?;
    for (at, event) in trace.events.iter().enumerate().skip(gone) {
        let mut event = event.clone();
        if let EventKind::Call(call) = &mut event.kind {
            match &mut call.op {
                op if at == gone => *op = FileOp::Nothing { file: None },
                FileOp::Create { at: place, .. } | FileOp::Link { at: place, .. } if at == made => {
                    *place = beside.clone();
                }
                _ => {}
            }
        }
        events.keep(event);
        if at == last {
            if written {
                events.sync(new);
            }
            events.rename_over(new, &beside, name, *old);
        }
    }
    let changed = events.done(trace, overlay);
    let end = last as u32 + changed.inserted.len() as u32;
    Some((changed, order.last.0..=end))
}

fn op(event: &Event) -> Option<&FileOp> {
    match &event.kind {
        EventKind::Call(call) => Some(&call.op),
        _ => None,
    }
}

/// The file that an event gives a name to.
fn makes(event: &Event, name: &Place) -> Option<FileId> {
    match op(event)? {
        FileOp::Create { node: NodeKind::Dir, .. } => None,
        FileOp::Create { at, file, .. } | FileOp::Link { at, file } if at == name => Some(*file),
        _ => None,
    }
}

/// True if an event changes what a name leads to.
fn names(event: &Event, name: &Place) -> bool {
    match op(event) {
        Some(FileOp::Create { at, .. } | FileOp::Link { at, .. } | FileOp::Unlink { at, .. }) => {
            at == name
        }
        Some(FileOp::Rename { from, to, .. } | FileOp::Exchange { a: from, b: to, .. }) => {
            from == name || to == name
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persistence::tests::script::Script;
    use crate::trace::EventNo;

    #[test]
    fn a_name_that_is_taken_away_and_made_anew_is_there_at_every_moment() {
        let mut script = Script::new();
        script.create("db");
        script.write("db", 0, b"old");
        script.fsync("db");
        let gone = script.unlink("db");
        script.create("db");
        let closes = script.write("db", 0, b"new");
        script.write("db", 3, b" too");
        let order = Order { first: closes, last: gone };
        let (changed, around) =
            renamed_over(&script.trace, &script.model(), &Overlay::NONE, order).unwrap();
        assert_eq!(changed.inserted.len(), 3);
        let model = Model::new(&changed.trace);
        let mut builder = Builder::new(&model);
        let seen: Vec<Vec<u8>> = around
            .map(|at| builder.image(&CrashState::kill(EventNo(at + 1))).bytes("db").unwrap())
            .collect();
        assert!(seen.iter().all(|bytes| bytes == b"old" || bytes == b"new too"), "{seen:?}");
        assert_eq!(seen.last().unwrap(), b"new too");
    }

    #[test]
    fn a_name_that_is_not_made_anew_is_left_alone() {
        let mut script = Script::new();
        script.create("db");
        let gone = script.unlink("db");
        let other = script.create("log");
        let order = Order { first: other, last: gone };
        assert!(renamed_over(&script.trace, &script.model(), &Overlay::NONE, order).is_none());
    }
}
