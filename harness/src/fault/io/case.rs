//! The case of a failing run, as it is saved.

use super::examined::Place;
use super::group::Scene;
use super::run::{Run, Stage};
use super::struck::named;
use crate::driver::Dump;
use crate::fault::stored;
use crate::oracle::Kind;
use crate::persistence::CrashState;
use crate::record::Plan;
use crate::scenario::{
    BeforeText, Case, Files, HistoryText, IoStrike, PowerStrike, ShownText, Strike,
};
use crate::trace::file;
use crate::workload::OpNo;
use crate::workload::text::{print_request, print_value};

/// The file with the recording.
const TRACE: &str = "trace.bin";
/// The folder with the directory that the store was found in.
const BEFORE: &str = "before";

/// The case of a failing run.
pub fn case_of(
    stage: &Stage,
    run: &Run,
    plan: &Plan,
    (kind, place): (Kind, &Place),
    scene: &Scene<'_>,
) -> Case {
    let mut files = Files::new();
    let before = stage.before.as_ref().map(|before| {
        stored::put(&mut files, BEFORE, &before.image);
        BeforeText { history: HistoryText::of(&before.history), image: BEFORE.into() }
    });
    let (mut power, mut trace, mut shown) = (None, None, Vec::new());
    match place {
        Place::State(state) => {
            power = Some(PowerStrike {
                trace: TRACE.into(),
                point: state.point.0,
                loss: loss_word(state).into(),
                state: state.to_string(),
                nested: Vec::new(),
                then: Vec::new(),
            });
        }
        // How a program ends is seen by running it.
        Place::Running if stage.threads > 1 && !is_end(kind) => trace = Some(TRACE.into()),
        Place::Running => {}
    }
    if power.is_some() || trace.is_some() {
        files.insert(TRACE.into(), file::encode(&run.trace).into());
        shown = run.driven.dumps.iter().map(|(op, dump)| shown_text(*op, dump)).collect();
    }
    Case {
        capabilities: scene.capabilities.words().join(" "),
        control_warned: scene.warned,
        on_disk: false,
        strike: Strike::Io(IoStrike {
            workload: stage.requests.iter().map(print_request).collect(),
            threads: (stage.threads > 1).then_some(stage.threads),
            plan: plan.to_string(),
            struck: run.hit.as_ref().and_then(|hit| named(&run.trace, hit.no)).map(Box::new),
            before,
            shown,
            trace,
            power,
        }),
        files,
    }
}

/// True for what is wrong with how the program ended.
pub(super) fn is_end(kind: Kind) -> bool {
    matches!(kind, Kind::CrashedOnError | Kind::RecoveryHung)
}

pub(super) fn loss_word(state: &CrashState) -> &'static str {
    if state.is_kill() { "kill" } else { "power" }
}

fn shown_text(op: OpNo, dump: &Dump) -> ShownText {
    let pair = |(key, value): (&crate::workload::Key, &crate::workload::Value)| {
        (key.to_string(), print_value(value))
    };
    ShownText { op: op.0, pairs: dump.contents.iter().map(pair).collect() }
}
