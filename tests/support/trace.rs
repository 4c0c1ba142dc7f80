//! What strace(1) wrote of a program's calls on its files: `strace -f -y -xx -ttt -s …`. A call that others overlap
//! stands in two lines; here it is one, with the place of both.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// The calls that change what a disk keeps, for `-e trace=`.
pub(crate) const CALLS: &str = "openat,pwrite64,write,ftruncate,fdatasync,fsync,unlink,rename";

/// What a call did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// It was made if it was not there, and emptied if `empties`.
    Create {
        path: String,
        empties: bool,
    },
    Write {
        path: String,
        at: usize,
        octets: Vec<u8>,
    },
    Cut {
        path: String,
        octets: usize,
    },
    /// Of a file or a folder.
    Sync {
        path: String,
    },
    Remove {
        path: String,
    },
    Rename {
        from: String,
        to: String,
    },
}

/// A call that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// The line in which it began, and that in which it ended.
    pub(crate) began: usize,
    pub(crate) ended: usize,
    pub(crate) call: Call,
}

/// A trace: what happened, in the order of ends, and the time of each line in microseconds since 1970.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) events: Vec<Event>,
    pub(crate) times_us: Vec<u64>,
}

impl Trace {
    #[track_caller]
    pub(crate) fn read(path: &Path) -> Self {
        let mut trace = Self::default();
        let mut open: HashMap<String, (usize, String)> = HashMap::new();
        let file = std::fs::File::open(path).expect("open the trace");
        for line in BufReader::new(file).lines() {
            let line = line.expect("a trace is ASCII");
            let (process, rest) = line.trim_start().split_once(' ').expect("a process");
            let (time, rest) = rest.trim_start().split_once(' ').expect("a time");
            let number = trace.times_us.len();
            trace.times_us.push(microseconds(time));
            if let Some(begin) = rest.strip_suffix(" <unfinished ...>") {
                open.insert(process.to_string(), (number, begin.to_string()));
                continue;
            }
            let (began, text) = match rest.strip_prefix("<... ") {
                None => (number, rest.to_string()),
                Some(resumed) => {
                    let end = resumed.split_once("resumed>").expect("what is resumed").1;
                    let (began, begin) = open.remove(process).expect("what is resumed has begun");
                    (began, begin + end)
                }
            };
            if let Some(call) = call(&text) {
                trace.events.push(Event {
                    began,
                    ended: number,
                    call,
                });
            }
        }
        trace
    }
}

/// `1795263819.891694`
fn microseconds(text: &str) -> u64 {
    text.replace('.', "").parse().expect("a time in microseconds")
}

/// What a whole call did; nothing if it failed, or is no call.
fn call(text: &str) -> Option<Call> {
    let (name, rest) = text.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(" = ")?;
    let arguments = arguments.trim_end().strip_suffix(')')?;
    if result.starts_with('-') || result.starts_with('?') {
        return None;
    }
    // Names and data are hexadecimal: there is no other comma.
    let arguments: Vec<&str> = arguments.split(", ").collect();
    let number = |at: usize| arguments[at].parse::<usize>().expect("a number");
    let path = || of_descriptor(arguments[0]);
    Some(match name {
        "openat" if arguments[2].contains("O_CREAT") => Call::Create {
            path: of_descriptor(result)?,
            empties: arguments[2].contains("O_TRUNC"),
        },
        "pwrite64" => Call::Write {
            path: path()?,
            at: number(3),
            octets: written(arguments[1], result),
        },
        "ftruncate" => Call::Cut {
            path: path()?,
            octets: number(1),
        },
        "fsync" | "fdatasync" => Call::Sync { path: path()? },
        "unlink" => Call::Remove {
            path: string(arguments[0]),
        },
        "rename" => Call::Rename {
            from: string(arguments[0]),
            to: string(arguments[1]),
        },
        _ => return None,
    })
}

/// What was written of `data`: strace cuts what is longer than `-s`, which is too short then.
fn written(data: &str, result: &str) -> Vec<u8> {
    assert!(data.ends_with('"'), "the trace has half of what was written");
    let count = result.parse().expect("a number of octets");
    let mut octets = octets(data);
    octets.truncate(count);
    assert_eq!(octets.len(), count);
    octets
}

/// `"\x68\x69"`
fn octets(text: &str) -> Vec<u8> {
    let digit = |digit: u8| (digit as char).to_digit(16).expect("a hexadecimal digit") as u8;
    let inner = text.trim_matches('"').as_bytes();
    inner
        .chunks(4)
        .map(|octet| digit(octet[2]) << 4 | digit(octet[3]))
        .collect()
}

fn string(text: &str) -> String {
    String::from_utf8(octets(text)).expect("a path is UTF-8")
}

/// `7<\x2f\x78>`; nothing for what has no name any more.
fn of_descriptor(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('<')?;
    let (path, rest) = rest.rsplit_once('>')?;
    (!rest.contains("deleted") && path.starts_with("\\x")).then(|| string(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_as_strace_writes_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace");
        let text = r#"11 1795263819.000001 openat(AT_FDCWD<\x2f>, "\x2f\x78", O_RDWR|O_CREAT|O_CLOEXEC, 0644) = 7<\x2f\x78>
11 1795263819.000002 pwrite64(7<\x2f\x78>, "\x68\x69", 2, 40 <unfinished ...>
12 1795263819.000003 fsync(7<\x2f\x78>)         = 0
12 1795263819.000004 fsync(7<\x2f\x78>)         = -1 EIO (Input/output error) (INJECTED)
11 1795263819.000005 <... pwrite64 resumed>) = 2
11 1795263819.000006 --- SIGTERM {si_signo=SIGTERM} ---
12 1795263819.000007 rename("\x2f\x78", "\x2f\x79") = 0
12 1795263819.000008 ftruncate(7<\x2f\x79>, 0) = 0
12 1795263819.000009 unlink("\x2f\x79") = 0
12 1795263819.000010 pwrite64(7<\x2f\x79>(deleted), "\x68", 1, 0) = 1
11 1795263819.000011 +++ exited with 0 +++
"#;
        std::fs::write(&path, text).unwrap();
        let trace = Trace::read(&path);
        assert_eq!(trace.times_us[10], 1_795_263_819_000_011);
        let (x, y) = ("/x".to_string(), "/y".to_string());
        let wanted = [
            (
                0,
                0,
                Call::Create {
                    path: x.clone(),
                    empties: false,
                },
            ),
            (2, 2, Call::Sync { path: x.clone() }),
            (
                1,
                4,
                Call::Write {
                    path: x.clone(),
                    at: 40,
                    octets: b"hi".to_vec(),
                },
            ),
            (
                6,
                6,
                Call::Rename {
                    from: x,
                    to: y.clone(),
                },
            ),
            (
                7,
                7,
                Call::Cut {
                    path: y.clone(),
                    octets: 0,
                },
            ),
            (8, 8, Call::Remove { path: y }),
        ];
        let wanted = wanted.map(|(began, ended, call)| Event { began, ended, call });
        assert_eq!(trace.events, wanted);
    }
}
