//! One exact case: what was asked and promised, what struck, and the files that belong to it; complete
//! enough to judge again. The parts that only one fault knows are in `strike`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::names::FaultName;
use super::record::HistoryText;

/// Files that belong to a case, by their path below the scenario's folder, with `/` between parts. A
/// folder ends in `/` and has no bytes. A trace, an image's files.
pub type Files = BTreeMap<String, Arc<[u8]>>;

/// One exact case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    /// What the driver promised: the words after the `ack` of its first `open`.
    pub capabilities: String,
    /// The texts of `warn` of the control run.
    pub control_warned: bool,
    /// True if the program needs a real file system and does not run on one in memory.
    pub on_disk: bool,
    /// What struck.
    pub strike: Strike,
    /// The files that the strike names.
    pub files: Files,
}

/// What struck the store: one variant a fault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "lowercase", deny_unknown_fields)]
pub enum Strike {
    /// Nothing: the workload, a clean close, a reopen.
    #[default]
    None,
    /// The process was killed.
    Kill(KillStrike),
    /// The power was cut.
    Power(PowerStrike),
    /// Bytes were damaged at rest.
    Media(MediaStrike),
    /// A call failed.
    Io(IoStrike),
}

/// A kill: the state that it left, with what had been promised by then.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KillStrike {
    /// What had been asked and promised when the store was killed.
    pub history: HistoryText,
    /// The folder that holds the directory as the kill left it.
    pub image: String,
    /// When the kill struck, in words: `acknowledgement 17`, `before call 40`, `inside recovery`.
    pub moment: String,
    /// The cycles on the same store before this one, first to last; `history` begins with what the
    /// last of them showed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<CycleText>,
    /// What the recovered store is asked after its `dump`, where it dies of that: one line a request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub then: Vec<String>,
}

/// A cycle that ended in a kill, and what recovery showed afterwards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CycleText {
    /// What had been asked and promised.
    pub history: HistoryText,
    /// What recovery showed, by key.
    pub shown: BTreeMap<String, String>,
}

/// A power cut: a crash state of one recording.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PowerStrike {
    /// The file that holds the recording in its text form.
    pub trace: String,
    /// The crash point: events before this number have happened.
    pub point: u32,
    /// Whether the process was killed or the power was cut.
    pub loss: String,
    /// The crash state in its text form.
    pub state: String,
    /// Crashes inside recovery, outermost first, each a state of the recovery's own recording.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nested: Vec<PowerStrike>,
    /// What the recovered store is asked after its `dump`, where it dies of that: one line a request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub then: Vec<String>,
}

/// Damage at rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaStrike {
    /// What had been asked and promised when the damage struck.
    pub history: HistoryText,
    /// The folder that holds the directory before the damage.
    pub base: String,
    /// True if the store was killed and not closed before the damage struck.
    pub killed: bool,
    /// The damages in their text form, in the order in which they are done.
    pub damages: Vec<String>,
    /// The damaged bytes were written after this moment of the history: what was acknowledged by then
    /// was written before them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_after: Option<u64>,
    /// True if the damaged directory equals a legal crash state of an earlier moment.
    #[serde(default)]
    pub rollback: bool,
}

/// A store whose power was cut before calls failed on it: what had been asked and promised by then, and
/// the directory, all of it durable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeforeText {
    /// What had been asked and promised.
    pub history: HistoryText,
    /// The folder that holds the directory.
    pub image: String,
}

/// What one dump showed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShownText {
    /// The number of the request.
    pub op: u32,
    /// Every pair.
    pub pairs: BTreeMap<String, String>,
}

/// Which call failed first, by what is the same in another run of the same requests: a number shifts with
/// every call that is added before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StruckText {
    /// The call's name.
    pub call: String,
    /// The file that it was about, the numbers in its path left out; absent for one that made a new file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// How many requests had been sent by then.
    pub request: u32,
    /// Which of the request's calls of this name on this file it was, from 1.
    pub nth: u32,
}

/// A failing call, and what came after it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IoStrike {
    /// The workload, one line a request.
    pub workload: Vec<String>,
    /// At most this many requests are outstanding, where that is more than one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<u32>,
    /// The planned failure in its text form.
    pub plan: String,
    /// Which call it strikes first, where it strikes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub struck: Option<Box<StruckText>>,
    /// What the store had been through before the workload, where it was no new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<BeforeText>,
    /// What each dump of the run showed, where what came after it is judged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<ShownText>,
    /// The recording with the failure, where the running store is judged from it: with several requests
    /// at once another run goes otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// The recording with the failure, and the power cut after it, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<PowerStrike>,
}

impl IoStrike {
    /// True where running it again may go otherwise: several requests are outstanding, and nothing is
    /// judged from a recording.
    pub fn may_differ(&self) -> bool {
        self.threads.is_some() && self.trace.is_none() && self.power.is_none()
    }
}

impl Strike {
    /// The fault; nothing for the control run.
    pub fn fault(&self) -> Option<FaultName> {
        match self {
            Strike::None => None,
            Strike::Kill(_) => Some(FaultName::Kill),
            Strike::Power(_) => Some(FaultName::Power),
            Strike::Media(_) => Some(FaultName::Media),
            Strike::Io(_) => Some(FaultName::Io),
        }
    }

    /// The files and folders that it names, which belong beside the scenario.
    pub fn named(&self) -> Vec<&str> {
        match self {
            Strike::None => Vec::new(),
            Strike::Kill(kill) => vec![&kill.image],
            Strike::Power(power) => power.named(),
            Strike::Media(media) => vec![&media.base],
            Strike::Io(io) => {
                let before = io.before.iter().map(|before| before.image.as_str());
                let power = io.power.iter().flat_map(PowerStrike::named);
                before.chain(io.trace.as_deref()).chain(power).collect()
            }
        }
    }
}

impl PowerStrike {
    fn named(&self) -> Vec<&str> {
        let mut names = vec![self.trace.as_str()];
        names.extend(self.nested.iter().flat_map(PowerStrike::named));
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_names_the_recording_from_which_its_running_store_is_judged() {
        let io = IoStrike { trace: Some("trace.bin".into()), ..IoStrike::default() };
        assert_eq!(Strike::Io(io).named(), ["trace.bin"]);
    }
}
