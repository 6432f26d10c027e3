//! Every thread of every process below one, as `/proc` shows it. Only what is shown without a doubt counts:
//! where anything cannot be read, or a timer is set, nothing is known.

use std::fs;

use libc::pid_t;

use super::call::Call;
use crate::base::limits;

/// A thread at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Its process.
    pub pid: pid_t,
    /// Its number.
    pub tid: pid_t,
    /// What it does.
    pub doing: Doing,
    /// How often it was put to sleep or had to make room: as long as this stays it has not run.
    switches: (u64, u64),
}

/// What a thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It runs, or would if there were a processor for it.
    Computes,
    /// It sleeps until another one of the tree does something.
    Sleeps(Call),
    /// Anything else: it may go on by itself.
    Other,
}

/// Signals that a timer sends: a program that catches one may be woken by it.
const ALARMS: [u32; 4] = [14, 26, 27, 29];

/// All threads below `root`, itself and the process `spared` not included; nothing where that is not known for
/// certain.
pub fn threads(root: pid_t, spared: Option<pid_t>) -> Option<Vec<Thread>> {
    let mut found = Vec::new();
    let mut todo = children(root)?;
    todo.retain(|pid| Some(*pid) != spared);
    while let Some(pid) = todo.pop() {
        todo.extend(children(pid)?);
        if !add(pid, &mut found)? || found.len() > limits::WATCHED_THREADS {
            return None;
        }
    }
    Some(found)
}

/// The children of every thread of a process; of one that is gone none.
pub fn children(pid: pid_t) -> Option<Vec<pid_t>> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Some(Vec::new()) };
    let mut found = Vec::new();
    for task in tasks.flatten() {
        let list = fs::read_to_string(task.path().join("children")).ok()?;
        found.extend(list.split_ascii_whitespace().filter_map(|word| word.parse::<pid_t>().ok()));
    }
    Some(found)
}

/// Adds the threads of one process; a zombie has none. False if a timer may wake it.
fn add(pid: pid_t, found: &mut Vec<Thread>) -> Option<bool> {
    let at = format!("/proc/{pid}");
    let status = fs::read_to_string(format!("{at}/status")).ok()?;
    if matches!(field(&status, "State:")?.as_bytes().first(), Some(b'Z' | b'X')) {
        return Some(true);
    }
    if may_be_woken(pid) {
        return Some(false);
    }
    let is_pipe = |fd: u64| {
        let link = fs::read_link(format!("{at}/fd/{fd}"));
        link.is_ok_and(|link| link.to_string_lossy().starts_with("pipe:["))
    };
    for task in fs::read_dir(format!("{at}/task")).ok()?.flatten() {
        let tid = task.file_name().to_string_lossy().parse().ok()?;
        let status = fs::read_to_string(task.path().join("status")).ok()?;
        let count = |name| field(&status, name).and_then(|number| number.parse::<u64>().ok());
        let switches = (count("voluntary_ctxt_switches:")?, count("nonvoluntary_ctxt_switches:")?);
        let state = field(&status, "State:")?.bytes().next()?;
        let call = || Call::parse(&fs::read_to_string(task.path().join("syscall")).ok()?);
        let doing = match state {
            b'R' => Doing::Computes,
            b'S' => match call() {
                Some(call) if call.waits_for_its_own(is_pipe) => Doing::Sleeps(call),
                _ => Doing::Other,
            },
            b'Z' | b'X' => continue,
            _ => Doing::Other,
        };
        // How often a thread that computes had to make room says nothing.
        let switches = if doing == Doing::Computes { (0, 0) } else { switches };
        found.push(Thread { pid, tid, doing, switches });
    }
    Some(true)
}

/// True if a timer may wake a process, or that cannot be told.
pub fn may_be_woken(pid: pid_t) -> bool {
    let at = format!("/proc/{pid}");
    let timers = fs::read_to_string(format!("{at}/timers"));
    let status = fs::read_to_string(format!("{at}/status")).unwrap_or_default();
    let caught = field(&status, "SigCgt:").and_then(|mask| u64::from_str_radix(mask, 16).ok());
    let alarmed = |mask: u64| ALARMS.iter().any(|signal| mask & 1 << (signal - 1) != 0);
    !timers.is_ok_and(|timers| timers.trim().is_empty()) || caught.is_none_or(alarmed)
}

/// The rest of the line that begins with `name`.
fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// The processor time that a thread has used.
pub fn processor_time(pid: pid_t, tid: pid_t) -> Option<std::time::Duration> {
    let at = format!("/proc/{pid}/task/{tid}");
    if let Ok(line) = fs::read_to_string(format!("{at}/schedstat"))
        && let Some(Ok(ns)) = line.split_ascii_whitespace().next().map(str::parse::<u64>)
        && ns > 0
    {
        return Some(std::time::Duration::from_nanos(ns));
    }
    let stat = fs::read_to_string(format!("{at}/stat")).ok()?;
    // The fields follow the name in parentheses, which may hold anything; these are the 14th and 15th.
    let mut words = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut ticks = || words.next()?.parse::<u64>().ok();
    let ticks = ticks()? + ticks()?;
    // SAFETY: takes a plain number.
    let a_second = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).ok()?;
    Some(std::time::Duration::from_millis(ticks * 1000 / a_second.max(1)))
}
