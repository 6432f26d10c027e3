//! Nobody keeps the token for ever: a holder that sleeps in its call while others wait (a file system
//! that blocks on something else) is woken by a signal that the tracer swallows. Its call then either
//! ends, or was interrupted before it did anything and is made again later, behind the others.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use super::timeline::{Shared, sleeps};

/// How long a holder may sleep in its call while others wait.
const LIMIT: Duration = Duration::from_millis(250);
/// A signal that programs ignore unless they ask for it; the tracer does not deliver it.
pub const KNOCK: libc::c_int = libc::SIGURG;

/// Starts watching. It ends when the sender is dropped. Without it nothing is wrong but a holder that
/// blocks for good.
pub fn start(shared: &Arc<Shared>) -> Option<mpsc::Sender<()>> {
    let (keep, stop) = mpsc::channel();
    let shared = shared.clone();
    let watching = std::thread::Builder::new().name("warden".into());
    watching.spawn(move || watch(&shared, &stop)).ok()?;
    Some(keep)
}

/// Watches until the other end of `stop` is dropped.
fn watch(shared: &Arc<Shared>, stop: &mpsc::Receiver<()>) {
    while stop.recv_timeout(LIMIT / 2) == Err(mpsc::RecvTimeoutError::Timeout) {
        let state = shared.lock();
        let Some((tid, since)) = state.overdue else { continue };
        if since.elapsed() >= LIMIT && state.threads.contains(&tid) && sleeps(tid) {
            // SAFETY: a plain signal to a thread of our own that is alive.
            unsafe { libc::syscall(libc::SYS_tkill, tid, KNOCK) };
        }
    }
}
