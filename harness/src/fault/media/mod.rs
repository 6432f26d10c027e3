//! The media fault.
pub mod age;
pub mod between;
pub mod rest;
