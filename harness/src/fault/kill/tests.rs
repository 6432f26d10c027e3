//! The kill fault against stores of a few lines of shell: one keeps what it acknowledges, the others
//! do not.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::base::Rng;
use crate::driver::{Capabilities, Target};
use crate::fault::{Budget, Control, Silent};
use crate::oracle::Kind;
use crate::scenario::Options;
use crate::workload::History;

/// `$1`: what a put does.
const STORE: &str = r#"
put="$1"
while read -r id word a b rest; do
  case $word in
    open) dir=$a; [ -f $dir/refuse ] && echo "refused $id no" || echo "ack $id" ;;
    put) eval "$put" ;;
    dump) [ -f "$dir/pairs" ] && while read -r k v; do echo "$k $v"; done < "$dir/pairs" |
            awk '{ v[$1] = $2 } END { for (k in v) print k, v[k] }' |
            while read -r k v; do echo "have $id $k $v"; done
          echo "ack $id" ;;
    *) echo "ack $id" ;;
  esac
done
"#;

const HONEST: &str = r#"echo "$a $b" >> $dir/pairs; echo "ack $id""#;

fn run(put: &str, cases: u64) -> (FaultOutcome, Vec<Rejudged>) {
    let root = tempfile::tempdir().unwrap();
    let target = Target::new("shell", ["sh", "-c", STORE, "sh", put]);
    let options = Options { value_bytes: 1..=60, writers: 2, ..Options::default() };
    let control = Control {
        capabilities: Capabilities::default(),
        history: History::default(),
        contents: Default::default(),
        warnings: Vec::new(),
        timing: crate::fault::Timing::default(),
        opens: true,
        forks: false,
        clean: Default::default(),
        slowest: None,
    };
    let budget = Budget::new(cases, Some(Duration::from_secs(60)), Arc::default());
    let ctx = Context {
        target: &target,
        options: &options,
        control: &control,
        recordings: &crate::fault::Recordings::default(),
        run_root: root.path(),
        image_root: root.path(),
        rng: Rng::new(5),
        budget: &budget,
        observer: &Silent,
    };
    // Live processes alone: what a recording shows is tested with the power fault.
    let outcome = live(&ctx).unwrap();
    let again = outcome.findings.iter().map(|finding| Kill.rejudge(&ctx, &finding.case).unwrap());
    let again = again.collect();
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
    (outcome, again)
}

#[test]
fn a_store_that_keeps_what_it_acknowledges_holds() {
    let (outcome, _) = run(HONEST, 20);
    assert!(outcome.findings.is_empty(), "{:?}", outcome.findings[0].sentence);
    assert_eq!(outcome.totals.states, 20);
    let called_for = called_for::of_crashes(Loss::Kill, &Capabilities::default());
    assert!(called_for.is_subset(&outcome.judged), "{:?}", outcome.judged);
    assert!(outcome.judged.contains(&Kind::Vanished));
    assert!(outcome.judged.contains(&Kind::NotWritable));
}

#[test]
fn a_store_that_acknowledges_before_it_writes_is_caught_and_its_case_fails_again() {
    let late = r#"[ -n "$late" ] && echo "$late" >> $dir/pairs; late="$a $b"; echo "ack $id""#;
    let (outcome, again) = run(late, 12);
    assert_eq!(outcome.findings[0].kind, Kind::LostAck);
    assert!(again[0].verdict.violations.iter().any(|v| v.kind == Kind::LostAck), "{again:?}");
}

#[test]
fn a_store_that_a_kill_makes_refuse_is_caught() {
    let locked = r#"touch $dir/refuse; echo "$a $b" >> $dir/pairs; echo "ack $id""#;
    let (outcome, again) = run(locked, 6);
    assert_eq!(outcome.findings[0].kind, Kind::Refused);
    assert!(again[0].verdict.violations.iter().any(|v| v.kind == Kind::Refused));
}
