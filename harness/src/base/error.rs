//! Harness errors: what went wrong *around* the target. A violation is never an error: it is data.

use std::path::{Path, PathBuf};

/// The result of anything in the harness that can fail for reasons of its own.
pub type Result<T, E = HarnessError> = std::result::Result<T, E>;

/// Why the harness could not do what it was asked. Each kind has one exit code (ORACLE.md, DESIGN.md).
#[derive(Debug, thiserror::Error)]
pub enum HarnessError {
    /// Unusable input: a command line, a scenario, a trace. Exit code 2.
    #[error("{0}")]
    Input(String),
    /// The program does not run without any fault, or does not keep the protocol. Exit code 3.
    #[error("setup failed: {0}")]
    Setup(String),
    /// unplug disagrees with itself about one case. Exit code 3.
    #[error("harness broken: {0}")]
    Broken(String),
    /// What the recorder cannot see makes any judgement worthless. Exit code 4.
    #[error("not measured: {0}")]
    NotMeasured(String),
    /// Something that counts for the store lies where no image of its directory reaches: no fault can be
    /// judged. Exit code 4.
    #[error("not measured: {0}")]
    OutOfReach(String),
    /// A recording without any failing call ended otherwise than the control. On another file system it
    /// may not. Exit code 3.
    #[error("setup failed: {0}")]
    EndsOtherwise(String),
    /// The machine refused something that unplug needs.
    #[error("{context}: {why}")]
    Machine {
        /// What was being done, naming the file or process.
        context: String,
        /// What the machine said.
        why: std::io::Error,
    },
    /// Ctrl-C or SIGTERM: what is known so far is still reported, marked incomplete.
    #[error("interrupted")]
    Interrupted,
}

impl HarnessError {
    /// An error about unusable input; `text` names the file, line or field and what was expected.
    pub fn input(text: impl Into<String>) -> Self {
        Self::Input(text.into())
    }

    /// The program does not run without any fault, or does not keep the protocol.
    pub fn setup(text: impl Into<String>) -> Self {
        Self::Setup(text.into())
    }

    /// unplug contradicted itself.
    pub fn broken(text: impl Into<String>) -> Self {
        Self::Broken(text.into())
    }

    /// Wraps an operating-system error with what was being done.
    pub fn machine(context: impl Into<String>, why: impl Into<std::io::Error>) -> Self {
        Self::Machine { context: context.into(), why: why.into() }
    }

    /// Wraps an operating-system error on `path`.
    pub fn at(doing: &str, path: impl Into<PathBuf>, why: impl Into<std::io::Error>) -> Self {
        Self::machine(format!("{doing} {}", path.into().display()), why)
    }

    /// The same, with the file that it is about, where it is one of input, of the program or of unplug.
    #[must_use]
    pub fn about(self, path: &Path) -> Self {
        match self {
            Self::Input(text) => Self::Input(format!("{}: {text}", path.display())),
            Self::Setup(text) => Self::Setup(format!("{}: {text}", path.display())),
            Self::Broken(text) => Self::Broken(format!("{}: {text}", path.display())),
            other => other,
        }
    }

    /// The process exit code that this error stands for.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Input(_) => 2,
            Self::Setup(_) | Self::Broken(_) | Self::EndsOtherwise(_) => 3,
            Self::NotMeasured(_) | Self::OutOfReach(_) => 4,
            Self::Machine { .. } => 70,
            Self::Interrupted => 130,
        }
    }
}
