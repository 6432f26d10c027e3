//! Every failure that one call can return, each with how telling it is.

use libc::{EDQUOT, EFBIG, EINTR, EIO, EMFILE, ENOSPC, EOPNOTSUPP, EROFS};

use super::{Attempt, Numbered, is_sync};
use crate::record::{Extent, Strike, can_be_short, errors_of};
use crate::trace::event::LOOK;

/// After so many operations there is room again.
const ROOM_AFTER: [u32; 2] = [3, 12];

/// Every failure of one call.
pub(super) fn failures(call: &Numbered<'_>) -> Vec<Attempt> {
    let nth = call.no;
    let mut all = Vec::new();
    for &errno in errors_of(call.name) {
        let space = matches!(errno, ENOSPC | EDQUOT);
        if call.makes_nothing && (space || errno == EROFS) {
            continue;
        }
        for (extent, round) in extents(call, errno) {
            let name = crate::record::plan::errno_name(errno);
            let lasts = match extent {
                Extent::Once => "once",
                Extent::FromThenOn => "from then on",
                Extent::Until(_) => "until there is room",
            };
            // A sync that fails once comes before everything else, and a read.
            let sync = is_sync(call.name);
            let read = matches!(call.name, "read" | "pread64" | "readv" | "preadv" | "preadv2");
            let first = (sync || read) && errno == EIO && extent == Extent::Once;
            let round = if first { 0 } else { round + 1 };
            let strike = Strike::Fail { nth, errno, extent };
            all.push(Attempt {
                strike,
                then: None,
                what: format!("{name} {lasts}"),
                round,
                turn: 0,
                sort: 0,
            });
        }
    }
    if can_be_short(call.name) && call.result > 1 {
        let moved = call.result as u64;
        let mut shorts = vec![(moved / 2, 0), (1, 4), (moved - 1, 4)];
        shorts.dedup_by_key(|(bytes, _)| *bytes);
        for (bytes, round) in shorts {
            let what = "cut short".to_owned();
            let strike = Strike::Short { nth, bytes };
            all.push(Attempt { strike, then: None, what, round, turn: 0, sort: 0 });
            if bytes == moved / 2 {
                let (errno, what) = rest(call);
                let then = Some(Strike::Fail { nth: nth + 1, errno, extent: Extent::Once });
                all.push(Attempt {
                    strike,
                    then,
                    what: what.to_owned(),
                    round: 1,
                    turn: 0,
                    sort: 0,
                });
            }
        }
    }
    all
}

/// What befalls the rest of a call that was cut short, which is the program's next call: a full disk
/// takes what fits first, and a read ends before the bad block that the next one meets.
fn rest(call: &Numbered<'_>) -> (i32, &'static str) {
    match call.no & LOOK {
        0 => (ENOSPC, "cut short, then ENOSPC"),
        _ => (EIO, "cut short, then EIO"),
    }
}

/// How long an error lasts, with the round in which it is tried.
fn extents(call: &Numbered<'_>, errno: i32) -> Vec<(Extent, u8)> {
    let nth = call.no;
    let look = nth & LOOK != 0;
    let once = |round| vec![(Extent::Once, round)];
    match errno {
        EIO => {
            let round = match call.name {
                "close" => 2,
                _ if call.makes_nothing => 1,
                _ => 0,
            };
            vec![(Extent::Once, round), (Extent::FromThenOn, 1)]
        }
        ENOSPC if look || call.name == "fsync" || call.name == "fdatasync" => once(3),
        ENOSPC => {
            let until = |after: u32| Extent::Until(nth.saturating_add(after));
            vec![
                (Extent::Once, 0),
                (Extent::FromThenOn, 1),
                (until(ROOM_AFTER[0]), 2),
                (until(ROOM_AFTER[1]), 3),
            ]
        }
        EDQUOT if look => once(4),
        EDQUOT => vec![(Extent::Once, 4), (Extent::FromThenOn, 4)],
        EINTR => once(2),
        EOPNOTSUPP => vec![(Extent::FromThenOn, 1), (Extent::Once, 3)],
        EMFILE => vec![(Extent::Once, 1), (Extent::FromThenOn, 3)],
        EFBIG => once(3),
        EROFS if call.creates => once(3),
        _ => once(4),
    }
}
