//! A plan while it runs: what strikes the call of a given number.

use super::errors::{can_be_short, errors_of, is_open};
use super::plan::{Extent, Plan, Strike};
use crate::trace::event::LOOK;

/// What strikes one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// Kill before it.
    KillBefore,
    /// Let so many bytes through, then kill.
    KillInside(u64),
    /// Kill after it.
    KillAfter,
    /// It fails.
    Fail(i32),
    /// It moves at most so many bytes.
    Short(u64),
}

/// The plan and what of it still lasts.
#[derive(Debug)]
pub struct Strikes {
    plan: Plan,
    /// Errors that last, with the operation at which they end.
    lasting: Vec<(i32, Option<u32>)>,
    /// The last operation's number: looks have a counter of their own and end nothing.
    operation: u32,
}

impl Strikes {
    /// Nothing has struck yet.
    pub fn new(plan: Plan) -> Self {
        Self { plan, lasting: Vec::new(), operation: 0 }
    }

    /// True if nothing will ever strike.
    pub fn is_empty(&self) -> bool {
        self.plan.0.is_empty()
    }

    /// What strikes call `no` of this name, if anything does. `takes_space`: it needs blocks that it
    /// does not have yet, so that a full disk stops it.
    pub fn at(&mut self, no: u32, name: &str, takes_space: bool) -> Option<Blow> {
        if no & LOOK == 0 {
            self.operation = no;
        }
        let operation = self.operation;
        self.lasting.retain(|(_, end)| end.is_none_or(|end| operation < end));
        if let Some(at) = self.plan.0.iter().position(|strike| strike.nth() == no) {
            let strike = self.plan.0[at];
            // It befalls the rest of a call that was cut short: something else is not that rest.
            let rest =
                at > 0 && matches!(self.plan.0[at - 1], Strike::Short { nth, .. } if nth + 1 == no);
            if rest && !can_be_short(name) {
                return None;
            }
            return Some(match strike {
                Strike::KillBefore(_) => Blow::KillBefore,
                Strike::KillAfter(_) => Blow::KillAfter,
                Strike::KillInside { bytes, .. } => Blow::KillInside(bytes),
                Strike::Short { bytes, .. } => Blow::Short(bytes.max(1)),
                // The run may have gone another way than the one that the plan was made from.
                Strike::Fail { errno, .. } if !errors_of(name).contains(&errno) => return None,
                // An open that makes nothing needs no room, on no disk.
                Strike::Fail { errno, .. } if needs_room(errno, name) && !takes_space => {
                    return None;
                }
                Strike::Fail { errno, extent, .. } => {
                    match extent {
                        Extent::Once => {}
                        Extent::FromThenOn => self.lasting.push((errno, None)),
                        Extent::Until(end) => self.lasting.push((errno, Some(end))),
                    }
                    Blow::Fail(errno)
                }
            });
        }
        let hits = |errno: i32| {
            let full = matches!(errno, libc::ENOSPC | libc::EDQUOT);
            errors_of(name).contains(&errno) && (!full || takes_space)
        };
        self.lasting.iter().find(|(errno, _)| hits(*errno)).map(|(errno, _)| Blow::Fail(*errno))
    }
}

/// True for an error that only an open that makes a file can have.
fn needs_room(errno: i32, name: &str) -> bool {
    is_open(name) && matches!(errno, libc::ENOSPC | libc::EDQUOT | libc::EROFS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strikes(text: &str) -> Strikes {
        Strikes::new(text.parse().expect("a plan"))
    }

    #[test]
    fn a_failure_lasts_as_long_as_planned() {
        let mut once = strikes("fail:2:EIO:once");
        let blows = |strikes: &mut Strikes| -> Vec<bool> {
            (1..6).map(|no| strikes.at(no, "fsync", false).is_some()).collect()
        };
        assert_eq!(blows(&mut once), [false, true, false, false, false]);
        assert_eq!(blows(&mut strikes("fail:2:EIO:from-then-on")), [false, true, true, true, true]);
        assert_eq!(blows(&mut strikes("fail:2:EIO:until:4")), [false, true, true, false, false]);
    }

    #[test]
    fn a_call_fails_only_as_it_can() {
        assert_eq!(strikes("fail:2:ENOSPC:once").at(2, "unlink", true), None);
        let read = Some(Blow::Fail(libc::EIO));
        assert_eq!(strikes("fail:r2:EIO:once").at(LOOK | 2, "read", false), read);
        assert_eq!(strikes("fail:r2:ENOSPC:from-then-on").at(LOOK | 2, "read", false), None);
    }

    #[test]
    fn an_open_that_makes_nothing_needs_no_room() {
        for errno in ["ENOSPC", "EDQUOT", "EROFS"] {
            let plan = format!("fail:2:{errno}:once");
            assert_eq!(strikes(&plan).at(2, "openat", false), None);
            assert!(strikes(&plan).at(2, "openat", true).is_some());
        }
        assert!(strikes("fail:2:EMFILE:once").at(2, "openat", false).is_some());
    }

    #[test]
    fn the_rest_of_a_read_is_a_read() {
        let plan = "short:r3:20,fail:r4:EIO:once";
        assert_eq!(strikes(plan).at(LOOK | 4, "close", false), None);
        let fail = Some(Blow::Fail(libc::EIO));
        assert_eq!(strikes(plan).at(LOOK | 4, "pread64", false), fail);
        assert_eq!(strikes("fail:r4:EIO:once").at(LOOK | 4, "close", false), fail);
    }

    #[test]
    fn a_full_disk_stops_only_what_needs_space() {
        let mut full = strikes("fail:1:ENOSPC:from-then-on");
        let fail = Some(Blow::Fail(libc::ENOSPC));
        assert_eq!(full.at(1, "pwrite64", false), fail, "as planned, whatever it needs");
        assert_eq!(full.at(2, "pwrite64", false), None);
        assert_eq!(full.at(3, "pwrite64", true), fail);
        assert_eq!(full.at(4, "unlink", true), None, "unlink never says ENOSPC");
    }
}
