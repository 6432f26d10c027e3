//! Histories with failed requests, and what their court says of dumps and restarts.

use super::*;
use crate::fault::io::testkit::{contents, dump, history, put};
use crate::image::Image;
use crate::oracle::Kind;

fn opened(pairs: &[(&str, &str)]) -> Recovery {
    let contents = contents(pairs);
    Recovery::Opened(Recovered { contents, ..Recovered::default() })
}

fn kinds(verdict: Option<Verdict>) -> Vec<(Kind, bool)> {
    let found = verdict.map(|verdict| verdict.violations).unwrap_or_default();
    found.iter().map(|violation| (violation.kind, violation.note)).collect()
}

fn new_store(requests: &[(Request, bool)], dumps: &[(OpNo, Dump)]) -> Court {
    Court::new(None, history(requests), dumps, &Capabilities::default())
}

#[test]
fn a_running_store_shows_what_it_acknowledged_and_may_show_what_failed() {
    let requests = [
        (Request::Open, false),
        (put("a", "1"), false),
        (put("a", "2"), true),
        (Request::Dump, false),
    ];
    let shows = |pairs: &[(&str, &str)]| {
        let dumps = [dump(3, pairs)];
        let living = new_store(&requests, &dumps).living(&dumps, "a failure");
        living.into_iter().flat_map(|one| one.verdict.violations).map(|v| v.kind).next()
    };
    assert_eq!(shows(&[("a", "1")]), None);
    assert_eq!(shows(&[("a", "2")]), None);
    assert_eq!(shows(&[]), Some(Kind::LostAck));
}

#[test]
fn a_failed_request_stays_what_a_recovery_showed_it_to_be() {
    let requests = [
        (Request::Open, false),
        (put("a", "1"), false),
        (put("a", "2"), true),
        (Request::Close, false),
        (Request::Open, false),
        (Request::Dump, false),
    ];
    let later = |shown: &str, then: &str| {
        let court = new_store(&requests, &[dump(5, &[("a", shown)])]);
        kinds(court.at(Moment(100), Loss::Kill, &opened(&[("a", then)])))
    };
    assert_eq!(later("1", "1"), []);
    assert_eq!(later("2", "2"), []);
    assert_eq!(later("1", "2"), [(Kind::Resurrected, false)]);
    assert_eq!(later("2", "1"), [(Kind::Vanished, false)]);
}

#[test]
fn a_recovered_store_that_showed_nothing_before_it_was_written_to_is_not_judged() {
    let past = history(&[(Request::Open, false), (put("a", "1"), false)]);
    let before = Before { history: past, image: Image::empty() };
    let requests = [
        (Request::Open, false),
        (Request::Dump, true),
        (put("b", "1"), false),
        (Request::Dump, false),
    ];
    let dumps = [dump(3, &[("a", "1"), ("b", "1")])];
    let capabilities = Capabilities::default();
    let court = Court::new(Some(&before), history(&requests), &dumps, &capabilities);
    assert!(court.living(&dumps, "a failure").is_empty());
    assert!(court.at(Moment(100), Loss::Kill, &opened(&[])).is_none());
    // Before the write only what came before counts.
    assert_eq!(kinds(court.at(Moment(3), Loss::Kill, &opened(&[]))), [(Kind::LostAck, false)]);
}

#[test]
fn a_recovery_that_shows_less_than_was_promised_is_caught_at_its_dump() {
    let past = history(&[(Request::Open, false), (put("a", "1"), false)]);
    let before = Before { history: past, image: Image::empty() };
    let requests = [(Request::Open, false), (Request::Dump, false)];
    let dumps = [dump(1, &[])];
    let capabilities = Capabilities::default();
    let court = Court::new(Some(&before), history(&requests), &dumps, &capabilities);
    let living = court.living(&dumps, "EIO");
    assert_eq!(kinds(Some(living[0].verdict.clone())), [(Kind::LostAck, false)]);
}

#[test]
fn after_a_close_that_failed_only_what_survives_a_kill_is_expected() {
    let shown = |close_failed: bool, kill: KillPromise| {
        let requests = [
            (Request::Open, false),
            (put("a", "1"), false),
            (Request::Close, close_failed),
            (Request::Open, false),
            (Request::Dump, false),
        ];
        let capabilities = Capabilities { kill, ..Capabilities::default() };
        let dumps = [dump(4, &[])];
        let court = Court::new(None, history(&requests), &dumps, &capabilities);
        kinds(Some(court.living(&dumps, "EIO")[0].verdict.clone()))
    };
    assert_eq!(shown(true, KillPromise::Close), []);
    assert_eq!(shown(false, KillPromise::Close), [(Kind::LostAck, false)]);
    assert_eq!(shown(true, KillPromise::Ack), [(Kind::LostAck, false)]);
}
