//! Workers with drivers of a few lines of shell: a store is the file `pairs`, one pair a line.

use super::*;
use crate::driver::Hang;
use crate::recover::{Recovered, Used};

/// `$1`: capability words. `$2`: shell that runs at `open`; it may answer by itself.
const STORE: &str = r#"
words="$1"; at_open="$2"
while read -r id word a b rest; do
  case $word in
    open) dir=$a; answered=; eval "$at_open"; [ -n "$answered" ] || echo "ack $id $words" ;;
    put) echo "$a $b" >> "$dir/pairs"; echo "ack $id" ;;
    dump) [ -f "$dir/pairs" ] && while read -r k v; do echo "have $id $k $v"; done < "$dir/pairs"
          echo "ack $id" ;;
    *) echo "ack $id" ;;
  esac
done
"#;

fn worker(words: &str, at_open: &str) -> (tempfile::TempDir, Worker) {
    let root = tempfile::tempdir().unwrap();
    let limit = Duration::from_millis(300);
    let target = Target::new("shell", ["sh", "-c", STORE, "sh", words, at_open]);
    let capabilities = Capabilities::parse(words.split_whitespace()).unwrap();
    let timeouts = Timeouts { open: limit, op: limit };
    let setup = Setup::new(target, capabilities, timeouts, root.path());
    let worker = Worker::new(&setup).unwrap();
    (root, worker)
}

fn image(pairs: &str) -> Image {
    let mut image = Image::empty();
    image.put("pairs", pairs.as_bytes());
    image
}

fn opened(recovery: &Recovery) -> &Recovered {
    let Recovery::Opened(recovered) = recovery else { panic!("{recovery:?}") };
    recovered
}

#[test]
fn each_image_is_recovered_by_itself_with_and_without_reopen() {
    for words in ["reopen", ""] {
        let (_root, mut worker) = worker(words, "");
        assert_eq!(opened(&worker.recover(&image("a 1\n")).unwrap()).contents.len(), 1);
        let recovery = worker.recover(&image("b 2\nc 3\n")).unwrap();
        assert_eq!(opened(&recovery).contents.get(&"b".into()), Some(&"2".into()));
        assert!(opened(&worker.recover(&Image::empty()).unwrap()).contents.is_empty());
        assert_eq!(worker.live.is_some(), words == "reopen");
    }
}

#[test]
fn what_recovery_did_to_the_directory_does_not_reach_the_next_image() {
    let (_root, mut worker) = worker("reopen", "echo x 9 >> $dir/pairs; mkdir -p $dir/junk");
    let recovery = worker.recover(&image("a 1\n")).unwrap();
    assert_eq!(opened(&recovery).contents.len(), 2);
    assert!(worker.left().unwrap().find("junk").is_some());
    let recovery = worker.recover(&Image::empty()).unwrap();
    assert_eq!(opened(&recovery).contents.len(), 1);
}

#[test]
fn refusals_warnings_and_contradictions_are_told() {
    let (_root, mut worker) = worker("reopen", "echo warn hm; answered=1; echo refused $id no");
    let recovery = worker.recover(&image("a 1\n")).unwrap();
    let (text, warnings) = ("no".to_string(), vec!["hm".to_string()]);
    assert_eq!(recovery, Recovery::Refused { stage: Stage::Open, text, warnings });
    let (_root, mut worker) = self::worker("reopen", "echo warn dropped one");
    let recovery = worker.recover(&image("a 1\na 2\n")).unwrap();
    assert_eq!(opened(&recovery).warnings, ["dropped one"]);
    assert!(opened(&recovery).contradiction.is_some());
}

#[test]
fn crashes_and_hangs_have_their_stage_and_the_next_image_a_new_process() {
    let (_root, mut worker) = worker("reopen", "grep -q bad $dir/pairs && kill -9 $$");
    let recovery = worker.recover(&image("bad 1\n")).unwrap();
    assert!(matches!(recovery, Recovery::Crashed { stage: Stage::Open, .. }), "{recovery:?}");
    assert_eq!(opened(&worker.recover(&image("a 1\n")).unwrap()).contents.len(), 1);
    let (_root, mut worker) = self::worker("reopen", "grep -q bad $dir/pairs && sleep 100");
    let recovery = worker.recover(&image("bad 1\n")).unwrap();
    assert_eq!(recovery, Recovery::Hung { stage: Stage::Open, hang: Hang::Limit });
}

#[test]
fn a_recovery_that_fills_its_directory_is_stopped_and_said_so() {
    let filling = "grep -q full $dir/pairs && fallocate -l 1200M $dir/junk && sleep 0.2";
    let (_root, mut worker) = worker("reopen", filling);
    let recovery = worker.recover(&image("full 1\n")).unwrap();
    let Recovery::Crashed { stage: Stage::Open, how, .. } = &recovery else {
        panic!("{recovery:?}")
    };
    assert!(how.contains("filled its directory"), "{how}");
    assert_eq!(opened(&worker.recover(&image("a 1\n")).unwrap()).contents.len(), 1);
    let hole = "truncate -s 1200M $dir/junk && sleep 0.2";
    let (_root, mut worker) = self::worker("reopen", hole);
    assert_eq!(opened(&worker.recover(&image("full 1\n")).unwrap()).contents.len(), 1);
}

#[test]
fn a_finding_is_confirmed_at_the_user_s_limit_and_states_are_visited_at_the_first() {
    let (root, _) = worker("reopen", "");
    let target = Target::new("shell", ["sh", "-c", STORE, "sh", "reopen", "sleep 1"]);
    let capabilities = Capabilities::parse(["reopen"]).unwrap();
    let (short, long) = (Duration::from_millis(100), Duration::from_secs(1000));
    let timeouts = Timeouts { open: long, op: long };
    let mut setup = Setup::new(target, capabilities, timeouts, root.path());
    setup.first = Some(Timeouts { open: short, op: long });
    setup.hangs.note();
    let visited = Worker::new(&setup).unwrap().recover(&image("a 1\n")).unwrap();
    assert_eq!(visited, Recovery::Hung { stage: Stage::Open, hang: Hang::Limit });
    setup.confirms = true;
    let confirmed = Worker::new(&setup).unwrap().recover(&image("a 1\n")).unwrap();
    assert_eq!(opened(&confirmed).contents.len(), 1);
    assert!(setup.hangs.first(&timeouts, &timeouts).open >= Duration::from_secs(1));
}

#[test]
fn a_hang_is_not_waited_for_beyond_the_run_s_time_and_then_nothing_is_proven() {
    let (root, _) = worker("reopen", "");
    let target = Target::new("shell", ["sh", "-c", STORE, "sh", "reopen", "sleep 1000"]);
    let capabilities = Capabilities::parse(["reopen"]).unwrap();
    let (short, long) = (Duration::from_millis(100), Duration::from_secs(1000));
    let timeouts = Timeouts { open: long, op: long };
    let mut setup = Setup::new(target, capabilities, timeouts, root.path());
    setup.first = Some(Timeouts { open: short, op: long });
    (setup.confirms, setup.deadline) = (true, Some(Instant::now()));
    let recovery = Worker::new(&setup).unwrap().recover(&image("a 1\n")).unwrap();
    let Recovery::Hung { hang: Hang::Cut { of, .. }, .. } = recovery else {
        panic!("{recovery:?}")
    };
    assert_eq!(of, long);
}

#[test]
fn a_program_that_starts_slowly_is_forked_and_a_finding_is_never_confirmed_in_a_fork() {
    let program = r#"
import os, sys, time
time.sleep(0.1)
started = os.getpid()
for line in sys.stdin:
    n, word, *w = line.split()
    if word == "dump":
        print("have", n, "forked", "yes" if os.getpid() != started else "no")
    print("ack", n, flush=True)
"#;
    let root = tempfile::tempdir().unwrap();
    let target = Target::new("python", ["python3", "-c", program]);
    let long = Duration::from_secs(100);
    let timeouts = Timeouts { open: long, op: long };
    let setup = Setup::new(target, Capabilities::default(), timeouts, root.path());
    let mut worker = Worker::new(&setup).unwrap();
    let forked =
        |recovery: &Recovery| opened(recovery).contents[&Key::from("forked")].as_str().to_owned();
    let said: Vec<String> = (0..4).map(|_| forked(&worker.recover(&image("")).unwrap())).collect();
    assert_eq!(said, ["no", "yes", "yes", "yes"]);
    assert_eq!(forked(&worker.confirm(&image("")).unwrap()), "no");
    drop(worker);
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn what_fails_in_a_fork_counts_only_if_it_fails_in_a_process_that_was_started() {
    let program = r#"
import os, sys, time
time.sleep(0.1)
started = os.getpid()
for line in sys.stdin:
    n, word, *w = line.split()
    if word == "open" and os.getpid() != started:
        os.abort()
    print("ack", n, flush=True)
"#;
    let root = tempfile::tempdir().unwrap();
    let target = Target::new("python", ["python3", "-c", program]);
    let long = Duration::from_secs(100);
    let timeouts = Timeouts { open: long, op: long };
    let setup = Setup::new(target, Capabilities::default(), timeouts, root.path());
    let mut worker = Worker::new(&setup).unwrap();
    for _ in 0..3 {
        opened(&worker.recover(&image("")).unwrap());
    }
}

#[test]
fn contents_that_change_at_the_second_opening_are_seen() {
    let (_root, mut worker) = worker("reopen", "");
    let (first, second) = worker.stable(&image("a 1\n")).unwrap();
    assert_eq!(Some(first), second);
    let forgetful = "[ -e $dir/seen ] && rm -f $dir/pairs; touch $dir/seen";
    let (_root, mut worker) = self::worker("reopen sync", forgetful);
    let (first, second) = worker.stable(&image("a 1\n")).unwrap();
    assert_eq!(opened(&first).contents.len(), 1);
    assert!(opened(&second.unwrap()).contents.is_empty());
}

fn shown(values: &[&str]) -> Contents {
    let pair =
        |(number, value): (usize, &&str)| (Key::new(format!("k{number}")), Value::new(*value));
    values.iter().enumerate().map(pair).collect()
}

#[test]
fn a_tried_put_is_as_long_as_most_of_what_is_there() {
    let long = "v".repeat(60);
    let usual = |values: &[&str]| super::usual(&shown(values));
    assert_eq!(usual(&[&long, "short", &long, "v"]), 62);
    assert_eq!(usual(&[&long, "v"]), 3, "the shorter where none is more frequent");
    assert_eq!(usual(&[]), 0);
    let (_root, mut worker) = worker("reopen", "");
    let tried = worker.writable(&image("a 1\n"), &shown(&[&long])).unwrap();
    assert_eq!(tried.key.as_str().len() + tried.value.as_str().len(), 62);
}

#[test]
fn a_put_that_is_gone_after_a_reopen_is_seen() {
    for words in ["reopen", ""] {
        let (_root, mut worker) = worker(words, "");
        let tried = worker.writable(&image("a 1\n"), &shown(&["1"])).unwrap();
        assert_eq!(tried.answer, Some(Answer::Ack));
        assert_eq!(opened(&tried.first).contents.len(), 1);
        assert_eq!(opened(&tried.second).contents.get(&tried.key), Some(&tried.value));
    }
    let forgetful = "grep -v unplug $dir/pairs > $dir/t; mv $dir/t $dir/pairs";
    let (_root, mut worker) = worker("reopen", forgetful);
    let tried = worker.writable(&image("a 1\n"), &shown(&["1"])).unwrap();
    assert_eq!(opened(&tried.second).contents.len(), 1);
}

#[test]
fn nothing_is_left_behind() {
    let (root, mut worker) = worker("reopen", "");
    worker.recover(&image("a 1\n")).unwrap();
    worker.confirm(&image("a 1\n")).unwrap();
    drop(worker);
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn a_hung_recovery_is_given_up_once_the_run_is_to_end() {
    let (_root, mut worker) = worker("reopen", "sleep 100");
    worker.setup.timeouts = Timeouts { open: Duration::from_secs(60), op: Duration::from_secs(60) };
    worker.setup.interrupted.store(true, std::sync::atomic::Ordering::Relaxed);
    let began = std::time::Instant::now();
    let given_up = worker.recover(&image("a 1\n"));
    assert!(matches!(given_up, Err(HarnessError::Interrupted)), "{given_up:?}");
    assert!(began.elapsed() < Duration::from_secs(50));
}

#[test]
fn what_a_refused_store_left_in_the_process_is_not_held_against_the_next_one() {
    // A store that is refused stays locked: every later `open` in this process is refused for that.
    let locked = "[ -n \"$held\" ] && { answered=1; echo refused $id held; }; \
        [ -f $dir/bad ] && [ -z \"$answered\" ] && { held=1; answered=1; echo refused $id bad; }";
    let (_root, mut worker) = worker("reopen", locked);
    let mut bad = Image::empty();
    bad.put("bad", b"");
    let why = |recovery: Recovery| match recovery {
        Recovery::Refused { text, .. } => text,
        other => panic!("{other:?}"),
    };
    assert_eq!(why(worker.recover(&bad).unwrap()), "bad");
    assert_eq!(opened(&worker.recover(&image("a 1\n")).unwrap()).contents.len(), 1);
    assert_eq!(worker.refusals, Refusals::Final);
    assert_eq!(why(worker.recover(&bad).unwrap()), "bad");
    assert!(worker.live.is_none(), "no process is asked again after it refused");
    assert_eq!(opened(&worker.recover(&image("a 1\n")).unwrap()).contents.len(), 1);
}

#[test]
fn a_process_that_refuses_as_a_fresh_one_does_is_asked_again() {
    let refusing = "[ -f $dir/bad ] && { answered=1; echo refused $id bad; }";
    let (_root, mut worker) = worker("reopen", refusing);
    let mut bad = Image::empty();
    for at in 0..3u8 {
        bad.put("bad", &[at]);
        assert!(matches!(worker.recover(&bad).unwrap(), Recovery::Refused { .. }));
        assert!(worker.live.is_some());
    }
    assert_ne!(worker.refusals, Refusals::Final);
}

#[test]
fn a_store_that_a_request_after_its_recovery_kills_died_in_use() {
    let fatal = r#"if [ -e $dir/old ]; then
        echo() { [ "$1" = "b v" ] && exit 3; command echo "$@"; }
    fi"#;
    let put = |key: &str| Request::Write(Mutation::Put(key.into(), "v".into()));
    let requests = [put("a"), Request::Close, Request::Open, put("b"), Request::Close];
    let mut old = image("k 1\n");
    assert!(old.put("old", b""));
    for words in ["reopen", ""] {
        let (_root, mut worker) = worker(words, fatal);
        assert_eq!(worker.used_for(&image("k 1\n"), &requests).unwrap(), Used::Well, "{words}");
        let used = worker.used_for(&old, &requests).unwrap();
        let Used::Died { request, nth, how } = &used else { panic!("{words}: {used:?}") };
        assert_eq!((request.as_str(), *nth), ("put b v", 4), "{words}");
        assert!(how.contains("status 3"), "{words}: {how}");
        assert_eq!(worker.used_for(&old, &requests[..3]).unwrap(), Used::Well, "{words}");
    }
}

#[test]
fn a_store_that_answers_errors_or_that_recovery_kills_did_not_die_in_use() {
    let put = Request::Write(Mutation::Put("b".into(), "v".into()));
    let errs = r#"echo() { [ "$1" = "ack 3" ] && set -- "err 3 full"; command echo "$@"; }"#;
    for at_open in [errs, "exit 3", "echo refused $id no; answered=1"] {
        let (_root, mut worker) = worker("", at_open);
        let used = worker.used_for(&image("k 1\n"), &[put.clone(), Request::Close]).unwrap();
        assert_eq!(used, Used::Well, "{at_open}");
    }
}

#[test]
fn a_store_that_refuses_for_one_reason_again_and_again_costs_few_processes() {
    let counts = tempfile::NamedTempFile::new().unwrap();
    let refusing = format!(
        "[ -n \"$seen\" ] || echo x >> {}; seen=1; answered=1; echo refused $id locked",
        counts.path().display()
    );
    let (_root, mut worker) = worker("reopen", &refusing);
    for number in 0..100u8 {
        let mut image = image("a 1\n");
        image.put("number", &[number]);
        let recovery = worker.recover(&image).unwrap();
        let fresh = worker.second_opinion(&image, &recovery).unwrap();
        assert!(fresh.is_none_or(|fresh| fresh.is_like(&recovery)));
    }
    let processes = std::fs::read_to_string(counts.path()).unwrap().lines().count();
    assert!((4..40).contains(&processes), "{processes}");
}
