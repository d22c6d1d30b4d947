//! Whose a listening port is: read from what Linux shows in `/proc`, as far as this user may.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;

/// Linux' number for a listening socket.
const LISTEN: &str = "0A";

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub pid: u32,
    pub name: String,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name, self.pid)
    }
}

/// Who listens on a TCP port. `None` if it cannot be seen: another user's process, or another
/// container's.
pub fn of_port(port: u16) -> Option<Owner> {
    let table = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let tables = table("/proc/net/tcp") + &table("/proc/net/tcp6");
    let sockets = listening(&tables, port);
    let processes = std::fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let pid = pids.into_iter().find(|pid| has_one(*pid, &sockets))?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(Owner { pid, name: name.trim().to_owned() })
}

/// The sockets, by inode, that listen on a port, of lines as in `/proc/net/tcp`.
fn listening(table: &str, port: u16) -> HashSet<String> {
    let wanted = format!(":{port:04X}");
    let inode = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        match columns.as_slice() {
            [_, local, _, state, _, _, _, _, _, inode, ..]
                if *state == LISTEN && local.ends_with(&wanted) =>
            {
                Some(format!("socket:[{inode}]"))
            }
            _ => None,
        }
    };
    table.lines().filter_map(inode).collect()
}

/// Whether a process has one of the sockets; false where we may not look.
fn has_one(pid: u32, sockets: &HashSet<String>) -> bool {
    let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let link = |path: &Path| std::fs::read_link(path).ok()?.to_str().map(str::to_owned);
    let links = files.filter_map(|file| link(&file.ok()?.path()));
    links.into_iter().any(|link| sockets.contains(&link))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:075B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1
   1: 0100007F:075B 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 12 1
   2: 00000000000000000000000000000000:075B 00000000000000000000000000000000:0000 0A \
00000000:00000000 00:00000000 00000000     0        0 13 1
   3: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 14 1
";

    #[test]
    fn those_that_listen_on_the_port_are_found() {
        let wanted = ["socket:[11]", "socket:[13]"].map(str::to_owned);
        assert_eq!(listening(TABLE, 1883), HashSet::from(wanted));
        assert_eq!(listening(TABLE, 40_000), HashSet::new());
        assert_eq!(listening("noise\n\n", 1883), HashSet::new());
    }

    #[test]
    fn our_own_socket_is_ours() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let owner = of_port(listener.local_addr().unwrap().port()).unwrap();
        assert_eq!(owner.pid, std::process::id());
    }
}
