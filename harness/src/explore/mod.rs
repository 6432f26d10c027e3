//! Which crash states to visit: one strategy a file. Pure.
