//! The output of strace, parsed into calls in the order of their completion.

use std::collections::HashMap;

/// One call that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Open {
        path: String,
        fd: u64,
    },
    Close {
        fd: u64,
    },
    Write {
        fd: u64,
        bytes: Vec<u8>,
        at: Option<u64>,
    },
    Truncate {
        fd: u64,
        length: u64,
    },
    Sync {
        fd: u64,
    },
    Unlink {
        path: String,
    },
}

/// Reads the lines of `strace -f -xx`; a call that others interrupted is put together.
pub(super) fn calls(trace: &str) -> Vec<Call> {
    let mut unfinished: HashMap<&str, &str> = HashMap::new();
    let mut calls = Vec::new();
    for line in trace.lines() {
        let Some((thread, rest)) = line.split_once(' ') else {
            continue;
        };
        let rest = rest.trim_start();
        if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
            unfinished.insert(thread, begun);
        } else if let Some((_, end)) = rest.split_once(" resumed>") {
            let begun = unfinished.remove(thread).unwrap_or_default();
            calls.extend(call(&format!("{begun}{end}")));
        } else {
            calls.extend(call(rest));
        }
    }
    calls
}

/// `name(arguments) = result`; nothing where it failed or is of no interest.
fn call(line: &str) -> Option<Call> {
    let (rest, result) = line.rsplit_once(" = ")?;
    let result: u64 = result.split(' ').next()?.parse().ok()?;
    let (name, arguments) = rest.split_once('(')?;
    let arguments = arguments.trim_end().strip_suffix(')')?;
    let words: Vec<&str> = arguments.split(", ").collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok());
    Some(match name {
        "openat" => Call::Open {
            path: String::from_utf8(bytes(words.get(1)?)?).ok()?,
            fd: result,
        },
        "close" => Call::Close { fd: number(0)? },
        "write" | "pwrite64" => {
            let mut bytes = bytes(words.get(1)?)?;
            bytes.truncate(usize::try_from(result).ok()?);
            let at = if name == "pwrite64" {
                Some(number(3)?)
            } else {
                None
            };
            Call::Write {
                fd: number(0)?,
                bytes,
                at,
            }
        }
        "ftruncate" => Call::Truncate {
            fd: number(0)?,
            length: number(1)?,
        },
        "fsync" | "fdatasync" => Call::Sync { fd: number(0)? },
        "unlink" => Call::Unlink {
            path: String::from_utf8(bytes(words.first()?)?).ok()?,
        },
        _ => return None,
    })
}

/// `"\x61\x62"`: a whole one, since it is not cut short.
fn bytes(word: &str) -> Option<Vec<u8>> {
    let inner = word.strip_prefix('"')?.strip_suffix('"')?;
    let mut parts = inner.split("\\x");
    parts.next().filter(|first| first.is_empty())?;
    parts
        .map(|byte| u8::from_str_radix(byte, 16).ok())
        .collect()
}

#[test]
fn a_trace_is_parsed_in_order_of_completion() {
    let trace = "\
7 openat(AT_FDCWD, \"\\x61\", O_RDWR|O_CREAT, 0600) = 5
7 pwrite64(5, \"\\x00\\x01\", 2, 4096 <unfinished ...>
8 write(1, \"\\x6f\\x6b\\x0a\", 3) = 3
7 <... pwrite64 resumed>) = 2
7 fdatasync(5)                    = 0
7 ftruncate(5, 0) = -1 EIO (Input/output error) (INJECTED)
8 unlink(\"\\x61\") = 0
8 close(5) = 0
8 +++ exited with 0 +++";
    let write = |fd, bytes: &[u8], at| Call::Write {
        fd,
        bytes: bytes.to_vec(),
        at,
    };
    let path = || "a".to_owned();
    assert_eq!(
        calls(trace),
        [
            Call::Open {
                path: path(),
                fd: 5
            },
            write(1, b"ok\n", None),
            write(5, &[0, 1], Some(4096)),
            Call::Sync { fd: 5 },
            Call::Unlink { path: path() },
            Call::Close { fd: 5 },
        ]
    );
}
