//! The scenario file: JSON, version 1 (docs/SCENARIO.md). Parsing trusts nothing: unknown fields,
//! versions and names are errors that say what was expected. Nothing here touches the file system.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::{HarnessError, Result};

use super::case::{Case, Strike};
use super::names::{FaultName, Outcome, Profile};
use super::options::{Extent, Options};

/// The version of the format.
pub const VERSION: u32 = 1;

/// What to run and what must come out.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Its story, for people.
    pub about: String,
    /// The store.
    pub target: TargetText,
    /// The options; for a case only those that bear on one case.
    pub options: Options,
    /// One exact case; where there is none, a whole run.
    pub case: Option<Case>,
    /// Why the case's recording is judged and the program not run again, where that is so.
    pub recorded: Option<String>,
    /// What must come out.
    pub expect: Expect,
}

/// The store of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum TargetText {
    /// A bundled engine by its name.
    Engine(String),
    /// A program and its arguments.
    Program(Vec<String>),
    /// A whole program that does not speak the protocol.
    Whole {
        /// The command that stores something and prints what it promises.
        workload: String,
        /// The command that checks what a crash left.
        check: String,
    },
}

/// What must come out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    /// Of a run its outcome; of a case `held` or `violated`.
    pub outcome: Outcome,
    /// The kind of the worst violation, where there is one.
    pub kind: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScenarioText {
    unplug: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    about: String,
    target: TargetText,
    #[serde(default)]
    options: OptionsText,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    case: Option<CaseText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recorded: Option<String>,
    expect: ExpectText,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseText {
    capabilities: String,
    #[serde(default)]
    control_warned: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    on_disk: bool,
    strike: Strike,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectText {
    outcome: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
}

/// The options as a scenario and a report hold them; what is absent is the default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptionsText {
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    faults: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profiles: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fail_on: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cases: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    threads: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    writers: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ops: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_bytes: Option<[usize; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint_every: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reopen_every: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_open_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_op_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_coverage: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    atomic_write_bytes: Option<u64>,
}

impl Scenario {
    /// Parses a scenario file's text. The files that its case names are not read.
    pub fn parse(text: &str) -> Result<Self> {
        let version: BTreeMap<String, serde_json::Value> = serde_json::from_str(text)
            .map_err(|error| bad(format!("not a JSON object: {error}")))?;
        match version.get("unplug") {
            Some(number) if number.as_u64() == Some(VERSION.into()) => {}
            Some(other) => return Err(bad(format!("unplug: version {other}: expected {VERSION}"))),
            None => return Err(bad(format!("unplug: missing: expected the version, {VERSION}"))),
        }
        let mut json = serde_json::Deserializer::from_str(text);
        let file: ScenarioText = serde_path_to_error::deserialize(&mut json)
            .map_err(|error| bad(format!("{}: {}", error.path(), error.inner())))?;
        if let TargetText::Program(argv) = &file.target
            && argv.is_empty()
        {
            return Err(bad("target.program: empty: expected a program and its arguments"));
        }
        let outcome = Outcome::parse(&file.expect.outcome).ok_or_else(|| {
            expected("expect.outcome", &file.expect.outcome, Outcome::ALL.map(Outcome::name))
        })?;
        let case = file.case.map(|case| Case {
            capabilities: case.capabilities,
            control_warned: case.control_warned,
            on_disk: case.on_disk,
            strike: case.strike,
            files: BTreeMap::new(),
        });
        if case.is_none() && file.recorded.is_some() {
            return Err(bad("recorded: a run has no recording: expected a case"));
        }
        if case.is_some() && !matches!(outcome, Outcome::Held | Outcome::Violated) {
            return Err(bad("expect.outcome: a case is `held` or `violated`"));
        }
        Ok(Scenario {
            about: file.about,
            target: file.target,
            options: file.options.parse()?,
            case,
            recorded: file.recorded,
            expect: Expect { outcome, kind: file.expect.kind },
        })
    }

    /// The file's text, which parses back to the same but for the case's files.
    pub fn print(&self) -> String {
        let file = ScenarioText {
            unplug: VERSION,
            about: self.about.clone(),
            target: self.target.clone(),
            options: OptionsText::of(&self.options),
            case: self.case.as_ref().map(|case| CaseText {
                capabilities: case.capabilities.clone(),
                control_warned: case.control_warned,
                on_disk: case.on_disk,
                strike: case.strike.clone(),
            }),
            recorded: self.recorded.clone(),
            expect: ExpectText {
                outcome: self.expect.outcome.name().into(),
                kind: self.expect.kind.clone(),
            },
        };
        let mut text = serde_json::to_string_pretty(&file).unwrap_or_default();
        text.push('\n');
        text
    }
}

impl OptionsText {
    /// The text form of options, with everything said.
    pub fn of(options: &Options) -> Self {
        Self {
            seed: Some(options.seed),
            faults: Some(options.faults.iter().map(|fault| fault.to_string()).collect()),
            profiles: Some(options.profiles.iter().map(|each| each.to_string()).collect()),
            fail_on: Some(options.fail_on.to_string()),
            budget_s: match options.extent {
                Extent::Time(time) => Some(time.as_secs_f64()),
                _ => None,
            },
            cases: match options.extent {
                Extent::Cases(cases) => Some(cases),
                _ => None,
            },
            threads: Some(options.threads),
            writers: Some(options.writers),
            ops: Some(options.ops),
            value_bytes: Some([*options.value_bytes.start(), *options.value_bytes.end()]),
            checkpoint_every: Some(options.checkpoint_every),
            reopen_every: Some(options.reopen_every),
            timeout_open_s: Some(options.timeout_open.as_secs_f64()),
            timeout_op_s: Some(options.timeout_op.as_secs_f64()),
            min_coverage: Some(options.min_coverage),
            atomic_write_bytes: Some(options.atomic_write_bytes),
        }
    }

    /// The options; an error names the field and what was expected.
    pub fn parse(&self) -> Result<Options> {
        let base = Options::default();
        let faults = match &self.faults {
            None => base.faults,
            Some(names) => names
                .iter()
                .map(|name| {
                    FaultName::parse(name).ok_or_else(|| {
                        expected("options.faults", name, FaultName::ALL.map(FaultName::name))
                    })
                })
                .collect::<Result<_>>()?,
        };
        let profile = |field: &str, name: &String| {
            Profile::parse(name)
                .ok_or_else(|| expected(field, name, Profile::ALL.map(Profile::name)))
        };
        let profiles = match &self.profiles {
            None => base.profiles,
            Some(names) => {
                names.iter().map(|name| profile("options.profiles", name)).collect::<Result<_>>()?
            }
        };
        let extent = match (self.budget_s, self.cases) {
            (None, None) => Extent::Default,
            (Some(time), None) => Extent::Time(seconds("options.budget_s", time)?),
            (None, Some(cases)) => Extent::Cases(cases),
            (Some(_), Some(_)) => {
                return Err(bad("options: budget_s and cases exclude each other"));
            }
        };
        let time = |field: &str, given: Option<f64>, default| {
            given.map_or(Ok(default), |given| seconds(field, given))
        };
        Options {
            seed: self.seed.unwrap_or(base.seed),
            faults,
            profiles,
            fail_on: match &self.fail_on {
                None => base.fail_on,
                Some(name) => profile("options.fail_on", name)?,
            },
            extent,
            threads: self.threads.unwrap_or(base.threads),
            writers: self.writers.unwrap_or(base.writers),
            ops: self.ops.unwrap_or(base.ops),
            value_bytes: self.value_bytes.map_or(base.value_bytes, |[low, high]| low..=high),
            checkpoint_every: self.checkpoint_every.unwrap_or(base.checkpoint_every),
            reopen_every: self.reopen_every.unwrap_or(base.reopen_every),
            timeout_open: time("options.timeout_open_s", self.timeout_open_s, base.timeout_open)?,
            timeout_op: time("options.timeout_op_s", self.timeout_op_s, base.timeout_op)?,
            min_coverage: self.min_coverage.unwrap_or(base.min_coverage),
            atomic_write_bytes: self.atomic_write_bytes.unwrap_or(base.atomic_write_bytes),
            workers: base.workers,
            out: base.out,
        }
        .checked()
        .map_err(|error| bad(format!("options.{error}")))
    }
}

/// A length of time in seconds from untrusted input.
fn seconds(field: &str, value: f64) -> Result<Duration> {
    match Duration::try_from_secs_f64(value) {
        Ok(time) if value <= 1e7 => Ok(time),
        _ => Err(bad(format!("{field}: {value}: expected seconds, 0 to 10,000,000"))),
    }
}

fn expected<const N: usize>(field: &str, given: &str, names: [&str; N]) -> HarnessError {
    bad(format!("{field}: `{}`: expected one of {}", given.escape_default(), names.join(", ")))
}

fn bad(text: impl Into<String>) -> HarnessError {
    HarnessError::input(text)
}

#[cfg(test)]
mod tests;
