//! What a crash state lost, in terms of the program: which calls on which files. States that lost the
//! same sort of thing and fail alike have one cause.

use std::collections::BTreeSet;

use super::names::Names;
use super::shape::plain;
use crate::persistence::{CrashState, EffectKind, EffectNo, Form, Model};
use crate::trace::{EventKind, EventNo, Trace};

/// One sort of thing that can be lost: a call, the file it was made on (numbers in its name left out),
/// and what of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site {
    /// The call's name.
    pub call: String,
    /// The file's path, with numbers left out.
    pub file: String,
    /// What of it: its bytes, the growth, the name.
    pub part: &'static str,
    /// True if it survived in part.
    pub torn: bool,
}

/// What `state` lost, once each.
pub fn lost(trace: &Trace, model: &Model, names: &Names, state: &CrashState) -> BTreeSet<Site> {
    let Some(loss) = state.loss() else { return BTreeSet::new() };
    let whole = loss.lost().map(|effect| (effect, false));
    let parts = loss.forms().iter().map(|(effect, form)| {
        (EffectNo(*effect), matches!(form, Form::Sectors { .. } | Form::Cut(_)))
    });
    whole
        .chain(parts)
        .filter_map(|(effect, torn)| site(trace, model, names, effect, torn))
        .collect()
}

/// The site of one effect.
pub fn site(
    trace: &Trace,
    model: &Model,
    names: &Names,
    effect: EffectNo,
    torn: bool,
) -> Option<Site> {
    let effect = model.effect(effect)?;
    let call = call_name(trace, effect.event)?;
    let part = match effect.kind {
        EffectKind::Data { .. } => "bytes",
        EffectKind::Grow { .. } => "bytes",
        EffectKind::Resize { .. } => "size",
        _ => "name",
    };
    let file = plain(&names.path(effect.kind.file(), effect.event));
    Some(Site { call, file, part, torn })
}

/// The name of the call that an event is.
pub fn call_name(trace: &Trace, event: EventNo) -> Option<String> {
    match &trace.events.get(event.0 as usize)?.kind {
        EventKind::Call(call) => Some(call.name.to_string()),
        _ => None,
    }
}

/// `event 49 (write to wal, 4096 bytes at 8192)`.
pub fn describe(trace: &Trace, model: &Model, names: &Names, effect: EffectNo) -> String {
    let Some(found) = model.effect(effect) else { return format!("effect {effect}") };
    let event = found.event;
    let call = call_name(trace, event).unwrap_or_default();
    let path = |file| names.path(file, event);
    let what = match &found.kind {
        EffectKind::Data { file, page, .. } => format!("{call} to {}, page {page}", path(*file)),
        EffectKind::Grow { file, to, .. } => format!("growth of {} to {to} bytes", path(*file)),
        EffectKind::Resize { file, to, .. } => format!("{call} of {} to {to} bytes", path(*file)),
        EffectKind::Link { at, .. } => format!("the name {} by {call}", place(at, &path)),
        EffectKind::Unlink { at, .. } => format!("{call} of {}", place(at, &path)),
        EffectKind::Rename { from, to, .. } => {
            format!("{call} of {} to {}", place(from, &path), place(to, &path))
        }
        EffectKind::Leave { from, .. } => format!("{call} away from {}", place(from, &path)),
        EffectKind::Exchange { a, b, .. } => {
            format!("{call} of {} and {}", place(a, &path), place(b, &path))
        }
    };
    format!("event {} ({what})", event.0)
}

fn place(at: &crate::trace::Place, path: &dyn Fn(crate::trace::FileId) -> String) -> String {
    let name = String::from_utf8_lossy(&at.name);
    match path(at.dir).as_str() {
        "." => name.into_owned(),
        dir => format!("{dir}/{name}"),
    }
}
