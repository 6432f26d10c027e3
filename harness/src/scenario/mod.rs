//! The scenario file: parse, check, print; it round-trips.
