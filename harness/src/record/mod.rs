//! The recorder: ptrace and seccomp. The only room that traces; also where a planned kill or error strikes.
