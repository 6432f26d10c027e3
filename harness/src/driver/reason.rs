//! Why a program died, in its own words: the line of its standard error that says so. Languages put it in
//! different places among frames, source lines and hints.

/// The most of it that is told, in characters.
const MOST: usize = 160;

/// The line that says why; empty where there is none.
pub fn reason(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.lines().collect();
    let found = rust(&lines)
        .or_else(|| python(&lines))
        .or_else(|| starting(&lines, &["panic: ", "fatal error: "]))
        .or_else(|| starting(&lines, &["Exception in thread "]))
        .or_else(|| containing(&lines, &["ERROR: AddressSanitizer", "runtime error: "]))
        .or_else(|| containing(&lines, &["ssertion `", "ssertion failed", "Assertion '"]))
        .or_else(|| what(&lines))
        .or_else(|| node(&lines))
        .or_else(|| last(&lines));
    found.unwrap_or_default().trim().chars().take(MOST).collect()
}

/// `thread 'main' panicked at src/main.rs:1:2:`, and the message on the next line; or both on one, as
/// before Rust 1.73.
fn rust<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let at = lines
        .iter()
        .position(|line| line.starts_with("thread '") && line.contains(" panicked at "))?;
    match lines[at].ends_with(':') {
        true => lines[at + 1..].iter().find(|line| !line.trim().is_empty()).copied(),
        false => lines[at].split_once(" panicked at ").map(|(_, message)| message),
    }
}

/// The last line of the last traceback: what is not indented ends it.
fn python<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let at =
        lines.iter().rposition(|line| line.starts_with("Traceback (most recent call last)"))?;
    lines[at + 1..]
        .iter()
        .find(|line| !line.is_empty() && !line.starts_with(char::is_whitespace))
        .copied()
}

fn starting<'a>(lines: &[&'a str], words: &[&str]) -> Option<&'a str> {
    lines.iter().find(|line| words.iter().any(|word| line.starts_with(word))).copied()
}

fn containing<'a>(lines: &[&'a str], words: &[&str]) -> Option<&'a str> {
    lines.iter().find(|line| words.iter().any(|word| line.contains(word))).copied()
}

/// What an uncaught exception of C++ says of itself.
fn what<'a>(lines: &[&'a str]) -> Option<&'a str> {
    lines.iter().find_map(|line| line.trim_start().strip_prefix("what():"))
}

/// Node.js prints the place, the source line and a mark before the error, and its version at the end.
fn node<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let by_node =
        lines.iter().any(|line| line.starts_with("Node.js v") || line.starts_with("    at "));
    let is_error = |line: &&&str| {
        let name =
            line.trim_start_matches("Uncaught ").split([':', ' ']).next().unwrap_or_default();
        name.ends_with("Error") || name.ends_with("Exception")
    };
    lines.iter().find(|line| by_node && is_error(line)).copied()
}

/// The last line that is no frame, no hint and no version.
fn last<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let says = |line: &&&str| {
        let text = line.trim();
        let number = text.split_once(": ").is_some_and(|(number, _)| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        });
        let frame = number || text.starts_with("at ") || text.starts_with("#");
        let hint = ["note: ", "stack backtrace:", "Node.js v", "goroutine ", "exit status "];
        !text.is_empty() && !frame && !hint.iter().any(|start| text.starts_with(start))
    };
    lines.iter().rfind(says).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_says_why_in_its_own_place() {
        for (stderr, expected) in [
            (
                "warming up\n\nthread 'main' (17) panicked at src/main.rs:7:5:\nassertion `left == right` \
                 failed\n  left: 1\n right: 2\nstack backtrace:\n   0: rust_begin_unwind\n             at \
                 /rustc/1/library/std/src/panicking.rs:1:5\nnote: Some details are omitted\n",
                "assertion `left == right` failed",
            ),
            (
                "thread 'main' panicked at 'page 3 is free', src/db.rs:1:2\nnote: run with\n",
                "'page 3 is free', src/db.rs:1:2",
            ),
            (
                "Traceback (most recent call last):\n  File \"x.py\", line 3, in <module>\n    main()\n    ~~~~^^\n\
                 ValueError: wrong checksum\n",
                "ValueError: wrong checksum",
            ),
            (
                "Traceback (most recent call last):\n  File \"x\"\nKeyError: 1\n\nDuring handling of the above \
                 exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"y\"\n\
                 db.Broken: no page\nwith a second line\n",
                "db.Broken: no page",
            ),
            (
                "panic: assertion failed: page 7 already freed\n\ngoroutine 1 [running]:\nmain.main()\n\t/x/y.go:3 +0x1\nexit status 2\n",
                "panic: assertion failed: page 7 already freed",
            ),
            (
                "Exception in thread \"main\" java.io.EOFException: short record\n\tat Db.open(Db.java:7)\nCaused by: x\n",
                "Exception in thread \"main\" java.io.EOFException: short record",
            ),
            (
                "<anonymous_script>:1\n\n\nSyntaxError: Unexpected end of JSON input\n    at JSON.parse \
                 (<anonymous>)\n    at file:///x.mjs:12:22\n\nNode.js v20.20.2\n",
                "SyntaxError: Unexpected end of JSON input",
            ),
            (
                "terminate called after throwing an instance of 'std::runtime_error'\n  what():  bad page\n",
                "bad page",
            ),
            ("db: cannot open: bad magic\n\n", "db: cannot open: bad magic"),
            (
                "x: y.c:7: f: Assertion `a == b' failed.\nAborted\n",
                "x: y.c:7: f: Assertion `a == b' failed.",
            ),
            ("   0: a::b\n  at x.rs:1\n", ""),
            ("", ""),
        ] {
            assert_eq!(reason(stderr), expected);
        }
    }
}
