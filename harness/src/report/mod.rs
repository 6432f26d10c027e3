//! Reports: the serializable twin of a run's conclusion and its renderers. Nothing here judges.

pub mod folder;
pub mod html;
pub mod junit;
pub mod terminal;
pub mod twin;

pub use twin::Report;

#[cfg(test)]
mod tests;
