//! Scenario folders written and read back, and those that must be refused.

use super::*;
use crate::scenario::{Case, Expect, MediaStrike, Options, Outcome, Strike, TargetText};

fn sample() -> Scenario {
    let media = MediaStrike { base: "base".into(), ..MediaStrike::default() };
    let files =
        [("base/", &b""[..]), ("base/empty/", b""), ("base/sub/", b""), ("base/sub/log", b"abc")];
    let case = Case {
        strike: Strike::Media(media),
        files: files.map(|(name, bytes)| (name.to_owned(), bytes.into())).into(),
        ..Case::default()
    };
    Scenario {
        about: String::new(),
        target: TargetText::Engine("builtin".into()),
        options: Options::default(),
        case: Some(case),
        recorded: None,
        expect: Expect { outcome: Outcome::Held, kind: None },
    }
}

#[test]
fn a_scenario_with_its_files_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "scenario.json", &sample()).unwrap();
    assert_eq!(read(&path).unwrap(), sample());
    assert_eq!(find(folder.path()).unwrap(), [path]);
    let files = sample().case.unwrap().files;
    assert_eq!(
        below(&files, "base").keys().copied().collect::<Vec<_>>(),
        ["empty/", "sub/", "sub/log"]
    );
}

#[test]
fn no_path_of_a_scenario_leaves_its_folder() {
    for name in ["/etc/passwd", "../x", "a/../../x", "", "./", "a\0b"] {
        assert_eq!(inside(name).unwrap_err().exit_code(), 2, "{name}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "scenario.json", &sample()).unwrap();
    fs::remove_dir_all(folder.path().join("base")).unwrap();
    std::os::unix::fs::symlink("/etc", folder.path().join("base")).unwrap();
    let error = read(&path).unwrap_err();
    assert!(error.to_string().contains("symbolic link"), "{error}");
}

#[test]
fn links_lie_beside_their_folder_and_are_looked_at_before_they_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let mut linked = sample();
    let links = |target: &str| Links {
        symbolic: BTreeMap::from([("sub/current".to_owned(), target.to_owned())]),
        ..Links::default()
    };
    links("log").put(&mut linked.case.as_mut().unwrap().files, "base");
    let path = write(folder.path(), "scenario.json", &linked).unwrap();
    assert_eq!(read(&path).unwrap(), linked);
    links("../../etc").put(&mut linked.case.as_mut().unwrap().files, "base");
    let path = write(folder.path(), "scenario.json", &linked).unwrap();
    let error = read(&path).unwrap_err();
    assert!(error.to_string().contains("expected a path that stays in its folder"), "{error}");
    fs::write(folder.path().join("base.links"), "{").unwrap();
    assert_eq!(read(&path).unwrap_err().exit_code(), 2);
}

#[test]
fn a_scenario_that_cannot_be_read_is_named() {
    let error = read(Path::new("/nonexistent/x.json")).unwrap_err();
    assert!(error.to_string().starts_with("/nonexistent/x.json"), "{error}");
    assert_eq!(error.exit_code(), 2);
}
