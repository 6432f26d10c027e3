//! A crash state's bytes: copy-on-write in memory, content-hashed; then to a directory.
