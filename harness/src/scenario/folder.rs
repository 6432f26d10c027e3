//! Scenarios on disk: reading one with the files that its case names, writing one, finding all below a
//! folder. No path leaves its folder, symbolic links are not followed, no size is believed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use crate::base::files::publish;
use crate::base::{HarnessError, Result, limits};

use super::case::Files;
use super::file::Scenario;
use super::links::{Links, beside};

/// Reads a scenario and the files beside it that its case names.
pub fn read(path: &Path) -> Result<Scenario> {
    let named = |error: HarnessError| error.about(path);
    let meta = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if !meta.is_file() {
        return Err(bad(format!("{}: expected a scenario file", path.display())));
    }
    let bytes = bounded(path, limits::SCENARIO_BYTES).map_err(named)?;
    let text = String::from_utf8(bytes).map_err(|_| named(bad("expected UTF-8 text")))?;
    let mut scenario = Scenario::parse(&text).map_err(named)?;
    if let Some(case) = &mut scenario.case {
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut reader = Reader::default();
        for name in case.strike.named() {
            reader.take(folder, name).map_err(named)?;
            let links = beside(name);
            if fs::symlink_metadata(folder.join(inside(&links)?)).is_ok() {
                reader.take(folder, &links).map_err(named)?;
            }
            Links::of(&reader.files, name).and_then(|links| links.check()).map_err(named)?;
        }
        case.files = reader.files;
    }
    Ok(scenario)
}

/// Writes a scenario as `name` into an existing folder, with its case's files beside it.
pub fn write(folder: &Path, name: &str, scenario: &Scenario) -> Result<PathBuf> {
    let path = folder.join(name);
    put(&path, scenario.print().as_bytes())?;
    for (name, bytes) in scenario.case.iter().flat_map(|case| &case.files) {
        let path = folder.join(inside(name)?);
        if name.ends_with('/') {
            fs::create_dir_all(&path)
                .map_err(|error| HarnessError::at("creating", &path, error))?;
        } else {
            put(&path, bytes)?;
        }
    }
    Ok(path)
}

/// Every scenario file at or below `path`, sorted: a file is itself; in a folder it is each `.json` but
/// a `report.json`, and nothing in a folder that belongs to a case.
pub fn find(path: &Path) -> Result<Vec<PathBuf>> {
    let meta = fs::symlink_metadata(path).map_err(|error| unreadable(path, &error))?;
    if !meta.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    collect(path, 0, &mut found)?;
    found.sort();
    Ok(found)
}

fn unreadable(path: &Path, error: &std::io::Error) -> HarnessError {
    bad(format!("{}: cannot be read: {error}", path.display()))
}

fn collect(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    let reading = |error| unreadable(folder, &error);
    let mut folders = BTreeSet::new();
    let mut of_cases = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(reading)? {
        let entry = entry.map_err(reading)?;
        let path = entry.path();
        let kind = entry.file_type().map_err(reading)?;
        if kind.is_dir() {
            folders.insert(path);
        } else if kind.is_file()
            && path.extension().is_some_and(|end| end == "json")
            && path.file_name().is_some_and(|name| name != "report.json")
        {
            let text =
                bounded(&path, limits::SCENARIO_BYTES).map_err(|error| error.about(&path))?;
            let case = Scenario::parse(&String::from_utf8_lossy(&text)).ok().and_then(|s| s.case);
            for name in case.iter().flat_map(|case| case.strike.named()) {
                of_cases.insert(folder.join(name.trim_end_matches('/')));
            }
            found.push(path);
        }
    }
    for path in folders.difference(&of_cases).filter(|_| depth < 8) {
        collect(path, depth + 1, found)?;
    }
    Ok(())
}

#[derive(Default)]
struct Reader {
    files: Files,
    bytes: u64,
}

impl Reader {
    /// Takes the file or folder `name` below `folder`.
    fn take(&mut self, folder: &Path, name: &str) -> Result<()> {
        let path = through_no_link(folder, name)?;
        self.walk(&path, name.trim_end_matches('/'))
    }

    fn walk(&mut self, path: &Path, name: &str) -> Result<()> {
        if self.files.len() >= limits::SCENARIO_FILES {
            return Err(bad(format!("more than {} files", limits::SCENARIO_FILES)));
        }
        let reading = |error| unreadable(path, &error);
        let meta = fs::symlink_metadata(path).map_err(reading)?;
        if meta.is_dir() {
            self.files.insert(format!("{name}/"), Vec::new().into());
            for entry in fs::read_dir(path).map_err(reading)? {
                let entry = entry.map_err(reading)?;
                let part = entry.file_name();
                let part =
                    part.to_str().ok_or_else(|| bad(format!("a name in `{name}` is not UTF-8")))?;
                self.walk(&entry.path(), &format!("{name}/{part}"))?;
            }
        } else if meta.is_file() {
            let bytes = bounded(path, limits::SCENARIO_FILES_BYTES - self.bytes)
                .map_err(|error| error.about(path))?;
            self.bytes += bytes.len() as u64;
            self.files.insert(name.to_owned(), bytes.into());
        } else {
            return Err(bad(format!("`{name}` is neither file nor folder")));
        }
        Ok(())
    }
}

/// The bytes of the file `name` below `folder`, at most so many, if no link leads there.
pub fn below_folder(folder: &Path, name: &str, limit: u64) -> Result<Vec<u8>> {
    let path = through_no_link(folder, name)?;
    bounded(&path, limit).map_err(|error| error.about(&path))
}

/// Where the file `name` is below `folder`, if no part of it is a symbolic link.
fn through_no_link(folder: &Path, name: &str) -> Result<PathBuf> {
    let mut path = folder.to_owned();
    for part in inside(name)?.components() {
        path.push(part);
        let meta = fs::symlink_metadata(&path)
            .map_err(|error| bad(format!("the file `{name}`: {error}")))?;
        if meta.file_type().is_symlink() {
            return Err(bad(format!("`{name}` leads through a symbolic link: expected none")));
        }
    }
    Ok(path)
}

/// A path from a scenario, if it stays below its folder.
pub fn inside(name: &str) -> Result<PathBuf> {
    let path = PathBuf::from(name);
    let normal = path.components().all(|part| matches!(part, Component::Normal(_)));
    if normal && !name.is_empty() && !name.contains('\0') {
        Ok(path)
    } else {
        Err(bad(format!(
            "`{}`: expected a path below the scenario's folder",
            name.escape_default()
        )))
    }
}

fn bounded(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let reading = |error| bad(format!("cannot be read: {error}"));
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(reading)?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(reading)?;
    if bytes.len() as u64 > limit {
        return Err(bad(format!("larger than {limit} bytes")));
    }
    Ok(bytes)
}

fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|error| HarnessError::at("creating", parent, error))?;
    }
    publish(path, bytes)
}

fn bad(text: impl Into<String>) -> HarnessError {
    HarnessError::input(text)
}

/// The files below the folder `name` of a case, with paths relative to it, folders ending in `/`.
pub fn below<'a>(files: &'a Files, name: &str) -> BTreeMap<&'a str, &'a [u8]> {
    let prefix = format!("{}/", name.trim_end_matches('/'));
    files
        .range(prefix.clone()..)
        .take_while(|(path, _)| path.starts_with(&prefix))
        .filter(|(path, _)| path.len() > prefix.len())
        .map(|(path, bytes)| (&path[prefix.len()..], &bytes[..]))
        .collect()
}

#[cfg(test)]
mod tests;
