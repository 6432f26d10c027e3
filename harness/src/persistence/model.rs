//! The model of one trace: its effects, and when each becomes durable under each profile.

mod work;

use std::collections::{BTreeMap, BTreeSet};

use work::Work;

use super::breakdown::Breakdown;
use super::durable::{Durable, NEVER};
use super::effect::{Effect, EffectKind, EffectNo};
use super::facts::Facts;
use super::overlay::Overlay;
use super::profile::{Profile, ProfileSet};
use super::snapshot::PageBytes;
use crate::base::limits::PAGE_BYTES;
use crate::trace::{
    Event, EventKind, EventNo, FileId, FileOp, NodeKind, Place, Trace, Tree, Via, WriteSync,
};

/// Properties of the device that a profile does not fix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// True if the device writes whole 4,096-byte pages or nothing (`--atomic-write 4096`): no page
    /// is torn.
    pub atomic_pages: bool,
}

/// A node that the trace made.
#[derive(Clone, Debug)]
pub struct NewNode {
    /// Its identity.
    pub file: FileId,
    /// What it is.
    pub node: NodeKind,
    /// Permission bits.
    pub mode: u32,
}

/// The model of one trace.
#[derive(Clone, Debug)]
pub struct Model {
    pub(super) device: Device,
    tree: Tree,
    pub(super) breakdown: Breakdown,
    /// By profile and effect: the event that made it durable.
    durable_at: [Vec<u32>; 4],
    /// Writes that carry their own sync: until they return, what they sync is pending.
    own_syncs: BTreeSet<u32>,
    /// By profile: the events after which something new is durable.
    barriers: [BTreeSet<u32>; 4],
    /// By event number: how many effects came before it; one more entry than events.
    starts: Vec<u32>,
    /// By event: true if it changed files or durability.
    changes: Vec<bool>,
    /// By event: pages of a write that a kill could have cut.
    cuts: BTreeMap<u32, u32>,
    /// Points between two stores into mappings that were found together.
    amid_stores: BTreeSet<u32>,
    nodes: Vec<NewNode>,
    /// What each name led to before the first event.
    initial_names: BTreeMap<FileId, BTreeMap<crate::trace::Name, FileId>>,
}

impl Model {
    /// The model of a trace as it was recorded.
    pub fn new(trace: &Trace) -> Model {
        Model::with(trace, &Overlay::default(), Device::default())
    }

    /// The model of a trace under an overlay, on a device.
    pub fn with(trace: &Trace, overlay: &Overlay, device: Device) -> Model {
        let mut work = Work {
            breakdown: Breakdown::new(&trace.initial),
            facts: Facts::new(&trace.initial),
            durable: Profile::ALL.map(Durable::new),
            overlay,
        };
        let mut starts = Vec::with_capacity(trace.events.len() + 1);
        let mut changes = Vec::with_capacity(trace.events.len());
        let mut nodes = Vec::new();
        let mut cuts = BTreeMap::new();
        let mut amid_stores = BTreeSet::new();
        let mut own_syncs = BTreeSet::new();
        for (now, event) in (0u32..).zip(&trace.events) {
            starts.push(work.breakdown.effects.len() as u32);
            changes.push(work.event(now, event));
            if let EventKind::Call(call) = &event.kind {
                if matches!(call.op, FileOp::Write { sync, .. } if sync != WriteSync::None) {
                    own_syncs.insert(now);
                }
                match &call.op {
                    FileOp::Create { file, node, mode, .. } => {
                        nodes.push(NewNode { file: *file, node: node.clone(), mode: *mode });
                    }
                    FileOp::CreateUnnamed { file, mode } => {
                        nodes.push(NewNode { file: *file, node: NodeKind::File, mode: *mode });
                    }
                    FileOp::Write { via: Via::Mapping, .. }
                        if is_store(&trace.events, now.checked_sub(1)) =>
                    {
                        amid_stores.insert(now);
                    }
                    // A kill cuts a call; what it leaves of stores is found whole or not at all.
                    FileOp::Write { via: Via::Mapping, .. } => {}
                    FileOp::Write { offset, bytes, .. } => {
                        let last = offset.saturating_add((bytes.len() as u64).saturating_sub(1));
                        let pages = last / PAGE_BYTES - offset / PAGE_BYTES;
                        if pages > 0 {
                            cuts.insert(now, u32::try_from(pages).unwrap_or(u32::MAX));
                        }
                    }
                    _ => {}
                }
            }
        }
        starts.push(work.breakdown.effects.len() as u32);
        let mut initial_names: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for node in &trace.initial {
            if let Some(at) = &node.at {
                initial_names.entry(at.dir).or_default().insert(at.name.clone(), node.file);
            }
        }
        let durable_at = work.durable.map(|durable| durable.at);
        let barriers = Profile::ALL.map(|profile| {
            let known = durable_at[profile.index()].iter().copied().filter(|at| *at != NEVER);
            known.map(|at| at + u32::from(own_syncs.contains(&at))).collect()
        });
        Model {
            device,
            tree: trace.initial.clone(),
            breakdown: work.breakdown,
            durable_at,
            own_syncs,
            barriers,
            starts,
            changes,
            cuts,
            amid_stores,
            nodes,
            initial_names,
        }
    }

    /// The directory before the first event.
    pub fn initial(&self) -> &Tree {
        &self.tree
    }

    /// The nodes that the trace made, in order.
    pub fn nodes(&self) -> &[NewNode] {
        &self.nodes
    }

    /// Every effect, by number.
    pub fn effects(&self) -> &[Effect] {
        &self.breakdown.effects
    }

    /// One effect.
    pub fn effect(&self, effect: EffectNo) -> Option<&Effect> {
        self.breakdown.effects.get(effect.0 as usize)
    }

    pub(super) fn kind(&self, effect: u32) -> &EffectKind {
        &self.breakdown.effects[effect as usize].kind
    }

    /// How many events the trace has: the last crash point.
    pub fn last_point(&self) -> EventNo {
        EventNo(self.changes.len() as u32)
    }

    /// How many effects happened before a crash point.
    pub fn effects_before(&self, point: EventNo) -> u32 {
        self.starts[(point.0 as usize).min(self.starts.len() - 1)]
    }

    /// The effects of one event.
    pub fn effects_of(&self, event: EventNo) -> std::ops::Range<u32> {
        let next = EventNo(event.0.saturating_add(1));
        self.effects_before(event)..self.effects_before(next)
    }

    /// True if the event changed files or what is durable.
    pub fn changes_files(&self, event: EventNo) -> bool {
        self.changes.get(event.0 as usize).copied().unwrap_or(false)
    }

    /// After how many of its pages a kill could cut this write: 1 up to this; 0 if it could not.
    pub fn kill_cuts(&self, event: EventNo) -> u32 {
        self.cuts.get(&event.0).copied().unwrap_or(0)
    }

    /// True if this point lies between two stores into mappings that were found by one comparison: in which
    /// order the program made them is not known, and so not what a kill in between leaves.
    pub fn is_amid_stores(&self, point: EventNo) -> bool {
        self.amid_stores.contains(&point.0)
    }

    /// The event that made an effect durable under a profile, if one did.
    pub fn durable_by(&self, effect: EffectNo, profile: Profile) -> Option<EventNo> {
        let at = *self.durable_at[profile.index()].get(effect.0 as usize)?;
        (at != NEVER).then_some(EventNo(at))
    }

    /// The first crash point at which an effect is durable under a profile, if there is one: after the sync that made
    /// it durable. A write that carries its own sync is still under way at the point right after it, for nothing
    /// else has happened by then.
    pub fn durable_from(&self, effect: EffectNo, profile: Profile) -> Option<EventNo> {
        let by = self.durable_by(effect, profile)?;
        Some(EventNo(by.0 + 1 + u32::from(self.is_own_sync(by))))
    }

    /// True if the event is a write that carries its own sync.
    pub fn is_own_sync(&self, event: EventNo) -> bool {
        self.own_syncs.contains(&event.0)
    }

    /// True if an effect was durable under a profile when the crash came.
    pub fn is_durable(&self, effect: EffectNo, profile: Profile, point: EventNo) -> bool {
        self.durable_from(effect, profile).is_some_and(|from| from <= point)
    }

    /// The profiles under which an effect was durable when the crash came.
    pub fn durable_in(&self, effect: EffectNo, point: EventNo) -> ProfileSet {
        Profile::ALL
            .into_iter()
            .filter(|profile| self.is_durable(effect, *profile, point))
            .collect()
    }

    /// The effects without which this one cannot survive under a profile; the order of metadata is
    /// not among them.
    pub fn needs(&self, effect: u32, profile: Profile) -> impl Iterator<Item = u32> {
        let edges = self.breakdown.chains.needs.get(effect as usize);
        let edges = edges.into_iter().flatten();
        edges.filter(move |edge| edge.profiles.contains(profile)).map(|edge| edge.effect)
    }

    /// True if some event from one point to another made anything durable under a profile.
    pub fn became_durable(&self, profile: Profile, from: EventNo, to: EventNo) -> bool {
        from < to && self.barriers[profile.index()].range(from.0..to.0).next().is_some()
    }

    /// The page of a `Data` effect as it was in the page cache right after it.
    pub fn page_after(&self, effect: EffectNo) -> PageBytes {
        let work = &self.breakdown;
        work.snapshots.page_after(&work.effects, &work.chains, &work.initial, effect.0)
    }

    /// A file's bytes within one page before the first event: at most a page's worth.
    pub fn initial_page(&self, file: FileId, page: u64) -> &[u8] {
        self.breakdown.initial.get(&file).map_or(&[], |initial| initial.page(page))
    }

    /// A file's size before the first event.
    pub fn initial_size(&self, file: FileId) -> u64 {
        self.breakdown.initial.get(&file).map_or(0, |initial| initial.bytes.len())
    }

    /// What a name led to before the first event.
    pub fn initial_name(&self, place: &Place) -> Option<FileId> {
        self.initial_names.get(&place.dir)?.get(&place.name).copied()
    }

    /// The effects on one page of a file, in program order: its `Data`, and each `Resize` that
    /// discarded it.
    pub fn page_effects(&self, file: FileId, page: u64) -> &[u32] {
        self.breakdown.chains.page(file, page)
    }

    /// The pages of a file that a `Resize` discarded.
    pub fn discarded_pages(&self, resize: EffectNo) -> Vec<u64> {
        let EffectKind::Resize { file, from, to } = *self.kind(resize.0) else { return Vec::new() };
        let pages = self.breakdown.chains.pages.get(&file).filter(|_| to < from);
        let beyond = pages.into_iter().flat_map(|pages| pages.range(to.div_ceil(PAGE_BYTES)..));
        beyond
            .filter(|(_, chain)| chain.binary_search(&resize.0).is_ok())
            .map(|(no, _)| *no)
            .collect()
    }

    /// Every `Grow` and `Resize` of a file, in program order.
    pub fn size_effects(&self, file: FileId) -> &[u32] {
        self.breakdown.chains.sizes.get(&file).map_or(&[], Vec::as_slice)
    }

    /// Every effect that touched a name, in program order.
    pub fn name_effects(&self, place: &Place) -> &[u32] {
        self.breakdown.chains.names.get(place).map_or(&[], Vec::as_slice)
    }
}

/// True if this event is a store into a mapping.
fn is_store(events: &[Event], at: Option<u32>) -> bool {
    let event = at.and_then(|at| events.get(at as usize));
    matches!(event.map(|event| &event.kind), Some(EventKind::Call(call))
        if matches!(call.op, FileOp::Write { via: Via::Mapping, .. }))
}
