//! Ctrl-C and SIGTERM: the first asks the run to stop and report, the second ends it at once.

use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Arc, Once};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use unplug_harness::base::{HarnessError, Result};

/// What the handler sets: a leaked reference, so that it is valid whenever a signal comes.
static FLAG: AtomicPtr<AtomicBool> = AtomicPtr::new(std::ptr::null_mut());

/// Installs the handlers and returns the flag that they set.
pub fn watch() -> Result<Arc<AtomicBool>> {
    static ONCE: Once = Once::new();
    let mut result = Ok(());
    ONCE.call_once(|| {
        let kept = Arc::new(AtomicBool::new(false));
        FLAG.store(Arc::into_raw(kept).cast_mut(), Ordering::SeqCst);
        let action =
            SigAction::new(SigHandler::Handler(handle), SaFlags::SA_RESTART, SigSet::empty());
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            // SAFETY: the handler only touches an atomic and calls `_exit`.
            if let Err(errno) = unsafe { sigaction(signal, &action) } {
                result = Err(HarnessError::machine("installing a signal handler", errno));
            }
        }
    });
    result?;
    let flag = FLAG.load(Ordering::SeqCst).cast_const();
    // SAFETY: the pointer came from `Arc::into_raw` above and that reference is never given back.
    unsafe {
        Arc::increment_strong_count(flag);
        Ok(Arc::from_raw(flag))
    }
}

extern "C" fn handle(signal: i32) {
    let flag = FLAG.load(Ordering::SeqCst);
    unplug_harness::base::interrupt::note();
    // SAFETY: the pointer is null or leaked.
    let again = unsafe { flag.as_ref() }.is_some_and(|flag| flag.swap(true, Ordering::SeqCst));
    if again {
        // SAFETY: async-signal-safe; keepers and the janitor clean up once this process is gone.
        unsafe { nix::libc::_exit(128 + signal) }
    }
}
