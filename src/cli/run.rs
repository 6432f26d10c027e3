//! `unplug run`: the arguments as typed, made into validated options; then one campaign, its report
//! and the result.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use unplug_harness::base::{HarnessError, Result};
use unplug_harness::campaign::{self, Conclusion};
use unplug_harness::image::remove;
use unplug_harness::report::{Report, folder, terminal};
use unplug_harness::scenario::{Extent, FaultName, Options, Profile, TargetText};

use super::progress::Terminal;
use super::{say, setting::Setting, target};

/// What can be said to `unplug run`.
#[derive(Debug, Args)]
pub struct RunCommand {
    /// A bundled engine (`unplug list engines`); the built-in store by default
    #[arg(value_name = "ENGINE", conflicts_with = "program")]
    engine: Option<String>,
    /// A program that does not speak the protocol: a command that stores something in {dir} and prints
    /// a line for each thing that it promises. Power cuts alone are tried
    #[arg(long, value_name = "CMD", requires = "check", conflicts_with_all = ["engine", "program", "faults"])]
    workload: Option<String>,
    /// The command that checks what a crash left: {dir} is a copy of it, {out} a file with the lines
    /// printed before the crash; status 0 if all is well
    #[arg(long, value_name = "CMD", requires = "workload")]
    check: Option<String>,
    /// Which faults to inject
    #[arg(long, value_delimiter = ',', value_parser = fault, value_name = "FAULT,…")]
    faults: Vec<FaultName>,
    /// The seed of every random decision
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Judge under these file-system profiles only
    #[arg(long, value_delimiter = ',', value_parser = profile, value_name = "PROFILE,…")]
    profile: Vec<Profile>,
    /// The harshest profile whose findings are violations and not notes
    #[arg(long, value_parser = profile, default_value = "btrfs", value_name = "PROFILE")]
    fail_on: Profile,
    /// Go on for this long after the control, shared among the faults: 30s, 5m
    #[arg(long, value_parser = time, value_name = "TIME", conflicts_with = "cases")]
    budget: Option<Duration>,
    /// Visit this many cases of each fault
    #[arg(long, value_name = "N")]
    cases: Option<u64>,
    /// How many requests may be outstanding at once, where the driver takes several; by default 4 for
    /// a program and for engines that commit in groups, 1 for other engines
    #[arg(long, value_name = "N")]
    threads: Option<u32>,
    /// How many child writers are killed at once, each on its own store
    #[arg(long, default_value_t = 2, value_name = "N")]
    writers: u32,
    /// Where reports go
    #[arg(long, default_value = "reports", value_name = "DIR")]
    out: PathBuf,
    /// How many requests a workload has
    #[arg(long, default_value_t = Options::default().ops, value_name = "N")]
    ops: u32,
    /// Lengths of values in bytes
    #[arg(long, value_parser = range, value_name = "A..B")]
    value_size: Option<RangeInclusive<usize>>,
    /// A checkpoint every N requests on average, at drawn moments; 0 for never
    #[arg(long, default_value_t = Options::default().checkpoint_every, value_name = "N")]
    checkpoint_every: u32,
    /// A close and open every N requests on average, at drawn moments; 0 for never
    #[arg(long, default_value_t = Options::default().reopen_every, value_name = "N")]
    reopen_every: u32,
    /// Time for `open` to be answered
    #[arg(long, value_parser = time, default_value = "30s", value_name = "TIME")]
    timeout_open: Duration,
    /// Time for any other request to be answered
    #[arg(long, value_parser = time, default_value = "10s", value_name = "TIME")]
    timeout_op: Duration,
    /// Call a run not measured where a fault visited less than this share of its groups of like cases
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    min_coverage: f64,
    /// What the device writes whole: 512, or 4096 where it promises whole pages
    #[arg(long, default_value_t = 512, value_name = "BYTES")]
    atomic_write: u64,
    /// A program that speaks the driver protocol, and its arguments
    #[arg(last = true, value_name = "PROGRAM ARGS")]
    program: Vec<String>,
}

impl RunCommand {
    /// The arguments as validated.
    pub fn options(&self) -> Result<Options> {
        if self.program.is_empty() && std::env::args_os().any(|argument| argument == "--") {
            return Err(HarnessError::input("nothing after `--`: expected a program"));
        }
        let extent = match (self.budget, self.cases) {
            (Some(time), _) => Extent::Time(time),
            (None, Some(cases)) => Extent::Cases(cases),
            (None, None) => Extent::Default,
        };
        let defaults = Options::default();
        let missing = self.faults.iter().find(|fault| !campaign::available().contains(fault));
        if let Some(fault) = missing {
            return Err(HarnessError::input(format!("--faults: this build has no {fault} fault")));
        }
        Options {
            seed: self.seed,
            faults: if self.workload.is_some() {
                vec![FaultName::Power]
            } else if self.faults.is_empty() {
                campaign::available()
            } else {
                self.faults.clone()
            },
            profiles: if self.profile.is_empty() {
                defaults.profiles
            } else {
                self.profile.iter().copied().collect()
            },
            fail_on: self.fail_on,
            extent,
            threads: self.threads.unwrap_or_else(|| target::threads_by_default(&self.text())),
            writers: self.writers,
            ops: self.ops,
            value_bytes: self.value_size.clone().unwrap_or(defaults.value_bytes),
            checkpoint_every: self.checkpoint_every,
            reopen_every: self.reopen_every,
            timeout_open: self.timeout_open,
            timeout_op: self.timeout_op,
            min_coverage: self.min_coverage,
            atomic_write_bytes: self.atomic_write,
            workers: cores(),
            out: self.out.clone(),
        }
        .checked()
        .map_err(|error| HarnessError::input(format!("--{error}")))
    }

    /// The target as scenarios name it.
    pub fn text(&self) -> TargetText {
        if let (Some(workload), Some(check)) = (&self.workload, &self.check) {
            TargetText::Whole { workload: workload.clone(), check: check.clone() }
        } else if self.program.is_empty() {
            TargetText::Engine(self.engine.clone().unwrap_or_else(|| "builtin".into()))
        } else {
            TargetText::Program(self.program.clone())
        }
    }
}

/// A run's folder, written after each fault, so that what was found outlives whatever ends the run.
struct Growing<'a> {
    folder: &'a Path,
    /// The folders of findings that are in it.
    findings: BTreeSet<String>,
    failed: bool,
}

impl Growing<'_> {
    /// Writes what is known so far. That it cannot be written is said once, and the run goes on.
    fn write(&mut self, so_far: &Conclusion) {
        self.findings.extend(so_far.findings.iter().map(|finding| finding.id.clone()));
        if let Err(error) = folder::write(self.folder, so_far)
            && !self.failed
        {
            self.failed = true;
            say::aside(&format!("unplug: the report cannot be written so far: {error}"));
        }
    }

    /// Writes the whole. A finding that has come to stand for another leaves no folder of that one.
    fn finish(self, conclusion: &Conclusion) -> Result<()> {
        folder::write(self.folder, conclusion).map_err(|error| {
            let folder = self.folder.display();
            HarnessError::input(format!(
                "{folder}: the report is not whole, and what was found is on the terminal alone: {error}"
            ))
        })?;
        let kept: BTreeSet<&str> =
            conclusion.findings.iter().map(|finding| finding.id.as_str()).collect();
        for gone in self.findings.iter().filter(|id| !kept.contains(id.as_str())) {
            let path = self.folder.join(gone);
            remove(&path).map_err(|error| HarnessError::at("removing", &path, error))?;
        }
        Ok(())
    }
}

/// One campaign.
pub fn run(command: RunCommand) -> anyhow::Result<ExitCode> {
    let options = command.options()?;
    let text = command.text();
    let target = target::resolve(&text, options.threads)?;
    let setting = Setting::make()?;
    let started = name_of_run(&target.name, options.seed);
    let folder = folder::make(&options.out, &started)?;
    say::aside(&format!("unplug {} runs {}", env!("CARGO_PKG_VERSION"), target.name));
    say::aside(&said(&options));
    let observer = Terminal::new(Some(&options));
    let campaign = setting.campaign(&target, &text, &options, &observer);
    let mut growing = Growing { folder: &folder, findings: BTreeSet::new(), failed: false };
    let conclusion = campaign.run_growing(&mut |so_far| growing.write(so_far))?;
    observer.finish();
    let code = conclusion.exit_code();
    // What was found is not lost with the folder, nor with the terminal.
    let report = Report::of(&conclusion);
    let said = say::whole(&terminal::render(&report, &folder.display().to_string()));
    growing.finish(&conclusion)?;
    match said {
        Err(error) if code != 0 => {
            say::aside(&format!("unplug: {error}; see {}", folder.display()))
        }
        said => said?,
    }
    Ok(ExitCode::from(code))
}

/// Seed and every option, in one line that can be typed again.
pub fn said(options: &Options) -> String {
    let join = |names: Vec<&str>| names.join(",");
    let mut line = format!(
        "options: --seed {} --faults {} --profile {} --fail-on {}",
        options.seed,
        join(options.faults.iter().map(|fault| fault.name()).collect()),
        join(options.profiles.iter().map(|profile| profile.name()).collect()),
        options.fail_on
    );
    match options.extent {
        Extent::Default => {}
        Extent::Time(time) => line.push_str(&format!(" --budget {}s", time.as_secs_f64())),
        Extent::Cases(cases) => line.push_str(&format!(" --cases {cases}")),
    }
    line.push_str(&format!(
        " --threads {} --writers {} --ops {} --value-size {}..{} --checkpoint-every {} \
         --reopen-every {} --timeout-open {}s --timeout-op {}s --min-coverage {} --atomic-write {}",
        options.threads,
        options.writers,
        options.ops,
        options.value_bytes.start(),
        options.value_bytes.end(),
        options.checkpoint_every,
        options.reopen_every,
        options.timeout_open.as_secs_f64(),
        options.timeout_op.as_secs_f64(),
        options.min_coverage,
        options.atomic_write_bytes
    ));
    line
}

/// How many recoveries may run at once.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The folder's name: what ran, with which seed, when.
fn name_of_run(target: &str, seed: u64) -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    let short: String = target.rsplit('/').next().unwrap_or(target).chars().take(40).collect();
    format!("{short}-seed{seed}-{seconds}")
}

fn fault(text: &str) -> std::result::Result<FaultName, String> {
    FaultName::parse(text).ok_or_else(|| one_of(FaultName::ALL.map(FaultName::name)))
}

fn profile(text: &str) -> std::result::Result<Profile, String> {
    Profile::parse(text).ok_or_else(|| one_of(Profile::ALL.map(Profile::name)))
}

fn one_of<const N: usize>(names: [&str; N]) -> String {
    format!("expected one of {}", names.join(", "))
}

/// `30s`, `1.5s`, `250ms`, `5m`, or a number of seconds.
fn time(text: &str) -> std::result::Result<Duration, String> {
    let (number, unit) = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)]
        .into_iter()
        .find_map(|(end, unit)| Some((text.strip_suffix(end)?, unit)))
        .unwrap_or((text, 1.0));
    let seconds = number.parse::<f64>().ok().map(|number| number * unit);
    seconds
        .filter(|seconds| (0.0..=1e7).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "expected a time such as 30s, 250ms or 5m".into())
}

/// `A..B`, both included, or one length.
fn range(text: &str) -> std::result::Result<RangeInclusive<usize>, String> {
    let (low, high) = text.split_once("..").unwrap_or((text, text));
    match (low.parse(), high.trim_start_matches('=').parse()) {
        (Ok(low), Ok(high)) => Ok(low..=high),
        _ => Err("expected a range of lengths such as 1..4096".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_ranges_are_read_as_people_write_them() {
        assert_eq!(time("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(time("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(time("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(time("7"), Ok(Duration::from_secs(7)));
        assert!(time("soon").is_err() && time("-1s").is_err() && time("infs").is_err());
        assert_eq!(range("1..9"), Ok(1..=9));
        assert_eq!(range("5"), Ok(5..=5));
        assert!(range("a..b").is_err());
    }
}
