//! What the kernel says of a process.

/// A number of `/proc/{pid}/status`, whose name ends with a colon.
pub fn status(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

pub fn resident_kib(pid: u32) -> u64 {
    status(pid, "VmRSS:")
}

/// What it has open: paths, `socket:[…]`, `anon_inode:[…]`.
pub fn open_files(pid: u32) -> Vec<String> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("its files");
    // One may have been closed since.
    let links = entries.flatten().flat_map(|entry| std::fs::read_link(entry.path()));
    links.map(|link| link.to_string_lossy().into_owned()).collect()
}

pub fn open_sockets(pid: u32) -> usize {
    open_files(pid).iter().filter(|name| name.starts_with("socket:")).count()
}
