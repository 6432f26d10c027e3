//! Saved damage asked of today's program: the store is brought to rest again by the same requests, and
//! damaged at the same place. Besides, every sort of damage that a run would do to that file is done,
//! the saved sort and the nearest places first.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::base::{HarnessError, Result, limits};
use crate::diagnose::plain;
use crate::fault::power::prove::Prover;
use crate::fault::today::{Answer, Effort, Today};
use crate::fault::{Context, stored};
use crate::image::Image;
use crate::media::{Damage, Harm, apply_all};
use crate::oracle::{Judge, Kind, Verdict, Violation};
use crate::recover::Recovery;
use crate::scenario::{Case, Strike};
use crate::workload::Request;

use super::choose::Choice;
use super::rejudge::damages;
use super::rest::{Rest, rest_after};
use super::tally::evidence;
use super::weigh::weigh;

/// How near a damage is to one of the case: first whether the operator differs, then how far away it is.
type Rank = (u8, u64);

/// Into how many parts a file is divided, each of which is damaged by turns.
const PARTS: u64 = 32;
/// How many damages are drawn from which those of the file are taken.
const DRAWN: usize = 6_000;

/// Asks today's program about the case.
pub fn today(ctx: &Context<'_>, case: &Case, kind: Option<Kind>) -> Result<Today> {
    let Strike::Media(strike) = &case.strike else {
        return Err(HarnessError::input("case.strike: expected the fault `media`"));
    };
    let history = strike.history.parse()?;
    let answered = history.operations.iter().filter(|one| one.answered.is_some()).count();
    let requests: Vec<Request> = history.operations.into_iter().map(|one| one.request).collect();
    let rest = rest_after(ctx, &requests, strike.killed.then_some(answered as u32))?;
    let saved = damages(strike)?;
    let old = stored::get(&case.files, &strike.base);
    let mut bench = Bench {
        judge: Judge::new(&rest.history, &ctx.control.capabilities),
        rest: &rest,
        warned: case.control_warned || !ctx.control.warnings.is_empty(),
        prover: Prover::new(&ctx.setup())?,
        effort: Effort::new(ctx.budget),
    };
    let placed: Option<Vec<Place>> =
        saved.iter().map(|damage| place(damage, &old, &rest.image)).collect();
    let again = placed.as_ref().and_then(|places| {
        let damages: Vec<Damage> = places.iter().map(|place| place.damage.clone()).collect();
        apply_all(&rest.image, &damages).map(|image| (damages, image))
    });
    let same = placed.iter().flatten().all(|place| place.is_same) && again.is_some();
    let told = |bench: &Bench<'_>, answer, why, evidence| Today {
        answer,
        why,
        states: bench.effort.states,
        notes: Vec::new(),
        evidence,
    };
    let verdict = |wrong| match same {
        true => Answer::StillFails(wrong),
        false => Answer::Changed(Some(wrong)),
    };
    if let Some((damages, image)) = &again {
        bench.effort.take(0)?;
        if let Some((wrong, words)) = bench.fails(image, damages, kind, true)? {
            let why = "the same damage of the store made again".to_owned();
            return Ok(told(&bench, verdict(wrong), why, words));
        }
    }
    let exact = match (&placed, &again, same) {
        (None, ..) => format!("the store has no file {} any more", shown(&saved)),
        (Some(_), None, _) => {
            format!("the damage of the case changes nothing in {}", shown(&saved))
        }
        (Some(_), Some(_), false) => {
            format!("{} has other contents at the place of the damage", shown(&saved))
        }
        _ => "the program is right about the damage of the case".to_owned(),
    };
    let mut tried = 0;
    for (damage, image) in nearby(ctx, &rest, &saved, !same) {
        if !bench.effort.take(bench.prover.recoveries)? {
            break;
        }
        tried += 1;
        let damages = [damage];
        if let Some((wrong, words)) = bench.fails(&image, &damages, kind, false)? {
            let why = format!("{exact}, and another damage of the store shows it: {}", damages[0]);
            return Ok(told(&bench, verdict(wrong), clipped(why), words));
        }
    }
    let answer = if same { Answer::Fixed } else { Answer::Changed(None) };
    let what = if same { shown(&saved) } else { "the store".into() };
    let left = bench.effort.left_out();
    let why = format!("{exact}; {tried} damages of {what} were done besides and hold{left}");
    Ok(told(&bench, answer, why, String::new()))
}

/// A saved damage in the store made again.
struct Place {
    damage: Damage,
    /// True if the file is of the same length: what was damaged then is what is damaged now. In a file with
    /// more in it the same bytes may be dead.
    is_same: bool,
}

/// Where a damage is done; nothing where the file is not there.
fn place(damage: &Damage, old: &Image, new: &Image) -> Option<Place> {
    let file = match new.file(&damage.file) {
        Some(_) => damage.file.clone(),
        None => counterpart(&damage.file, old, new)?,
    };
    let (before, now) = (old.file(&damage.file)?, new.file(&file)?);
    let (size, today) = (before.size(), now.size());
    let moved = |harm: Harm| Damage { file: file.clone(), harm };
    let Some((offset, len)) = range(&damage.harm, size) else {
        return Some(Place { damage: moved(damage.harm.clone()), is_same: true });
    };
    let bytes = |content: &crate::image::Content, from: u64, to: u64| {
        content.read(from, to.min(content.size()).saturating_sub(from) as usize)
    };
    let (is_same, end) = (size == today, offset.saturating_add(len));
    let from_end = size.saturating_sub(offset);
    let shifted = today.saturating_sub(from_end);
    let begins_alike = bytes(before, 0, end) == bytes(now, 0, end);
    let ends_alike = from_end <= today && bytes(before, offset, size) == bytes(now, shifted, today);
    let harm = match !is_same && !begins_alike && ends_alike {
        true => at(&damage.harm, shifted),
        false => damage.harm.clone(),
    };
    Some(Place { damage: moved(harm), is_same })
}

/// The file of the same name but for its numbers, the n-th where it was the n-th.
fn counterpart(file: &Path, old: &Image, new: &Image) -> Option<PathBuf> {
    let pattern = |path: &Path| plain(&path.to_string_lossy());
    let alike = |image: &Image| {
        let files = image.files().into_iter().map(|(path, _)| path);
        files.filter(|path| pattern(path) == pattern(file)).collect::<Vec<_>>()
    };
    let nth = alike(old).iter().position(|path| path == file)?;
    let there = alike(new);
    there.get(nth).or(there.last()).cloned()
}

/// The bytes that a damage touches; nothing for the whole file.
fn range(harm: &Harm, size: u64) -> Option<(u64, u64)> {
    Some(match harm {
        Harm::Flip { offset, .. } => (*offset, 1),
        Harm::Zero { offset, len }
        | Harm::Garbage { offset, len, .. }
        | Harm::Misdirect { offset, len, .. } => (*offset, *len),
        Harm::Older { offset, bytes } => (*offset, bytes.len() as u64),
        Harm::Truncate { size: shorter } => (*shorter, size.saturating_sub(*shorter)),
        Harm::ExtendZeros { .. } | Harm::ExtendGarbage { .. } | Harm::Missing => return None,
    })
}

/// The same damage at another offset.
fn at(harm: &Harm, offset: u64) -> Harm {
    match harm.clone() {
        Harm::Flip { mask, .. } => Harm::Flip { offset, mask },
        Harm::Zero { len, .. } => Harm::Zero { offset, len },
        Harm::Garbage { len, seed, .. } => Harm::Garbage { offset, len, seed },
        Harm::Misdirect { len, from, from_offset, .. } => {
            Harm::Misdirect { offset, len, from, from_offset }
        }
        Harm::Older { bytes, .. } => Harm::Older { offset, bytes },
        Harm::Truncate { .. } => Harm::Truncate { size: offset },
        whole => whole,
    }
}

/// What a run would do to the file, the saved sort of damage first and the nearest place; to every file
/// where the saved place is not there.
fn nearby(
    ctx: &Context<'_>,
    rest: &Rest,
    saved: &[Damage],
    everywhere: bool,
) -> Vec<(Damage, Image)> {
    let mut choice = Choice::new(rest, ctx.rng.fork("today"));
    let drawn = std::iter::from_fn(|| choice.next()).take(DRAWN);
    let pattern = |damage: &Damage| plain(&damage.file.to_string_lossy());
    let rank = |damage: &Damage| {
        let of_file = saved.iter().filter(|one| pattern(one) == pattern(damage));
        let nearest = |one: &Damage| {
            let alike = one.harm.name() == damage.harm.name();
            let far = |harm: &Harm| range(harm, 0).map_or(0, |(offset, _)| offset);
            (u8::from(!alike), far(&one.harm).abs_diff(far(&damage.harm)))
        };
        of_file.map(nearest).min()
    };
    let mut all: Vec<(Option<Rank>, Damage, Image)> =
        drawn.map(|(damage, image)| (rank(&damage), damage, image)).collect();
    all.retain(|(rank, ..)| everywhere || rank.is_some());
    all.sort_by_key(|(rank, ..)| rank.unwrap_or((u8::MAX, 0)));
    by_turns(all.into_iter().map(|(_, damage, image)| (damage, image)).collect())
}

/// Damages, nearest first, by turns with the first of each part of the files and each sort of damage, then
/// the second of each, and so on: what lies near the saved one may be dead by now.
fn by_turns(all: Vec<(Damage, Image)>) -> Vec<(Damage, Image)> {
    let mut parts: BTreeMap<(PathBuf, &str, u64), u32> = BTreeMap::new();
    let mut spread: Vec<(u32, usize)> = Vec::new();
    for (at, (damage, image)) in all.iter().enumerate() {
        let size = image.file(&damage.file).map_or(0, |file| file.size());
        let from = range(&damage.harm, size).map_or(0, |(offset, _)| offset);
        let part = from.saturating_mul(PARTS) / size.max(1);
        let nth = parts.entry((damage.file.clone(), damage.harm.name(), part)).or_default();
        *nth += 1;
        spread.push((*nth, at));
    }
    spread.sort_unstable();
    let mut all: Vec<Option<(Damage, Image)>> = all.into_iter().map(Some).collect();
    let mut order = Vec::with_capacity(all.len() * 2);
    for (near, (_, far)) in spread.iter().enumerate() {
        order.extend([near, *far]);
    }
    order.into_iter().filter_map(|at| all.get_mut(at)?.take()).collect()
}

/// Where damaged directories are judged.
struct Bench<'a> {
    judge: Judge,
    rest: &'a Rest,
    warned: bool,
    prover: Prover,
    effort: Effort<'a>,
}

impl Bench<'_> {
    /// What is wrong with a damaged directory, with the driver's words: the sought kind, else, where
    /// `any` does, any that is no note.
    fn fails(
        &mut self,
        image: &Image,
        damages: &[Damage],
        kind: Option<Kind>,
        any: bool,
    ) -> Result<Option<(Violation, String)>> {
        let recovery = self.prover.recovery(image)?;
        let verdict = self.verdict(image, damages, &recovery);
        let sought = |found: &&Violation| Some(found.kind) == kind;
        let other = |found: &&Violation| (any || kind.is_none()) && !found.note;
        let found = &verdict.violations;
        let wrong = found.iter().find(sought).or_else(|| found.iter().find(other)).cloned();
        let Some(wrong) = wrong else { return Ok(None) };
        if wrong.kind == Kind::RecoveryHung {
            return Ok(Some((wrong, evidence(&recovery))));
        }
        for _ in 0..limits::CONFIRM_TRIES {
            let fresh = self.prover.fresh(image)?;
            let again = self.verdict(image, damages, &fresh);
            if again.violations.iter().any(|found| found.kind == wrong.kind) {
                return Ok(Some((wrong, evidence(&fresh))));
            }
        }
        Ok(None)
    }

    fn verdict(&self, image: &Image, damages: &[Damage], recovery: &Recovery) -> Verdict {
        weigh(self.rest, &self.judge, (image, damages), self.warned, recovery).0
    }
}

/// The files of damages, in words.
fn shown(damages: &[Damage]) -> String {
    let mut files: Vec<String> =
        damages.iter().map(|damage| damage.file.display().to_string()).collect();
    files.dedup();
    files.join(", ")
}

/// A sentence that fits on a few lines: a damage may hold a whole block.
fn clipped(text: String) -> String {
    match text.char_indices().nth(300) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(file: &str, bytes: &[u8]) -> Image {
        let mut image = Image::empty();
        image.put(file, bytes);
        image
    }

    /// The damage as it is placed in a file of these bytes, and whether the place is the same.
    fn placed(damage: &str, old: &[u8], new: (&str, &[u8])) -> Option<(String, bool)> {
        let damage: Damage = damage.parse().unwrap();
        let place = place(&damage, &image("log-1", old), &image(new.0, new.1))?;
        Some((place.damage.to_string(), place.is_same))
    }

    #[test]
    fn a_damage_keeps_its_place_where_the_file_is_the_same_around_it() {
        let flip = "flip log-1 2 01";
        let same = |text: &str| Some((text.to_owned(), true));
        let other = |text: &str| Some((text.to_owned(), false));
        assert_eq!(placed(flip, b"abcdef", ("log-1", b"abcdef")), same(flip));
        assert_eq!(placed(flip, b"abcdef", ("log-1", b"uvwxyz")), same(flip), "another time stamp");
        assert_eq!(
            placed(flip, b"abcdef", ("log-1", b"abcdefgh")),
            other(flip),
            "it grew later on"
        );
        assert_eq!(placed(flip, b"abcdef", ("log-1", b"XXabcdef")), other("flip log-1 4 01"));
        assert_eq!(placed(flip, b"abcdef", ("log-7", b"abcdef")), same("flip log-7 2 01"));
    }

    #[test]
    fn every_part_of_a_file_and_every_sort_of_damage_has_an_early_turn() {
        let image = image("log", &[7; 3200]);
        let flip = |offset| Damage { file: "log".into(), harm: Harm::Flip { offset, mask: 1 } };
        let zero = |offset| Damage { file: "log".into(), harm: Harm::Zero { offset, len: 4 } };
        let all = (0..3200).map(flip).chain((0..3000).map(zero));
        let all: Vec<(Damage, Image)> = all.map(|damage| (damage, image.clone())).collect();
        let early: Vec<Damage> =
            by_turns(all.clone()).into_iter().take(140).map(|(damage, _)| damage).collect();
        for part in 0..32 {
            let inside = |damage: &&Damage| {
                range(&damage.harm, 3200).is_some_and(|(offset, _)| offset / 100 == part)
            };
            let sorts: Vec<&str> =
                early.iter().filter(inside).map(|damage| damage.harm.name()).collect();
            assert!(sorts.contains(&"flip"), "part {part}: {sorts:?}");
            assert!(part >= 30 || sorts.contains(&"zero"), "part {part}: {sorts:?}");
        }
        assert_eq!(by_turns(all).len(), 6200, "none is lost");
    }

    #[test]
    fn a_place_that_is_not_there_any_more_is_not_the_same() {
        let flip = "flip log-1 2 01";
        assert_eq!(placed(flip, b"abcdef", ("log-1", b"uvw")), Some((flip.to_owned(), false)));
        assert_eq!(placed(flip, b"abcdef", ("pages", b"abcdef")), None);
    }
}
