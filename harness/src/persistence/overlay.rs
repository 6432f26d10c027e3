//! What if: an overlay on the model, never an edit of the trace. Syncs that were not made, syncs that
//! were made and are taken away, names taken for durable. Diagnosis, audit and the counterfactual run
//! the model under one.

use std::collections::BTreeSet;

use super::effect::EffectKind;
use crate::trace::{EventNo, FileId, SyncScope};

/// A sync that the program did not make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedSync {
    /// It comes right after this event.
    pub after: EventNo,
    /// The file or directory; nothing for sync(2).
    pub file: Option<FileId>,
    /// How much.
    pub scope: SyncScope,
}

/// What is judged otherwise than it was recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overlay {
    /// Syncs that were not made.
    pub added_syncs: Vec<AddedSync>,
    /// Events whose durability is taken away: syncs, and the O_SYNC or O_DSYNC of a write. The call
    /// stays in the trace and makes nothing durable.
    pub removed_syncs: BTreeSet<EventNo>,
    /// Link and Rename effects of events before this one are durable as soon as they happen: "the
    /// database's own name" (what came before the first acknowledged `open`).
    pub durable_names_before: Option<EventNo>,
    /// All effects of these events are durable as soon as they happen.
    pub durable_events: BTreeSet<EventNo>,
}

impl Overlay {
    /// As it was recorded.
    pub const NONE: Self = Self {
        added_syncs: Vec::new(),
        removed_syncs: BTreeSet::new(),
        durable_names_before: None,
        durable_events: BTreeSet::new(),
    };

    /// The overlay that takes the names made before `event` for durable, and only those.
    pub fn names_before(event: EventNo) -> Self {
        Self { durable_names_before: Some(event), ..Self::default() }
    }

    /// The overlay that adds an fsync of `file` right after `after`.
    pub fn with_fsync(after: EventNo, file: FileId) -> Self {
        let sync = AddedSync { after, file: Some(file), scope: SyncScope::Full };
        Self { added_syncs: vec![sync], ..Self::default() }
    }

    /// The overlay that takes the durability of one event away.
    pub fn without(event: EventNo) -> Self {
        Self { removed_syncs: [event].into(), ..Self::default() }
    }

    /// True if this effect of this event is durable as soon as it happens.
    pub(super) fn forces(&self, event: EventNo, kind: &EffectKind) -> bool {
        let name = matches!(
            kind,
            EffectKind::Link { .. } | EffectKind::Rename { .. } | EffectKind::Leave { .. }
        );
        self.durable_events.contains(&event)
            || (name && self.durable_names_before.is_some_and(|before| event < before))
    }
}
