//! The profile `strict`: only what POSIX and the manual pages promise.
//!
//! * Order among Link, Unlink, Rename and Resize: none, but for effects on one name. Grow: unordered.
//! * fsync(file), fdatasync(file) make durable what `durable` says and nothing more; the name needs
//!   an fsync of its directory. fsync(directory): nothing more.
//! * The lost part of an append is absent, zeros or garbage, with or without the new size.
//! * A rename, whether over an existing file or not, is unordered with the data of its source;
//!   between directories it may survive as its new name alone.
//! * truncate to 0, write, close: unordered. Any pages and any sectors of an overwrite may be lost.
//! * Explicit growth is free of the data.
//!
//! Areas not covered: garbage in the place of anything but what was appended or written into a hole
//! (a sector that was durable before keeps its old bytes or gets the new ones).

/// Nothing more than every profile has.
pub(super) fn file_synced() {}

/// Nothing more than every profile has.
pub(super) fn directory_synced() {}
