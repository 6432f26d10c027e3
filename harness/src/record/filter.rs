//! The seccomp filter, made from the table of calls: it stops a traced program only where the
//! recorder wants to look, and lets everything else through at the kernel's own speed.

use libc::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, SECCOMP_RET_ALLOW,
    SECCOMP_RET_TRACE, sock_filter,
};

use super::arch;
use super::calls::{CALLS, Class, When};

/// The data of a stop for a call of another architecture or calling convention.
pub const FOREIGN: u32 = 2;
/// The data of an ordinary stop.
pub const NATIVE: u32 = 1;

/// Offsets in `struct seccomp_data`.
const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCH: u32 = 4;
const OFFSET_ARGS: u32 = 16;

/// The program for the kernel. With `reads`, calls that only look stop too.
pub fn program(reads: bool) -> Vec<sock_filter> {
    let mut program = vec![
        load(OFFSET_ARCH),
        jump_equal(arch::AUDIT_ARCH, 1, 0),
        give(SECCOMP_RET_TRACE | FOREIGN),
        load(OFFSET_NUMBER),
    ];
    for (name, class) in CALLS {
        let Some(number) = arch::number(name) else { continue };
        let body = match class {
            Class::Refused => stop_when(When::Always),
            Class::Harmless => continue,
            Class::Observed if reads => stop_when(When::Always),
            Class::Observed if *name == "read" => stop_when(When::Masked(0, u32::MAX, 0)),
            Class::Observed => continue,
            Class::Modelled(when) | Class::Unmodelled(when) | Class::Watched(when) => {
                stop_when(*when)
            }
        };
        program.push(jump_equal(number as u32, 0, body.len() as u8));
        program.extend(body);
    }
    program.extend([
        alu_and(arch::FOREIGN_BIT),
        jump_equal(0, 1, 0),
        give(SECCOMP_RET_TRACE | FOREIGN),
        give(SECCOMP_RET_ALLOW),
    ]);
    program
}

/// Ends in a return on every path.
fn stop_when(when: When) -> Vec<sock_filter> {
    let trace = give(SECCOMP_RET_TRACE | NATIVE);
    let allow = give(SECCOMP_RET_ALLOW);
    match when {
        When::Always => vec![trace],
        When::Masked(argument, mask, value) => {
            vec![load_argument(argument), alu_and(mask), jump_equal(value, 0, 1), trace, allow]
        }
        When::Any(argument, mask) => {
            vec![load_argument(argument), alu_and(mask), jump_equal(0, 1, 0), trace, allow]
        }
        When::OneOf(argument, values) => {
            let mut body = vec![load_argument(argument)];
            for (index, value) in values.iter().enumerate() {
                body.push(jump_equal(*value, (values.len() - index) as u8, 0));
            }
            body.extend([allow, trace]);
            body
        }
    }
}

fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}

fn load(offset: u32) -> sock_filter {
    instruction(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0)
}

/// The low half of an argument (little-endian).
fn load_argument(argument: u8) -> sock_filter {
    load(OFFSET_ARGS + 8 * u32::from(argument))
}

fn alu_and(mask: u32) -> sock_filter {
    instruction(BPF_ALU | BPF_AND | BPF_K, mask, 0, 0)
}

fn jump_equal(value: u32, jt: u8, jf: u8) -> sock_filter {
    instruction(BPF_JMP | BPF_JEQ | BPF_K, value, jt, jf)
}

fn give(action: u32) -> sock_filter {
    instruction(BPF_RET | BPF_K, action, 0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would answer, by running the program as the kernel does.
    fn run(program: &[sock_filter], arch: u32, number: u32, args: [u64; 6]) -> u32 {
        let (mut pc, mut a) = (0, 0);
        loop {
            let step = &program[pc];
            pc += 1;
            match u32::from(step.code) {
                code if code == BPF_LD | BPF_W | BPF_ABS => {
                    a = match step.k {
                        OFFSET_NUMBER => number,
                        OFFSET_ARCH => arch,
                        k => args[((k - OFFSET_ARGS) / 8) as usize] as u32,
                    }
                }
                code if code == BPF_ALU | BPF_AND | BPF_K => a &= step.k,
                code if code == BPF_JMP | BPF_JEQ | BPF_K => {
                    pc += usize::from(if a == step.k { step.jt } else { step.jf });
                }
                _ => return step.k,
            }
        }
    }

    fn ask(reads: bool, name: &str, args: [u64; 6]) -> u32 {
        let number = arch::number(name).expect(name) as u32;
        run(&program(reads), arch::AUDIT_ARCH, number, args)
    }

    const STOP: u32 = SECCOMP_RET_TRACE | NATIVE;

    #[test]
    fn the_filter_stops_on_writes_and_lets_harmless_calls_pass() {
        assert_eq!(ask(false, "pwrite64", [3, 0, 0, 0, 0, 0]), STOP);
        assert_eq!(ask(false, "getpid", [0; 6]), SECCOMP_RET_ALLOW);
        assert_eq!(ask(false, "futex", [0; 6]), SECCOMP_RET_ALLOW);
    }

    #[test]
    fn reads_stop_only_when_asked_for_but_standard_input_always() {
        assert_eq!(ask(false, "read", [0; 6]), STOP);
        assert_eq!(ask(false, "read", [5, 0, 0, 0, 0, 0]), SECCOMP_RET_ALLOW);
        assert_eq!(ask(true, "read", [5, 0, 0, 0, 0, 0]), STOP);
        assert_eq!(ask(false, "pread64", [5, 0, 0, 0, 0, 0]), SECCOMP_RET_ALLOW);
        assert_eq!(ask(true, "pread64", [5, 0, 0, 0, 0, 0]), STOP);
    }

    #[test]
    fn only_shared_file_mappings_stop() {
        let map = |flags| ask(false, "mmap", [0, 4096, 3, flags, 3, 0]);
        assert_eq!(map(0x01), STOP);
        assert_eq!(map(0x03), STOP, "MAP_SHARED_VALIDATE");
        assert_eq!(map(0x02), SECCOMP_RET_ALLOW, "MAP_PRIVATE");
        assert_eq!(map(0x21), SECCOMP_RET_ALLOW, "shared and anonymous");
    }

    #[test]
    fn ioctls_are_told_apart_and_what_is_refused_stops_to_be_noted() {
        assert_eq!(ask(false, "ioctl", [3, 0x4004_9409, 0, 0, 0, 0]), STOP);
        assert_eq!(ask(false, "ioctl", [3, 0x4080_6685, 0, 0, 0, 0]), STOP);
        assert_eq!(ask(false, "ioctl", [3, 0x5401, 0, 0, 0, 0]), SECCOMP_RET_ALLOW);
        assert_eq!(ask(false, "io_uring_setup", [0; 6]), STOP);
        assert_eq!(ask(false, "io_setup", [0; 6]), STOP);
    }

    #[test]
    fn calls_of_another_architecture_stop_with_a_mark() {
        let foreign = SECCOMP_RET_TRACE | FOREIGN;
        assert_eq!(run(&program(false), 0x4000_0003, 4, [0; 6]), foreign);
        let x32 = arch::FOREIGN_BIT | 1;
        assert_eq!(run(&program(false), arch::AUDIT_ARCH, x32, [0; 6]), foreign);
    }

    #[test]
    fn the_program_fits_the_kernels_limit_and_its_jumps_stay_inside() {
        let program = program(true);
        assert!(program.len() < 4096);
        for (at, step) in program.iter().enumerate() {
            if u32::from(step.code) == BPF_JMP | BPF_JEQ | BPF_K {
                assert!(at + 1 + usize::from(step.jt.max(step.jf)) < program.len());
            }
        }
    }
}
