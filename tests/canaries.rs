//! The tester tested: each flawed store is caught by the fault and the property that its scenario
//! names, and each store without a flaw holds.

#[allow(dead_code)]
mod support;

use std::path::{Path, PathBuf};

use support::{Place, list};
use unplug::engines::canary::FLAWS;
use unplug_harness::campaign;
use unplug_harness::scenario::{FaultName, Profile, TargetText, folder};

fn scenarios(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(kind)
}

fn caught(fault: FaultName) {
    let end = format!("-{fault}.json");
    let files: Vec<PathBuf> = list(&scenarios("canaries"))
        .into_iter()
        .filter(|path| path.to_string_lossy().ends_with(&end))
        .collect();
    if !campaign::available().contains(&fault) {
        return;
    }
    assert!(!files.is_empty(), "no scenario of a flaw under {fault}");
    let place = Place::new();
    let mut arguments = vec!["replay"];
    arguments.extend(files.iter().filter_map(|path| path.to_str()));
    place.run(&arguments).exits(0);
    assert!(place.leftovers().is_empty());
}

#[test]
fn flaws_that_a_kill_shows_are_caught() {
    caught(FaultName::Kill);
}

#[test]
fn flaws_that_a_power_cut_shows_are_caught() {
    caught(FaultName::Power);
}

#[test]
fn flaws_that_damage_shows_are_caught() {
    caught(FaultName::Media);
}

#[test]
fn flaws_that_a_failing_call_shows_are_caught() {
    caught(FaultName::Io);
}

#[test]
fn every_flaw_has_a_scenario_for_each_fault_that_shows_it() {
    for row in FLAWS {
        for fault in row.faults.iter().filter(|fault| campaign::available().contains(fault)) {
            let path = scenarios("canaries").join(format!("{}-{fault}.json", row.name));
            let scenario = folder::read(&path).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(scenario.target, TargetText::Engine(format!("canary:{}", row.name)));
            assert_eq!(scenario.options.faults, [*fault], "{}", path.display());
            let kind = scenario.expect.kind.as_deref();
            assert_eq!(kind, Some(row.kind.name()), "{}", path.display());
        }
    }
}

#[test]
fn a_recovery_in_place_is_shown_by_crashes_inside_recovery_alone_and_its_line_is_named() {
    let place = Place::new();
    let engine = "canary:recovery-in-place";
    let some = ["--ops", "60", "--value-size", "1..3000", "--checkpoint-every", "20"];
    let arguments = [&[engine, "--faults", "power", "--cases", "600"], &some[..]].concat();
    place.torture(&arguments).exits(1);
    let report = place.report();
    let findings = report["findings"].as_array().unwrap();
    for finding in findings {
        let replay = finding["replay"].as_str().unwrap().split(' ').next_back().unwrap();
        let scenario = std::fs::read_to_string(place.only_run().join(replay)).unwrap();
        let scenario: serde_json::Value = serde_json::from_str(&scenario).unwrap();
        let nested = scenario["case"]["strike"]["nested"].as_array();
        assert!(nested.is_some_and(|nested| !nested.is_empty()), "{finding}");
    }
    let source = findings.iter().find_map(|finding| finding["source"].as_str());
    let line = source.expect("a call inside the recovery is guilty");
    assert!(line.contains("canary/open.rs") && line.contains("in in_place, called at"), "{line}");
}

#[test]
fn a_flaw_that_only_some_profiles_show_holds_under_the_others() {
    let some = |row: &&unplug::engines::canary::Row| {
        row.faults.contains(&FaultName::Power) && row.profiles.len() < Profile::ALL.len()
    };
    let rows: Vec<_> = FLAWS.iter().filter(some).collect();
    assert!(!rows.is_empty());
    for row in rows {
        assert!(!row.profiles.is_empty(), "{}: what profiles show it?", row.name);
        for profile in Profile::ALL {
            let (engine, profile_name) = (format!("canary:{}", row.name), profile.to_string());
            let code = i32::from(row.profiles.contains(&profile));
            let place = Place::new();
            let options = ["--faults", "power", "--cases", "600", "--profile", &profile_name];
            place.torture(&[&[engine.as_str()][..], &options].concat()).exits(code);
        }
    }
}

/// Needs every bundled engine.
#[cfg(all(
    feature = "sqlite",
    feature = "lmdb",
    feature = "fjall",
    feature = "sled",
    feature = "sanakirja",
    feature = "jammdb",
    feature = "persy"
))]
#[test]
fn cases_that_were_taken_apart_once_are_judged_as_they_were() {
    let place = Place::new();
    place.run(&["replay", scenarios("regressions").to_str().unwrap()]).exits(0);
    assert!(place.leftovers().is_empty());
}

#[test]
fn stores_without_a_flaw_hold() {
    let place = Place::new();
    place.run(&["replay", scenarios("smoke").to_str().unwrap()]).exits(0);
    assert!(place.leftovers().is_empty());
}
