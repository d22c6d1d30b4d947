//! A CONNECT whose login takes long, and whose client is gone meanwhile, does not throw out the
//! connection that the same client has made since (threat I7).

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::support::member_api::{MemberApi, Mood};
use super::support::{Broker, Connect, Secured, wait_until};

const DISCONNECT: [u8; 2] = [0xE0, 0];
/// Long enough for the second login to be through before the first one is decided.
const SLOW: Duration = Duration::from_secs(2);

struct Slow {
    api: MemberApi,
    secured: Secured,
    broker: Broker,
}

impl Slow {
    fn start() -> Slow {
        let (api, secured) = (MemberApi::start(), Secured::new());
        for token in ["first", "second"] {
            api.allow("alice", token);
        }
        api.mood(Mood::Slow(SLOW));
        let start = secured.start().env("HOMING__AUTH__PROVIDER", "http");
        let broker = start.env("HOMING__AUTH__HTTP__URL", &api.url()).start();
        Slow { api, secured, broker }
    }

    fn first_connect() -> Vec<u8> {
        Connect::v311("alice", "phone").password("first").durable().encode()
    }

    fn tcp(&self) -> TcpStream {
        let mut tcp = TcpStream::connect(self.broker.mqtt).expect("a connection");
        tcp.write_all(&Slow::first_connect()).expect("sent");
        tcp
    }

    fn answered(&self) -> f64 {
        let labels = [("backend", "http"), ("result", "accepted")];
        self.broker.metrics("homing_auth_requests_total", &labels)
    }

    /// The first one left while its login was being checked; the second one stays.
    fn expect_the_second_stays(&self, leave: impl FnOnce()) {
        self.api.wait_for_calls(1);
        self.api.mood(Mood::Table);
        leave();
        let second = Connect::v311("alice", "phone").password("second").durable();
        let mut second = second.device(self.broker.mqtt);
        second.subscribe("news/+", 1);
        assert_eq!(self.answered(), 1.0, "the first login is decided later");
        wait_until("the first login is decided", || (self.answered() >= 2.0).then_some(()));
        // Another device of the user, greeted behind it and served by the same thread.
        let laptop = Connect::v311("alice", "laptop").password("second");
        for _ in 0..10 {
            laptop.device(self.broker.mqtt).disconnect();
            second.ping();
        }
        assert_eq!(self.broker.metrics("homing_takeovers_total", &[]), 0.0);
        let mut laptop = laptop.device(self.broker.mqtt);
        laptop.publish_acked("news/today", "still subscribed", 1);
        assert_eq!(second.take_text(), "still subscribed");
    }
}

/// Threat I7.
#[test]
fn by_a_fin() {
    let slow = Slow::start();
    let tcp = slow.tcp();
    slow.expect_the_second_stays(|| tcp.shutdown(Shutdown::Write).expect("FIN"));
}

/// Threat I7.
#[test]
fn by_a_reset() {
    let slow = Slow::start();
    let tcp = slow.tcp();
    slow.expect_the_second_stays(|| {
        let linger = socket2::SockRef::from(&tcp).set_linger(Some(Duration::ZERO));
        linger.expect("SO_LINGER");
        drop(tcp);
    });
}

/// Threat I7.
#[test]
fn by_a_disconnect() {
    let slow = Slow::start();
    let mut tcp = slow.tcp();
    slow.expect_the_second_stays(|| {
        tcp.write_all(&DISCONNECT).expect("sent");
        drop(tcp);
    });
}

/// Threat I7.
#[test]
fn by_the_end_of_tls() {
    let slow = Slow::start();
    let mut tls = slow.secured.client().open(slow.broker.mqtts());
    tls.write_all(&Slow::first_connect()).expect("sent");
    slow.expect_the_second_stays(|| {
        tls.conn.send_close_notify();
        tls.flush().expect("sent");
        drop(tls);
    });
}
