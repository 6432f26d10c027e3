//! The WAL-backed key-value store. Knows nothing of harness, engines, cli.
