//! A fuse that makes this thread's n-th change fail: alone, or with all that follow, which is what a kill
//! at that place leaves.

use std::cell::Cell;
use std::io;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Fuse {
    /// The n-th change and all after it fail: a kill.
    Kill(usize),
    /// The n-th change fails once with this error number.
    Once(usize, i32),
    /// The n-th change and all after it fail with this error number: a disk that stays broken.
    From(usize, i32),
}

thread_local! {
    static FUSE: Cell<Option<Fuse>> = const { Cell::new(None) };
    static BLOWN: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` with the fuse set; true if it blew.
pub(crate) fn with<T>(fuse: Fuse, work: impl FnOnce() -> T) -> (T, bool) {
    FUSE.set(Some(fuse));
    BLOWN.set(false);
    let result = work();
    FUSE.set(None);
    (result, BLOWN.get())
}

pub(super) fn burn() -> io::Result<()> {
    let (left, errno) = match FUSE.get() {
        None => (None, 0),
        Some(Fuse::Kill(0)) => (Some(Fuse::Kill(0)), 5),
        Some(Fuse::From(0, errno)) => (Some(Fuse::From(0, errno)), errno),
        Some(Fuse::Once(0, errno)) => (None, errno),
        Some(Fuse::Kill(n)) => (Some(Fuse::Kill(n - 1)), 0),
        Some(Fuse::From(n, errno)) => (Some(Fuse::From(n - 1, errno)), 0),
        Some(Fuse::Once(n, errno)) => (Some(Fuse::Once(n - 1, errno)), 0),
    };
    FUSE.set(left);
    if errno == 0 {
        return Ok(());
    }
    BLOWN.set(true);
    Err(io::Error::from_raw_os_error(errno))
}
