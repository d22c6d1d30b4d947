//! Figures of the way in: who was closed unheard, handshakes, certificates, those who come too
//! often.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{Count, Labelled, labelled};

/// Why a connection was closed before it was heard. The name is the label `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// `limits.connections` are here.
    Full,
    /// `limits.connections_per_ip` are here from its address.
    Address,
    /// Others needed the place before it had said its CONNECT.
    Unauthenticated,
}

/// Whom flapping got banned. The name is the label `target`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flapper {
    Client,
    User,
    Address,
}

/// What became of a TLS handshake. The name is the label `result`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    Full,
    /// With the ticket of an earlier session.
    Resumed,
    /// By either side: no TLS, no common version, a certificate that is not accepted.
    Refused,
    Timeout,
    /// The client went away.
    Closed,
}

impl Handshake {
    pub const ALL: [Handshake; Handshake::Closed as usize + 1] = [
        Handshake::Full,
        Handshake::Resumed,
        Handshake::Refused,
        Handshake::Timeout,
        Handshake::Closed,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Handshake::Full => "full",
            Handshake::Resumed => "resumed",
            Handshake::Refused => "refused",
            Handshake::Timeout => "timeout",
            Handshake::Closed => "closed",
        }
    }
}

/// What became of the opening handshake of a WebSocket. The name is the label `result`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgraded {
    Accepted,
    /// It is no WebSocket, or not for this client.
    Refused,
    Timeout,
    /// The client went away.
    Closed,
}

impl Upgraded {
    pub const ALL: [Upgraded; Upgraded::Closed as usize + 1] =
        [Upgraded::Accepted, Upgraded::Refused, Upgraded::Timeout, Upgraded::Closed];

    pub fn name(self) -> &'static str {
        match self {
            Upgraded::Accepted => "accepted",
            Upgraded::Refused => "refused",
            Upgraded::Timeout => "timeout",
            Upgraded::Closed => "closed",
        }
    }
}

impl Refused {
    pub const ALL: [Refused; 3] = [Refused::Full, Refused::Address, Refused::Unauthenticated];

    pub fn name(self) -> &'static str {
        match self {
            Refused::Full => "full",
            Refused::Address => "address",
            Refused::Unauthenticated => "unauthenticated",
        }
    }
}

impl Flapper {
    pub const ALL: [Flapper; 3] = [Flapper::Client, Flapper::User, Flapper::Address];

    pub fn name(self) -> &'static str {
        match self {
            Flapper::Client => "client",
            Flapper::User => "user",
            Flapper::Address => "address",
        }
    }
}

/// One gauge for each server certificate: the settings name them.
type ByCertificate = Family<[(&'static str, String); 1], Gauge>;

const EXPIRY: &str = "Unix time at which a server certificate expires";

pub struct DoorMetrics {
    connections_refused: Labelled,
    flapping_bans: Labelled,
    tls_handshakes: Labelled,
    websocket_handshakes: Labelled,
    tls_cert_expiry: ByCertificate,
}

impl DoorMetrics {
    pub(super) fn new(r: &mut Registry) -> DoorMetrics {
        const REFUSED: &str = "Connections closed unheard";
        const BANS: &str = "Bans of those who connect too often";
        const UPGRADES: &str = "Opening handshakes of WebSockets";
        let refused = Refused::ALL.map(Refused::name);
        let (handshakes, upgrades) =
            (Handshake::ALL.map(Handshake::name), Upgraded::ALL.map(Upgraded::name));
        let flappers = Flapper::ALL.map(Flapper::name);
        DoorMetrics {
            connections_refused: labelled(r, "connections_refused", REFUSED, "reason", refused),
            flapping_bans: labelled(r, "flapping_bans", BANS, "target", flappers),
            tls_handshakes: labelled(r, "tls_handshakes", "TLS handshakes", "result", handshakes),
            websocket_handshakes: labelled(r, "websocket_handshakes", UPGRADES, "result", upgrades),
            tls_cert_expiry: by_certificate(r, "tls_cert_expiry_timestamp_seconds", EXPIRY),
        }
    }

    pub fn connections_refused(&self, why: Refused) -> &Count {
        &self.connections_refused[why as usize]
    }

    pub fn flapping_bans(&self, who: Flapper) -> &Count {
        &self.flapping_bans[who as usize]
    }

    pub fn tls_handshakes(&self, result: Handshake) -> &Count {
        &self.tls_handshakes[result as usize]
    }

    pub fn websocket_handshakes(&self, result: Upgraded) -> &Count {
        &self.websocket_handshakes[result as usize]
    }

    /// The server certificates in use, each with the second at which it expires. Of several with
    /// one name the first that does.
    pub fn set_certificates<'a>(&self, all: impl Iterator<Item = (&'a str, i64)>) {
        self.tls_cert_expiry.clear();
        for (certificate, until) in all {
            let label = [("certificate", certificate.to_owned())];
            let gauge = self.tls_cert_expiry.get_or_create_owned(&label);
            let earliest = if gauge.get() == 0 { until } else { until.min(gauge.get()) };
            gauge.set(earliest);
        }
    }
}

fn by_certificate(registry: &mut Registry, name: &str, help: &str) -> ByCertificate {
    let family = ByCertificate::default();
    registry.register(name, help, family.clone());
    family
}
