//! One flaw, seen by several faults: a failure that a kill shows needs no power cut, and one that shows
//! before any call failed needs no failing call. The plainest finding stands for the others, which are
//! its symptoms: mend that one first, and see what is left. Pure.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::diagnose::{AND, INSIDE, TORN};
use crate::fault::io::{BESIDES, LOSES, REOPENED};
use crate::fault::power::NO_REMEDY;
use crate::fault::{Finding, LATER, NONE_HELPS, ONLY_DELETES, Symptom, reason};
use crate::oracle::Kind;
use crate::scenario::FaultName;

/// Has findings stand for others that say less.
pub fn fold(findings: &mut Vec<Finding>) {
    let all = std::mem::take(findings);
    let plainer = |echo: &Finding| all.iter().position(|plain| is_echo(echo, plain));
    // What stands for it may itself be an echo.
    let root = |mut at: usize| {
        for _ in 0..all.len() {
            match plainer(&all[at]) {
                Some(other) => at = other,
                None => break,
            }
        }
        at
    };
    let mut kept: BTreeMap<usize, Finding> = BTreeMap::new();
    for (at, finding) in all.iter().enumerate() {
        if root(at) == at {
            kept.insert(at, finding.clone());
        }
    }
    for (at, finding) in all.iter().enumerate() {
        let root = root(at);
        if let Some(plain) = kept.get_mut(&root).filter(|_| root != at) {
            let cure = finding.cause.counterfactual.clone();
            if plain.cause.counterfactual.is_none() && is_half(finding, plain) {
                if cure.is_some()
                    && let Some(at) = plain.cause.sentence.find(NO_REMEDY)
                {
                    plain.cause.sentence.replace_range(at..at + NO_REMEDY.len(), "");
                }
                (plain.cause.counterfactual, plain.cause.tried) = (cure, finding.cause.tried);
                if plain.lines.recovery.is_empty() {
                    plain.lines.recovery.clone_from(&finding.lines.recovery);
                }
            }
            plain.stand_for(finding.clone());
        }
    }
    findings.extend(kept.into_values());
}

/// True if `plain` shows with less what `echo` shows.
fn is_echo(echo: &Finding, plain: &Finding) -> bool {
    if is_tear(echo, plain) && (echo.note || !plain.note) {
        return true;
    }
    if (plain.note && !echo.note) || plain.grade() > echo.grade() {
        return false;
    }
    let blameless =
        echo.fault == Some(FaultName::Io) && (echo.cause.blameless || is_explained(echo, plain));
    if blameless && plain.fault == Some(FaultName::Power) && plain.is_one_flaw(echo) {
        return true;
    }
    if is_same_refusal(echo, plain) || is_of_recovery(echo, plain) || is_of_no_fault(echo, plain) {
        return true;
    }
    if is_seen_again(echo, plain)
        || is_of_bare_crash(echo, plain)
        || is_of_a_torn_recovery(echo, plain)
    {
        return true;
    }
    if !shows(plain, echo.kind, echo.note) {
        return false;
    }
    match (echo.fault, plain.fault) {
        (Some(FaultName::Power), Some(FaultName::Kill)) => {
            !plain.takes_two()
                && (is_moment(echo) || is_of_window(echo, plain) || is_half(echo, plain))
        }
        (Some(FaultName::Power), Some(FaultName::Power)) => {
            !plain.takes_two() && is_moment(plain) && is_of_window(echo, plain)
        }
        // Nothing that failed is to blame: it is a kill or a power cut like any other, or no fault at all.
        (Some(FaultName::Io), Some(FaultName::Kill | FaultName::Power) | None) => blameless,
        (Some(FaultName::Io), Some(FaultName::Io)) => is_of_a_later_call(echo, plain),
        _ => false,
    }
}

/// True if a store does not open for a reason that it gives in `plain` too, and nothing that was tried tells the two
/// apart. What takes no fault is plainer than any, and a crash plainer than a failing call.
fn is_same_refusal(echo: &Finding, plain: &Finding) -> bool {
    let why = |of: &Finding| reason(of.kind, &of.sentence);
    let plainer = plain.fault.is_none()
        || is_of_crash(echo) && is_untold_crash(plain) && plain.order(echo) == Ordering::Less;
    echo.kind == plain.kind
        && echo.fault.is_some()
        && plainer
        && is_untold(echo)
        && why(echo).is_some()
        && why(echo) == why(plain)
}

/// True if `plain` is of a recovery that leaves a store which loses or changes what it holds once it is closed, where a crash
/// alone shows that, and nothing that was tried tells `echo` apart: that shows the same, or a store that was opened again
/// after a crash or a failed call and lost something then.
fn is_of_recovery(echo: &Finding, plain: &Finding) -> bool {
    let of_recovery = |kind| matches!(kind, Kind::NotWritable | Kind::Unstable);
    let later = part(echo, REOPENED).is_some() || part(echo, LATER).is_some();
    let lost_later =
        later && matches!(echo.kind, Kind::LostAck | Kind::Vanished | Kind::Resurrected);
    let alike = of_recovery(echo.kind) && plain.order(echo) == Ordering::Less;
    // What a crash alone does to a recovered store no sync and no answer helps.
    let same = echo.kind == plain.kind;
    of_recovery(plain.kind)
        && is_untold_crash(plain)
        && echo.fault.is_some()
        && (alike && same || is_untold(echo) && (alike || lost_later))
}

/// True if `plain` shows where nothing fails at all, and `echo` does too, or shows the same at a moment of a crash that takes
/// nothing away and against which nothing that was tried helps.
fn is_of_no_fault(echo: &Finding, plain: &Finding) -> bool {
    let requests = (lost_request(echo), lost_request(plain));
    let alike = match requests {
        (Some(lost), Some(known)) => lost == known,
        _ => shows(plain, echo.kind, echo.note),
    };
    plain.fault.is_none()
        && match echo.fault {
            None => plain.order(echo) == Ordering::Less,
            Some(_) => is_untold_crash(echo) && is_moment(echo) && alike,
        }
}

/// The sort of request that a finding loses first, `put` or `del`, by its sentence.
fn lost_request(finding: &Finding) -> Option<&str> {
    let lost = match finding.kind {
        Kind::TornBatch => finding.sentence.split_once(" is there, its ")?.1,
        Kind::LostAck | Kind::LostBeforeDamage => &finding.sentence,
        _ => return None,
    };
    lost.split(' ').next().filter(|word| matches!(*word, "put" | "del"))
}

/// True if `plain` is of a crash that takes nothing away, against which remedies were tried and none helps, and nothing that was
/// tried tells `echo` apart from it: what such a crash does to the store alone, it does besides a lost effect, damaged bytes
/// or a failed call too.
fn is_of_bare_crash(echo: &Finding, plain: &Finding) -> bool {
    let lost = lost_request(echo).filter(|_| plain.kind == Kind::LostAck);
    let alike = match lost {
        Some(request) => request == "del" || part(plain, ONLY_DELETES).is_none(),
        None => shows(plain, echo.kind, echo.note) || is_same_moment(echo, plain),
    };
    let plainer = match echo.fault {
        None => false,
        Some(FaultName::Kill | FaultName::Power) => plain.order(echo) == Ordering::Less,
        Some(FaultName::Media | FaultName::Io) => true,
    };
    let bare = part(plain, NONE_HELPS).is_some() && is_moment(plain) && !plain.takes_two();
    bare && is_untold(echo) && plainer && alike
}

/// True if what a failed call had not done is there after a power cut, nothing that was tried helps, and power cuts alone
/// take from the store what it needs, by `plain`: what is old and what is new is mixed then whatever failed.
fn is_seen_again(echo: &Finding, plain: &Finding) -> bool {
    echo.fault == Some(FaultName::Io)
        && echo.kind == Kind::Resurrected
        && echo.grade().is_some()
        && is_untold(echo)
        && plain.fault == Some(FaultName::Power)
        && plain.cause.tried
        && !is_untold(plain)
}

/// True if `plain` is of a crash inside recovery that takes nothing away, after a call of recovery's own, and in `echo` that
/// call is the same and what helps is too, or nothing is known to; or a call failed before the store was opened again, and
/// it does to the store then what the crash does.
fn is_of_a_torn_recovery(echo: &Finding, plain: &Finding) -> bool {
    let inside = |of: &Finding| is_of_crash(of) && is_moment(of) && of.takes_two();
    let remedy = |of: &Finding| of.cause.parts.get("remedy").cloned();
    let same_call = inside(echo)
        && part(echo, "after") == part(plain, "after")
        && plain.order(echo) == Ordering::Less
        && (is_untold(echo) || remedy(echo) == remedy(plain));
    let failed = echo.fault == Some(FaultName::Io)
        && part(echo, REOPENED).is_some()
        && shows(plain, echo.kind, echo.note);
    inside(plain) && (same_call || failed)
}

/// True if nothing that was tried helps.
fn is_untold(finding: &Finding) -> bool {
    finding.cause.counterfactual.is_none()
}

/// True if a crash shows it, and no call has to fail.
fn is_of_crash(finding: &Finding) -> bool {
    matches!(finding.fault, Some(FaultName::Kill | FaultName::Power))
}

fn is_untold_crash(finding: &Finding) -> bool {
    is_of_crash(finding) && is_untold(finding)
}

/// True if the call that fails alone in `plain` failed in `echo` too, after the one that `echo` is told by, and nothing
/// that was tried helps `echo`.
fn is_of_a_later_call(echo: &Finding, plain: &Finding) -> bool {
    let besides = part(echo, BESIDES).into_iter().flat_map(|calls| calls.split(AND));
    let alone = part(plain, BESIDES).is_none();
    let told = plain.cause.mechanism.as_deref();
    let mut same = besides.map(|call| format!("{call} failed"));
    alone && is_untold(echo) && same.any(|call| Some(&*call) == told)
}

/// True if there was no time to look for what is to blame for `echo`, and all that `plain` loses without a failure is
/// lost there.
fn is_explained(echo: &Finding, plain: &Finding) -> bool {
    let Some(lost) = echo.cause.parts.get(LOSES) else { return false };
    let lost: BTreeSet<&str> = lost.split(AND).collect();
    let guilty = plain.cause.mechanism.as_deref().filter(|_| plain.fault == Some(FaultName::Power));
    guilty.is_some_and(|guilty| guilty.split(AND).all(|site| lost.contains(site)))
}

/// True if a power cut tears in `echo` the call that a kill cuts in `plain`, or a kill before a recovery cuts it there: what
/// helps against the one helps against the other.
fn is_half(echo: &Finding, plain: &Finding) -> bool {
    let torn = part(echo, "call").zip(part(echo, "file")).filter(|_| part(echo, TORN).is_some());
    let torn = torn.map(|(call, file)| format!("{call} of {file}"));
    let half = torn.as_deref().or_else(|| part(echo, INSIDE));
    half.is_some() && half == part(plain, INSIDE)
}

/// True if `echo` is of a write that was cut short, and `plain` of the same call torn by a power cut.
fn is_tear(echo: &Finding, plain: &Finding) -> bool {
    let same = |name| part(echo, name).is_some() && part(echo, name) == part(plain, name);
    echo.fault == Some(FaultName::Io)
        && plain.fault == Some(FaultName::Power)
        && part(echo, "error").is_some_and(|error| error.starts_with("cut short"))
        && part(plain, TORN).is_some()
        && same("call")
        && same("file")
}

/// A part of a finding's cause.
fn part<'f>(of: &'f Finding, name: &str) -> Option<&'f str> {
    of.cause.parts.get(name).map(String::as_str)
}

/// True if a finding or one of its symptoms is of this kind; an alarm, where one is asked for.
fn shows(finding: &Finding, kind: Kind, note: bool) -> bool {
    let symptom = |one: &Symptom| one.kind == kind && (note || !one.note);
    finding.kind == kind || finding.shows.iter().any(symptom)
}

/// True if nothing has to be lost in either, between the same two calls.
fn is_same_moment(one: &Finding, other: &Finding) -> bool {
    is_moment(one) && ["after", "before"].iter().all(|name| part(one, name) == part(other, name))
}

/// True if nothing has to be lost: what a power cut shows at that moment a kill shows too.
fn is_moment(finding: &Finding) -> bool {
    let parts = &finding.cause.parts;
    parts.contains_key("after") && parts.contains_key("before")
}

/// True if `echo` loses what opens or closes the window of `kill`, in which nothing has to be lost, and nothing that was
/// tried helps it alone.
fn is_of_window(echo: &Finding, kill: &Finding) -> bool {
    let (Some(call), Some(file)) = (part(echo, "call"), part(echo, "file")) else { return false };
    let lost = format!("{call} of {file}");
    let lost = Some(&*lost);
    !echo.cause.tried && (part(kill, "after") == lost || part(kill, "before") == lost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Cause, Lines};
    use crate::scenario::{Case, IoStrike, KillStrike, PowerStrike, Profile, Strike};

    fn finding(strike: Strike, kind: Kind, cause: &str) -> Finding {
        let fault = strike.fault();
        Finding {
            id: format!("{}-{kind}", fault.map_or("none", FaultName::name)),
            kind,
            fault,
            profiles: BTreeSet::new(),
            note: false,
            states: 3,
            sentence: String::new(),
            cause: Cause { sentence: cause.into(), ..Cause::default() },
            lines: Lines::default(),
            case: Case { strike, ..Case::default() },
            trace: None,
            image: None,
            evidence: String::new(),
            shows: Vec::new(),
            frequency: None,
        }
    }

    fn kill(cause: &str) -> Finding {
        finding(Strike::Kill(KillStrike::default()), Kind::LostAck, cause)
    }

    fn power(cause: &str) -> Finding {
        finding(Strike::Power(PowerStrike::default()), Kind::LostAck, cause)
    }

    fn io(plan: &str) -> Finding {
        let strike = IoStrike { plan: plan.into(), ..IoStrike::default() };
        let mut finding = finding(Strike::Io(strike), Kind::LostAck, "a call");
        finding.cause.blameless = plan.is_empty();
        finding
    }

    /// The same, where nothing has to be lost between these two.
    fn between(mut finding: Finding, after: &str, before: &str) -> Finding {
        let parts = [("after", after), ("before", before)];
        finding.cause.parts = parts.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        finding
    }

    /// The same, where this call's effect has to be lost.
    fn losing(mut finding: Finding, call: &str, file: &str) -> Finding {
        let parts = [("call", call), ("file", file)];
        finding.cause.parts = parts.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        finding.cause.mechanism = Some(format!("{call} of {file}"));
        finding
    }

    fn left(mut findings: Vec<Finding>) -> (usize, usize) {
        fold(&mut findings);
        (findings.len(), findings.iter().map(|finding| finding.shows.len()).sum())
    }

    #[test]
    fn a_moment_that_a_kill_shows_needs_no_power_cut() {
        let early = |one: Finding| between(one, "an acknowledgement", "write of log");
        assert_eq!(left(vec![early(kill("a")), early(power("b"))]), (1, 1));
        assert_eq!(left(vec![early(power("b"))]), (1, 0));
        // What the acknowledgement did not wait for can be lost as well; another file cannot, and what a sync that
        // was tried cures is a flaw of its own.
        let lost = |file| losing(power("c"), "write", file);
        assert_eq!(left(vec![early(kill("a")), lost("log")]), (1, 1));
        assert_eq!(left(vec![early(kill("a")), lost("head")]), (2, 0));
        assert_eq!(left(vec![early(power("a")), lost("log")]), (1, 0), "more of the same");
        assert_eq!(left(vec![early(power("a")), lost("head")]), (2, 0));
        let mut cured = lost("log");
        cured.cause.tried = true;
        assert_eq!(left(vec![early(kill("a")), cured]), (2, 0));
    }

    #[test]
    fn a_write_that_a_kill_cuts_is_torn_by_power_cuts_and_one_remedy_cures_both() {
        let mut cut = kill("a");
        cut.cause.parts.insert(INSIDE.into(), "write of log".into());
        let mut torn = losing(power("b"), "write", "log");
        torn.cause.counterfactual = Some("a checksum".into());
        assert_eq!(left(vec![cut.clone(), torn.clone()]), (2, 0), "it is lost as a whole");
        torn.cause.parts.insert(TORN.into(), "yes".into());
        let mut both = vec![cut.clone(), torn];
        fold(&mut both);
        assert_eq!((both.len(), both[0].shows.len()), (1, 1));
        assert_eq!(both[0].cause.counterfactual.as_deref(), Some("a checksum"));
        let mut nested = power("b");
        nested.cause.parts.insert(INSIDE.into(), "write of log".into());
        assert_eq!(left(vec![cut.clone(), nested]), (1, 1));
        let mut other = losing(power("b"), "write", "head");
        other.cause.parts.insert(TORN.into(), "yes".into());
        assert_eq!(left(vec![cut, other]), (2, 0));
    }

    #[test]
    fn a_write_that_was_cut_short_is_torn_as_by_a_power_cut() {
        let mut torn = losing(power("a"), "write", "head");
        let mut short = Finding { kind: Kind::Refused, ..losing(io("cut:3"), "write", "head") };
        short.cause.parts.insert("error".into(), "cut short, then EIO".into());
        assert_eq!(left(vec![torn.clone(), short.clone()]), (2, 0), "as a whole it is lost");
        torn.cause.parts.insert(TORN.into(), "yes".into());
        assert_eq!(left(vec![torn.clone(), short.clone()]), (1, 1));
        short.cause.parts.insert("error".into(), "EIO".into());
        assert_eq!(left(vec![torn, short]), (2, 0));
    }

    #[test]
    fn deletes_that_a_clean_close_loses_a_crash_loses_too() {
        let none = |kind, sentence: &str| Finding {
            fault: None,
            sentence: sentence.into(),
            ..finding(Strike::None, kind, "no fault")
        };
        let plain = || none(Kind::LostAck, "del k17 (acknowledged at 169) is undone");
        let torn =
            "a batch of 2 is there in part: put k0 (acknowledged at 3) is there, its del k1 is not";
        let bare = |kind, sentence: &str| {
            let cut = Finding { kind, sentence: sentence.into(), ..kill("a moment") };
            between(cut, "an acknowledgement", "write of log")
        };
        assert_eq!(left(vec![plain(), none(Kind::TornBatch, torn)]), (1, 1));
        assert_eq!(left(vec![plain(), bare(Kind::LostAck, "del k1 is undone")]), (1, 1));
        assert_eq!(left(vec![plain(), bare(Kind::TornBatch, torn)]), (1, 1));
        assert_eq!(left(vec![plain(), bare(Kind::LostAck, "put k1 is lost")]), (2, 0));
        let mut helped = bare(Kind::LostAck, "del k1 is undone");
        helped.cause.counterfactual = Some("add fsync".into());
        assert_eq!(left(vec![plain(), helped]), (2, 0));
        assert_eq!(left(vec![plain(), losing(kill("a"), "write", "log")]), (2, 0));
    }

    #[test]
    fn against_a_crash_that_takes_nothing_away_nothing_helps_and_more_faults_show_the_same() {
        let bare = |kind| {
            let mut bare = Finding { kind, ..between(kill("a"), "write of log", "write of head") };
            bare.cause.parts.insert(NONE_HELPS.into(), "yes".into());
            bare
        };
        let saying =
            |finding: Finding, sentence: &str| Finding { sentence: sentence.into(), ..finding };
        let put = "put k1 (acknowledged at 3) is lost";
        let del = "del k1 (acknowledged at 3) is undone";
        let torn = "a batch of 2 is there in part: put k0 is there, its put k1 is not";
        let damage = |kind| finding(Strike::Media(Default::default()), kind, "damage");
        let failing = |kind| Finding { kind, ..io("fail:3:EIO:once") };
        // Of its own kind, whatever is lost, damaged or fails besides.
        assert_eq!(left(vec![bare(Kind::GhostKey), damage(Kind::GhostKey)]), (1, 1));
        assert_eq!(left(vec![bare(Kind::GhostKey), failing(Kind::GhostKey)]), (1, 1));
        assert_eq!(left(vec![bare(Kind::GhostKey), damage(Kind::CorruptValue)]), (2, 0));
        let mut helped = failing(Kind::GhostKey);
        helped.cause.counterfactual = Some("answer with `err`".into());
        assert_eq!(left(vec![bare(Kind::GhostKey), helped]), (2, 0));
        // Lost requests are one, but where the crash alone loses nothing but deletes.
        let loses = |text| saying(bare(Kind::LostAck), text);
        let lost =
            |text| saying(Finding { id: "other".into(), ..losing(power("b"), "write", "x") }, text);
        assert_eq!(left(vec![loses(put), lost(put)]), (1, 1));
        assert_eq!(left(vec![loses(put), saying(failing(Kind::TornBatch), torn)]), (1, 1));
        let mut deletes = loses(del);
        assert_eq!(left(vec![deletes.clone(), lost(put)]), (1, 1));
        deletes.cause.parts.insert(ONLY_DELETES.into(), "yes".into());
        assert_eq!(left(vec![deletes.clone(), lost(put)]), (2, 0));
        assert_eq!(left(vec![deletes, lost(del)]), (1, 1));
        // Where none was looked for it may be a flaw of its own, and what has to be lost is no bare crash.
        let mut unknown = loses(put);
        unknown.cause.parts.remove(NONE_HELPS);
        assert_eq!(left(vec![unknown, lost(put)]), (2, 0));
        let mut effect = saying(losing(kill("a"), "write", "log"), put);
        effect.cause.parts.insert(NONE_HELPS.into(), "yes".into());
        assert_eq!(left(vec![effect, lost(put)]), (2, 0));
    }

    #[test]
    fn what_is_seen_again_after_a_power_cut_is_the_power_cut_s_where_that_has_a_flaw_of_its_own() {
        let mut seen = Finding { kind: Kind::Resurrected, ..io("fail:3:EIO:once") };
        let mut plain = losing(power("a"), "write", "pages");
        plain.cause.counterfactual = Some("add fsync of pages".into());
        plain.cause.tried = true;
        assert_eq!(left(vec![plain.clone(), seen.clone()]), (2, 0), "a kill shows it too");
        seen.profiles = BTreeSet::from([Profile::Ext4]);
        assert_eq!(left(vec![plain.clone(), seen.clone()]), (1, 1));
        plain.cause.tried = false;
        assert_eq!(left(vec![plain, seen]), (2, 0));
    }

    #[test]
    fn a_crash_inside_recovery_after_one_call_of_it_is_one_flaw() {
        let inside = |id: &str, kind, after: &str| {
            let strike =
                PowerStrike { nested: vec![PowerStrike::default()], ..PowerStrike::default() };
            let one = finding(Strike::Power(strike), kind, "inside recovery");
            let mut one = between(one, after, "write of log");
            (one.id, one.states) = (id.into(), if id == "a" { 9 } else { 3 });
            one.cause.counterfactual = Some(format!("keep a copy, tried for {id}"));
            one.cause.parts.insert("remedy".into(), "keep a copy".into());
            one
        };
        let lost = |id, after| inside(id, Kind::LostAck, after);
        assert_eq!(left(vec![lost("a", "ftruncate of log"), lost("b", "ftruncate of log")]).0, 1);
        assert_eq!(left(vec![lost("a", "ftruncate of log"), lost("b", "unlink of log")]), (2, 0));
        let mut untold = inside("b", Kind::Refused, "ftruncate of log");
        (untold.cause.counterfactual, untold.sentence) = (None, "the store does not open".into());
        assert_eq!(left(vec![lost("a", "ftruncate of log"), untold]), (1, 1));
        let mut failed = io("fail:3:EIO:once");
        assert_eq!(left(vec![lost("a", "ftruncate of log"), failed.clone()]), (2, 0));
        failed.cause.parts.insert(REOPENED.into(), "yes".into());
        assert_eq!(left(vec![lost("a", "ftruncate of log"), failed]), (1, 1));
    }

    #[test]
    fn a_symptom_of_the_plainer_finding_is_as_good_as_its_kind() {
        let mut shown = between(kill("a"), "an acknowledgement", "write of log");
        let torn = Finding { kind: Kind::TornBatch, ..losing(power("c"), "write", "log") };
        assert_eq!(left(vec![shown.clone(), torn.clone()]), (2, 0));
        shown.stand_for(Finding { kind: Kind::TornBatch, ..kill("a") });
        assert_eq!(left(vec![shown, torn]), (1, 2));
    }

    #[test]
    fn what_one_loss_explains_is_told_once_whatever_it_does_to_the_store() {
        let torn = Finding { kind: Kind::TornBatch, ..losing(io(""), "write", "log") };
        assert_eq!(left(vec![losing(power("a"), "write", "log"), torn.clone()]), (1, 1));
        assert_eq!(left(vec![losing(power("a"), "write", "head"), torn]), (2, 0));
    }

    #[test]
    fn what_shows_before_any_call_failed_needs_no_failing_call() {
        assert_eq!(left(vec![power("a"), io("")]), (1, 1));
        assert_eq!(left(vec![kill("a"), io("")]), (1, 1));
        assert_eq!(left(vec![power("a"), io("fail:3:EIO:once")]), (2, 0));
        assert_eq!(left(vec![io("")]), (1, 0), "it is all there is");
    }

    #[test]
    fn what_was_not_looked_into_is_the_power_cuts_whose_loss_is_in_it() {
        let cut = losing(power("a"), "rename", "db");
        let io = |lost: &str| {
            let mut failing = io("fail:3:EIO:once");
            failing.cause.parts.insert(LOSES.into(), lost.into());
            failing
        };
        assert_eq!(left(vec![cut.clone(), io("rename of db; write of tmp")]), (1, 1));
        assert_eq!(left(vec![cut.clone(), io("write of tmp")]), (2, 0));
        let refused = Finding { kind: Kind::Refused, ..io("rename of db") };
        assert_eq!(left(vec![cut, refused]), (2, 0), "another kind");
    }

    #[test]
    fn a_store_that_does_not_open_for_one_reason_is_told_once_where_nothing_tells_it_apart() {
        let refused = |one: Finding, why: &str| {
            let sentence = format!("the store does not open: {why}");
            Finding { id: sentence.clone(), kind: Kind::Refused, sentence, ..one }
        };
        let ended = |one: Finding, at| refused(one, &format!("the log ends at frame {at}"));
        let lost = |file| losing(power("a"), "write", file);
        let none = finding(Strike::None, Kind::Refused, "no fault at all");
        let io = || losing(io("fail:3:EIO:once"), "write", "log");
        assert_eq!(left(vec![ended(lost("log"), 3), ended(lost("head"), 4)]), (1, 0));
        assert_eq!(left(vec![ended(kill("a"), 3), ended(lost("head"), 4)]), (1, 1));
        assert_eq!(left(vec![ended(none.clone(), 3), ended(io(), 4)]), (1, 1));
        assert_eq!(left(vec![ended(lost("log"), 3), ended(io(), 4)]), (2, 0), "a call failed");
        let other = refused(lost("head"), "no slot of the head checks out");
        assert_eq!(left(vec![ended(lost("log"), 3), other]), (2, 0));
        let mut cured = ended(lost("head"), 4);
        cured.cause.counterfactual = Some("add fsync of head".into());
        assert_eq!(left(vec![ended(lost("log"), 3), cured]), (2, 0));
    }

    #[test]
    fn a_recovery_that_leaves_a_bad_store_is_told_once_whatever_came_before_it() {
        let bad =
            |one: Finding, id: &str| Finding { id: id.into(), kind: Kind::NotWritable, ..one };
        let mut lost = losing(io("fail:3:EIO:once"), "fdatasync", "log");
        assert_eq!(left(vec![bad(kill("a"), "a"), bad(power("b"), "b"), lost.clone()]), (2, 1));
        assert_eq!(left(vec![bad(kill("a"), "a"), bad(lost.clone(), "b")]), (1, 1));
        lost.cause.parts.insert(REOPENED.into(), "yes".into());
        assert_eq!(left(vec![bad(kill("a"), "a"), lost.clone()]), (1, 1));
        let torn = Finding { kind: Kind::TornBatch, ..lost.clone() };
        assert_eq!(left(vec![bad(kill("a"), "a"), torn]), (2, 0), "another kind of loss");
        lost.cause.counterfactual = Some("answer the write".into());
        assert_eq!(left(vec![bad(kill("a"), "a"), lost]), (2, 0), "it has a remedy of its own");
    }

    #[test]
    fn a_call_that_fails_alone_is_told_and_not_the_one_that_failed_before_it() {
        let failed = |call: &str, file: &str| {
            let mut one = losing(io("fail:3:ENOSPC:on"), call, file);
            one.cause.mechanism = Some(format!("{call} of {file} failed"));
            one
        };
        let mut first = failed("rename", "snap");
        first.cause.parts.insert(BESIDES.into(), "write of head; write of log".into());
        let alone = failed("write", "log");
        assert_eq!(left(vec![first.clone(), alone.clone()]), (1, 0));
        assert_eq!(left(vec![first.clone(), failed("write", "db")]), (2, 0), "another call");
        let mut both = alone.clone();
        both.cause.parts.insert(BESIDES.into(), "rename of snap".into());
        assert_eq!(left(vec![first.clone(), both]), (2, 0), "neither fails alone");
        first.cause.counterfactual = Some("answer the write".into());
        assert_eq!(left(vec![first, alone]), (2, 0), "it has a remedy of its own");
    }

    #[test]
    fn what_a_clean_close_shows_needs_no_failing_call() {
        let none = || finding(Strike::None, Kind::LostAck, "no fault at all");
        assert_eq!(left(vec![none(), io("")]), (1, 1));
        assert_eq!(left(vec![none(), io("fail:3:EIO:once")]), (2, 0));
        assert_eq!(left(vec![none(), power("what write puts into a can be lost")]), (2, 0));
    }

    #[test]
    fn an_alarm_is_not_folded_into_a_note_nor_into_another_kind_or_a_harsher_grade() {
        let note = Finding { note: true, ..power("a") };
        assert_eq!(left(vec![note, io("")]), (2, 0));
        let torn = Finding { kind: Kind::TornBatch, ..power("a") };
        assert_eq!(left(vec![torn, io("")]), (2, 0));
        let graded = |profile| BTreeSet::from([profile]);
        let strict = Finding { profiles: graded(Profile::Strict), ..power("a") };
        let ext4 = Finding { profiles: graded(Profile::Ext4), ..io("") };
        assert_eq!(left(vec![strict, ext4]), (2, 0));
    }
}
