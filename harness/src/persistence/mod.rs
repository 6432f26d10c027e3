//! The persistence model: events -> effects -> ordering under a profile (PERSISTENCE.md). Pure.
