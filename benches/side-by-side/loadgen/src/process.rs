//! What a server's processes use, from /proc: the processor, to the nanosecond as the scheduler counts it, and memory.

use std::fs;

use crate::arguments::Json;

/// A process and all below it.
pub struct Processes(Vec<u32>);

impl Processes {
    /// The tree of `root`; nothing for none.
    pub fn below(root: u32) -> Self {
        if root == 0 {
            return Self(Vec::new());
        }
        let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(|pid| Some((pid, parent(pid)?)))
            .collect();
        let mut tree = vec![root];
        let mut at = 0;
        while let Some(&of) = tree.get(at) {
            tree.extend(
                parents
                    .iter()
                    .filter(|(_, parent)| *parent == of)
                    .map(|(pid, _)| pid),
            );
            at += 1;
        }
        Self(tree)
    }

    /// Nanoseconds that their threads have run; of those alone whose name begins with `prefix`.
    pub fn run_ns(&self, prefix: &str) -> u64 {
        let tasks = self
            .0
            .iter()
            .filter_map(|pid| fs::read_dir(format!("/proc/{pid}/task")).ok());
        let of_task = |task: fs::DirEntry| {
            if !prefix.is_empty()
                && !fs::read_to_string(task.path().join("comm"))
                    .ok()?
                    .starts_with(prefix)
            {
                return None;
            }
            let schedule = fs::read_to_string(task.path().join("schedstat")).ok()?;
            schedule.split(' ').next()?.parse::<u64>().ok()
        };
        tasks.flatten().flatten().filter_map(of_task).sum()
    }

    /// Octets that they had written to files on a disk, whether or not they are there yet (`write_bytes` of proc(5)).
    pub fn written_octets(&self) -> u64 {
        let of_process = |pid| {
            let text = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "))?;
            line.parse::<u64>().ok()
        };
        self.0.iter().filter_map(of_process).sum()
    }

    /// PSS and RSS in KiB, as fields.
    pub fn write_memory(&self, json: Json) -> Json {
        let (mut pss, mut rss) = (0, 0);
        for pid in &self.0 {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
            let figure = |key: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(key))?;
                line.split_whitespace().next()?.parse::<u64>().ok()
            };
            pss += figure("Pss:").unwrap_or(0);
            rss += figure("Rss:").unwrap_or(0);
        }
        json.count("pss_kib", pss).count("rss_kib", rss)
    }
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before may hold anything, also `) `.
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// Nanoseconds that this process has run.
pub fn own_run_ns() -> u64 {
    Processes(vec![std::process::id()]).run_ns("")
}
