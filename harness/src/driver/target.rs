//! A target: how a driver is started.

/// How a driver is started. Bundled engines are the running `unplug` executable as
/// `unplug driver NAME`; any other program is what the user said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What reports call it.
    pub name: String,
    /// The program and its arguments; the program is found as a shell would find it.
    pub argv: Vec<String>,
    /// Environment variables set for it, besides those that it inherits.
    pub env: Vec<(String, String)>,
}
