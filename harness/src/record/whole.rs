//! The whole-program form: a command of the user's, run once under the recorder. Each line that it
//! prints on standard output, a pseudo-terminal so that it is not block-buffered, is a promise made at
//! that moment.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::pty::openpty;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};

use super::options::RecordOptions;
use super::output::Speech;
use super::recorder::Recorder;
use super::recording::Recording;
use crate::base::{HarnessError, Result, interrupt};
use crate::driver::Target;

/// One recorded run of a whole program.
#[derive(Debug)]
pub struct Whole {
    /// What happened; printed lines are [`crate::trace::EventKind::Line`].
    pub recording: Recording,
    /// True if the program had not ended within the limit and was killed.
    pub hung: bool,
}

/// Runs `target` (for a user's `CMD`: [`shell`]) to its end, at most for `limit`.
pub fn record_whole(target: &Target, options: &RecordOptions, limit: Duration) -> Result<Whole> {
    let machine = |errno: nix::errno::Errno| HarnessError::machine("a pseudo-terminal", errno);
    let pty = openpty(None, None).map_err(machine)?;
    let mut modes = tcgetattr(&pty.slave).map_err(machine)?;
    cfmakeraw(&mut modes);
    tcsetattr(&pty.slave, SetArg::TCSANOW, &modes).map_err(machine)?;
    for fd in [&pty.master, &pty.slave] {
        fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(machine)?;
    }
    let nothing =
        File::open("/dev/null").map_err(|error| HarnessError::at("opening", "/dev/null", error))?;
    let mut recorder = Recorder::with(target, options, Speech::Lines)?;
    let master = pty.master;
    // Read to the end, so that a full terminal stops nobody. The end comes when the last holder of
    // the other side is gone.
    let reading = std::thread::Builder::new()
        .name("terminal".into())
        .spawn(move || drain(master))
        .map_err(|error| HarnessError::machine("starting a thread", error))?;
    let started = recorder.spawn(OwnedFd::from(nothing), pty.slave);
    let ended = match started {
        Ok(_) => recorder.wait(limit),
        Err(error) => return Err(error),
    };
    if interrupt::is_final() || !ended && interrupt::gives_up(limit) {
        return Err(HarnessError::Interrupted);
    }
    let recording = recorder.into_recording()?;
    // Nobody is left on the other side.
    let _ = reading.join();
    Ok(Whole { recording, hung: !ended })
}

/// A shell that runs `command`.
pub fn shell(command: &str) -> Target {
    Target::new(command, ["/bin/sh", "-c", command])
}

fn drain(master: OwnedFd) {
    let mut master = File::from(master);
    let mut piece = [0; 4096];
    while let Ok(1..) = master.read(&mut piece) {}
}
