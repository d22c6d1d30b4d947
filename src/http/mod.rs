//! The HTTP listener: `/health`, `/metrics`, `/v1/route`, and what Startalk asks for. Slow and many
//! clients cost a bounded amount: of connections, of time and of header bytes.

mod allocation;
mod asks;
mod logins;
mod problem;
mod routes;
mod startalk;
mod visitors;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, warn};

pub use allocation::{Advertised, Ports};
pub use logins::Logins;
pub use startalk::Startalk;

use crate::auth::Certificate;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::net::{Door, Stream, Tcp};
use visitors::{Place, Visitors};

/// Connections that are served at the same time: the next one sends an idle one away, or waits in
/// the kernel's backlog.
const CONNECTIONS_COUNT_MAX: usize = 96;
/// From the first byte, or the last answer, to the end of a request's headers.
const HEADERS_WAIT: Duration = Duration::from_secs(10);
const HEADERS_COUNT_MAX: usize = 64;
const HEADERS_BYTES_MAX: usize = 16 * 1024;
/// A request's body.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// A connection serves no new request after this time.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(60);
/// What an answer may still take once its connection is to end.
const GRACE: Duration = Duration::from_secs(5);
/// Between two attempts when the system has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the pages show.
#[derive(Clone)]
pub struct HttpState {
    pub metrics: Arc<Metrics>,
    pub health: Arc<Health>,
    /// Of users, as they ask themselves.
    pub logins: Arc<Logins>,
    /// Of users, as a router asks for all of them from one address.
    pub router_logins: Arc<Logins>,
    pub advertised: Arc<Advertised>,
    pub startalk: Arc<Startalk>,
}

/// Who asks; with every request, as `Arc`.
struct Visitor {
    peer: SocketAddr,
    /// As in the settings: `http` or `https`.
    listener: &'static str,
    certificate: Option<Certificate>,
    place: Place,
}

/// Serves until `shutdown` is over, then lets the answers under way finish for a few seconds.
///
/// # Errors
/// If the listener cannot be used by the runtime.
pub async fn serve(
    listener: std::net::TcpListener,
    door: Arc<Door>,
    state: HttpState,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let pages = routes::router(state);
    let (stop, stopped) = watch::channel(());
    let mut shutdown = pin!(shutdown);
    let mut connections = JoinSet::new();
    let visitors = Visitors::default();
    loop {
        let room = connections.len() < CONNECTIONS_COUNT_MAX;
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if room => match accepted {
                Ok((tcp, from)) => {
                    let place = visitors.enter(from.ip());
                    let (pages, stopped) = (pages.clone(), stopped.clone());
                    connections.spawn(visit((door.clone(), place), tcp, from, pages, stopped));
                }
                Err(error) => {
                    warn!(%error, "an HTTP connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
    drop(stop);
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// Through the door, then one connection, unless it is told to go before it ends.
async fn visit(
    (door, place): (Arc<Door>, Place),
    tcp: TcpStream,
    from: SocketAddr,
    pages: Router,
    stopped: watch::Receiver<()>,
) {
    let go = place.go();
    tokio::select! {
        () = come_in((door, place), tcp, from, pages, stopped) => {}
        () = go.notified() => debug!(%from, "an HTTP connection made room for another one"),
    }
}

async fn come_in(
    (door, place): (Arc<Door>, Place),
    tcp: TcpStream,
    from: SocketAddr,
    pages: Router,
    stopped: watch::Receiver<()>,
) {
    let mut tcp = Tcp::from(tcp);
    let Some(peer) = door.caller(&mut tcp, from, HEADERS_WAIT).await else { return };
    place.comes_from(peer.ip());
    let Some(opened) = door.open(tcp, peer, HEADERS_WAIT).await else { return };
    let (listener, certificate) = (door.listener, opened.certificate);
    let visitor = Arc::new(Visitor { peer, listener, certificate, place });
    connection(opened.stream, visitor, pages, stopped).await;
}

/// One connection until it closes, its time is over or the server stops.
async fn connection(
    stream: Stream,
    visitor: Arc<Visitor>,
    pages: Router,
    mut stopped: watch::Receiver<()>,
) {
    let pages = TowerToHyperService::new(pages);
    let pages = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(visitor.clone());
        pages.call(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WAIT)
        .max_headers(HEADERS_COUNT_MAX)
        .max_buf_size(HEADERS_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), pages);
    let mut served = pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        _ = tokio::time::timeout(CONNECTION_TIME_MAX, stopped.changed()) => {
            served.as_mut().graceful_shutdown();
            tokio::time::timeout(GRACE, served).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        debug!(%error, "an HTTP connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;

    use super::*;
    use crate::auth::Open;
    use crate::clock::ManualClock;
    use crate::model::Reason;

    struct Server {
        address: std::net::SocketAddr,
        state: HttpState,
        stop: oneshot::Sender<()>,
        task: tokio::task::JoinHandle<io::Result<()>>,
    }

    fn door() -> Arc<Door> {
        Arc::new(Door { listener: "http", balancer: None, lock: None, upgrade: None })
    }

    fn server() -> Server {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let clock = Arc::new(ManualClock::default());
        let logins = Arc::new(Logins::new(Arc::new(Open), clock.clone(), None));
        let state = HttpState {
            metrics: Arc::new(Metrics::default()),
            health: Arc::new(Health::new(clock)),
            logins: logins.clone(),
            router_logins: logins,
            advertised: Arc::default(),
            startalk: Arc::default(),
        };
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move { drop(stopped.await) };
        let task = tokio::spawn(serve(listener, door(), state.clone(), shutdown));
        Server { address, state, stop, task }
    }

    async fn talk(server: &Server, bytes: &str) -> String {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn get(server: &Server, path: &str) -> String {
        talk(server, &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await
    }

    /// What the three pages answer, and the body.
    async fn probes(server: &Server) -> ([String; 3], String) {
        let answers = [
            get(server, "/health").await,
            get(server, "/health/live").await,
            get(server, "/health/ready").await,
        ];
        let body = answers[2].clone();
        (answers.map(|answer| answer[9..12].to_owned()), body)
    }

    #[tokio::test]
    async fn probes_say_what_somebody_can_do_about_it() {
        let server = server();
        let health = &server.state.health;
        let (statuses, body) = probes(&server).await;
        assert_eq!(statuses, ["503", "200", "503"]);
        assert!(body.contains(r#""status":"starting""#) && body.contains("try again"), "{body}");
        health.serve();
        let (statuses, body) = probes(&server).await;
        assert_eq!(statuses, ["200", "200", "200"]);
        assert!(body.contains("content-type: application/json"), "{body}");
        assert!(body.contains(r#""status":"ok","version":"#), "{body}");
        health.set_store_writable(false);
        let (statuses, body) = probes(&server).await;
        assert_eq!(statuses, ["200", "200", "503"]);
        assert!(body.contains("stores nothing new"), "{body}");
        health.drain();
        let (statuses, body) = probes(&server).await;
        assert_eq!(statuses, ["503", "200", "503"]);
        assert!(body.contains(r#""status":"draining""#), "{body}");
    }

    #[tokio::test]
    async fn metrics_are_open_metrics_text() {
        let server = server();
        server.state.metrics.connects_refused(Reason::BadLogin).inc();
        let answer = get(&server, "/metrics").await;
        assert!(answer.contains("content-type: application/openmetrics-text; version=1.0.0"));
        assert!(answer.contains("homing_connects_total{result=\"bad_login\"} 1\n"));
        assert!(answer.ends_with("# EOF\n"), "{answer}");
    }

    #[tokio::test]
    async fn what_does_not_exist_is_answered_by_what_does() {
        let server = server();
        let post = "POST /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let answers = [(404, get(&server, "/nothing").await), (405, talk(&server, post).await)];
        for (status, answer) in answers {
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
            assert!(answer.contains("content-type: application/problem+json"), "{answer}");
            assert!(answer.contains("/health") && answer.contains("/metrics"), "{answer}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_finishes_its_headers_is_closed() {
        let server = server();
        assert!(!talk(&server, "GET /health HTTP/1.1\r\nhost:").await.contains("200"));
    }

    /// Threat W12.
    #[tokio::test]
    async fn those_who_say_nothing_do_not_keep_others_out() {
        let server = server();
        let mut silent = Vec::new();
        for _ in 0..2 * CONNECTIONS_COUNT_MAX {
            silent.push(TcpStream::connect(server.address).await.unwrap());
        }
        assert!(get(&server, "/metrics").await.starts_with("HTTP/1.1 200"));
        // It did not wait until their time was over.
        let youngest = silent.pop().unwrap();
        let closed = youngest.try_read(&mut [0; 1]).map(drop).map_err(|error| error.kind());
        assert_eq!(closed, Err(io::ErrorKind::WouldBlock));
    }

    #[tokio::test]
    async fn endless_headers_are_refused() {
        let server = server();
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = format!("GET /health HTTP/1.1\r\nx: {}", "y".repeat(2 * HEADERS_BYTES_MAX));
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 431");
    }

    #[tokio::test]
    async fn it_stops_though_a_client_stays_connected() {
        let server = server();
        let mut idle = TcpStream::connect(server.address).await.unwrap();
        get(&server, "/health").await;
        server.stop.send(()).unwrap();
        server.task.await.unwrap().unwrap();
        assert_eq!(idle.read(&mut [0; 1]).await.unwrap_or(0), 0);
        assert!(TcpStream::connect(server.address).await.is_err());
    }
}
