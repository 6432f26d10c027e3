//! The patterns of file names: a name with what differs from one file to the next left out, so that a store's
//! tenth segment is called like its ninth, and one temporary file like another whatever the letters that
//! were drawn for it.
//!
//! Numbers are told by their form. Random names are learned from a recording: names of equal length and
//! extension in one directory that came once and went again are one pattern, which keeps what they all
//! begin and end with: three of them, or two whose place one and the same name took.

use std::collections::{BTreeMap, BTreeSet};

use super::names::{Names, in_one_line};
use crate::trace::{EventKind, EventNo, FileOp, Place, Trace};

/// So many different names make a pattern: that three share a letter by chance is rare.
const NAMES: usize = 3;
/// So many, where one name took the place of all of them.
const OF_ONE: usize = 2;
/// So many that stay are a pattern too.
const STAYING: usize = 8;
/// So many names of one form are numbered.
const NUMBERED: usize = 4;
/// Longer ones are no extensions.
const EXTENSION: usize = 8;
/// What stands for what differs.
const ANY: &str = "#";

/// The patterns of names that recordings have shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamePatterns {
    /// By the pattern of the directory.
    random: BTreeMap<String, BTreeSet<Random>>,
    /// Names that are not random, by directory.
    fixed: BTreeSet<(String, String)>,
    /// Forms of names that differ by their numbers alone, by directory.
    numbered: BTreeSet<(String, String)>,
}

/// Random names of one directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Random {
    /// In characters.
    len: usize,
    prefix: String,
    suffix: String,
}

/// What became of one name.
#[derive(Clone, Debug, Default)]
struct Life {
    came: u32,
    went: u32,
    /// The name that its file has had since.
    became: Option<Place>,
}

impl NamePatterns {
    /// The patterns of one recording.
    pub fn of(trace: &Trace) -> Self {
        let mut patterns = Self::default();
        patterns.learn(trace);
        patterns
    }

    /// Adds the patterns of another recording of the same program.
    pub fn learn(&mut self, trace: &Trace) {
        let mut families: BTreeMap<(String, String, usize), BTreeSet<String>> = BTreeMap::new();
        let mut stay: BTreeMap<(String, String, usize), BTreeSet<String>> = BTreeMap::new();
        let mut became: BTreeMap<(String, String, usize), BTreeSet<Option<Place>>> =
            BTreeMap::new();
        for ((directory, name), life) in lives(trace) {
            if (life.came, life.went) == (1, 1) {
                let family = (directory, extension(&name).to_owned(), name.chars().count());
                became.entry(family.clone()).or_default().insert(life.became);
                families.entry(family).or_default().insert(name);
            } else if (life.came, life.went) == (1, 0) {
                let family = (directory, extension(&name).to_owned(), name.chars().count());
                stay.entry(family).or_default().insert(name);
            } else {
                self.fixed.insert((directory, name));
            }
        }
        for ((directory, extension, len), names) in stay {
            // So many names of one length are drawn or are keys; a few are words.
            let forms: BTreeSet<String> = names.iter().map(|name| numberless(name)).collect();
            if forms.len() >= STAYING {
                families.entry((directory, extension, len)).or_default().extend(names);
                continue;
            }
            for name in names {
                let known = self.random.get(&directory);
                if !known.is_some_and(|all| all.iter().any(|random| random.is(&name))) {
                    self.fixed.insert((directory.clone(), name));
                }
            }
        }
        for (family, names) in families {
            // Names that one name took the place of were drawn for it.
            let of_one =
                became.get(&family).is_some_and(|all| all.len() == 1 && !all.contains(&None));
            let (directory, _, len) = family;
            let enough = if of_one { OF_ONE } else { NAMES };
            // Where nothing but numbers differs, their form tells them.
            let names = self.without_numbered(&directory, names);
            let forms: BTreeSet<String> = names.iter().map(|name| numberless(name)).collect();
            if names.len() < enough || forms.len() < 2 {
                continue;
            }
            let prefix = common(&names, |name| name.chars().collect());
            let rest: BTreeSet<String> =
                names.iter().map(|name| name.chars().skip(prefix.len()).collect()).collect();
            let mut suffix = common(&rest, |name| name.chars().rev().collect());
            suffix.reverse();
            let random = Random {
                len,
                prefix: prefix.into_iter().collect(),
                suffix: suffix.into_iter().collect(),
            };
            self.random.entry(directory).or_default().insert(random);
        }
    }

    /// The names without those of which many have one form, which is kept in mind.
    fn without_numbered(&mut self, directory: &str, names: BTreeSet<String>) -> BTreeSet<String> {
        let mut forms: BTreeMap<String, usize> = BTreeMap::new();
        for name in &names {
            *forms.entry(numberless(name)).or_default() += 1;
        }
        // A random name without a letter has the form of others like it.
        let many = |form: &String, count: usize| count >= NUMBERED && form != ANY;
        let numbered = forms.iter().filter(|(form, count)| many(form, **count));
        self.numbered.extend(numbered.map(|(form, _)| (directory.to_owned(), form.clone())));
        let is_numbered =
            |name: &str| self.numbered.contains(&(directory.to_owned(), numberless(name)));
        names.into_iter().filter(|name| !is_numbered(name)).collect()
    }

    /// The pattern of a path relative to the store's directory.
    pub fn path(&self, path: &str) -> String {
        let mut text = String::new();
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            let is_dir = parts.peek().is_some();
            let directory = text.trim_end_matches('/').to_owned();
            text.push_str(&self.part(&directory, part, is_dir));
            text.push_str(if is_dir { "/" } else { "" });
        }
        text
    }

    /// The pattern of one part of a path, below a directory with this pattern.
    fn part(&self, directory: &str, part: &str, is_dir: bool) -> String {
        let spread = is_dir && matches!(part.len(), 1..=2) && part != "db";
        if spread && part.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return ANY.into();
        }
        let family = self.random.get(directory).into_iter().flatten();
        let is_fixed = || {
            let of =
                |known: &BTreeSet<_>, name: String| known.contains(&(directory.to_owned(), name));
            of(&self.fixed, part.to_owned()) || of(&self.numbered, numberless(part))
        };
        match family.clone().find(|random| random.is(part)).filter(|_| !is_fixed()) {
            Some(Random { prefix, suffix, .. }) => {
                let text = format!("{}{ANY}{}", numberless(prefix), numberless(suffix));
                text.replace("##", ANY)
            }
            None => numberless(part),
        }
    }
}

impl Random {
    fn is(&self, name: &str) -> bool {
        let (before, after) = (self.prefix.chars().count(), self.suffix.chars().count());
        if name.chars().count() != self.len || !name.ends_with(&self.suffix) {
            return false;
        }
        let start: String = name.chars().take(before).collect();
        // A number in what they have in common may be the process's own.
        before + after <= self.len && numberless(&start) == numberless(&self.prefix)
    }
}

/// Every name of a recording, below the pattern of its directory, and how often it came and went.
fn lives(trace: &Trace) -> BTreeMap<(String, String), Life> {
    let names = Names::new(trace);
    let mut lives: BTreeMap<(String, String), Life> = BTreeMap::new();
    let mut change = |place: &Place, at: u32, (came, went): (u32, u32), became: Option<&Place>| {
        let directory = match names.path(place.dir, EventNo(at)).as_str() {
            "." => String::new(),
            path => plain(&format!("{path}/")).trim_end_matches('/').to_owned(),
        };
        let name = in_one_line(&place.name);
        let life = lives.entry((directory, name)).or_default();
        life.came += came;
        life.went += went;
        life.became = became.cloned().or(life.became.take());
    };
    for node in &trace.initial {
        if let Some(place) = &node.at {
            // It stays as far as anybody knows.
            change(place, 0, (2, 0), None);
        }
    }
    for (at, event) in (0u32..).zip(&trace.events) {
        let EventKind::Call(call) = &event.kind else { continue };
        match &call.op {
            FileOp::Create { at: place, .. } | FileOp::Link { at: place, .. } => {
                change(place, at, (1, 0), None);
            }
            FileOp::Rename { from, to, .. } => {
                change(from, at, (0, 1), Some(to));
                change(to, at, (1, 0), None);
            }
            FileOp::Exchange { a, b, .. } => {
                change(a, at, (1, 0), None);
                change(b, at, (1, 0), None);
            }
            FileOp::Unlink { at: place, .. } => change(place, at, (0, 1), None),
            _ => {}
        }
    }
    lives
}

/// What all names have in common from their start.
fn common(names: &BTreeSet<String>, letters: impl Fn(&str) -> Vec<char>) -> Vec<char> {
    let mut all = names.iter().map(|name| letters(name));
    let first = all.next().unwrap_or_default();
    all.fold(first, |mut known, next| {
        let same = known.iter().zip(&next).take_while(|(one, other)| one == other).count();
        known.truncate(same);
        known
    })
}

/// The extension of a name, or nothing.
fn extension(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && extension.len() <= EXTENSION => extension,
        _ => "",
    }
}

/// The pattern of a path of which no recording is known. Every number in it is one `#`. A number is a run of
/// letters and digits that is all digits, or at least four hexadecimal digits of which one is a decimal
/// one; and the digits at the end of a word. So is what makes the name of a temporary file its own:
/// `tmp` and six letters or digits, as most libraries make them; and a directory of one or two
/// hexadecimal digits, over which many files are spread (`objects/7a`).
pub fn plain(path: &str) -> String {
    NamePatterns::default().path(path)
}

/// One part of a path with its numbers left out.
fn numberless(part: &str) -> String {
    let mut text = String::new();
    for word in part.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let end = word.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(word.len());
        let (word, rest) = word.split_at(end);
        let hex = word.len() >= 4 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        if word.len() == 9 && word.starts_with("tmp") {
            text.push_str("tmp#");
        } else if hex && word.bytes().any(|byte| byte.is_ascii_digit()) {
            text.push_str(ANY);
        } else {
            let stem = word.trim_end_matches(|c: char| c.is_ascii_digit());
            text.push_str(stem);
            text.push_str(if stem.len() < word.len() { ANY } else { "" });
        }
        text.push_str(rest);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persistence::tests::script::Script;

    /// A recording in which each name comes in `data` and goes by a rename, and `log` comes and goes twice.
    fn temporary(names: &[&str]) -> NamePatterns {
        let mut script = Script::new().with_dir("data");
        for (nth, name) in names.iter().enumerate() {
            let from = format!("data/{name}");
            script.create(&from);
            script.rename(&from, &format!("key{nth}"));
        }
        for _ in 0..2 {
            script.create("data/logfile_");
            script.unlink("data/logfile_");
        }
        NamePatterns::of(&script.trace)
    }

    #[test]
    fn names_that_come_and_go_are_one_pattern_whatever_their_letters() {
        for (names, pattern) in [
            (["tmpk3_x9a1q", "tmp8sj2kd_w", "tmpzzzz_abc"], "data/tmp#"),
            (["sedAbCdEf", "sedQwErTy", "sedZxCvBn"], "data/sed#"),
            ([".Zm9vYmE-.new", ".cXV4eHg_.new", ".AAAbbbCC.new"], "data/.#.new"),
            (["obj-17-QwE", "obj-17-ZxY", "obj-17-abc"], "data/obj-#-#"),
        ] {
            let patterns = temporary(&names);
            for name in names {
                assert_eq!(patterns.path(&format!("data/{name}")), pattern, "{name}");
            }
        }
    }

    #[test]
    fn names_that_differ_by_their_numbers_alone_are_called_alike_whatever_stands_beside_them() {
        let keys: Vec<String> = (10..19).map(|nth| format!("k-6b31{nth}")).collect();
        let others = ["k-after0", "large-aa", "x-yz-abc", "q_wertyu"];
        let names: Vec<&str> = keys.iter().map(String::as_str).chain(others).collect();
        let patterns = temporary(&names);
        for name in ["k-6b3111", "k-6b35", "k-6b3999"] {
            assert_eq!(patterns.path(&format!("data/{name}")), "data/k-#", "{name}");
        }
        assert_eq!(patterns.path("data/q_wertyu"), "data/#");
    }

    #[test]
    fn two_names_whose_place_one_name_took_are_a_pattern() {
        let mut script = Script::new();
        for name in ["sedAbCdEf", "sedQwErTy"] {
            script.create(name);
            script.rename(name, "conf");
        }
        let patterns = NamePatterns::of(&script.trace);
        assert_eq!(patterns.path("sedQwErTy"), "sed#");
        assert_eq!(patterns.path("conf"), "conf");
    }

    #[test]
    fn what_one_recording_showed_is_known_in_another() {
        let mut patterns = temporary(&["obj-17-QwE", "obj-17-ZxY", "obj-17-abc"]);
        assert_eq!(patterns.path("data/obj-99-new"), "data/obj-#-#");
        assert_eq!(patterns.path("obj-99-new"), "obj-#-new", "another directory");
        assert_eq!(patterns.path("data/other"), "data/other");
        patterns.learn(&Script::new().trace);
        assert_eq!(patterns.path("data/obj-99-new"), "data/obj-#-#");
    }

    #[test]
    fn names_that_stay_or_come_again_are_words() {
        let patterns = temporary(&["abcdefgh_i", "qwertyui_o", "zxcvbnma_s"]);
        assert_eq!(patterns.path("data/zxcvbnma_s"), "data/#");
        assert_eq!(patterns.path("data/logfile_"), "data/logfile_", "as long as the others");
        let few = temporary(&["first.tmp", "other.tmp"]);
        assert_eq!(few.path("data/first.tmp"), "data/first.tmp");
    }

    #[test]
    fn files_below_a_random_directory_are_known_by_its_pattern() {
        let mut script = Script::new();
        for name in ["tmpQ_aaa", "tmpW_bbb", "tmpE_ccc"] {
            script = script.with_dir(name);
        }
        let kept = NamePatterns::of(&script.trace);
        assert_eq!(kept.path("tmpQ_aaa/file"), "tmpQ_aaa/file", "these stay");
    }

    #[test]
    fn numbers_are_left_out_and_words_stay() {
        for (path, expected) in [
            ("wal/000017.log", "wal/#.log"),
            ("values/00ff3a", "values/#"),
            ("k17", "k#"),
            ("db", "db"),
            ("cafe", "cafe"),
            ("MANIFEST-000004", "MANIFEST-#"),
            ("a1x/b22.c3", "a1x/b#.c#"),
            ("objects/7a/00ff3a", "objects/#/#"),
            ("2/f/k0", "#/#/k#"),
            ("db/000003.log", "db/#.log"),
            ("d/LOG", "#/LOG"),
            ("a", "a"),
            ("tables/.tmpBmlYbN", "tables/.tmp#"),
            ("head.tmp", "head.tmp"),
            ("", ""),
        ] {
            assert_eq!(plain(path), expected);
        }
    }
}
