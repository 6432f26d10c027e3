//! One command run to its end below a keeper, with a time limit: the check of the whole-program form.
//! Whatever it started is gone when [`run`] returns.

use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::keeper;
use super::process::{Tail, describe};
use super::room::LOOK_EVERY;
use crate::base::{HarnessError, Result, interrupt};

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// True if it ended by itself with status 0.
    pub success: bool,
    /// True if it was ended because its time was over.
    pub late: bool,
    /// How it ended, in words.
    pub how: String,
    /// The end of what it wrote to its standard output and standard error.
    pub output: String,
}

/// Runs `argv` where this process runs, with no input, and waits at most `limit`.
pub fn run(argv: &[String], env: &[(String, String)], limit: Duration) -> Result<Ran> {
    let [program, arguments @ ..] = argv else {
        return Err(HarnessError::input("the command is empty"));
    };
    let machine = |error: io::Error| HarnessError::machine(format!("running {program}"), error);
    let pipe = || nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(|errno| machine(errno.into()));
    let (hold, control) = pipe()?;
    let (from, to) = pipe()?;
    let also = to.try_clone().map_err(machine)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .envs(env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::from(to))
        .stderr(Stdio::from(also));
    let watched = hold.as_raw_fd();
    // SAFETY: `keep` makes system calls only; it runs in the child between fork and exec, where the
    // descriptor is open.
    unsafe { command.pre_exec(move || keeper::keep(watched, -1)) };
    let keeper = command.spawn().map_err(machine)?;
    // The command holds this process's copies of the pipe's end.
    drop(command);
    drop(hold);
    let mut output = Output { from: from.into(), tail: Tail::default(), ended: false };
    let pid = keeper.id() as libc::pid_t;
    let ended = death(keeper.id()).and_then(|death| output.until(pid, &death, limit));
    // The end of this pipe tells the keeper to end the tree, should anything be left of it.
    drop(control);
    let status = ExitStatus::from_raw(keeper::reap(pid));
    if interrupt::is_final() {
        return Err(HarnessError::Interrupted);
    }
    let late = !ended.map_err(machine)?;
    output.drain();
    let how = if late {
        format!("no end within {} ms", limit.as_millis())
    } else if status.success() {
        "it exited with status 0".into()
    } else {
        describe(status)
    };
    Ok(Ran { success: status.success() && !late, late, how, output: output.tail.text() })
}

struct Output {
    from: std::fs::File,
    tail: Tail,
    ended: bool,
}

impl Output {
    /// Reads until the keeper is gone, and with it the tree; false if that takes longer than `limit`.
    fn until(&mut self, keeper: libc::pid_t, death: &OwnedFd, limit: Duration) -> io::Result<bool> {
        let flags = OFlag::from_bits_retain(fcntl(&self.from, FcntlArg::F_GETFL)?);
        fcntl(&self.from, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        let deadline = Instant::now() + limit;
        loop {
            keeper::revive(keeper);
            let left = deadline.saturating_duration_since(Instant::now()).min(LOOK_EVERY);
            let timeout = PollTimeout::try_from(left + Duration::from_millis(1))
                .unwrap_or(PollTimeout::from(u16::MAX));
            let mut fds = vec![PollFd::new(death.as_fd(), PollFlags::POLLIN)];
            if !self.ended {
                fds.push(PollFd::new(self.from.as_fd(), PollFlags::POLLIN));
            }
            match poll(&mut fds, timeout) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            let gone = fds[0].revents().is_some_and(|events| !events.is_empty());
            self.drain();
            if gone {
                return Ok(true);
            }
            if Instant::now() >= deadline || interrupt::is_final() {
                return Ok(false);
            }
        }
    }

    /// Reads what is there.
    fn drain(&mut self) {
        let mut chunk = [0; 4096];
        // Bounded, so that a program that prints without end cannot hold us beyond its time.
        for _ in 0..64 {
            match self.from.read(&mut chunk) {
                Ok(0) => {
                    self.ended = true;
                    return;
                }
                Ok(count) => self.tail.push(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

fn death(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: a system call with plain numbers; the descriptor that it returns is ours alone.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid as libc::pid_t, 0);
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(fd as i32)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(text: &str, limit: Duration) -> Ran {
        let argv = ["sh", "-c", text].map(String::from);
        run(&argv, &[("WORD".into(), "said".into())], limit).unwrap()
    }

    #[test]
    fn its_status_and_both_its_outputs_are_seen() {
        let ran = shell("echo $WORD; echo complaint >&2; exit 3", Duration::from_secs(10));
        assert!(!ran.success && !ran.late);
        assert_eq!(ran.output, "said\ncomplaint\n");
        assert_eq!(ran.how, "it exited with status 3");
        assert!(shell("true", Duration::from_secs(10)).success);
        assert_eq!(shell("kill -SEGV $$", Duration::from_secs(10)).how, "killed by SIGSEGV");
    }

    #[test]
    fn a_command_over_its_time_is_ended_with_all_that_it_started() {
        let started = Instant::now();
        let ran = shell("sleep 60 & yes", Duration::from_millis(200));
        assert!(ran.late && !ran.success);
        assert!(started.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_long_output_is_kept_at_its_end_and_a_left_child_holds_nobody_up() {
        let ran = shell("sleep 60 & seq 1 100000", Duration::from_secs(30));
        assert!(ran.success);
        assert!(ran.output.ends_with("99999\n100000\n"));
        assert!(ran.output.len() < 1 << 20);
    }
}
