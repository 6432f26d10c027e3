//! unplug
fn main() {}
