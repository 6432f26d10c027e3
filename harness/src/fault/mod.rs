//! The four faults: each composes the rooms below into cases.
