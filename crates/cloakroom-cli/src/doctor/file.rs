//! Facts about a SQLite file that the file system has, not the database.

use std::path::{Path, PathBuf};

use cloakroom::store::inspect::Facts;

/// File systems over a network, by the magic numbers of `statfs(2)`.
#[cfg(target_os = "linux")]
const NETWORK: [(i64, &str); 6] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x0102_1997, "9p"),
    (0x00c3_6400, "Ceph"),
];

/// Returns the file of a store's URL.
pub(super) fn path(url: &str) -> Option<PathBuf> {
    let path = url.split('?').next()?.strip_prefix("sqlite:")?;
    Some(path.strip_prefix("//").unwrap_or(path).into())
}

/// Notes what the file system says.
pub(super) fn note(path: &Path, facts: &mut Facts) {
    let log = PathBuf::from(format!("{}-wal", path.display()));
    let log = std::fs::metadata(log).map_or(0, |log| log.len());
    facts.set("file.log_bytes", log);
    #[cfg(unix)]
    of_unix(path, facts);
}

#[cfg(unix)]
fn of_unix(path: &Path, facts: &mut Facts) {
    use rustix::fs::{Access, access, statvfs};
    use std::os::unix::fs::PermissionsExt as _;

    if let Ok(file) = std::fs::metadata(path) {
        facts.set("file.mode", i64::from(file.permissions().mode() & 0o777));
    }
    let directory = match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    };
    let may_write = |place: &Path| access(place, Access::WRITE_OK).is_ok();
    facts.set("file.writable", may_write(path) && may_write(directory));
    if let Ok(disk) = statvfs(directory) {
        let free = disk.f_bavail.saturating_mul(100).checked_div(disk.f_blocks);
        facts.note("file.free_percent", free);
    }
    #[cfg(target_os = "linux")]
    if let Ok(system) = rustix::fs::statfs(directory) {
        let magic = system.f_type & 0xffff_ffff;
        let network = NETWORK.iter().find(|(known, _)| *known == magic);
        facts.set("file.network", network.map_or("", |(_, name)| name));
    }
}
