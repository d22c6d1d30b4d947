//! Binds the listeners of the settings, and puts before each what its entry asks for.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol as Transport, SockRef, Socket, Type};

use crate::clock::Clock;
use crate::config::{self, Config, Listen, Listener, Proxy};
use crate::log::Seldom;
use crate::metrics::Metrics;
use crate::net::tls::{Protocol, Tls};
use crate::net::websocket::{Rules, Upgrade};
use crate::net::{self, Balancer, Door, Lock};

/// Connections that the kernel completes before they are accepted (it may allow fewer).
const ACCEPT_QUEUE_COUNT_MAX: i32 = 4096;

/// The listeners of one key.
struct Bound {
    key: Key,
    listeners: Vec<(TcpListener, Listener)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Mqtt,
    Mqtts,
    Ws,
    Wss,
    Http,
    Https,
}

/// Everything that is listened on.
pub struct Doors(Vec<Bound>);

impl Key {
    fn name(self) -> &'static str {
        match self {
            Key::Mqtt => "mqtt",
            Key::Mqtts => "mqtts",
            Key::Ws => "ws",
            Key::Wss => "wss",
            Key::Http => "http",
            Key::Https => "https",
        }
    }

    /// What is spoken behind TLS; `None` without TLS.
    fn inside(self) -> Option<Protocol> {
        match self {
            Key::Mqtt | Key::Ws | Key::Http => None,
            Key::Mqtts => Some(Protocol::Mqtt),
            // WebSocket begins as HTTP (RFC 6455, section 1.3), and is offered as that by browsers.
            Key::Wss | Key::Https => Some(Protocol::Http),
        }
    }

    fn is_websocket(self) -> bool {
        matches!(self, Key::Ws | Key::Wss)
    }

    fn speaks_mqtt(self) -> bool {
        !matches!(self, Key::Http | Key::Https)
    }

    fn hint(self) -> &'static str {
        match self {
            Key::Mqtt => " or give --mqtt ADDR:PORT",
            Key::Http => " or give --http ADDR:PORT",
            Key::Mqtts | Key::Ws | Key::Wss | Key::Https => "",
        }
    }
}

impl Doors {
    /// Binds every address. Port 0 takes a free one.
    ///
    /// # Errors
    /// In words: which address, why, and the key to change.
    pub fn bind(listen: &Listen, outbox_wait: Duration) -> Result<Doors, String> {
        let lists = [
            (Key::Mqtt, &listen.mqtt),
            (Key::Mqtts, &listen.mqtts),
            (Key::Ws, &listen.ws),
            (Key::Wss, &listen.wss),
            (Key::Http, &listen.http),
            (Key::Https, &listen.https),
        ];
        let bind_list = |(key, list): (Key, &Vec<Listener>)| -> Result<Bound, String> {
            let listeners: Result<_, String> = list
                .iter()
                .map(|one| Ok((bind(key, &one.address, outbox_wait)?, one.clone())))
                .collect();
            Ok(Bound { key, listeners: listeners? })
        };
        lists.into_iter().map(bind_list).collect::<Result<_, _>>().map(Doors)
    }

    fn addresses(&self, key: Key) -> Result<Vec<SocketAddr>, String> {
        let own = self.0.iter().filter(|bound| bound.key == key).flat_map(|bound| &bound.listeners);
        own.map(|(socket, _)| socket.local_addr().map_err(|error| error.to_string())).collect()
    }

    /// Where a running broker can be reached.
    pub fn serving(&self, data: std::path::PathBuf) -> Result<super::Serving, String> {
        Ok(super::Serving {
            mqtt: self.addresses(Key::Mqtt)?,
            mqtts: self.addresses(Key::Mqtts)?,
            ws: self.addresses(Key::Ws)?,
            wss: self.addresses(Key::Wss)?,
            http: self.addresses(Key::Http)?,
            https: self.addresses(Key::Https)?,
            data,
        })
    }

    /// Those that speak MQTT, and those that speak HTTP.
    pub fn open(
        self,
        tls: &Arc<Tls>,
        metrics: &Arc<Metrics>,
        (config, clock): (&Config, &Arc<dyn Clock>),
    ) -> (Vec<Entrance>, Vec<Entrance>) {
        let (mut mqtt, mut http) = (Vec::new(), Vec::new());
        for Bound { key, listeners } in self.0 {
            let list = if key.speaks_mqtt() { &mut mqtt } else { &mut http };
            for (socket, settings) in listeners {
                let upgrade =
                    key.is_websocket().then(|| upgrade(&config.websocket, metrics, clock));
                let door = Door { upgrade, ..door(key, &settings, tls, (&config.proxy, clock)) };
                list.push((socket, Arc::new(door)));
            }
        }
        (mqtt, http)
    }
}

pub type Entrance = (TcpListener, Arc<Door>);

fn door(
    key: Key,
    settings: &config::Listener,
    tls: &Arc<Tls>,
    (proxy, clock): (&Proxy, &Arc<dyn Clock>),
) -> Door {
    let balancer = settings.proxy.then(|| Balancer {
        trusted: proxy.trusted.iter().map(|network| network.0).collect(),
        header_wait: proxy.header_wait.0,
        refusals: Seldom::new(clock.clone()),
    });
    let lock = key.inside().map(|protocol| Lock {
        tls: tls.clone(),
        protocol,
        client_certificate: settings.client_certificate,
    });
    Door { listener: key.name(), balancer, lock, upgrade: None }
}

fn upgrade(
    settings: &config::WebSocket,
    metrics: &Arc<Metrics>,
    clock: &Arc<dyn Clock>,
) -> Upgrade {
    let config::WebSocket { path, origins } = settings.clone();
    let refusals = Seldom::new(clock.clone());
    Upgrade { rules: Rules { path, origins }, metrics: metrics.clone(), refusals }
}

fn bind(key: Key, text: &str, outbox_wait: Duration) -> Result<TcpListener, String> {
    let name = key.name();
    let problem =
        |error| format!("cannot listen on {text}: {error}; change `listen.{name}`{}", key.hint());
    let address = text.to_socket_addrs().map_err(problem)?.next();
    let address = address.ok_or_else(|| format!("`listen.{name}`: {text} names no address"))?;
    let socket = reserve(address).map_err(problem)?;
    if key.speaks_mqtt() {
        let prepared = net::prepare(SockRef::from(&socket), outbox_wait);
        _ = prepared.inspect_err(|error| {
            tracing::warn!("{text} (listen.{name}) serves without options of its sockets: {error}");
        });
    }
    // A reconnect storm that overflows the queue would make clients wait for whole seconds.
    socket.listen(ACCEPT_QUEUE_COUNT_MAX).map_err(problem)?;
    Ok(socket.into())
}

/// A socket that is bound and takes no connections yet.
///
/// # Errors
/// The address is in use, not of this machine, or not allowed.
pub fn reserve(address: SocketAddr) -> std::io::Result<Socket> {
    let (domain, transport) = (Domain::for_address(address), Transport::TCP);
    let socket = Socket::new(domain, Type::STREAM, Some(transport))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}
