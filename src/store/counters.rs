//! What the store counts. Counting alone: nothing is decided by a counter.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters that threads share.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: AtomicU64,)*
        }

        /// Counters at one moment. Over a store's life they are kept in its mark, which is written
        /// at a clean close and at a checkpoint: a kill forgets what was counted since.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
        pub struct Totals {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            pub(crate) fn totals(&self) -> Totals {
                Totals { $($name: self.$name.load(Ordering::Relaxed),)* }
            }

            pub(crate) fn starting_at(totals: Totals) -> Self {
                Self { $($name: AtomicU64::new(totals.$name),)* }
            }
        }

        impl Totals {
            pub(crate) const COUNT: usize = [$(stringify!($name)),*].len();

            pub(crate) fn to_array(self) -> [u64; Self::COUNT] {
                [$(self.$name),*]
            }

            pub(crate) fn from_array([$($name),*]: [u64; Self::COUNT]) -> Self {
                Self { $($name),* }
            }
        }
    };
}

counters! {
    /// Bytes of frames written.
    bytes,
    /// Frames written.
    frames,
    /// Syncs of the log.
    syncs,
    /// Groups of transactions that shared one write.
    groups,
    /// Checkpoints published.
    checkpoints,
    /// Times the store was opened after anything but a clean close.
    recoveries,
    /// Value files written.
    values,
    /// Segments begun.
    segments,
}

pub(crate) fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_survive_their_array_and_a_restart() {
        let totals = Totals::from_array([1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(Totals::from_array(totals.to_array()), totals);
        let counters = Counters::starting_at(totals);
        count(&counters.frames, 3);
        assert_eq!(counters.totals(), Totals { frames: 5, ..totals });
    }
}
