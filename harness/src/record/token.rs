//! The token: calls on the recorded files and directories run one at a time, so that the trace is the
//! order of effect. Who is held at its entry, and the seeded choice of who goes next.

use libc::pid_t;

use super::ptrace::CallEntry;
use crate::base::Rng;

/// Who has the token and who waits for it.
#[derive(Debug)]
pub struct Token {
    holder: Option<pid_t>,
    held: Vec<(pid_t, CallEntry)>,
    rng: Rng,
}

impl Token {
    /// Free, with the generator that chooses among those who wait.
    pub fn new(rng: Rng) -> Self {
        Self { holder: None, held: Vec::new(), rng }
    }

    /// True if nobody has it.
    pub fn is_free(&self) -> bool {
        self.holder.is_none()
    }

    /// Who has it.
    /// Who has it.
    pub fn holder(&self) -> Option<pid_t> {
        self.holder
    }

    /// Gives it to `tid`.
    pub fn take(&mut self, tid: pid_t) {
        debug_assert!(self.holder.is_none());
        self.holder = Some(tid);
    }

    /// `tid` no longer has it, if it had.
    pub fn free(&mut self, tid: pid_t) {
        if self.holder == Some(tid) {
            self.holder = None;
        }
    }

    /// `tid` waits at the entry of this call.
    pub fn hold(&mut self, tid: pid_t, entry: CallEntry) {
        self.held.push((tid, entry));
    }

    /// `tid` is gone.
    pub fn forget(&mut self, tid: pid_t) {
        self.free(tid);
        self.held.retain(|(held, _)| *held != tid);
    }

    /// True if somebody waits.
    pub fn is_wanted(&self) -> bool {
        !self.held.is_empty()
    }

    /// The next to go, if the token is free and somebody waits. The choice is seeded; those who wait
    /// stand in the order of their thread numbers, so that it does not depend on who came first.
    pub fn next(&mut self, number: impl Fn(pid_t) -> u32) -> Option<(pid_t, CallEntry)> {
        if self.holder.is_some() || self.held.is_empty() {
            return None;
        }
        self.held.sort_by_key(|(tid, _)| number(*tid));
        let index = self.rng.index(self.held.len());
        Some(self.held.remove(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: CallEntry = CallEntry { number: 1, args: [0; 6], data: 0 };

    #[test]
    fn one_has_it_and_the_others_come_in_a_seeded_order() {
        let order = |seed| {
            let mut token = Token::new(Rng::new(seed));
            token.take(9);
            for tid in [4, 3, 2, 1] {
                token.hold(tid, ENTRY);
            }
            assert_eq!(token.next(|tid| tid as u32), None, "while 9 has it");
            token.free(9);
            let mut order = Vec::new();
            while let Some((tid, _)) = token.next(|tid| tid as u32) {
                token.take(tid);
                order.push(tid);
                token.forget(tid);
            }
            order
        };
        assert_eq!(order(1), order(1));
        assert!((0..20).any(|seed| order(seed) != order(1)));
        assert_eq!(order(1).len(), 4);
    }
}
