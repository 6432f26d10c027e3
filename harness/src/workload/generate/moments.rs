//! When a workload checkpoints, closes and opens, and in what spells its other requests come.

use std::collections::VecDeque;

use crate::base::Rng;

/// A workload of at least this many requests has each of the figures once.
const FIGURES_FROM: u32 = 60;
/// A due checkpoint or reopen is part of a figure, in percent.
const FIGURES: u64 = 30;
/// Length of a spell in requests.
const SPELL: (u64, u64) = (10, 40);
/// How much sooner maintenance is due in a busy spell.
const BUSY: u32 = 4;
/// The most keys that are deleted one after the other.
const DELETED: usize = 24;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Whatever the mix says.
    Any,
    /// A put.
    Put,
    /// A put of a value that is longer than a page.
    LongPut,
    /// A delete of a key that is there.
    DeleteOne,
    /// A checkpoint.
    Checkpoint,
    /// A close and an open. Counts as no request.
    Reopen,
}

/// What the requests of a spell are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// As the mix says.
    Ordinary,
    /// Short values.
    Short,
    /// Short values, and maintenance more often.
    Busy,
    /// One key, again and again.
    OneKey,
}

/// Steps that stand back to back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    /// A checkpoint right before a close, and a session without a write after it.
    CheckpointReopenTwice,
    /// Two checkpoints in a row, then a close.
    TwoCheckpoints,
    /// A session of one write after a checkpoint.
    ShortSession,
    /// A write longer than a page right after a checkpoint: a log that starts over in place is overwritten
    /// past its first page.
    LongAfterCheckpoint,
    /// Every key deleted, then a close.
    DeleteAll,
}

/// Draws the steps of one workload.
#[derive(Debug)]
pub(super) struct Moments {
    checkpoint_every: Option<u32>,
    reopen_every: Option<u32>,
    deletes: bool,
    checkpoint_in: u32,
    reopen_in: u32,
    style: Style,
    spell_left: u32,
    queue: VecDeque<Step>,
    /// Figures that come once each, after so many requests.
    planned: Vec<(u32, Figure)>,
    rng: Rng,
}

impl Moments {
    pub(super) fn new(
        ops: u32,
        checkpoint_every: Option<u32>,
        reopen_every: Option<u32>,
        deletes: bool,
        rng: Rng,
    ) -> Self {
        let mut moments = Self {
            checkpoint_every: checkpoint_every.filter(|every| *every > 0),
            reopen_every: reopen_every.filter(|every| *every > 0),
            deletes,
            checkpoint_in: 0,
            reopen_in: 0,
            style: Style::Ordinary,
            spell_left: 0,
            queue: VecDeque::new(),
            planned: Vec::new(),
            rng,
        };
        moments.checkpoint_in = moments.gap(moments.checkpoint_every);
        moments.reopen_in = moments.gap(moments.reopen_every);
        if ops >= FIGURES_FROM {
            for figure in moments.figures() {
                let at = moments.rng.between(u64::from(ops / 8), u64::from(ops - ops / 8));
                moments.planned.push((at as u32, figure));
            }
        }
        moments
    }

    /// The figures that this workload may have.
    fn figures(&self) -> Vec<Figure> {
        let (checkpoint, reopen) = (self.checkpoint_every.is_some(), self.reopen_every.is_some());
        let with_both =
            [Figure::CheckpointReopenTwice, Figure::TwoCheckpoints, Figure::ShortSession];
        let mut figures = Vec::new();
        figures.extend(with_both.into_iter().filter(|_| checkpoint && reopen));
        figures.extend(checkpoint.then_some(Figure::LongAfterCheckpoint));
        figures.extend((reopen && self.deletes).then_some(Figure::DeleteAll));
        figures
    }

    /// A number of requests that is `every` on average.
    fn gap(&mut self, every: Option<u32>) -> u32 {
        every.map_or(u32::MAX, |every| self.rng.between(1, u64::from(every) * 2 - 1) as u32)
    }

    /// What the requests are like now.
    pub(super) fn style(&self) -> Style {
        self.style
    }

    /// The next step, after `done` requests, with so many keys in the store.
    pub(super) fn next(&mut self, done: u32, live: usize) -> Step {
        if let Some(step) = self.queue.pop_front() {
            return step;
        }
        if let Some(at) = self.planned.iter().position(|(at, _)| *at <= done) {
            let (_, figure) = self.planned.swap_remove(at);
            return self.begin(figure, live);
        }
        if self.spell_left == 0 {
            self.spell_left = self.rng.between(SPELL.0, SPELL.1) as u32;
            let all = [Style::Ordinary, Style::Short, Style::Busy, Style::OneKey];
            self.style = all[self.rng.weighted(&[45, 20, 25, 10])];
        }
        self.spell_left -= 1;
        let pace = if self.style == Style::Busy { BUSY } else { 1 };
        if self.checkpoint_every.is_some() {
            self.checkpoint_in = self.checkpoint_in.saturating_sub(pace);
        }
        if self.reopen_every.is_some() {
            self.reopen_in = self.reopen_in.saturating_sub(pace);
        }
        let (checkpoint, reopen) = (self.checkpoint_in == 0, self.reopen_in == 0 && done > 0);
        if checkpoint {
            self.checkpoint_in = self.gap(self.checkpoint_every);
        }
        if reopen {
            self.reopen_in = self.gap(self.reopen_every);
        }
        if (checkpoint || reopen) && self.rng.percent(FIGURES) {
            let figures = self.figures();
            if let Some(&figure) = self.rng.pick(&figures) {
                return self.begin(figure, live);
            }
        }
        match (checkpoint, reopen) {
            (true, true) => {
                self.queue.push_back(Step::Reopen);
                Step::Checkpoint
            }
            (true, false) => Step::Checkpoint,
            (false, true) => Step::Reopen,
            (false, false) => Step::Any,
        }
    }

    fn begin(&mut self, figure: Figure, live: usize) -> Step {
        let steps = match figure {
            Figure::CheckpointReopenTwice => {
                vec![Step::Checkpoint, Step::Reopen, Step::Reopen, Step::Put]
            }
            Figure::TwoCheckpoints => vec![Step::Checkpoint, Step::Checkpoint, Step::Reopen],
            Figure::ShortSession => {
                vec![Step::Checkpoint, Step::Reopen, Step::Put, Step::Reopen]
            }
            Figure::LongAfterCheckpoint => {
                vec![Step::Put, Step::Put, Step::Put, Step::Checkpoint, Step::LongPut, Step::Put]
            }
            Figure::DeleteAll => {
                let mut steps = vec![Step::DeleteOne; live.clamp(1, DELETED)];
                steps.push(Step::Reopen);
                steps
            }
        };
        self.queue.extend(steps);
        self.queue.pop_front().unwrap_or(Step::Any)
    }
}
