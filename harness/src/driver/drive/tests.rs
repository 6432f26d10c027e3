//! Whole workloads through a driver of a few lines of shell.

use std::time::Duration;

use super::*;
use crate::driver::Counter;
use crate::workload::Mutation;

/// Keeps pairs in memory only; `dump` shows them.
const SHELL: &str = r#"
words="$1"; pairs=""
while read -r id word a b rest; do
  case $word in
    open) echo "ack $id $words" ;;
    put) pairs="$pairs$a $b|"; echo "ack $id" ;;
    dump) printf '%s' "$pairs" | tr '|' '\n' | while read -r k v; do echo "have $id $k $v"; done
          echo "ack $id" ;;
    *) echo "ack $id" ;;
  esac
done
"#;

fn put(n: u32) -> Request {
    Request::Write(Mutation::Put(format!("k{n}").as_str().into(), format!("v{n}").as_str().into()))
}

fn run(script: &str, words: &str, requests: &[Request], threads: u32) -> (Driven, Counter) {
    let root = tempfile::tempdir().unwrap();
    let target = Target::new("shell", ["sh", "-c", script, "sh", words]);
    let limit = Duration::from_secs(5);
    let mut host = Processes::new(&target, Timeouts { open: limit, op: limit }, root.path());
    let mut counter = Counter::default();
    let plan = Plan { dir: root.path(), requests, threads, capabilities: None };
    let driven = drive(&mut host, &mut counter, &plan).unwrap();
    (driven, counter)
}

#[test]
fn a_workload_gives_its_history_and_its_dumps() {
    let requests = [Request::Open, put(1), put(2), Request::Dump, Request::Close];
    let (driven, counter) = run(SHELL, "durable=ack", &requests, 1);
    assert_eq!(driven.end, End::Finished);
    assert_eq!(driven.dumps[0].0, OpNo(3));
    assert_eq!(driven.dumps[0].1.contents.len(), 2);
    let history = counter.into_history();
    assert_eq!(history.operations.len(), 5);
    assert!(history.operations.iter().all(|op| op.acknowledged() > Some(op.begun)));
}

#[test]
fn what_the_driver_does_not_understand_is_never_sent() {
    let del = Request::Write(Mutation::Del("k".into()));
    let requests = [Request::Open, del, Request::Sync, put(1), Request::Close];
    let (driven, counter) = run(SHELL, "sync", &requests, 1);
    assert_eq!((driven.left_out, counter.history().operations.len()), (1, 4));
}

#[test]
fn without_reopen_each_open_is_a_process_of_its_own() {
    let requests =
        [Request::Open, put(1), Request::Close, Request::Open, Request::Dump, Request::Close];
    let (driven, _) = run(SHELL, "", &requests, 1);
    assert_eq!((driven.end, driven.dumps[0].1.contents.len()), (End::Finished, 0));
    let (driven, _) = run(SHELL, "reopen", &requests, 1);
    assert_eq!((driven.end, driven.dumps[0].1.contents.len()), (End::Finished, 1));
}

#[test]
fn as_many_requests_are_outstanding_as_both_sides_allow() {
    // Answers two puts together, the later one first.
    let script = r#"
      while read -r id word rest; do case $word in
        open) echo "ack $id threads=2" ;;
        put) read -r second rest; echo "ack $second"; echo "ack $id" ;;
        *) echo "ack $id" ;;
      esac; done"#;
    let requests = [Request::Open, put(1), put(2), put(3), put(4), Request::Close];
    let (driven, counter) = run(script, "", &requests, 2);
    assert_eq!(driven.end, End::Finished);
    let ops = &counter.history().operations;
    assert!(ops[2].begun < ops[1].acknowledged().unwrap(), "{ops:?}");
    assert!(ops[2].acknowledged() < ops[1].acknowledged(), "{ops:?}");
    assert!(ops[3].acknowledged() < Some(ops[5].begun), "close is sent alone: {ops:?}");
}

#[test]
fn a_driver_that_changes_its_promises_or_dies_or_refuses_ends_the_run() {
    let requests = [Request::Open, put(1), Request::Close, Request::Open, Request::Close];
    let changing = r#"n=0; while read -r id word rest; do
        [ $word = open ] && { n=$((n+1)); [ $n = 1 ] && echo "ack $id reopen" || echo "ack $id reopen del"; } || echo "ack $id"
    done"#;
    let (driven, _) = run(changing, "", &requests, 1);
    let End::Failed(DriverFault::BrokeProtocol { line }) = driven.end else { panic!("{driven:?}") };
    assert!(line.why.contains("differ"), "{line}");
    let dying = r#"read a; echo ack 1; read a; echo bad luck >&2; kill -9 $$"#;
    let (driven, counter) = run(dying, "", &requests, 1);
    let End::Failed(fault) = driven.end else { panic!("{driven:?}") };
    assert_eq!(fault.to_string(), "killed by SIGKILL; it said: bad luck");
    assert_eq!(counter.history().operations[1].answered, None);
    let refusing = "read a; echo refused 1 not today; read b; exit 0";
    let (driven, _) = run(refusing, "", &requests, 1);
    assert_eq!(driven.end, End::NotOpened(Answer::Refused("not today".into())));
}

#[test]
fn a_large_value_and_a_large_dump_pass_through_full_pipes() {
    let echo = r#"while read -r id word k v; do case $word in
        dump) for i in 1 2 3 4 5 6 7 8 9; do echo "have $id k$i $saved"; done ;;
        put) saved=$v ;; esac; echo "ack $id"; done"#;
    let value = "x".repeat(200_000);
    let large = Request::Write(Mutation::Put("k".into(), value.as_str().into()));
    let (driven, _) = run(echo, "", &[Request::Open, large, Request::Dump, Request::Close], 1);
    assert_eq!(driven.end, End::Finished);
    assert!(driven.dumps[0].1.contents.values().all(|v| v.as_str().len() == 200_000));
}
