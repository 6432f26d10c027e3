//! Progress on standard error: a line that redraws itself on a terminal, a line now and then elsewhere.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use unplug_harness::base::visible;
use unplug_harness::fault::{Budget, Finding, Observer, Progress, Timing, Totals};
use unplug_harness::scenario::{Extent, FaultName, Options};

use super::say;

/// Between two lines where standard error is no terminal.
const NOW_AND_THEN: Duration = Duration::from_secs(5);

/// Listens to a run and draws.
#[derive(Debug)]
pub struct Terminal {
    bar: Option<ProgressBar>,
    /// The time of the run, if one was given, and how many recoveries run at once.
    budget: Option<(Duration, u32)>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    last: Instant,
    fault_started: Instant,
}

impl Terminal {
    /// Draws on standard error, for a run with these options.
    pub fn new(options: Option<&Options>) -> Self {
        let bar = super::on_a_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        let now = Instant::now();
        let budget = options.and_then(|options| match options.extent {
            Extent::Time(time) => Some((time, options.workers as u32)),
            Extent::Default | Extent::Cases(_) => None,
        });
        Self { bar, budget, state: Mutex::new(State { last: now, fault_started: now }) }
    }

    /// Ends the drawing.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// How long the control took, and how far a budget of time goes at that timing.
    fn reach(&self, timing: Timing) -> String {
        let (took, recovery) = (timing.took.as_secs_f64(), timing.recovery.as_secs_f64());
        if timing == Timing::default() {
            return "control: passed".into();
        }
        let mut line = format!(
            "control: passed in {took:.1} s; a start takes {}, a recovery {}",
            short_time(timing.start.as_secs_f64()),
            short_time(recovery)
        );
        if let Some((time, workers)) = self.budget
            && recovery > 0.0
        {
            let most = time.as_secs_f64() / recovery * f64::from(workers);
            line.push_str(&format!(
                "; {} s reach at most {most:.0} recoveries, {workers} at once",
                time.as_secs_f64()
            ));
        }
        line
    }

    /// Something that stays readable.
    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(visible(text)),
            None => say::aside(text),
        }
    }

    /// Something that the next one replaces.
    fn now(&self, text: impl FnOnce(Duration) -> String) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = state.fault_started.elapsed();
        match &self.bar {
            Some(bar) => bar.set_message(visible(&text(elapsed)).into_owned()),
            None if state.last.elapsed() >= NOW_AND_THEN => {
                state.last = Instant::now();
                say::aside(&text(elapsed));
            }
            None => {}
        }
    }
}

impl Observer for Terminal {
    fn on(&self, progress: Progress<'_>) {
        match progress {
            Progress::ControlStarted => self.now(|_| "control: no fault".into()),
            Progress::ControlPassed { timing } => self.line(&self.reach(timing)),
            Progress::FaultStarted(fault) => {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                state.fault_started = Instant::now();
                drop(state);
                self.now(|_| format!("{fault}: begins"));
            }
            Progress::Working { fault, totals, findings, budget } => {
                self.now(|elapsed| working(fault, totals, findings, budget, elapsed));
            }
            Progress::Concluding(fault) => {
                self.now(|_| format!("{fault}: working out the causes"));
            }
            Progress::Confirming { fault, number, count } => self.now(|_| {
                format!("{fault}: confirming finding {} of {count} in fresh processes", number + 1)
            }),
            Progress::Suspected(finding) => self.now(|_| format!("suspected: {}", short(finding))),
            Progress::Confirmed(finding) => self.line(&format!("finding: {}", short(finding))),
            Progress::FaultFinished { fault, totals } => {
                let seconds = totals.elapsed.as_secs_f64();
                let (states, recoveries) = (totals.states, totals.recoveries);
                self.line(&format!(
                    "{fault}: {recoveries} recoveries, {states} states, {seconds:.1} s"
                ));
            }
            Progress::Note(text) => self.line(&format!("note: {text}")),
        }
    }
}

/// Seconds, or milliseconds where that is little.
fn short_time(seconds: f64) -> String {
    if seconds < 0.1 { format!("{:.1} ms", seconds * 1e3) } else { format!("{seconds:.2} s") }
}

fn short(finding: &Finding) -> String {
    format!("{} under {}: {}", finding.kind, finding.fault_name(), finding.sentence)
}

fn working(
    fault: FaultName,
    totals: &Totals,
    findings: usize,
    budget: &Budget,
    elapsed: Duration,
) -> String {
    let seconds = elapsed.as_secs_f64().max(1e-3);
    let rate = totals.states as f64 / seconds;
    let left = left(budget.spent(), seconds);
    format!(
        "{fault}: {} states, {rate:.0}/s, {} distinct images, {findings} findings{left}",
        totals.states, totals.distinct_images
    )
}

/// What is left of a budget of which this part was spent in so many seconds.
fn left(spent: f64, seconds: f64) -> String {
    let left = seconds / spent.max(1e-9) - seconds;
    if spent <= 0.01 {
        String::new()
    } else if left >= 0.5 {
        format!(", {left:.0} s left")
    } else {
        ", its time is over: finishing what is under way".into()
    }
}

#[cfg(test)]
mod tests {
    use super::left;

    #[test]
    fn a_line_never_says_that_nothing_is_left_while_it_goes_on() {
        assert_eq!(left(0.0, 3.0), "");
        assert_eq!(left(0.25, 3.0), ", 9 s left");
        for spent in [0.99, 1.0, 1.7] {
            assert_eq!(left(spent, 10.0), ", its time is over: finishing what is under way");
        }
    }
}
