//! index.html: the whole report in one file that needs no network and no script, readable in light and
//! in dark. Everything that came from outside is escaped by the template.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::terminal::outcome_line;
use super::twin::{FindingTwin, Report, TotalsTwin};

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1c1e21; --paper: #fff; --soft: #f3f4f6; --line: #d6d9de;
  --bad: #b3261e; --good: #1b6e3c; --warn: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e5e7ea; --paper: #16181b; --soft: #202327;
  --line: #363a40; --bad: #ff8a80; --good: #7fd6a0; --warn: #f0c060; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.outcome { font-weight: 600; padding: .7rem 1rem; border-left: .4rem solid; background: var(--soft); }
.held { border-color: var(--good); } .violated, .setup-failed, .harness-broken { border-color: var(--bad); }
.not-measured { border-color: var(--warn); }
article { border: 1px solid var(--line); border-radius: .4rem; padding: .2rem 1rem .8rem; margin: 1rem 0; }
article h3 { margin: .7rem 0 .2rem; font-size: 1rem; } .bad { color: var(--bad); }
.note { color: var(--warn); }
table { border-collapse: collapse; display: block; overflow-x: auto; }
td, th { padding: .25rem .8rem .25rem 0; text-align: left; border-bottom: 1px solid var(--line); }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
code, pre { font: 14px/1.45 ui-monospace, monospace; background: var(--soft); }
pre { padding: .6rem .8rem; overflow-x: auto; max-height: 28rem; } code { padding: .1rem .3rem; }
a { color: inherit; } dt { font-weight: 600; } dd { margin: 0 0 .4rem 0; }
";

/// The page; `traces` holds a finding's trace by its id, as far as there is one.
pub fn render(report: &Report, trace_of: &dyn Fn(&str) -> Option<String>) -> String {
    let title = format!("unplug: {} {}", report.target.name, report.outcome);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "unplug: " (report.target.name) }
                p class=(format!("outcome {}", report.outcome)) { (outcome_line(report)) }
                @if let Some(broken) = &report.broken { p class="bad" { (broken) } }
                (findings(report, trace_of))
                h2 { "What was done" }
                (numbers(report))
                (not_done(report))
                h2 { "How it was run" }
                (options(report))
            }
        }
    };
    page.into_string()
}

fn findings(report: &Report, trace_of: &dyn Fn(&str) -> Option<String>) -> Markup {
    html! {
        @if !report.findings.is_empty() {
            h2 { "Findings" }
            @for finding in &report.findings { (one(finding, trace_of(&finding.id))) }
        }
    }
}

fn one(finding: &FindingTwin, trace: Option<String>) -> Markup {
    html! {
        article id=(finding.id) {
            h3 class=(if finding.note { "note" } else { "bad" }) {
                @if finding.note { "Note: " }
                (finding.kind) " under " (finding.fault)
                @if let Some(grade) = &finding.grade { ", fails on " (grade) }
            }
            p { (finding.sentence) }
            dl {
                @if !finding.cause.sentence.is_empty() { dt { "Cause" } dd { (finding.cause.sentence) } }
                @if let Some(text) = &finding.cause.counterfactual { dt { "What would help" } dd { (text) } }
                @if !finding.shows.is_empty() {
                    dt { "Shows also as" }
                    dd { @for one in &finding.shows { p { (one.kind) " under " (one.fault) ", " (one.states) " cases: " (one.sentence) } } }
                }
                @if let Some(source) = &finding.source { dt { "Source" } dd { code { (source) } } }
                @if let Some(behind) = &finding.behind { dt { "Comes before" } dd { code { (behind) } } }
                @if !finding.recovery.is_empty() {
                    dt { "Recovery" }
                    dd { @for one in &finding.recovery { p { code { (one) } } } }
                }
                @if !finding.profiles.is_empty() { dt { "Profiles that show it" } dd { (finding.profiles.join(", ")) } }
                dt { "Failing cases" } dd { (finding.states) }
                @if let Some([failed, of]) = finding.frequency {
                    dt { "Fresh tries that failed" } dd { (failed) " of " (of) }
                }
                dt { "Replay" } dd { code { (finding.replay) } " in this page's folder" }
                dt { "Files" }
                dd {
                    a href=(finding.scenario) { "scenario" }
                    @if let Some(path) = &finding.trace { ", " a href=(path) { "trace" } }
                    @if let Some(path) = &finding.directory { ", " a href=(path) { "failing directory" } }
                }
            }
            @if !finding.evidence.is_empty() {
                details { summary { "What the driver said" } pre { (finding.evidence) } }
            }
            @if let Some(trace) = trace {
                details { summary { "Trace" } pre { (trace) } }
            }
        }
    }
}

fn numbers(report: &Report) -> Markup {
    let row = |name: &str, totals: &TotalsTwin| {
        html! {
            tr {
                td { (name) }
                td class="n" { (totals.recoveries) }
                td class="n" { (totals.states) }
                td class="n" { (totals.distinct_images) }
                td class="n" { (totals.crash_points) }
                td class="n" { (totals.requests) }
                td class="n" { (format!("{:.1}", totals.elapsed_s)) }
                td class="n" { (format!("{:.0}", totals.recoveries_per_s)) }
            }
        }
    };
    html! {
        table {
            tr {
                th { "Fault" } th class="n" { "Recoveries" } th class="n" { "States judged" }
                th class="n" { "Distinct images" } th class="n" { "Crash points" }
                th class="n" { "Requests" } th class="n" { "Seconds" } th class="n" { "Recoveries/s" }
            }
            @for (fault, totals) in &report.faults { (row(fault, totals)) }
            (row("all", &report.totals))
        }
    }
}

fn not_done(report: &Report) -> Markup {
    let list = |name: &str, lines: Vec<String>| {
        html! { @if !lines.is_empty() { dt { (name) } @for line in &lines { dd { (line) } } } }
    };
    let counted = |map: &std::collections::BTreeMap<String, u64>| {
        map.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>()
    };
    html! {
        h2 { "What was not" }
        dl {
            (list("Called for, but judged in no case", report.missed.clone()))
            (list("Judged in no case", vec![report.not_judged.join(", ")]))
            (list("Skipped", counted(&report.totals.skipped)))
            (list("Calls that are not modelled", counted(&report.unmodelled_calls)))
            (list("Not visible to the recorder", report.blind.clone()))
            (list("The driver's warnings without any fault", report.control_warnings.clone()))
            (list("Notes", report.notes.clone()))
            @if report.rollback_exempt > 0 {
                dt { "Rollback" }
                dd { (report.rollback_exempt) " damages left an earlier legal state, as far as is known; no store can notice those." }
            }
        }
    }
}

fn options(report: &Report) -> Markup {
    let options = serde_json::to_value(&report.options).unwrap_or_default();
    let plain =
        |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    html! {
        table {
            tr { td { "unplug" } td { (report.version) } }
            tr { td { "capabilities" } td { (report.target.capabilities.join(" ")) } }
            @if !report.file_system.is_empty() {
                tr { td { "file system" } td { (report.file_system) } }
            }
            @for (name, value) in options.as_object().into_iter().flatten() {
                tr { td { (name) } td { (plain(value)) } }
            }
        }
    }
}
