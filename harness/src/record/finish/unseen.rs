//! A thread that died inside a call: its exit is never seen, and what the call did is read from the files.

use std::io;

use libc::pid_t;

use super::read_back;
use crate::record::pending::{Pending, Work};
use crate::record::status;
use crate::record::tracer::Tracer;
use crate::trace::{Call, EventKind, FileOp};

impl Tracer {
    /// The thread died inside the call: whether it happened is read from the files.
    pub(in crate::record) fn exit_unseen(
        &mut self,
        tid: pid_t,
        number: Option<u32>,
        pending: Pending,
    ) -> io::Result<()> {
        let gone = |happened: bool| if happened { 0 } else { -i64::from(libc::EINTR) };
        let result = match &pending.work {
            Work::Write { handle, offset, bytes, .. } => {
                let there = read_back(handle, *offset, bytes.len() as u64).unwrap_or_default();
                let same = there.iter().zip(bytes).take_while(|(a, b)| a == b).count();
                if same == 0 { gone(false) } else { same as i64 }
            }
            Work::Truncate { handle, to, .. } => {
                gone(status::of(handle).is_ok_and(|status| status.size == *to))
            }
            Work::Make { found, .. } | Work::Link { found } => gone(
                found.place().is_some_and(|place| self.world.lookup(&place).is_none())
                    && found.status(false).is_ok(),
            ),
            Work::Open { found, before: None, flags } if flags & libc::O_CREAT as u64 != 0 => {
                gone(found.status(false).is_ok())
            }
            Work::Open { found, before: Some((_, size)), flags }
                if flags & libc::O_TRUNC as u64 != 0 && *size > 0 =>
            {
                gone(found.status(true).is_ok_and(|status| status.size == 0))
            }
            Work::Unlink { found } => gone(found.status(false).is_err()),
            Work::Rename { from, flags: 0, .. } => gone(from.status(false).is_err()),
            Work::Copy { .. } | Work::Allocate { .. } | Work::Rename { .. } => {
                self.blind(format!("a thread died inside {}", pending.name));
                return Ok(());
            }
            _ => gone(false),
        };
        let happened = if result < 0 {
            vec![FileOp::Failed {
                file: pending.work.file(|found| self.world.lookup(&found.place()?)),
            }]
        } else {
            self.effects(tid, &pending, result)?
        };
        for op in happened {
            self.mappings.apply(&op);
            let (no, name) = (pending.no, pending.name.into());
            let call = Call { no, name, result, injected: pending.injected, op };
            self.push_as(number.unwrap_or(0), EventKind::Call(call), pending.stack.clone());
        }
        Ok(())
    }
}
