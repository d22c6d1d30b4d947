//! The broker's side of the control socket.

use std::fs::{self, Permissions};
use std::future::Future;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tracing::{debug, warn};
use zeroize::Zeroizing;

use super::{Answer, Answered, Desk, Line, REQUEST_BYTES_MAX, Refusal, Who, socket_path};
use crate::store::lock::DataLock;

/// Requests under way at the same time; further ones wait in the kernel's backlog.
const REQUESTS_COUNT_MAX: usize = 8;
/// From connecting to the whole request line.
const REQUEST_WAIT: Duration = Duration::from_secs(10);
/// For the command to take its answer.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// Between two attempts when the system has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the socket cannot be there.
#[derive(Debug, thiserror::Error)]
#[error(
    "the control socket {} cannot be made: {cause} (it has to lie in the data directory, \
     whose path may have some 90 bytes)", path.display()
)]
pub struct ControlError {
    path: PathBuf,
    cause: io::Error,
}

/// The socket file, removed when this goes.
pub struct ControlSocket {
    listener: StdListener,
    path: PathBuf,
    /// The system user whose broker this is.
    owner: u32,
    /// Goes after the file: else that could be the one of the next broker.
    _lock: Arc<DataLock>,
}

impl ControlSocket {
    /// Makes the socket, mode 0600. A file that is there belongs to a broker that died, since
    /// this one holds the lock of the data directory, and is replaced.
    ///
    /// # Errors
    /// [`ControlError`] if the file cannot be made or its path is too long for a socket.
    pub fn bind(data_dir: &Path, lock: Arc<DataLock>) -> Result<ControlSocket, ControlError> {
        let path = socket_path(data_dir);
        make(&data_dir.join("control.new"), &path)
            .map(|(listener, owner)| {
                let path = path.clone();
                ControlSocket { listener, path, owner, _lock: lock }
            })
            .map_err(|cause| ControlError { path, cause })
    }

    /// Answers requests until `shutdown` is over; requests under way then are answered first.
    ///
    /// # Errors
    /// If the listener cannot be used by the runtime.
    pub async fn serve(self, desk: Desk, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let listener = UnixListener::from_std(self.listener.try_clone()?)?;
        let mut shutdown = pin!(shutdown);
        let mut requests = JoinSet::new();
        loop {
            let room = requests.len() < REQUESTS_COUNT_MAX;
            tokio::select! {
                () = &mut shutdown => break,
                Some(_) = requests.join_next() => {}
                accepted = listener.accept(), if room => match accepted {
                    Ok((stream, _)) => {
                        requests.spawn(request(stream, desk.clone(), self.owner));
                    }
                    Err(error) => {
                        warn!(%error, "a control connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
        while requests.join_next().await.is_some() {}
        Ok(())
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            debug!(%error, path = %self.path.display(), "the control socket was gone already");
        }
    }
}

/// Under another name first, so that it never has its real name with other permissions.
fn make(temporary: &Path, path: &Path) -> io::Result<(StdListener, u32)> {
    match fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = StdListener::bind(temporary)?;
    fs::set_permissions(temporary, Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    let owner = fs::metadata(temporary)?.uid();
    fs::rename(temporary, path)?;
    Ok((listener, owner))
}

/// One request and its answer. What was begun is finished, even if the command is gone.
async fn request(mut stream: UnixStream, desk: Desk, owner: u32) {
    let answer = match read(&mut stream, owner).await {
        Ok((line, who)) => desk.answer_line(&line, who).await,
        Err(words) => Answer::refused(Refusal::BadRequest, words).into(),
    };
    if let Err(error) = write(&mut stream, answer).await {
        debug!(%error, "a command did not take its answer");
    }
}

/// Reads the request line of a peer that may ask.
async fn read(stream: &mut UnixStream, owner: u32) -> Result<(Zeroizing<Vec<u8>>, Who), String> {
    let peer = stream.peer_cred().map_err(|error| format!("who asks is not known: {error}"))?;
    if peer.uid() != owner && peer.uid() != 0 {
        return Err(format!("the broker belongs to the system user {owner}: ask as that user"));
    }
    let mut line = Zeroizing::new(Vec::with_capacity(REQUEST_BYTES_MAX as usize));
    let mut reader = BufReader::new(stream).take(REQUEST_BYTES_MAX);
    let read = tokio::time::timeout(REQUEST_WAIT, reader.read_until(b'\n', &mut line));
    match read.await {
        Err(_) => Err("the request did not come in time".into()),
        Ok(Err(error)) => Err(format!("the request could not be read: {error}")),
        Ok(Ok(_)) if line.last() != Some(&b'\n') => {
            Err(format!("a request is one line of at most {REQUEST_BYTES_MAX} bytes"))
        }
        Ok(Ok(_)) => Ok((line, Who::Process { uid: peer.uid(), pid: peer.pid() })),
    }
}

async fn write(stream: &mut UnixStream, answered: Answered) -> io::Result<()> {
    let Answered { answer, warning } = answered;
    let mut line = serde_json::to_vec(&Line { warning, ..Line::of(answer) })?;
    line.push(b'\n');
    let written = tokio::time::timeout(ANSWER_WAIT, async {
        stream.write_all(&line).await?;
        stream.shutdown().await
    });
    written.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::auth::testing::{Bench, password, uid};
    use crate::control::{AskError, Audit, Listed, Request, ask};
    use crate::health::{Health, Status};
    use crate::store::lock::{Mode, lock};

    struct Broker {
        dir: tempfile::TempDir,
        bench: Bench,
        stop: oneshot::Sender<()>,
        task: tokio::task::JoinHandle<io::Result<()>>,
    }

    fn locked(dir: &Path) -> Arc<DataLock> {
        Arc::new(lock(dir, Mode::Serve).unwrap())
    }

    async fn broker() -> Broker {
        let (dir, bench) = (tempfile::tempdir().unwrap(), Bench::new());
        let health = Arc::new(Health::new(bench.clock.clone()));
        let desk = Desk {
            book: bench.auth.book.clone(),
            bans: bench.bans().await,
            devices: bench.devices(),
            health,
            audit: Arc::new(Audit::open(dir.path(), bench.clock.clone()).unwrap()),
            reload: None,
            member_api: Arc::default(),
            accounts: bench.auth.accounts.clone(),
        };
        let (stop, stopped) = oneshot::channel();
        let socket = ControlSocket::bind(dir.path(), locked(dir.path())).unwrap();
        let task = tokio::spawn(socket.serve(desk, async move { drop(stopped.await) }));
        Broker { dir, bench, stop, task }
    }

    async fn raw(broker: &Broker, line: &[u8]) -> String {
        let mut stream = UnixStream::connect(socket_path(broker.dir.path())).await.unwrap();
        stream.write_all(line).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn users_are_added_changed_listed_and_removed_through_the_socket() {
        let broker = broker().await;
        let uid_text = || String::from("alice");
        let [dev, new] = ["dev", "new"].map(password);
        let alice = vec![Listed { uid: uid_text(), roles: vec![] }];
        for (request, answer) in [
            (Request::UserAdd { uid: uid_text(), password: dev, roles: vec![] }, Answer::Done),
            (Request::UserPasswd { uid: uid_text(), password: new }, Answer::Done),
            (Request::UserList { after: None }, Answer::Users { users: alice }),
            (Request::UserList { after: Some(uid_text()) }, Answer::Users { users: vec![] }),
            (Request::UserRemove { uid: uid_text() }, Answer::Done),
        ] {
            assert_eq!(ask(broker.dir.path(), &request).await.unwrap(), answer);
        }
        assert_eq!(*broker.bench.kicked.lock().unwrap(), [uid("alice")]);
        let again = ask(broker.dir.path(), &Request::UserRemove { uid: uid_text() }).await.unwrap();
        assert!(matches!(again, Answer::Refused { code: Refusal::Unknown, .. }), "{again:?}");
    }

    #[tokio::test]
    async fn ping_tells_the_status() {
        let broker = broker().await;
        let answer = ask(broker.dir.path(), &Request::Ping).await.unwrap();
        assert!(matches!(answer, Answer::Status { report } if report.status == Status::Starting));
    }

    #[tokio::test]
    async fn what_is_no_request_is_refused_in_words() {
        let broker = broker().await;
        let endless = vec![b'x'; REQUEST_BYTES_MAX as usize];
        for (line, words) in [
            (&b"nonsense\n"[..], "no request"),
            (b"{\"version\":2,\"do\":\"fly\"}\n", "version 2"),
            (b"{\"version\":1,\"do\":\"fly\"}\n", "fly"),
            (b"{\"version\":1,\"do\":\"ping\"}", "one line"),
            (&endless, "one line"),
            (b"{\"version\":1,\"do\":\"user_remove\",\"uid\":\"a/b\"}\n", "must not contain"),
            (b"{\"version\":1,\"do\":\"user_add\",\"uid\":\"a\",\"password\":\"\"}\n", "empty"),
        ] {
            let answer = raw(&broker, line).await;
            assert!(answer.contains("\"refused\"") && answer.contains(words), "{answer}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_that_says_nothing_is_sent_away() {
        let broker = broker().await;
        let mut silent = UnixStream::connect(socket_path(broker.dir.path())).await.unwrap();
        let mut answer = String::new();
        silent.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("in time"), "{answer}");
    }

    #[tokio::test]
    async fn only_the_owner_may_open_the_socket_and_it_goes_with_the_broker() {
        let broker = broker().await;
        let path = socket_path(broker.dir.path());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        broker.stop.send(()).unwrap();
        broker.task.await.unwrap().unwrap();
        assert!(!path.exists() && !broker.dir.path().join("control.new").exists());
        let answer = ask(broker.dir.path(), &Request::Ping).await;
        assert!(matches!(answer, Err(AskError::NoBroker)), "{answer:?}");
    }

    #[tokio::test]
    async fn the_socket_of_a_dead_broker_means_no_broker_and_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["control.sock", "control.new"] {
            drop(StdListener::bind(dir.path().join(name)).unwrap());
        }
        let answer = ask(dir.path(), &Request::Ping).await;
        assert!(matches!(answer, Err(AskError::NoBroker)), "{answer:?}");
        ControlSocket::bind(dir.path(), locked(dir.path())).unwrap();
    }

    #[tokio::test]
    async fn nobody_has_the_directory_before_the_socket_of_this_broker_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let socket = ControlSocket::bind(dir.path(), locked(dir.path())).unwrap();
        assert!(lock(dir.path(), Mode::Serve).is_err());
        drop(socket);
        assert!(!socket_path(dir.path()).exists());
        lock(dir.path(), Mode::Serve).unwrap();
    }

    #[test]
    fn a_path_that_is_too_long_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(120));
        fs::create_dir(&deep).unwrap();
        let error = ControlSocket::bind(&deep, locked(dir.path())).err().unwrap().to_string();
        assert!(error.contains("control.sock") && error.contains("90 bytes"), "{error}");
    }
}
