//! What a folder of a case holds besides plain files and folders: symbolic links, and files with more
//! names than one. They stand in a file of their own beside the folder, `NAME.links`, so that nothing of
//! an untrusted scenario is ever a link on the disk of whoever replays it before it was looked at.
//!
//! Names are bytes, and a case's names are text: what each is written as is said in [`word`].

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::case::Files;
use super::folder::inside;
use crate::base::{HarnessError, Result, word};

/// The links below one folder of a case, by their path in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Links {
    /// Symbolic links and their targets.
    pub symbolic: BTreeMap<String, String>,
    /// Further names of files, and the name under which the file is stored.
    pub hard: BTreeMap<String, String>,
}

/// The file that holds the links of the folder `name`.
pub fn beside(name: &str) -> String {
    format!("{}.links", name.trim_end_matches('/'))
}

impl Links {
    /// The links of the folder `name`; none where none are stored.
    pub fn of(files: &Files, name: &str) -> Result<Links> {
        let name = beside(name);
        let Some(bytes) = files.get(&name) else { return Ok(Links::default()) };
        serde_json::from_slice(bytes).map_err(|error| {
            HarnessError::input(format!("the file `{name}` that it names: {error}"))
        })
    }

    /// Puts them beside the folder `name`, if there are any.
    pub fn put(&self, files: &mut Files, name: &str) {
        if *self != Links::default() {
            let text = serde_json::to_vec_pretty(self).expect("text is serializable");
            files.insert(beside(name), text.into());
        }
    }

    /// An error if one of them leaves the folder.
    pub fn check(&self) -> Result<()> {
        for (path, target) in &self.symbolic {
            let path = inside(path)?;
            if !self.stays(&path, &path_of(target)) {
                let (path, target) = (path.display(), target.escape_default());
                return Err(HarnessError::input(format!(
                    "the symbolic link `{path}` leads to `{target}`: expected a path that stays in its \
                     folder"
                )));
            }
        }
        for name in self.hard.iter().flat_map(|(path, other)| [path, other]) {
            inside(name)?;
        }
        Ok(())
    }
}

impl Links {
    /// True if the target of the link `path` never climbs above the folder, nor up from where another link
    /// leads.
    fn stays(&self, path: &Path, target: &Path) -> bool {
        let mut at = path.parent().unwrap_or(Path::new("")).to_path_buf();
        target.components().all(|part| match part {
            Component::Normal(name) => {
                at.push(name);
                true
            }
            Component::CurDir => true,
            Component::ParentDir => {
                let through = self.symbolic.keys().any(|link| path_of(link) == at);
                at.pop() && !through
            }
            Component::RootDir | Component::Prefix(_) => false,
        })
    }
}

/// The path that a name of a case stands for; one that is no word stands for itself.
pub fn path_of(name: &str) -> PathBuf {
    match word::unescape(name) {
        Some(bytes) => OsStr::from_bytes(&bytes).into(),
        None => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_leaves_its_folder_is_refused() {
        let leads = |path: &str, target: &str| {
            let symbolic = BTreeMap::from([(path.to_owned(), target.to_owned())]);
            Links { symbolic, ..Links::default() }.check()
        };
        for (path, target) in
            [("a", "/etc"), ("a", ".."), ("d/a", "../../x"), ("a", "b/../../x"), ("../a", "x")]
        {
            assert_eq!(leads(path, target).unwrap_err().exit_code(), 2, "{path} -> {target}");
        }
        for (path, target) in [("a", "b"), ("d/a", "../b"), ("a", "./d/../b"), ("a", "nowhere")] {
            leads(path, target).unwrap();
        }
        let through = |target: &str| {
            let links = [("sub/d", ".."), ("x", target)];
            let symbolic = links.map(|(path, target)| (path.to_owned(), target.to_owned())).into();
            Links { symbolic, ..Links::default() }.check()
        };
        through("sub/d/secret").unwrap();
        assert_eq!(through("sub/d/../secret").unwrap_err().exit_code(), 2);
        let hard = BTreeMap::from([("a".to_owned(), "../b".to_owned())]);
        assert!(Links { hard, ..Links::default() }.check().is_err());
    }
}
