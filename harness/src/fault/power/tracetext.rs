//! Stand-in.
use crate::trace::{EventNo, Trace};
use std::sync::Mutex;
static T: Mutex<Vec<Trace>> = Mutex::new(Vec::new());
/// p
pub fn print(trace: &Trace) -> String {
    let mut t = T.lock().unwrap();
    t.push(trace.clone());
    format!("{}", t.len() - 1)
}
/// p
pub fn print_marked(_trace: &Trace, _at: EventNo) -> String {
    String::new()
}
/// p
pub fn parse(text: &str) -> crate::base::Result<Trace> {
    Ok(T.lock().unwrap()[text.parse::<usize>().unwrap()].clone())
}
