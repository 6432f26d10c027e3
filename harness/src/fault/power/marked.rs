//! A trace as text with the crash marked: the line where it struck, and every event of which something
//! was lost.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::ground::Spot;
use crate::persistence::EffectNo;
use crate::trace::{Trace, text};

/// The text of a timeline with a crash state on it.
pub fn marked(trace: &Trace, spot: &Spot) -> String {
    let model = &spot.ground.model;
    let event = |effect: EffectNo| model.effect(effect).map(|effect| effect.event.0);
    let loss = spot.state.loss();
    let lost: BTreeSet<u32> =
        loss.into_iter().flat_map(|loss| loss.lost().filter_map(event)).collect();
    let torn: BTreeSet<u32> = loss
        .into_iter()
        .flat_map(|loss| loss.forms().iter().filter_map(|form| event(EffectNo(form.0))))
        .collect();
    let what = if spot.state.is_kill() { "the process is killed" } else { "the power is cut" };
    let crash = format!("===== {what} here: {} =====\n", spot.state);
    let mut out = String::from("!  something of this event was lost   %  it survived in part\n");
    let mut point = None;
    for line in text::text(trace).lines() {
        let number = line.split_whitespace().next().and_then(|word| word.parse::<u32>().ok());
        if number == Some(spot.state.point.0) && point.is_none() {
            out.push_str(&crash);
            point = number;
        }
        let mark = match number {
            Some(number) if lost.contains(&number) => '!',
            Some(number) if torn.contains(&number) => '%',
            _ => ' ',
        };
        let _ = writeln!(out, "{mark} {line}");
    }
    if point.is_none() {
        out.push_str(&crash);
    }
    out
}
