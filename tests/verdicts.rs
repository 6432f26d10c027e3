//! What a verdict is worth, from end to end: `held` needs states that lose something, and says which share
//! of them was visited.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use support::Place;

/// A log that is never synced. Each record goes out in many appends, so that the recording is long, and
/// everything that survives a kill comes before the first loss in it.
const NEVER_SYNCED: &str = r#"
while read -r id word a b; do
  case $word in
    open) dir=$a; [ -e "$dir/log" ] || : > "$dir/log"; echo "ack $id durable=ack";;
    put)
      { printf '%s' "$a" >> "$dir/log"; printf ' ' >> "$dir/log"; printf '%s' "$b" >> "$dir/log"
        printf ' ' >> "$dir/log"; printf '.' >> "$dir/log"; printf '\n' >> "$dir/log"; }
      echo "ack $id";;
    dump)
      while read -r k v end; do
        [ "$end" = . ] && printf 'have %s %s %s\n' "$id" "$k" "$v"
      done < "$dir/log" | awk '{ last[$3] = $0 } END { for (k in last) print last[k] }'
      echo "ack $id";;
    *) echo "ack $id";;
  esac
done
"#;

#[test]
fn a_program_that_never_syncs_is_found_out_within_twenty_images() {
    let place = Place::new();
    let options = ["--faults", "power", "--cases", "20", "--ops", "40", "--value-size", "40..60"];
    let ran = place.torture(&[&options[..], &["--", "sh", "-c", NEVER_SYNCED]].concat());
    ran.exits(1).says("lost-ack");
    let first = &place.report()["faults"]["power"]["first_failure"]["recoveries"];
    assert!(first.as_u64().is_some_and(|images| images <= 8), "{first}: {}", ran.stdout);
}

#[test]
fn a_program_that_leaves_nothing_to_lose_is_not_measured_and_the_run_ends() {
    let place = Place::new();
    let whole = ["--workload", "echo promised; : {dir}", "--check", "true", "--cases", "50"];
    let ran = place.torture(&whole);
    ran.exits(4).says("judged no case that takes something away");
    assert_eq!(place.report()["faults"]["power"]["coverage"]["lossy"], 0);
}

#[test]
fn held_says_which_share_of_the_groups_was_visited() {
    let place = Place::new();
    let ran = place.torture(&["--faults", "power", "--cases", "500", "--ops", "40"]);
    ran.exits(0).says("held; groups visited: power 100%");
    let coverage = &place.report()["faults"]["power"]["coverage"];
    assert!(coverage["lossy"].as_u64() > Some(300), "{coverage}");
    assert!(coverage["targets"][0].as_u64() > Some(20), "{coverage}");
}

#[test]
fn less_coverage_than_was_asked_for_is_not_measured() {
    let place = Place::new();
    let few = ["--faults", "power", "--cases", "8", "--min-coverage", "0.9"];
    let ran = place.torture(&few);
    ran.exits(4).says("--min-coverage asks for 90%").says("--cases");
}

#[test]
fn the_power_fault_judges_power_cuts_and_no_kills() {
    let place = Place::new();
    // Acknowledged before it is written: a kill between the two shows it, and a power cut with
    // everything written too.
    let ran = place.torture(&["canary:ack-before-write", "--faults", "power", "--cases", "300"]);
    ran.exits(1);
    for finding in place.report()["findings"].as_array().unwrap() {
        let sentence = finding["sentence"].as_str().unwrap();
        assert!(sentence.contains("power cut"), "{sentence}");
    }
}
