//! Which effects and which events of a trace are alike. Two writes of log frames while a put is served
//! are one sort, the write of the log's header in a checkpoint is another. The numbers mean nothing but
//! equal or different; whoever knows the program's terms gives them.

use crate::trace::EventNo;

/// The sort of each effect and of each event of one trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sorts {
    effects: Vec<u32>,
    events: Vec<u32>,
}

impl Sorts {
    /// Sorts by the number of the effect and by the number of the event.
    pub fn new(effects: Vec<u32>, events: Vec<u32>) -> Self {
        Self { effects, events }
    }

    /// The sort of an effect.
    pub fn effect(&self, effect: u32) -> u32 {
        self.effects.get(effect as usize).copied().unwrap_or_default()
    }

    /// The sort of a crash point: that of the event right before it.
    pub fn point(&self, at: EventNo) -> u32 {
        let before = at.0.checked_sub(1).map(|event| event as usize);
        before.and_then(|event| self.events.get(event)).map_or(0, |sort| sort + 1)
    }
}
