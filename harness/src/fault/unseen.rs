//! What a recording did not see. Crash states are derived from what was recorded, and promises from the
//! answers in it: where a part of either is missing, every state derived from it may be one that never
//! was, so none is judged and nothing that rests on the recording is ever a violation.

use std::collections::BTreeMap;

use crate::base::{HarnessError, Result};
use crate::trace::Trace;
use crate::workload::{Answer, History};

/// Calls that are not modelled and change neither bytes nor names: what they set is in no image, and
/// whether the store needs it is seen from the directory that the run left.
const ATTRIBUTES: [&str; 10] = [
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "setxattrat",
    "removexattr",
    "lremovexattr",
    "fremovexattr",
    "removexattrat",
    "file_setattr",
    "open_by_handle_at",
];

/// Why no state of this recording may be judged; empty where all of it was seen.
pub fn of(trace: &Trace) -> Vec<String> {
    let mut why = trace.blind.clone();
    let changing = trace.unmodelled.iter().filter(|(name, _)| !ATTRIBUTES.contains(&name.as_str()));
    why.extend(changing.map(|(name, count)| {
        format!("{name} changed the store in a way that is not modelled ({count} times)")
    }));
    why
}

/// An error that gives the reasons, where there are any.
pub fn refuse(why: &[String]) -> Result<()> {
    match why {
        [] => Ok(()),
        why => Err(HarnessError::NotMeasured(why.join("; "))),
    }
}

/// The calls that the recorder answered in the kernel's place, in words; nothing where there were none.
fn answered(calls: &BTreeMap<String, u64>) -> Option<String> {
    let names: Vec<&str> = calls.keys().map(String::as_str).collect();
    (!names.is_empty()).then(|| {
        format!(
            "while the program is recorded, {} does not reach the kernel: unplug answers it",
            names.join(", ")
        )
    })
}

/// `failure` is a recording that ended otherwise than the control. Where the recorder had answered calls
/// of the program's, that may be why, and the program cannot be blamed nor the harness.
pub fn excused(failure: HarnessError, calls: &BTreeMap<String, u64>) -> HarnessError {
    match (failure, answered(calls)) {
        (HarnessError::EndsOtherwise(why), Some(answered)) => {
            HarnessError::NotMeasured(format!("{why}; {answered}"))
        }
        (failure, _) => failure,
    }
}

/// A call that the recorder answers with success: no request fails for want of it.
const GRANTED: &str = "sched_setaffinity";

/// An error where the program answered requests with errors, the control had none, and the recorder had
/// refused calls of the program's.
pub fn errors(recorded: &History, control: &History, calls: &BTreeMap<String, u64>) -> Result<()> {
    let refused = calls.iter().filter(|(name, _)| *name != GRANTED);
    let refused: BTreeMap<String, u64> =
        refused.map(|(name, count)| (name.clone(), *count)).collect();
    let Some(answered) = answered(&refused) else { return Ok(()) };
    let (Some(text), None) = (first_error(recorded), first_error(control)) else { return Ok(()) };
    Err(HarnessError::NotMeasured(format!(
        "a request was answered with an error, and none in the control: {text}; {answered}"
    )))
}

fn first_error(history: &History) -> Option<&str> {
    history.operations.iter().find_map(|operation| match &operation.answered {
        Some((_, Answer::Err(text) | Answer::Refused(text))) => Some(text.as_str()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Moment, Operation, Request};

    fn trace(unmodelled: &[&str], blind: &[&str]) -> Trace {
        Trace {
            unmodelled: unmodelled.iter().map(|name| ((*name).to_owned(), 2)).collect(),
            blind: blind.iter().map(|text| (*text).to_owned()).collect(),
            ..Trace::default()
        }
    }

    fn history(answer: Answer) -> History {
        let answered = Some((Moment(2), answer));
        let operation = Operation { request: Request::Sync, begun: Moment(1), answered };
        History { operations: vec![operation], ..History::default() }
    }

    #[test]
    fn an_attribute_is_no_part_of_an_image_and_bytes_are() {
        assert_eq!(of(&trace(&["setxattr", "file_setattr"], &[])), [""; 0]);
        assert_eq!(of(&trace(&["fallocate insert range"], &["chroot"])).len(), 2);
        assert!(refuse(&of(&trace(&[], &[]))).is_ok());
        let error = refuse(&of(&trace(&["madvise"], &["chroot"]))).unwrap_err().to_string();
        assert!(error.contains("chroot; madvise"), "{error}");
    }

    #[test]
    fn a_recording_that_fails_after_a_call_was_answered_for_the_kernel_is_not_measured() {
        let calls = BTreeMap::from([("io_uring_setup".to_owned(), 1)]);
        let failure = || HarnessError::EndsOtherwise("it died".into());
        let excused_error = excused(failure(), &calls).to_string();
        assert!(excused_error.contains("io_uring_setup"), "{excused_error}");
        assert!(matches!(excused(failure(), &BTreeMap::new()), HarnessError::EndsOtherwise(_)));
        let broken = excused(HarnessError::broken("other"), &calls);
        assert!(matches!(broken, HarnessError::Broken(_)));
    }

    #[test]
    fn errors_that_the_control_did_not_show_are_excused_only_by_an_answered_call() {
        let calls = BTreeMap::from([("io_setup".to_owned(), 1)]);
        let (bad, good) = (history(Answer::Err("no ring".into())), history(Answer::Ack));
        assert!(errors(&bad, &good, &calls).is_err());
        assert!(errors(&bad, &bad, &calls).is_ok(), "the control had errors too");
        assert!(errors(&good, &good, &calls).is_ok());
        assert!(errors(&bad, &good, &BTreeMap::new()).is_ok());
        let granted = BTreeMap::from([("sched_setaffinity".to_owned(), 1)]);
        assert!(errors(&bad, &good, &granted).is_ok());
    }
}
