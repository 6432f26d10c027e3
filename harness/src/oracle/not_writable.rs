//! `not-writable`: after recovery a put, its acknowledgement and a reopen do not give it back. Judged
//! on a sample; never where bytes were damaged or the disk is made to fail.

use super::unstable::{difference, failure};
use super::verdict::{Kind, Verdict, Violation};
use crate::recover::{Recovered, Recovery};
use crate::workload::{Answer, Key, Value};

/// A put that was tried on a recovered store.
#[derive(Clone, Debug)]
pub struct Trial<'a> {
    /// The key.
    pub key: &'a Key,
    /// The value.
    pub value: &'a Value,
    /// Its answer; nothing if the driver died or hung instead.
    pub answer: Option<&'a Answer>,
}

/// Judges the trial: `first` is what recovery had shown, `second` what was there after the put and a
/// clean close.
pub fn written(first: &Recovered, trial: &Trial<'_>, second: &Recovery) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.judged.extend([Kind::NotWritable, Kind::Unstable, Kind::Refused]);
    let key = trial.key;
    let problem = match (trial.answer, second) {
        (None, _) => Some("is not answered".to_owned()),
        (Some(Answer::Err(text) | Answer::Refused(text)), _) => Some(format!("fails: {text}")),
        (Some(Answer::Ack), Recovery::Opened(second)) => {
            let lost = second.contents.get(key) != Some(trial.value);
            lost.then(|| "is acknowledged and gone after a clean close and reopen".to_owned())
        }
        (Some(Answer::Ack), _) => None,
    };
    if let Some(problem) = problem {
        verdict.violations.push(Violation {
            kind: Kind::NotWritable,
            sentence: format!("a put of {key} after recovery {problem}"),
            keys: vec![key.clone()],
            operations: Vec::new(),
            note: false,
        });
        return verdict;
    }
    verdict.violations.extend(match second {
        Recovery::Opened(second) => {
            let mut expected = first.contents.clone();
            expected.insert(key.clone(), trial.value.clone());
            difference(&expected, &second.contents)
        }
        other => failure(other),
    });
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::written::{contents, opened};

    fn kinds(answer: Option<Answer>, second: &str) -> Vec<Kind> {
        let first = Recovered { contents: contents("a=1"), ..Recovered::default() };
        let (key, value) = (Key::from("new"), Value::from("9"));
        let trial = Trial { key: &key, value: &value, answer: answer.as_ref() };
        let verdict = written(&first, &trial, &opened(second));
        verdict.violations.iter().map(|violation| violation.kind).collect()
    }

    #[test]
    fn a_put_after_recovery_must_be_taken_and_kept() {
        assert_eq!(kinds(Some(Answer::Ack), "a=1 new=9"), []);
        assert_eq!(kinds(Some(Answer::Ack), "a=1"), [Kind::NotWritable]);
        assert_eq!(kinds(Some(Answer::Ack), "a=1 new=8"), [Kind::NotWritable]);
        assert_eq!(kinds(Some(Answer::Err("read-only".into())), "a=1"), [Kind::NotWritable]);
        assert_eq!(kinds(None, "a=1"), [Kind::NotWritable]);
    }

    #[test]
    fn a_put_after_recovery_must_not_change_what_else_is_there() {
        assert_eq!(kinds(Some(Answer::Ack), "new=9"), [Kind::Unstable]);
    }
}
