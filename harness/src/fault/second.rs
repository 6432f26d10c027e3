//! What is looked at besides a recovery: a second opening, and a put that is there after another one.

use crate::base::Result;
use crate::image::Image;
use crate::oracle::{Trial, Verdict, judge_reopened, judge_written};
use crate::recover::{Recovery, Worker};

/// What a second opening and a tried put show.
pub fn again(worker: &mut Worker, image: &Image) -> Result<Verdict> {
    let mut verdict = Verdict::default();
    let (first, second) = worker.stable(image)?;
    let (Recovery::Opened(first), Some(second)) = (first, second) else { return Ok(verdict) };
    verdict.merge(judge_reopened(&first, &second));
    let tried = worker.writable(image, &first.contents)?;
    if let Recovery::Opened(first) = &tried.first {
        let trial = Trial { key: &tried.key, value: &tried.value, answer: tried.answer.as_ref() };
        verdict.merge(judge_written(first, &trial, &tried.second));
    }
    Ok(verdict)
}
