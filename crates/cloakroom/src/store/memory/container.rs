//! The memory limit of this process: the machine's, or that of the container it runs in.

use std::fs;
use std::path::Path;

/// Returns the bytes that this process and its neighbours in the same container may use; `None` if the system
/// does not report it.
pub(super) fn memory() -> Option<u64> {
    memory_under(Path::new("/"))
}

/// Reads the limit under another root directory, for tests.
fn memory_under(root: &Path) -> Option<u64> {
    let machine = read(root, "proc/meminfo").and_then(|text| total(&text));
    let groups = read(root, "proc/self/cgroup").unwrap_or_default();
    let bounds = groups.lines().filter_map(|line| bound(root, line));
    bounds.chain(machine).min()
}

/// Returns the machine's memory from `/proc/meminfo`, which is in kB.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// Returns the least limit of a control group and those above it, from a line of `/proc/self/cgroup`:
/// `0::/path` of version 2, `4:memory:/path` of version 1.
fn bound(root: &Path, line: &str) -> Option<u64> {
    let mut fields = line.splitn(3, ':');
    let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let (hierarchy, file) = if controllers.is_empty() {
        ("sys/fs/cgroup", "memory.max")
    } else if controllers
        .split(',')
        .any(|controller| controller == "memory")
    {
        ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
    } else {
        return None;
    };
    let path = Path::new(path.trim_start_matches('/'));
    // Within a container the path may be that of the host, of which only the end is mounted.
    let bounds = path.ancestors().filter_map(|group| {
        let file = Path::new(hierarchy).join(group).join(file);
        read(root, &file)?.trim().parse().ok()
    });
    bounds.min()
}

fn read(root: &Path, file: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(root.join(file)).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::memory_under;

    const KIB: u64 = 1024;

    /// Paths and texts.
    type CgroupFiles<'a> = &'a [(&'a str, &'a str)];

    #[test]
    fn r9_container_limit_bounds_the_memory() {
        let meminfo = ("proc/meminfo", "MemFree: 5 kB\nMemTotal:   2048 kB\n");
        #[rustfmt::skip]
        let table: [(CgroupFiles<'_>, Option<u64>); 9] = [
            (&[],                                                          None),
            (&[("proc/meminfo", "MemTotal: lots")],                        None),
            (&[meminfo],                                                   Some(2048 * KIB)),
            (&[meminfo, ("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "65536\n")], Some(64 * KIB)),
            (&[meminfo, ("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "max\n")], Some(2048 * KIB)),
            // A slice of systemd's, and a service in it.
            (&[meminfo, ("proc/self/cgroup", "0::/a.slice/b.service\n"), ("sys/fs/cgroup/a.slice/memory.max", "4096"),
               ("sys/fs/cgroup/a.slice/b.service/memory.max", "8192")],    Some(4096)),
            (&[meminfo, ("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/x\n"),
               ("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "8192")],  Some(8192)),
            // No bound, as version 1 writes it.
            (&[meminfo, ("proc/self/cgroup", "4:memory:/\n"),
               ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712")], Some(2048 * KIB)),
            (&[meminfo, ("proc/self/cgroup", "nonsense\n4:memory\n::\n")], Some(2048 * KIB)),
        ];
        for (files, expected) in table {
            let root = tempfile::tempdir().unwrap();
            for (path, text) in files {
                write(&root.path().join(path), text);
            }
            assert_eq!(memory_under(root.path()), expected, "{files:?}");
        }
    }

    fn write(file: &Path, text: &str) {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
}
