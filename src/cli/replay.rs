//! `unplug replay`: does today's build of the program still have what each scenario shows?

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use unplug_harness::base::{HarnessError, Result};
use unplug_harness::campaign::{How, Replayed, replay};
use unplug_harness::driver::Target;
use unplug_harness::fault::Silent;
use unplug_harness::scenario::{Options, Outcome, Scenario, TargetText, folder};

use super::{run, say, setting::Setting, target};

/// What can be said to `unplug replay`.
#[derive(Debug, Args)]
#[command(
    after_help = "A case is asked of today's program: its requests are recorded again, the same calls' \
    effects are lost (or the same bytes damaged, the same call failed), and what the program makes of \
    that and of the states around it is judged. The answers:\n  \
    still fails  today's program has it\n  \
    fixed        its calls match, and neither the state of the case nor those around it fail\n  \
    changed      its calls differ too much; the states in their place were explored, which held or not\n\n\
    Exit 0: each as expected. 1: at least one is not. 4: at least one could not be measured. 2: usage."
)]
pub struct ReplayCommand {
    /// Scenario files, or folders of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// What each must come to, whatever its file says: `held` for regressions that were fixed
    #[arg(long, value_parser = outcome, value_name = "held|violated")]
    expect: Option<Outcome>,
    /// Judge the recordings alone: what failed when they were made, with today's recovery. For findings of
    /// a program that is not at hand in the version that made them
    #[arg(long)]
    recorded: bool,
    /// Let the programs write wherever you can. Without this they can write to the store's directory, to that of
    /// UNPLUG_RUN and to TMPDIR alone, for nobody vouches for what a scenario holds
    #[arg(long)]
    unconfined: bool,
    /// Judge at most this many states of each case (runs, where a call fails)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    cases: Option<u64>,
    /// The program to ask, in the place of the one that the scenarios name
    #[arg(last = true, value_name = "PROGRAM ARGS")]
    program: Vec<String>,
}

/// Replays all of them; exit 0 if each gave what is expected.
pub fn run(command: ReplayCommand) -> anyhow::Result<ExitCode> {
    if command.program.is_empty() && std::env::args_os().any(|argument| argument == "--") {
        return Err(HarnessError::input("nothing after `--`: expected a program").into());
    }
    let mut files = Vec::new();
    for path in &command.paths {
        let found = folder::find(path)?;
        if found.is_empty() {
            return Err(
                HarnessError::input(format!("{}: no scenario in it", path.display())).into()
            );
        }
        files.extend(found);
    }
    // All are read before any is run: a mistake in the last must not cost the time of the first.
    let mut tasks = Vec::new();
    for path in &files {
        let mut scenario = folder::read(path)?;
        let here = found(&mut scenario, &command.program).map_err(|error| error.about(path))?;
        if let Some(here) = here {
            say::line(format_args!("{}: {here}", path.display()))?;
        }
        let target = target::resolve(&scenario.target, scenario.options.threads)
            .map_err(|error| error.about(path))?;
        tasks.push((path, scenario, target));
    }
    let how = How { recorded: command.recorded, cases: command.cases, expect: command.expect };
    let setting = match command.unconfined {
        true => Setting::make()?,
        false => Setting::confined(&[])?,
    };
    let (mut wrong, mut unmeasured) = (0, 0);
    for (path, scenario, target) in &mut tasks {
        setting.give_temporary(target);
        if setting.is_interrupted() {
            return Err(HarnessError::Interrupted.into());
        }
        match one(scenario, target, &setting, how) {
            Ok(replayed) => {
                tell(path, scenario, &replayed, how)?;
                wrong += u32::from(!replayed.as_expected);
            }
            // One that cannot be judged is no reason to say nothing of the others.
            Err(
                HarnessError::NotMeasured(why)
                | HarnessError::Setup(why)
                | HarnessError::Broken(why),
            ) => {
                say::line(format_args!("{}: NOT MEASURED: {why}", path.display()))?;
                unmeasured += 1;
            }
            Err(error) => return Err(error.about(path).into()),
        }
    }
    let all = tasks.len() as u32;
    let rest = match unmeasured {
        0 => String::new(),
        some => format!(", {some} not measured"),
    };
    say::line(format_args!("{} of {all} scenarios as expected{rest}", all - wrong - unmeasured))?;
    if setting.is_confined() && wrong + unmeasured > 0 {
        say::aside(
            "the programs could write to their own folders alone; where one has to write elsewhere, `--unconfined` lets it",
        );
    }
    Ok(ExitCode::from(match (wrong, unmeasured) {
        (0, 0) => 0,
        (0, _) => Outcome::NotMeasured.exit_code(),
        _ => 1,
    }))
}

fn outcome(text: &str) -> std::result::Result<Outcome, String> {
    match Outcome::parse(text) {
        Some(outcome @ (Outcome::Held | Outcome::Violated)) => Ok(outcome),
        _ => Err("expected held or violated".into()),
    }
}

/// Has the scenario name a program that is there; a line to say where one was found that stands elsewhere.
fn found(scenario: &mut Scenario, given: &[String]) -> Result<Option<String>> {
    if let TargetText::Whole { .. } = scenario.target {
        return match given.is_empty() {
            true => Ok(None),
            false => {
                Err(HarnessError::input("a whole program is its two commands: nothing after `--`"))
            }
        };
    }
    if !given.is_empty() {
        scenario.target = TargetText::Program(given.to_vec());
    }
    let TargetText::Program(argv) = &mut scenario.target else { return Ok(None) };
    let Some(program) = argv.first_mut() else { return Ok(None) };
    match target::located(program) {
        Some(path) if path == *program => Ok(None),
        Some(path) => {
            let text = format!("{program} is not here: {path} is asked");
            *program = path;
            Ok(Some(text))
        }
        None => Err(HarnessError::input(format!(
            "no program {}: give it after `--`, as in `unplug replay SCENARIO -- PROGRAM ARGS`",
            program.escape_default()
        ))),
    }
}

/// Replays one.
fn one(scenario: &Scenario, target: &Target, setting: &Setting, how: How) -> Result<Replayed> {
    let options = Options { workers: run::cores(), ..scenario.options.clone() };
    replay(&setting.campaign(target, &scenario.target, &options, &Silent), scenario, how)
}

fn tell(path: &Path, scenario: &Scenario, replayed: &Replayed, how: How) -> anyhow::Result<()> {
    let word = if replayed.as_expected { "as expected" } else { "UNEXPECTED" };
    say::line(format_args!("{}: {word}: {}", path.display(), replayed.sentence))?;
    for note in &replayed.notes {
        say::line(format_args!("  note: {note}"))?;
    }
    if !replayed.as_expected {
        say::line(format_args!("  expected: {}", expected(scenario, how)))?;
        for line in replayed.evidence.lines().take(20) {
            say::line(format_args!("  | {line}"))?;
        }
    }
    Ok(())
}

fn expected(scenario: &Scenario, how: How) -> String {
    let outcome = how.expect.unwrap_or(scenario.expect.outcome);
    match &scenario.expect.kind {
        Some(kind) if outcome == Outcome::Violated => format!("{outcome}, {kind}"),
        _ => outcome.to_string(),
    }
}
