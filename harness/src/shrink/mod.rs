//! Shrinking: fewer requests, an earlier point, fewer lost effects. Pure.
