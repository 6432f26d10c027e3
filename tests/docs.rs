//! The documents tell the truth about the tree: every path that they name exists.

use std::path::{Path, PathBuf};

#[test]
fn every_path_named_in_the_documents_exists() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut documents = vec![root.join("README.md")];
    documents.extend(markdown(&root.join("docs")));
    let mut missing = Vec::new();
    for document in &documents {
        let text = std::fs::read_to_string(document).unwrap();
        for path in paths(&text) {
            if !root.join(&path).exists() {
                missing.push(format!("{}: {path}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "no such path:\n{}", missing.join("\n"));
}

#[test]
fn the_check_above_sees_paths_and_nothing_else() {
    let text = "see `src/main.rs`, `docs/`, [x](docs/SCENARIO.md), `--seed 7`, `reports/<run>/`,\n\
                ```\n`src/in-a-block.rs`\n```\nand `src/no-such.rs`";
    assert_eq!(paths(text), ["src/main.rs", "docs/", "src/no-such.rs", "docs/SCENARIO.md"]);
}

/// Relative paths into the tree: code spans and link targets outside of code blocks.
fn paths(text: &str) -> Vec<String> {
    let mut prose = String::new();
    let mut in_block = false;
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            prose.push_str(line);
        }
    }
    let spans = prose.split('`').skip(1).step_by(2);
    let links = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let ours =
        ["src/", "harness/", "tests/", "benches/", "docs/", "scenarios/", "reports/", ".ci/"];
    spans
        .chain(links)
        .map(|span| span.split([' ', '#', ':']).next().unwrap_or_default())
        .filter(|span| ours.iter().any(|start| span.starts_with(start)))
        .filter(|span| !span.contains(['<', '*', '…', '{']) && !span.contains("NAME"))
        .map(str::to_owned)
        .collect()
}

fn markdown(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .collect();
    found.sort();
    found
}
