//! From kept addresses to source lines, by the debug information of the programs.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::recording::Recording;
use super::stack::module_of;
use crate::trace::EventNo;

/// One frame of a call stack. Inlined calls are frames of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLine {
    /// The function, where its name is known.
    pub function: Option<String>,
    /// The source file as the compiler named it.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The program or library.
    pub module: PathBuf,
}

impl SourceLine {
    /// True if it is code of the program's author, as far as one can tell: with a known line, not of
    /// the language's own library, the C library or a package of a registry.
    pub fn is_own(&self) -> bool {
        const FOREIGN: [&str; 11] = [
            // What builds write, and the library below node.
            "/build/out/",
            "/deps/uv/",
            "/libuv",
            "/rustc/",
            "/rust/deps/",
            "/.cargo/registry/",
            "/pkg/mod/",
            "/sysdeps/",
            "/glibc",
            "/nptl/",
            "/usr/",
        ];
        let Some(file) = &self.file else { return false };
        let library = self.module.components().any(|part| part.as_os_str() == "lib");
        let foreign = FOREIGN.iter().any(|foreign| file.contains(foreign));
        self.line.is_some() && !library && !foreign && !self.is_of_go()
    }

    /// True for Go's own library: package `os` lies in `…/src/os/`.
    fn is_of_go(&self) -> bool {
        let (Some(file), Some(function)) = (&self.file, &self.function) else { return false };
        let start = function.rfind('/').map_or(0, |at| at + 1);
        let Some(dot) = function[start..].find('.') else { return false };
        let package = &function[..start + dot];
        let is_go = file.ends_with(".go") || file.ends_with(".s");
        is_go && package != "main" && file.contains(&format!("/src/{package}/"))
    }
}

impl fmt::Display for SourceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}")?,
            _ => write!(f, "{}", self.module.display())?,
        }
        match &self.function {
            Some(function) => write!(f, " in {function}"),
            None => Ok(()),
        }
    }
}

/// The program's own lines on the way to a call, innermost first, one of each function; paths below the current
/// directory are relative.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnLines(Vec<String>);

impl OwnLines {
    /// Of a stack, innermost first.
    pub fn of(stack: Vec<SourceLine>) -> OwnLines {
        let here = std::env::current_dir().ok();
        let relative = |line: SourceLine| {
            let file = line.file.map(|file| {
                let below = here.as_ref().and_then(|here| Path::new(&file).strip_prefix(here).ok());
                below.map_or(file.clone(), |below| below.display().to_string())
            });
            SourceLine { file, ..line }
        };
        let mut own: Vec<SourceLine> =
            stack.into_iter().filter(SourceLine::is_own).map(relative).collect();
        own.dedup_by(|caller, line| caller.function == line.function);
        OwnLines(own.iter().map(SourceLine::to_string).collect())
    }

    /// The line that made the call, and the one that called the function there: the first may be a helper that others
    /// use too. Nothing where no line is known.
    pub fn told(&self) -> Option<String> {
        self.upto(CALLERS)
    }

    /// Both, with as many callers as tell the one from the other; the first alone where none of those that are told
    /// does.
    pub fn told_apart(&self, other: &OwnLines) -> (Option<String>, Option<String>) {
        let same = self.0.iter().zip(&other.0).take_while(|(one, other)| one == other).count();
        if same >= CALLERS_APART || same == self.0.len().max(other.0.len()) {
            return (self.told(), None);
        }
        let depth = (same + 1).max(CALLERS);
        (self.upto(depth), other.upto(depth))
    }

    fn upto(&self, depth: usize) -> Option<String> {
        let told: Vec<&str> = self.0.iter().take(depth).map(String::as_str).collect();
        (!told.is_empty()).then(|| told.join(CALLED_AT))
    }
}

/// True if two texts of [`OwnLines`] are of one line of the program, with the same callers as far as both are told.
pub fn is_one_line(one: &str, other: &str) -> bool {
    one.split(CALLED_AT).zip(other.split(CALLED_AT)).all(|(one, other)| one == other)
}

/// Between a line and the one that called it.
const CALLED_AT: &str = ", called at ";
/// So many of a call's lines are told, …
const CALLERS: usize = 2;
/// … and at most so many where fewer do not tell two calls apart.
const CALLERS_APART: usize = 6;

/// The source lines of a stack that was recorded with these modules, innermost first.
pub fn resolve(modules: &[PathBuf], stack: &[u64]) -> Vec<SourceLine> {
    let mut loaders = BTreeMap::new();
    let mut lines = Vec::new();
    for (number, inside) in stack.iter().filter_map(|address| module_of(*address)) {
        let Some(module) = modules.get(number) else { continue };
        let loader = loaders.entry(number).or_insert_with(|| addr2line::Loader::new(module).ok());
        let before = lines.len();
        if let Some(loader) = loader {
            if let Ok(mut frames) = loader.find_frames(inside) {
                while let Ok(Some(frame)) = frames.next() {
                    let function = frame.function.as_ref().and_then(|name| name.demangle().ok());
                    let place = frame.location;
                    lines.push(SourceLine {
                        function: function.map(|name| name.into_owned()),
                        file: place.as_ref().and_then(|place| place.file).map(str::to_string),
                        line: place.as_ref().and_then(|place| place.line),
                        module: module.clone(),
                    });
                }
            }
            if lines.len() == before {
                let symbol = loader.find_symbol(inside);
                let function =
                    symbol.map(|name| addr2line::demangle_auto(name.into(), None).into());
                lines.push(SourceLine { function, file: None, line: None, module: module.clone() });
            }
        }
    }
    lines
}

impl Recording {
    /// The source lines of the call at one event, innermost first; empty where no stack was taken.
    pub fn source(&self, event: EventNo) -> Vec<SourceLine> {
        let stack = self.trace.events.get(event.0 as usize).map(|event| &event.stack[..]);
        resolve(&self.modules, stack.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_calls_are_told_with_the_callers_that_tell_them_apart_and_one_call_twice_is_told_once() {
        let lines = |all: &[&str]| OwnLines(all.iter().map(|line| (*line).to_owned()).collect());
        let (put, other) = (lines(&["a", "b", "c", "d"]), lines(&["a", "b", "c", "e"]));
        let whole = "a, called at b, called at c, called at";
        let apart = (Some(format!("{whole} d")), Some(format!("{whole} e")));
        assert_eq!(put.told_apart(&other), apart);
        assert_eq!(put.told_apart(&put), (Some("a, called at b".into()), None));
        assert_eq!(put.told_apart(&lines(&[])), (Some("a, called at b".into()), None));
    }

    #[test]
    fn a_line_is_one_with_itself_told_with_more_callers() {
        let line = "a.rs:1, called at b.rs:2";
        assert!(is_one_line(line, "a.rs:1, called at b.rs:2, called at c.rs:3"));
        assert!(!is_one_line(line, "a.rs:1, called at b.rs:22"));
        assert!(!is_one_line("a.rs:1", "a.rs:12"));
    }

    #[test]
    fn the_library_of_a_language_is_nobodys_own() {
        let line = |file: &str, function: &str| SourceLine {
            function: Some(function.into()),
            file: Some(file.into()),
            line: Some(7),
            module: "/home/me/store".into(),
        };
        let foreign = [
            ("/usr/local/go/src/os/file_posix.go", "os.(*File).Sync"),
            ("/opt/go/src/internal/poll/fd_unix.go", "internal/poll.(*FD).Write"),
            (
                "/opt/go/src/internal/runtime/syscall/linux/asm.s",
                "internal/runtime/syscall/linux.Syscall6",
            ),
            ("/root/go/pkg/mod/go.etcd.io/bbolt@v1.4/db.go", "go.etcd.io/bbolt.(*DB).Update"),
            ("/root/.cargo/registry/src/redb/src/db.rs", "redb::db::commit"),
            ("/rustc/5980/library/std/src/fs.rs", "std::fs::File::sync_data"),
        ];
        for (file, function) in foreign {
            assert!(!line(file, function).is_own(), "{file}");
        }
        let own = [
            ("/home/me/src/main/store.go", "main.commit"),
            ("/home/me/store/log.go", "example.org/store/log.(*Log).Append"),
            ("/home/me/src/store.rs", "store::put"),
            ("src/store.c", "put"),
        ];
        for (file, function) in own {
            assert!(line(file, function).is_own(), "{file}");
        }
    }
}
