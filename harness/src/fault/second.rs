//! What is looked at besides a recovery: a second opening, a put that is there after another one, and
//! ordinary use.

use crate::base::Result;
use crate::image::Image;
use crate::oracle::{Trial, Verdict, judge_reopened, judge_used, judge_written};
use crate::recover::{Recovery, Tried, Worker};

/// What a second opening, a tried put and ordinary use show.
pub fn again(worker: &mut Worker, image: &Image) -> Result<Verdict> {
    let mut verdict = Verdict::default();
    let both = worker.stable(image)?;
    let Recovery::Opened(shown) = &both.0 else { return Ok(verdict) };
    let tried = worker.writable(image, &shown.contents)?;
    for found in reopened(&both).into_iter().chain(written(&tried)) {
        verdict.merge(found);
    }
    verdict.merge(judge_used(&worker.used(image)?));
    Ok(verdict)
}

/// What two openings in a row show; nothing where the first was none.
pub fn reopened((first, second): &(Recovery, Option<Recovery>)) -> Option<Verdict> {
    match (first, second) {
        (Recovery::Opened(first), Some(second)) => Some(judge_reopened(first, second)),
        _ => None,
    }
}

/// What a tried put shows; nothing where the store did not open for it.
pub fn written(tried: &Tried) -> Option<Verdict> {
    let Recovery::Opened(first) = &tried.first else { return None };
    let trial = Trial { key: &tried.key, value: &tried.value, answer: tried.answer.as_ref() };
    Some(judge_written(first, &trial, &tried.second))
}
