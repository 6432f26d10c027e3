//! The control: the workload without any fault, and short sessions. The driver opens, answers, closes,
//! opens again, and everything is there after each `open`. If it cannot even do that the harness is
//! broken, not the store; if it can and something is lost, that is a violation without any fault (`none`).

mod clean;
mod copy;
mod pace;
mod sessions;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::base::{HarnessError, Result};
use crate::driver::drive::{Driven, End, Plan, Processes, drive};
use crate::driver::{Capabilities, Counter, DriverFault, DriverProcess, Target, Timeouts};
use crate::image::Image;
use crate::oracle::{END, Judge, Kind, Loss, Verdict, Violation};
use crate::recover::{Recovered, Recovery, converse};
use crate::scenario::{Case, Options};
use crate::workload::{Answer, Contents, History, Request};

use super::asked;
use super::context::{Control, Timing};
use super::finding::{Cause, Finding, Lines};
use super::outcome::{FaultOutcome, Rejudged};
use copy::Original;
use pace::Pace;

/// Runs the control below `run_root`. An error is a broken harness, or a store that is not where images
/// are taken from; a violation is a finding.
pub fn run(target: &Target, options: &Options, run_root: &Path) -> Result<(Control, FaultOutcome)> {
    if target.check.is_some() {
        return Ok(super::program::control());
    }
    let started = Instant::now();
    let root = tempfile::Builder::new()
        .prefix("control-")
        .tempdir_in(run_root)
        .map_err(|error| HarnessError::at("making a folder in", run_root, error))?;
    let store = |name: &str| {
        let path = root.path().join(name);
        std::fs::create_dir(&path).map_err(|error| HarnessError::at("making", &path, error))?;
        Ok::<_, HarnessError>(path)
    };
    let slowest = Cell::new(Timeouts { open: Duration::ZERO, op: Duration::ZERO });
    let ask =
        |dir: &Path, requests: &[Request], known: Option<&Capabilities>, counter: &mut Counter| {
            let mut host = Processes::new(target, asked::timeouts(options), root.path());
            let plan = Plan { dir, requests, threads: options.threads, capabilities: known };
            let driven = drive(&mut host, counter, &plan);
            slowest.set(host.slowest().max(&slowest.get()));
            driven
        };

    // What the driver understands, from a store of its own: the workload depends on it.
    let mut counter = Counter::default();
    let begun = Instant::now();
    let hello = ask(&store("hello")?, &[Request::Open, Request::Close], None, &mut counter)?;
    let start = begun.elapsed();
    finished(&hello, counter.history(), "an empty store was opened and closed")?;
    let Some(capabilities) = hello.capabilities else {
        return Err(HarnessError::setup("the driver opened and did not say what it promises"));
    };

    two_at_once(target, asked::timeouts(options), [&store("one")?, &store("other")?])?;

    let dir = store("store")?;
    let workload = asked::workload(options, &capabilities);
    let requests = sessions::with_dumps(&workload.requests);
    let mut counter = Counter::default();
    let begun = Instant::now();
    let asked = ask(&dir, &requests, Some(&capabilities), &mut counter)?;
    let ran = begun.elapsed();
    let unopened = |verdict, warnings: Vec<String>, history: History| {
        let outcome = conclude(verdict, &capabilities, &history, started);
        let control = Control {
            clean: kinds(&outcome),
            timing: Timing { took: started.elapsed(), start, ..Timing::default() },
            contents: Contents::new(),
            slowest: Some(slowest.get()),
            opens: false,
            forks: false,
            capabilities: capabilities.clone(),
            history,
            warnings,
        };
        Ok((control, outcome))
    };
    if let Some(verdict) = clean::unopened(&asked.end, counter.history(), &capabilities) {
        return unopened(verdict, counter.warnings().to_vec(), counter.into_history());
    }
    finished(&asked, counter.history(), "the workload was run without any fault")?;
    let copy = Image::load(&dir)?;
    let mut warnings = counter.warnings().to_vec();
    let history = counter.into_history();

    let again = [
        [Request::Open, Request::Dump, Request::Close],
        [Request::Open, Request::Dump, Request::Close],
    ]
    .concat();
    let mut counter = Counter::default();
    let begun = Instant::now();
    let shown = ask(&dir, &again, Some(&capabilities), &mut counter)?;
    let twice = begun.elapsed();
    warnings.extend_from_slice(counter.warnings());
    if let Some(recovery) = clean::opening(&shown.end, counter.history()) {
        let verdict = Judge::new(&history, &capabilities).at(END, Loss::None, &recovery);
        return unopened(verdict, warnings, history);
    }
    finished(&shown, counter.history(), "the store was opened again without any fault")?;
    let [(_, first), (_, second)] = &shown.dumps[..] else {
        return Err(HarnessError::setup("the driver closed twice and dumped not twice"));
    };
    let recovered = Recovered {
        contents: first.contents.clone(),
        contradiction: first.contradiction.clone(),
        ..Recovered::default()
    };
    let judge = Judge::new(&history, &capabilities);
    let mut verdict = judge.at(END, Loss::None, &Recovery::Opened(recovered));
    verdict.judged.insert(Kind::Unstable);
    if second.contents != first.contents {
        verdict.merge(unstable(&first.contents, &second.contents));
    }
    verdict.merge(clean::judge(&history, &capabilities, &asked.dumps));

    // Short lives, and the use that recovered stores are put to: what dies of that dies without a fault.
    let mut short = sessions::requests(&capabilities);
    short.extend([Request::Open, Request::Dump]);
    short.extend(asked::usage(options, &capabilities));
    let mut counter = Counter::default();
    let asked = ask(&store("sessions")?, &short, Some(&capabilities), &mut counter)?;
    match clean::unopened(&asked.end, counter.history(), &capabilities) {
        Some(unopened) => verdict.merge(unopened),
        None => finished(&asked, counter.history(), "short sessions were run without any fault")?,
    }
    warnings.extend_from_slice(counter.warnings());
    verdict.merge(clean::judge(counter.history(), &capabilities, &asked.dumps));

    if verdict.held() {
        let timeouts = asked::timeouts(options);
        let original = Original {
            target,
            capabilities: &capabilities,
            timeouts,
            root: root.path(),
            shown: &first.contents,
        };
        original.check(&copy, &workload.requests)?;
    }
    let outcome = conclude(verdict, &capabilities, &history, started);
    let contents = first.contents.clone();
    // One process opened twice, or two processes once each.
    let recovery = match capabilities.reopen {
        // The first start of all may be the slowest.
        true => (twice.saturating_sub(start) / 2).max(twice / 20),
        false => twice / 2,
    };
    let timeouts = asked::timeouts(options);
    let Pace { recovery, forks } =
        Pace::of(target, &capabilities, timeouts, root.path(), &copy, recovery)?;
    let timing = Timing { took: started.elapsed(), start, recovery, workload: ran };
    let clean = kinds(&outcome);
    let slowest = Some(slowest.get());
    Ok((
        Control {
            capabilities,
            history,
            contents,
            warnings,
            clean,
            slowest,
            timing,
            opens: true,
            forks,
        },
        outcome,
    ))
}

fn kinds(outcome: &FaultOutcome) -> BTreeSet<Kind> {
    outcome.findings.iter().map(|finding| finding.kind).collect()
}

/// An error where a second process of the program cannot open a store of its own while a first one holds
/// another: several images are recovered at once.
fn two_at_once(target: &Target, timeouts: Timeouts, dirs: [&Path; 2]) -> Result<()> {
    let mut open = Vec::new();
    for dir in dirs {
        let root = dir.parent().unwrap_or(dir);
        let (mut process, mut session) = DriverProcess::spawn(target, root, timeouts)?;
        let why = match converse::ask(&mut session, &Request::Open, dir)
            .map(|answered| answered.answer)
        {
            Ok(Answer::Ack) => None,
            Ok(Answer::Err(text) | Answer::Refused(text)) => Some(text),
            Err(DriverFault::Abandoned) => return Err(HarnessError::Interrupted),
            Err(fault) => Some(process.explain(fault).to_string()),
        };
        if let Some(why) = why {
            return Err(HarnessError::setup(format!(
                "a process of the program cannot open a store while another one holds another store \
                 (several are recovered at once, each in a directory of its own): {why}"
            )));
        }
        open.push((process, session));
    }
    for ((mut process, mut session), dir) in open.into_iter().zip(dirs) {
        // How it closes is seen elsewhere.
        let _ = converse::ask(&mut session, &Request::Close, dir);
        session.end_input();
        let _ = process.finish(timeouts.op);
    }
    Ok(())
}

/// The control's findings as a verdict on one case.
pub fn as_verdict(outcome: FaultOutcome) -> Rejudged {
    let violations = outcome
        .findings
        .into_iter()
        .map(|finding| Violation {
            kind: finding.kind,
            sentence: finding.sentence,
            keys: Vec::new(),
            operations: Vec::new(),
            note: finding.note,
        })
        .collect();
    let verdict = Verdict { violations, judged: outcome.judged, undecided: false };
    Rejudged { verdict, evidence: String::new() }
}

/// An error unless every request was answered, the store could be opened, read and closed and took
/// writes, and the driver ended well.
fn finished(driven: &Driven, history: &History, what: &str) -> Result<()> {
    let broken = |why: String| Err(HarnessError::setup(format!("{what}, and {why}")));
    match &driven.end {
        End::Finished => {}
        End::NotOpened(Answer::Refused(text)) => {
            return broken(format!("`open` was refused: {text}"));
        }
        End::NotOpened(Answer::Err(text)) => return broken(format!("`open` failed: {text}")),
        End::NotOpened(Answer::Ack) | End::Stopped => return broken("it was stopped".into()),
        End::Failed(fault) => return broken(fault.to_string()),
    }
    let errors = history.operations.iter().filter_map(|operation| match &operation.answered {
        Some((_, Answer::Err(text) | Answer::Refused(text))) => Some((operation, text)),
        _ => None,
    });
    // `err` is a legal answer to what changes the store, and leaves it indeterminate. A store that
    // cannot be opened, read or closed, or takes no write at all, shows nothing about crashes.
    let fatal = |request: &Request| {
        matches!(request, Request::Open | Request::Dump | Request::Close) || !takes_writes(history)
    };
    match errors.into_iter().find(|(operation, _)| fatal(&operation.request)) {
        None => Ok(()),
        Some((operation, text)) => {
            let word = crate::driver::protocol::word(&operation.request);
            broken(format!("`{word}` was answered with an error: {text}"))
        }
    }
}

/// False if writes were asked for and none was acknowledged.
fn takes_writes(history: &History) -> bool {
    let mut writes =
        history.operations.iter().filter(|operation| !operation.request.is_exclusive()).peekable();
    writes.peek().is_none() || writes.any(|operation| operation.acknowledged().is_some())
}

fn unstable(first: &Contents, second: &Contents) -> Verdict {
    let keys = |a: &Contents, b: &Contents| {
        let differs = |(key, value): &(_, _)| b.get(*key) != Some(*value);
        a.iter().filter(differs).map(|(key, _)| key.clone()).collect::<Vec<_>>()
    };
    let mut changed = keys(first, second);
    changed.extend(keys(second, first));
    changed.sort();
    changed.dedup();
    let violation = Violation {
        kind: Kind::Unstable,
        sentence: format!(
            "closing and opening again without any fault changed {} keys, {} first",
            changed.len(),
            changed.first().map_or("none", |key| key.as_str())
        ),
        keys: changed,
        operations: Vec::new(),
        note: false,
    };
    Verdict { violations: vec![violation], ..Verdict::default() }
}

fn conclude(
    verdict: Verdict,
    capabilities: &Capabilities,
    history: &History,
    started: Instant,
) -> FaultOutcome {
    let mut outcome = FaultOutcome { judged: verdict.judged, ..FaultOutcome::default() };
    outcome.totals.requests = history.operations.len() as u64;
    outcome.totals.states = 1;
    outcome.totals.elapsed = started.elapsed();
    outcome.undecided = u64::from(verdict.undecided);
    let mut known = BTreeSet::new();
    for violation in verdict.violations.into_iter().filter(|found| known.insert(found.kind)) {
        let cause = Cause {
            sentence: "no fault at all: the store was closed cleanly and opened again".into(),
            ..Cause::default()
        };
        outcome.findings.push(Finding {
            id: Finding::stable_id(None, violation.kind, &cause),
            kind: violation.kind,
            fault: None,
            profiles: Default::default(),
            note: violation.note,
            states: 1,
            sentence: violation.sentence,
            cause,
            lines: Lines::default(),
            case: Case { capabilities: capabilities.words().join(" "), ..Case::default() },
            trace: None,
            image: None,
            evidence: String::new(),
            shows: Vec::new(),
            frequency: None,
        });
    }
    outcome
}
