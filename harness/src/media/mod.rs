//! The damage operators: bytes damaged at rest. Pure.
