//! What differs between processor architectures: the numbers of system calls and the registers
//! that carry them. One file each; everything above speaks of calls by name.

#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86_64")]
pub use x86_64::*;

#[cfg(not(target_arch = "x86_64"))]
compile_error!("the recorder has no table of system calls for this architecture yet");
