//! One damage and its text form, which parses back exactly and believes nothing: no length in it is
//! allocated before it was checked, no path leaves the image.
//!
//! ```text
//! flip wal/000001.log 4096 40            one byte, xor with these bits (hexadecimal)
//! zero wal/000001.log 4096 512           a range zeroed
//! garbage wal/000001.log 4096 512 77     a range filled with what the seed gives
//! truncate wal/000001.log 8191
//! extend-zeros wal/000001.log 512
//! extend-garbage wal/000001.log 512 77
//! older wal/000001.log 4096 00ff…        a lost write: a block as it was before (hexadecimal)
//! misdirect db 8192 4096 db 0            a block replaced by another block: of which file, at which
//! missing wal/000001.log
//! ```
//!
//! In a path `%`, space and what is not printable ASCII stand as `%` and two hexadecimal digits.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use crate::base::{HarnessError, Result, word};
use crate::image::{path_bytes, path_of};

/// Longest range that one damage may fill or add.
pub const RANGE_BYTES: u64 = 64 << 20;

/// One damage to one file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Damage {
    /// The file, relative to the image's root.
    pub file: PathBuf,
    /// What happens to it.
    pub harm: Harm,
}

/// What happens to a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Harm {
    /// Bits of one byte change.
    Flip {
        /// Which byte.
        offset: u64,
        /// Which bits; not 0.
        mask: u8,
    },
    /// A range becomes zeros.
    Zero {
        /// First byte.
        offset: u64,
        /// Length in bytes.
        len: u64,
    },
    /// A range becomes garbage.
    Garbage {
        /// First byte.
        offset: u64,
        /// Length in bytes.
        len: u64,
        /// What the garbage is made of.
        seed: u64,
    },
    /// The file becomes shorter.
    Truncate {
        /// Its new size in bytes.
        size: u64,
    },
    /// The file becomes longer, by zeros.
    ExtendZeros {
        /// By how many bytes.
        len: u64,
    },
    /// The file becomes longer, by garbage.
    ExtendGarbage {
        /// By how many bytes.
        len: u64,
        /// What the garbage is made of.
        seed: u64,
    },
    /// A block is as it was before: a lost write.
    Older {
        /// First byte.
        offset: u64,
        /// What stood there.
        bytes: Arc<[u8]>,
    },
    /// A block is another block: a misdirected write.
    Misdirect {
        /// First byte.
        offset: u64,
        /// Length in bytes.
        len: u64,
        /// The file that the block belongs to.
        from: PathBuf,
        /// Where in it.
        from_offset: u64,
    },
    /// The file is not there.
    Missing,
}

impl Harm {
    /// The operator's name, as the text form and reports have it.
    pub fn name(&self) -> &'static str {
        match self {
            Harm::Flip { .. } => "flip",
            Harm::Zero { .. } => "zero",
            Harm::Garbage { .. } => "garbage",
            Harm::Truncate { .. } => "truncate",
            Harm::ExtendZeros { .. } => "extend-zeros",
            Harm::ExtendGarbage { .. } => "extend-garbage",
            Harm::Older { .. } => "older",
            Harm::Misdirect { .. } => "misdirect",
            Harm::Missing => "missing",
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.harm.name(), escape(&self.file))?;
        match &self.harm {
            Harm::Flip { offset, mask } => write!(f, " {offset} {mask:02x}"),
            Harm::Zero { offset, len } => write!(f, " {offset} {len}"),
            Harm::Garbage { offset, len, seed } => write!(f, " {offset} {len} {seed}"),
            Harm::Truncate { size } => write!(f, " {size}"),
            Harm::ExtendZeros { len } => write!(f, " {len}"),
            Harm::ExtendGarbage { len, seed } => write!(f, " {len} {seed}"),
            Harm::Older { offset, bytes } => {
                write!(f, " {offset} ")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Harm::Misdirect { offset, len, from, from_offset } => {
                write!(f, " {offset} {len} {} {from_offset}", escape(from))
            }
            Harm::Missing => Ok(()),
        }
    }
}

impl FromStr for Damage {
    type Err = HarnessError;

    fn from_str(text: &str) -> Result<Damage> {
        let mut words = Words { text, rest: text.split(' ') };
        let name = words.next("an operator")?;
        let file = words.path()?;
        let harm = match name {
            "flip" => Harm::Flip { offset: words.number()?, mask: words.mask()? },
            "zero" => Harm::Zero { offset: words.number()?, len: words.len()? },
            "garbage" => {
                let (offset, len) = (words.number()?, words.len()?);
                Harm::Garbage { offset, len, seed: words.number()? }
            }
            "truncate" => Harm::Truncate { size: words.number()? },
            "extend-zeros" => Harm::ExtendZeros { len: words.len()? },
            "extend-garbage" => Harm::ExtendGarbage { len: words.len()?, seed: words.number()? },
            "older" => Harm::Older { offset: words.number()?, bytes: words.hex()? },
            "misdirect" => {
                let (offset, len) = (words.number()?, words.len()?);
                Harm::Misdirect { offset, len, from: words.path()?, from_offset: words.number()? }
            }
            "missing" => Harm::Missing,
            _ => return Err(words.bad("an operator such as `flip` or `truncate`", name)),
        };
        match words.rest.next() {
            None => Ok(Damage { file, harm }),
            Some(word) => Err(words.bad("nothing more", word)),
        }
    }
}

struct Words<'a> {
    text: &'a str,
    rest: std::str::Split<'a, char>,
}

impl<'a> Words<'a> {
    fn bad(&self, expected: &str, found: &str) -> HarnessError {
        let clip = |text: &str| text.chars().take(80).collect::<String>();
        let (text, found) = (clip(self.text), clip(found));
        HarnessError::input(format!("damage {text:?}: expected {expected}, found {found:?}"))
    }

    fn next(&mut self, expected: &str) -> Result<&'a str> {
        self.rest.next().ok_or_else(|| self.bad(expected, "the end"))
    }

    /// A number in its one spelling.
    fn number(&mut self) -> Result<u64> {
        let word = self.next("a number")?;
        let number = word.parse().ok().filter(|number: &u64| number.to_string() == word);
        number.ok_or_else(|| self.bad("a number", word))
    }

    fn len(&mut self) -> Result<u64> {
        let len = self.number()?;
        if len == 0 || len > RANGE_BYTES {
            let expected = format!("a length of 1 to {RANGE_BYTES} bytes");
            return Err(self.bad(&expected, &len.to_string()));
        }
        Ok(len)
    }

    fn mask(&mut self) -> Result<u8> {
        let word = self.next("the bits to flip")?;
        match hex(word).as_deref() {
            Some([mask]) if *mask != 0 => Ok(*mask),
            _ => Err(self.bad("the bits to flip, 01 to ff", word)),
        }
    }

    fn hex(&mut self) -> Result<Arc<[u8]>> {
        let word = self.next("bytes in hexadecimal")?;
        let bytes = hex(word).filter(|bytes| !bytes.is_empty());
        bytes.map(Arc::from).ok_or_else(|| self.bad("bytes in hexadecimal", word))
    }

    fn path(&mut self) -> Result<PathBuf> {
        let word = self.next("a path")?;
        let path = word::unescape(word).map(|bytes| path_of(&bytes));
        let path = path.filter(|path| is_plain(path) && escape(path) == word);
        path.ok_or_else(|| self.bad("a relative path of plain names", word))
    }
}

/// Lower-case hexadecimal digits, two a byte.
fn hex(word: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let pairs = word.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

/// True for a path that cannot lead out of an image.
fn is_plain(path: &Path) -> bool {
    let plain = |part| matches!(part, Component::Normal(_));
    path.components().all(plain)
        && path.components().next().is_some()
        && path.components().collect::<PathBuf>().as_os_str() == path.as_os_str()
}

fn escape(path: &Path) -> String {
    word::escape(path_bytes(path))
}

#[cfg(test)]
mod tests;
