//! A history as a scenario holds it: one object a request, in the text form of the workload room.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::{HarnessError, Result};
use crate::workload::text::{parse_key, parse_request, parse_value, print_request, print_value};
use crate::workload::{Answer, Contents, History, Moment, Operation};

/// A history in text form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryText {
    /// What the store held before, by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub initial: BTreeMap<String, String>,
    /// The requests in the order of their beginnings.
    pub operations: Vec<OperationText>,
}

/// One request with its interval.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationText {
    /// What was asked: a line of the workload's text form.
    pub request: String,
    /// When it was sent; only the order of moments matters.
    pub begun: u64,
    /// When it was answered; absent if it was outstanding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<u64>,
    /// `ack`, `err TEXT` or `refused TEXT`; absent if it was outstanding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

impl HistoryText {
    /// The text form of a history.
    pub fn of(history: &History) -> Self {
        let initial = history
            .initial
            .iter()
            .map(|(key, value)| (key.to_string(), print_value(value)))
            .collect();
        let operations = history
            .operations
            .iter()
            .map(|operation| OperationText {
                request: print_request(&operation.request),
                begun: operation.begun.0,
                answered: operation.answered.as_ref().map(|(moment, _)| moment.0),
                answer: operation.answered.as_ref().map(|(_, answer)| match answer {
                    Answer::Ack => "ack".into(),
                    Answer::Err(text) => format!("err {text}"),
                    Answer::Refused(text) => format!("refused {text}"),
                }),
            })
            .collect();
        Self { initial, operations }
    }

    /// The history; an error names the operation, from 1, and what was expected.
    pub fn parse(&self) -> Result<History> {
        let mut initial = Contents::new();
        for (key, value) in &self.initial {
            initial.insert(parse_key(key)?, parse_value(value)?);
        }
        let mut operations: Vec<Operation> = Vec::new();
        for (index, text) in self.operations.iter().enumerate() {
            let operation = text
                .parse()
                .map_err(|error| bad(format!("history.operations[{index}]: {error}")))?;
            if operations.last().is_some_and(|last| last.begun > operation.begun) {
                return Err(bad(format!(
                    "history.operations[{index}]: begun before its predecessor"
                )));
            }
            operations.push(operation);
        }
        Ok(History { initial, operations })
    }
}

impl OperationText {
    fn parse(&self) -> Result<Operation> {
        let answered = match (self.answered, self.answer.as_deref()) {
            (None, None) => None,
            (Some(moment), Some(answer)) => {
                if moment <= self.begun {
                    return Err(bad("answered: expected a moment after `begun`"));
                }
                Some((Moment(moment), parse_answer(answer)?))
            }
            _ => return Err(bad("answered, answer: expected both or neither")),
        };
        Ok(Operation {
            request: parse_request(&self.request)?,
            begun: Moment(self.begun),
            answered,
        })
    }
}

fn parse_answer(text: &str) -> Result<Answer> {
    match text.split_once(' ').unwrap_or((text, "")) {
        ("ack", "") => Ok(Answer::Ack),
        ("err", text) => Ok(Answer::Err(text.into())),
        ("refused", text) => Ok(Answer::Refused(text.into())),
        _ => Err(bad("answer: expected `ack`, `err TEXT` or `refused TEXT`")),
    }
}

fn bad(text: impl Into<String>) -> HarnessError {
    HarnessError::input(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Request;

    #[test]
    fn a_history_parses_back_from_its_text() {
        let operation =
            |request, begun, answered| Operation { request, begun: Moment(begun), answered };
        let history = History {
            initial: [(parse_key("a").unwrap(), parse_value("=@x").unwrap())].into(),
            operations: vec![
                operation(Request::Open, 1, Some((Moment(2), Answer::Ack))),
                operation(
                    parse_request("put k v").unwrap(),
                    3,
                    Some((Moment(5), Answer::Err("no room".into()))),
                ),
                operation(Request::Sync, 4, None),
            ],
        };
        assert_eq!(HistoryText::of(&history).parse().unwrap(), history);
    }

    #[test]
    fn what_is_wrong_in_a_history_is_named() {
        let operation = |request: &str, begun, answered, answer: Option<&str>| OperationText {
            request: request.into(),
            begun,
            answered,
            answer: answer.map(str::to_owned),
        };
        let cases = [
            (operation("push", 1, None, None), "expected open, put"),
            (operation("sync", 3, Some(2), Some("ack")), "after `begun`"),
            (operation("sync", 3, Some(4), None), "both or neither"),
            (operation("sync", 3, Some(4), Some("yes")), "expected `ack`"),
        ];
        for (operation, expected) in cases {
            let text = HistoryText { operations: vec![operation], ..HistoryText::default() };
            let error = text.parse().unwrap_err().to_string();
            assert!(error.contains("operations[0]") && error.contains(expected), "{error}");
        }
    }
}
