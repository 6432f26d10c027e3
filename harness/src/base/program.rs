//! A program with its arguments, environment and working directory, laid out so that a freshly forked
//! child can execute it without allocating: one stretch of bytes, in which offsets become pointers.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use libc::c_char;

/// A program to be executed.
#[derive(Clone, Debug)]
pub struct Program {
    path: CString,
    argv: Vec<CString>,
    envp: Vec<CString>,
    cwd: Option<CString>,
}

impl Program {
    /// The program `argv[0]`, found by PATH where it has no slash, with this process's environment and
    /// `env` on top of it.
    pub fn new(
        argv: &[OsString],
        env: &[(OsString, OsString)],
        cwd: Option<&Path>,
    ) -> io::Result<Self> {
        let program = argv.first().ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))?;
        Ok(Self {
            path: c_string(find(program, env).as_os_str())?,
            argv: argv.iter().map(|argument| c_string(argument)).collect::<io::Result<_>>()?,
            envp: environment(env)?,
            cwd: cwd.map(|cwd| c_string(cwd.as_os_str())).transpose()?,
        })
    }

    /// Everything in one stretch, with `extra` for whoever unpacks it.
    pub fn pack(&self, extra: &[u8]) -> Vec<u8> {
        let counts = [self.argv.len(), self.envp.len()];
        let texts: Vec<&[u8]> = [&self.path]
            .into_iter()
            .chain(&self.cwd)
            .chain(&self.argv)
            .chain(&self.envp)
            .map(|text| text.as_bytes_with_nul())
            .collect();
        // The path and the working directory, each list with the null that ends it.
        let table = 2 + self.argv.len() + 1 + self.envp.len() + 1;
        let mut offset = (counts.len() + table) * WORD + extra.len().next_multiple_of(WORD);
        let mut offsets = texts.iter().map(|text| {
            let at = offset;
            offset += text.len();
            at
        });
        let mut words: Vec<usize> = counts.to_vec();
        words.extend(offsets.next());
        words.push(self.cwd.as_ref().and_then(|_| offsets.next()).unwrap_or(0));
        words.extend(offsets.by_ref().take(self.argv.len()));
        words.push(0);
        words.extend(offsets);
        words.push(0);
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        bytes.extend_from_slice(extra);
        bytes.resize(bytes.len().next_multiple_of(WORD), 0);
        texts.iter().for_each(|text| bytes.extend_from_slice(text));
        bytes
    }
}

const WORD: usize = size_of::<usize>();

/// A program as `execve` takes it. Points into the bytes that it was unpacked from.
#[derive(Clone, Copy, Debug)]
pub struct Unpacked {
    /// The program's path.
    pub path: *const c_char,
    /// Its arguments.
    pub argv: *const *const c_char,
    /// Its environment.
    pub envp: *const *const c_char,
    /// Its working directory; null for that of its parent.
    pub cwd: *const c_char,
    /// What was packed with it.
    pub extra: *const u8,
}

/// Turns the offsets into pointers, in place. Without allocating.
///
/// # Safety
///
/// `bytes` is what [`Program::pack`] gave, at an address that is a multiple of eight, and unpacked once.
pub unsafe fn unpack(bytes: &mut [u8]) -> Unpacked {
    let start = bytes.as_mut_ptr();
    let words = start.cast::<usize>();
    // SAFETY: the layout is `pack`'s: all that is read and written lies within.
    unsafe {
        let (args, vars) = (*words, *words.add(1));
        let table = words.add(2);
        let entries = 2 + args + 1 + vars + 1;
        for at in 0..entries {
            let offset = *table.add(at);
            if offset != 0 {
                *table.add(at) = start.add(offset) as usize;
            }
        }
        Unpacked {
            path: *table as *const c_char,
            cwd: *table.add(1) as *const c_char,
            argv: table.add(2).cast(),
            envp: table.add(2 + args + 1).cast(),
            extra: table.add(entries).cast(),
        }
    }
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

fn environment(env: &[(OsString, OsString)]) -> io::Result<Vec<CString>> {
    let kept = std::env::vars_os().filter(|(name, _)| !env.iter().any(|(other, _)| other == name));
    let mut list = Vec::new();
    for (name, value) in kept.chain(env.iter().cloned()) {
        let mut entry = name.as_bytes().to_vec();
        entry.push(b'=');
        entry.extend_from_slice(value.as_bytes());
        list.push(CString::new(entry).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?);
    }
    Ok(list)
}

/// The program's path: as it is where it has a slash, else by PATH.
fn find(program: &OsStr, env: &[(OsString, OsString)]) -> PathBuf {
    if program.as_bytes().contains(&b'/') {
        return PathBuf::from(program);
    }
    let own = env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone());
    let path = own.or_else(|| std::env::var_os("PATH")).unwrap_or_else(|| "/bin:/usr/bin".into());
    let executable = |candidate: &Path| {
        candidate.is_file()
            && nix::unistd::access(candidate, nix::unistd::AccessFlags::X_OK).is_ok()
    };
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|candidate| executable(candidate))
        .unwrap_or_else(|| PathBuf::from(program))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    #[test]
    fn what_was_packed_comes_out_as_it_went_in() {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        for (cwd, extra) in [(None, &b""[..]), (Some(Path::new("/tmp")), &b"extra"[..])] {
            let argv = words(&["/bin/thing", "", "two words"]);
            let env = [("ONLY".into(), "here".into())];
            let program = Program::new(&argv, &env, cwd).unwrap();
            let packed = program.pack(extra);
            let mut aligned = vec![0u64; packed.len().div_ceil(8)];
            // SAFETY: as many bytes or more, and what was packed, unpacked once.
            unsafe {
                let start = aligned.as_mut_ptr().cast::<u8>();
                let bytes = std::slice::from_raw_parts_mut(start, packed.len());
                bytes.copy_from_slice(&packed);
                let out = unpack(bytes);
                let text = |at: *const c_char| CStr::from_ptr(at).to_str().unwrap().to_owned();
                let list = |at: *const *const c_char| {
                    (0..).map(|n| *at.add(n)).take_while(|at| !at.is_null()).map(text).collect()
                };
                let (args, vars): (Vec<String>, Vec<String>) = (list(out.argv), list(out.envp));
                assert_eq!(
                    (text(out.path).as_str(), args),
                    ("/bin/thing", argv.iter().map(|a| a.to_str().unwrap().to_owned()).collect())
                );
                assert_eq!(vars.last().map(String::as_str), Some("ONLY=here"));
                assert_eq!(vars.len(), program.envp.len());
                assert_eq!(out.cwd.is_null(), cwd.is_none());
                assert_eq!(std::slice::from_raw_parts(out.extra, extra.len()), extra);
            }
        }
    }

    #[test]
    fn a_program_without_a_slash_is_found_by_the_path_it_will_have() {
        let env = [("PATH".into(), "/nowhere:/bin".into())];
        assert_eq!(find("sh".as_ref(), &env), PathBuf::from("/bin/sh"));
        assert_eq!(find("no-such-program".as_ref(), &env), PathBuf::from("no-such-program"));
        assert_eq!(find("./x".as_ref(), &env), PathBuf::from("./x"));
    }
}
