//! Processes born in the nursery and beside it.

use super::*;
use std::io::Read;
use std::os::fd::AsFd;

/// Writes its parent's number and its bytes, which it may change.
unsafe fn tell(bytes: &mut [u8], fds: &[RawFd]) -> ! {
    // SAFETY: system calls on valid memory.
    unsafe {
        bytes[0] += 1;
        let parent = libc::getppid();
        libc::write(fds[0], (&raw const parent).cast(), 4);
        libc::write(fds[0], bytes.as_ptr().cast(), bytes.len());
        libc::_exit(7)
    }
}

#[test]
fn what_is_born_is_our_own_child_and_has_what_it_was_handed() {
    for bytes in [vec![1; 5], vec![2; 100_000], vec![3; BIRTH_BYTES + 1]] {
        let (from, to) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
        let pid = start(&Birth { entry: tell, bytes: &bytes, fds: &[to.as_fd()] }).unwrap();
        drop(to);
        let mut said = Vec::new();
        std::fs::File::from(from).read_to_end(&mut said).unwrap();
        assert_eq!(said[..4], std::process::id().to_ne_bytes());
        assert_eq!((said[4], &said[5..]), (bytes[0] + 1, &bytes[1..]));
        let mut status = 0;
        // SAFETY: waits for our own child.
        assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
        assert_eq!(libc::WEXITSTATUS(status), 7);
    }
}

#[test]
fn what_is_born_keeps_to_the_processors_of_its_starter() {
    unsafe fn count(_: &mut [u8], fds: &[RawFd]) -> ! {
        // SAFETY: system calls on locals.
        unsafe {
            let mut cpus: cpu_set_t = std::mem::zeroed();
            libc::sched_getaffinity(0, size_of::<cpu_set_t>(), &raw mut cpus);
            let count = libc::CPU_COUNT(&cpus);
            libc::write(fds[0], (&raw const count).cast(), 4);
            libc::_exit(0)
        }
    }
    let counted = std::thread::spawn(|| {
        let mut cpus = nix::sched::CpuSet::new();
        let here = nix::unistd::Pid::from_raw(0);
        let all = nix::sched::sched_getaffinity(here).unwrap();
        let one = (0..).find(|cpu| all.is_set(*cpu).unwrap()).unwrap();
        cpus.set(one).unwrap();
        nix::sched::sched_setaffinity(here, &cpus).unwrap();
        let (from, to) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
        let pid = start(&Birth { entry: count, bytes: &[], fds: &[to.as_fd()] }).unwrap();
        let mut said = [0; 4];
        std::fs::File::from(from).read_exact(&mut said).unwrap();
        // SAFETY: waits for our own child.
        unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
        i32::from_ne_bytes(said)
    });
    assert_eq!(counted.join().unwrap(), 1);
}
