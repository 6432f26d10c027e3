//! One recovery as a conversation: `open`, `dump`, `close`, one after the other, and what came of it.

use std::path::Path;

use super::outcome::{Recovered, Recovery, Stage};
use crate::driver::{Answered, Driven, DriverFault, End, Hang, Session, Unwatched};
use crate::workload::{Answer, OpNo, Request};

/// What one conversation showed, and whether the process may be asked again.
#[derive(Debug)]
pub(super) enum Talk {
    /// Answered to the end; the process waits for the next `open`.
    Done(Recovery),
    /// Answered, but what the process holds now is not certain: take a new one.
    DoneWith(Recovery),
    /// The driver failed at this stage.
    Failed(Stage, DriverFault),
}

/// Asks for `open`, `dump` and `close` of the store in `dir`, with other requests before and after the
/// dump. The answer to the last of those after it goes to `answer`.
pub(super) fn converse(
    session: &mut Session,
    dir: &Path,
    before: &[Request],
    after: &[Request],
    answer: &mut Option<Answer>,
) -> Talk {
    session.take_warnings();
    let opened = match ask(session, &Request::Open, dir) {
        Ok(opened) => opened,
        Err(fault) => return Talk::Failed(Stage::Open, fault),
    };
    let refused = |text, stage, warnings| Recovery::Refused { stage, text, warnings };
    match opened.answer {
        Answer::Ack => {}
        Answer::Refused(text) => {
            return Talk::Done(refused(text, Stage::Open, session.take_warnings()));
        }
        Answer::Err(text) => {
            return Talk::DoneWith(refused(text, Stage::Open, session.take_warnings()));
        }
    }
    for request in before {
        if let Err(fault) = ask(session, request, dir) {
            return Talk::Failed(Stage::Dump, fault);
        }
    }
    let dumped = match ask(session, &Request::Dump, dir) {
        Ok(dumped) => dumped,
        Err(fault) => return Talk::Failed(Stage::Dump, fault),
    };
    let warnings = session.take_warnings();
    let recovery = match dumped.answer {
        Answer::Ack => Recovery::Opened(recovered(dumped.dump.unwrap_or_default(), warnings)),
        Answer::Err(text) | Answer::Refused(text) => refused(text, Stage::Dump, warnings),
    };
    for request in after {
        match ask(session, request, dir) {
            Ok(answered) => *answer = Some(answered.answer),
            Err(fault) => return Talk::Failed(Stage::Close, fault),
        }
    }
    match ask(session, &Request::Close, dir) {
        Ok(Answered { answer: Answer::Ack, .. }) => Talk::Done(recovery),
        Ok(_) => Talk::DoneWith(recovery),
        Err(fault) => Talk::Failed(Stage::Close, fault),
    }
}

/// One request and its answer, with nothing else outstanding.
pub fn ask(session: &mut Session, request: &Request, dir: &Path) -> Result<Answered, DriverFault> {
    session.ask(OpNo(0), request, dir, &mut Unwatched)?;
    session.answer(&mut Unwatched)
}

fn recovered(dump: crate::driver::Dump, warnings: Vec<String>) -> Recovered {
    Recovered { contents: dump.contents, warnings, contradiction: dump.contradiction }
}

/// A driver's failure during recovery.
pub fn failed(stage: Stage, fault: DriverFault) -> Recovery {
    match fault {
        DriverFault::Died { how, stderr } => {
            Recovery::Crashed { stage, how, stderr, garbled: false }
        }
        DriverFault::Hung { hang, .. } => Recovery::Hung { stage, hang },
        // Whoever asked ends the run; a recovery that was given up shows nothing.
        DriverFault::Abandoned => Recovery::Hung { stage, hang: Hang::Limit },
        broke @ (DriverFault::BrokeProtocol { .. } | DriverFault::TookRoom { .. }) => {
            let garbled = matches!(broke, DriverFault::BrokeProtocol { .. });
            Recovery::Crashed { stage, how: broke.to_string(), stderr: String::new(), garbled }
        }
    }
}

/// The requests of a recovery, for whoever drives one itself (to record it, say).
pub const REQUESTS: [Request; 3] = [Request::Open, Request::Dump, Request::Close];

/// What a recovery that was driven with [`REQUESTS`] showed. `answers` are the answers of the history
/// so far, in order; `warnings` what was warned before the answer to `dump`.
pub fn of_driven(driven: &Driven, answers: &[Answer], warnings: Vec<String>) -> Recovery {
    let stage = match answers {
        [] => Stage::Open,
        [_] => Stage::Dump,
        _ => Stage::Close,
    };
    match (&driven.end, answers) {
        (End::NotOpened(Answer::Refused(text) | Answer::Err(text)), _) => {
            Recovery::Refused { stage: Stage::Open, text: text.clone(), warnings }
        }
        (_, [_, Answer::Err(text) | Answer::Refused(text), ..]) => {
            Recovery::Refused { stage: Stage::Dump, text: text.clone(), warnings }
        }
        // What happens after `close` was answered is no part of recovery.
        (End::Failed(fault), answers) if answers.len() < REQUESTS.len() => {
            failed(stage, fault.clone())
        }
        _ => match driven.dumps.first() {
            Some((_, dump)) => Recovery::Opened(recovered(dump.clone(), warnings)),
            // Never taken for a store that showed nothing.
            None => Recovery::Crashed {
                stage,
                how: "it was stopped before it showed anything".into(),
                stderr: String::new(),
                garbled: false,
            },
        },
    }
}
