//! Which calls sleep until somebody else in the same tree of processes does something. Pure.

use crate::record::arch;

/// A call in which a thread sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its number.
    pub number: u64,
    /// Its arguments.
    pub args: [u64; 6],
}

/// The operation of a futex call without its flags.
const FUTEX_OPERATION: u64 = 0x7f;
/// Those that wait: FUTEX_WAIT, LOCK_PI, WAIT_BITSET, WAIT_REQUEUE_PI, LOCK_PI2.
const FUTEX_WAITS: [u64; 5] = [0, 6, 9, 11, 13];

impl Call {
    /// From the line of `/proc/PID/task/TID/syscall`; nothing for a thread that runs or is in no call.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let number = words.next()?.parse().ok()?;
        let mut args = [0; 6];
        for arg in &mut args {
            *arg = u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
        }
        Some(Self { number, args })
    }

    /// True if only another thread of the same tree can end it. `is_pipe` says whether a descriptor is an
    /// unnamed pipe: nobody outside holds the other end of one, but unplug that of the standard input, and
    /// it sends nothing while it waits for an answer. Waiting for sockets, timers, events, locks on files
    /// and signals that a timer may send is never such a call.
    pub fn waits_for_its_own(&self, is_pipe: impl Fn(u64) -> bool) -> bool {
        let [first, second, _, fourth, fifth, _] = self.args;
        match arch::name(self.number) {
            Some("futex") => FUTEX_WAITS.contains(&(second & FUTEX_OPERATION)) && fourth == 0,
            Some("futex_wait") => fifth == 0,
            Some("futex_waitv") => fourth == 0,
            Some("pause" | "rt_sigsuspend" | "wait4" | "waitid") => true,
            Some("read" | "readv") => is_pipe(first),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(line: &str, pipe: bool) -> bool {
        Call::parse(line).is_some_and(|call| call.waits_for_its_own(|_| pipe))
    }

    #[test]
    fn a_line_is_read_as_the_kernel_writes_it() {
        let line = "202 0x7f1 0x189 0x0 0x0 0x0 0xffffffff 0x7ffe 0x7f2\n";
        let call = Call::parse(line).unwrap();
        assert_eq!((call.number, call.args[1], call.args[5]), (202, 0x189, 0xffff_ffff));
        assert_eq!(Call::parse("running\n"), None);
        assert_eq!(Call::parse("-1 0x7ffe 0x7f2\n"), None);
        assert_eq!(Call::parse(""), None);
    }

    #[test]
    fn only_waits_without_a_timeout_for_the_tree_itself_count() {
        let rest = "0x0 0x0 0x0 0x1 0x1";
        assert!(waits(&format!("202 0x7f1 0x80 {rest}"), false), "a futex");
        assert!(waits(&format!("202 0x7f1 0x189 {rest}"), false), "a condition variable");
        assert!(!waits("202 0x7f1 0x80 0x0 0x7ffe 0x0 0x0 0x1 0x1", false), "with a timeout");
        assert!(!waits(&format!("202 0x7f1 0x81 {rest}"), false), "FUTEX_WAKE never sleeps");
        assert!(waits(&format!("34 0x0 0x0 {rest}"), false), "pause");
        assert!(waits(&format!("61 0xffffffff 0x0 {rest}"), false), "wait4");
        assert!(waits(&format!("0 0x3 0x7f1 {rest}"), true), "read of a pipe");
        assert!(!waits(&format!("0 0x3 0x7f1 {rest}"), false), "read of anything else");
        for other in [7, 23, 35, 45, 72, 73, 128, 230, 232, 281] {
            assert!(!waits(&format!("{other} 0x3 0x0 {rest}"), true), "call {other}");
        }
    }
}
