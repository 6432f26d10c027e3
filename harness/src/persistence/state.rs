//! A crash state: a crash point, and which of the effects before it were lost or survived in part;
//! everything else survived. It does not depend on a profile: under which ones it is legal is the
//! model's to say. Its text form round-trips and is untrusted when it is read:
//!
//! ```text
//! 57 lost 3-7,9 sectors 12:0f garbage 13:00 cut 14:8192
//! 57 kill            everything before event 57 survives
//! 57 kill 2          and the first two pages of the write that is event 57
//! ```

use std::fmt;
use std::str::FromStr;

use super::effect::EffectNo;
use crate::base::{HarnessError, Result};
use crate::trace::EventNo;

/// How an effect survived in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// `Data`: only these 512-byte sectors of the page arrived (bit 0 is the first). The others are
    /// as they were before it, or garbage.
    Sectors {
        /// Which arrived.
        arrived: u8,
        /// True if the others hold garbage.
        garbage: bool,
    },
    /// `Grow`: only up to this size, a page boundary inside its write.
    Cut(u64),
}

/// What a crash left.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CrashState {
    /// Events before this one have happened.
    pub point: EventNo,
    /// What kind of crash.
    pub crash: Crash,
}

/// A kill or a power cut, with what it took.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Crash {
    /// The process died: nothing is lost. The write that is the event at the point may have been cut
    /// short after so many of its pages.
    Kill {
        /// Pages of the write in flight that are in the page cache; 0 if it had not begun.
        pages: u32,
    },
    /// The power went.
    Power(Loss),
}

/// What a power cut took.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Loss {
    /// Ranges of effect numbers that were lost, first and one past the last: in order, apart.
    ranges: Vec<(u32, u32)>,
    /// Effects that survived in part, in order; none of them in a range.
    forms: Vec<(u32, Form)>,
}

impl Default for Crash {
    fn default() -> Self {
        Crash::Power(Loss::default())
    }
}

impl Loss {
    /// The loss of these effects in whole, in ascending order; `forms` survive in part.
    pub fn new(lost: &[u32], mut forms: Vec<(u32, Form)>) -> Loss {
        forms.sort_unstable();
        forms.dedup_by_key(|form| form.0);
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for &effect in lost {
            if forms.binary_search_by_key(&effect, |form| form.0).is_ok() {
                continue;
            }
            match ranges.last_mut() {
                Some(last) if last.1 == effect => last.1 += 1,
                _ => ranges.push((effect, effect + 1)),
            }
        }
        Loss { ranges, forms }
    }

    /// True if the effect was lost in whole.
    pub fn is_lost(&self, effect: u32) -> bool {
        let after = self.ranges.partition_point(|range| range.0 <= effect);
        after > 0 && effect < self.ranges[after - 1].1
    }

    /// How the effect survived in part, if it did.
    pub fn form(&self, effect: u32) -> Option<Form> {
        let at = self.forms.binary_search_by_key(&effect, |form| form.0).ok()?;
        Some(self.forms[at].1)
    }

    /// The sectors that arrived of a `Data` effect; all of them (or none) of any other.
    pub fn arrived(&self, effect: u32) -> u8 {
        match self.form(effect) {
            Some(Form::Sectors { arrived, .. }) => arrived,
            Some(Form::Cut(_)) => 0xff,
            None if self.is_lost(effect) => 0,
            None => 0xff,
        }
    }

    /// The effects that were lost in whole, in order.
    pub fn lost(&self) -> impl Iterator<Item = EffectNo> {
        self.ranges.iter().flat_map(|range| range.0..range.1).map(EffectNo)
    }

    /// How many effects were lost in whole.
    pub fn count(&self) -> u64 {
        self.ranges.iter().map(|range| u64::from(range.1 - range.0)).sum()
    }

    /// The effects that survived in part.
    pub fn forms(&self) -> &[(u32, Form)] {
        &self.forms
    }

    /// The greatest effect number that it names.
    pub(super) fn greatest(&self) -> Option<u32> {
        let range = self.ranges.last().map(|range| range.1 - 1);
        range.max(self.forms.last().map(|form| form.0))
    }
}

impl CrashState {
    /// A power cut at `point` that took these effects.
    pub fn power(point: EventNo, loss: Loss) -> Self {
        CrashState { point, crash: Crash::Power(loss) }
    }

    /// A kill at `point`.
    pub fn kill(point: EventNo) -> Self {
        CrashState { point, crash: Crash::Kill { pages: 0 } }
    }

    /// True for a kill.
    pub fn is_kill(&self) -> bool {
        matches!(self.crash, Crash::Kill { .. })
    }

    /// What a power cut took; nothing for a kill.
    pub fn loss(&self) -> Option<&Loss> {
        match &self.crash {
            Crash::Power(loss) => Some(loss),
            Crash::Kill { .. } => None,
        }
    }
}

impl fmt::Display for CrashState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.point.0)?;
        let loss = match &self.crash {
            Crash::Kill { pages: 0 } => return f.write_str(" kill"),
            Crash::Kill { pages } => return write!(f, " kill {pages}"),
            Crash::Power(loss) => loss,
        };
        let mut list = List { f, word: "lost", open: false };
        for &(from, to) in &loss.ranges {
            match to - from {
                1 => list.item(format_args!("{from}"))?,
                _ => list.item(format_args!("{from}-{}", to - 1))?,
            }
        }
        for word in ["sectors", "garbage", "cut"] {
            let mut list = List { f: list.f, word, open: false };
            for (effect, form) in &loss.forms {
                match (word, form) {
                    ("sectors", Form::Sectors { arrived, garbage: false })
                    | ("garbage", Form::Sectors { arrived, garbage: true }) => {
                        list.item(format_args!("{effect}:{arrived:02x}"))?;
                    }
                    ("cut", Form::Cut(size)) => list.item(format_args!("{effect}:{size}"))?,
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

/// Writes ` word a,b,c`, or nothing where there are no items.
struct List<'a, 'b> {
    f: &'a mut fmt::Formatter<'b>,
    word: &'static str,
    open: bool,
}

impl List<'_, '_> {
    fn item(&mut self, item: fmt::Arguments<'_>) -> fmt::Result {
        if self.open {
            self.f.write_str(",")?;
        } else {
            write!(self.f, " {} ", self.word)?;
        }
        self.open = true;
        self.f.write_fmt(item)
    }
}

impl FromStr for CrashState {
    type Err = HarnessError;

    fn from_str(text: &str) -> Result<Self> {
        let mut words = text.split(' ');
        let point = EventNo(number(words.next().unwrap_or_default())?);
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        let mut forms = Vec::new();
        while let Some(word) = words.next() {
            if word == "kill" && ranges.is_empty() && forms.is_empty() {
                let pages = words.next().map_or(Ok(0), number)?;
                return match words.next() {
                    None => Ok(CrashState { point, crash: Crash::Kill { pages } }),
                    Some(word) => Err(bad(format!("`{}` after the end", clip(word)))),
                };
            }
            let items =
                words.next().ok_or_else(|| bad(format!("`{}` without its list", clip(word))))?;
            for item in items.split(',') {
                match word {
                    "lost" => {
                        let (from, to) = item.split_once('-').unwrap_or((item, item));
                        let (from, to) = (number(from)?, number(to)?);
                        let apart = ranges.last().is_none_or(|last| last.1 < from);
                        if from > to || to == u32::MAX || !apart {
                            return Err(bad(format!(
                                "lost `{}`: expected rising ranges",
                                clip(item)
                            )));
                        }
                        ranges.push((from, to + 1));
                    }
                    "sectors" | "garbage" => {
                        let (effect, mask) = pair(item)?;
                        let arrived = u8::from_str_radix(mask, 16).map_err(|_| {
                            bad(format!("`{}`: expected two hex digits", clip(item)))
                        })?;
                        let garbage = word == "garbage";
                        if arrived == 0xff || (arrived == 0 && !garbage) {
                            return Err(bad(format!("`{}`: not a part of a page", clip(item))));
                        }
                        forms.push((effect, Form::Sectors { arrived, garbage }));
                    }
                    "cut" => {
                        let (effect, size) = pair(item)?;
                        let size = size
                            .parse()
                            .map_err(|_| bad(format!("`{}`: expected a size", clip(item))))?;
                        forms.push((effect, Form::Cut(size)));
                    }
                    _ => {
                        let word = clip(word);
                        return Err(bad(format!(
                            "`{word}`: expected kill, lost, sectors, garbage, cut"
                        )));
                    }
                }
            }
        }
        forms.sort_unstable();
        let loss = Loss { ranges, forms };
        let twice = loss.forms.windows(2).any(|pair| pair[0].0 == pair[1].0);
        if twice || loss.forms.iter().any(|form| loss.is_lost(form.0)) {
            return Err(bad("an effect is named twice"));
        }
        Ok(CrashState::power(point, loss))
    }
}

fn number(text: &str) -> Result<u32> {
    text.parse().map_err(|_| bad(format!("`{}`: expected a number", clip(text))))
}

fn pair(item: &str) -> Result<(u32, &str)> {
    let (effect, rest) = item
        .split_once(':')
        .ok_or_else(|| bad(format!("`{}`: expected EFFECT:VALUE", clip(item))))?;
    Ok((number(effect)?, rest))
}

fn clip(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_default).collect()
}

fn bad(text: impl fmt::Display) -> HarnessError {
    HarnessError::input(format!("crash state: {text}"))
}

#[cfg(test)]
mod tests;
