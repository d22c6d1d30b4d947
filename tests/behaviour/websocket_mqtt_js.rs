//! MQTT.js, the library of web pages, over WebSocket: in Node, and in a page of a real browser.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;

use tempfile::TempDir;

use super::support::broker::Start;
use super::support::command::Running;
use super::support::node;
use super::support::websocket::{LISTEN, broker};
use super::support::{Broker, HANG, Secured, wait_until};

/// Every QoS to the own inbox and a large message, by another user for each version, so that
/// nothing is left from the other; `done`, or `failed` with words, is called.
const EXCHANGE: &str = "
    function exchange(mqtt, url, version, done, failed) {
      const large = 'x'.repeat(200000), sent = ['zero', 'one', 'two', large], got = [];
      const uid = { 4: 'alice', 5: 'bob' }[version];
      let open = 2 * sent.length;
      const c = mqtt.connect(url, { clientId: 'web', username: uid, password: 'dev',
        protocolVersion: version, reconnectPeriod: 0, ...(globalThis.options || {}) });
      const end = () => c.end(false, {}, () =>
        got.every((m, i) => m == sent[i]) ? done() : failed('changed: ' + got));
      // What was just received is acknowledged first.
      const one = () => { if (--open == 0) setTimeout(end, 0); };
      c.on('error', (e) => failed(String(e.message || e)));
      c.on('close', () => { if (open > 0) failed('closed, ' + open + ' are open'); });
      c.on('message', (t, m) => { got.push(m.toString()); one(); });
      c.on('connect', () => sent.forEach((m, i) => c.publish(uid, m, { qos: i % 3 },
        (e) => e ? failed(String(e)) : one())));
    }
";

fn exchange(url: &str, options: &str) {
    for version in [4, 5] {
        let script = format!(
            "{EXCHANGE}\n globalThis.options = {options};\n exchange(require('mqtt'), '{url}', \
             {version}, () => process.exit(0), (e) => {{ console.error(e); process.exit(1); }});"
        );
        let mut node = node::node();
        node.args(["-e", &script]);
        Running::start(node, "").succeed();
    }
}

#[test]
fn in_node() {
    let broker = broker();
    exchange(&format!("ws://127.0.0.1:{}/mqtt", broker.ws().port()), "{}");
}

fn over_tls(secured: &Secured) -> Broker {
    Start::dev()
        .env("HOMING__LISTEN__WSS", "[\"127.0.0.1:0\"]")
        .env("HOMING__TLS__CERTIFICATES", &format!("[{}]", secured.server.setting()))
        .start()
}

#[test]
fn in_node_over_tls() {
    let secured = Secured::new();
    let broker = over_tls(&secured);
    let options = format!("{{ ca: require('fs').readFileSync({:?}) }}", secured.ca());
    exchange(&format!("wss://localhost:{}/mqtt", broker.wss().port()), &options);
}

/// A server for one page and its script; what the page reports is a request of its own.
struct Page {
    addr: SocketAddr,
    report: std::sync::mpsc::Receiver<String>,
}

/// Serves a page that does this for each version of MQTT and then reports.
fn page(url: &str) -> Page {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let addr = listener.local_addr().expect("an address");
    let html = format!(
        "<!doctype html><script src='/mqtt.js'></script><script>{EXCHANGE}
         const report = (words) => fetch('/report/' + encodeURIComponent(words));
         const failed = (words) => report('failed: ' + words);
         exchange(mqtt, '{url}', 4, () => exchange(mqtt, '{url}', 5, () => report('done'), failed),
           failed);
         </script>"
    );
    let library = std::fs::read(node::modules().join("mqtt/dist/mqtt.min.js")).expect("MQTT.js");
    let (tell, report) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for tcp in listener.incoming() {
            let tcp = tcp.expect("accept");
            match asked_for(&tcp).as_str() {
                "/" => answer(tcp, "text/html", html.as_bytes()),
                "/mqtt.js" => answer(tcp, "text/javascript", &library),
                other => {
                    if let Some(words) = other.strip_prefix("/report/") {
                        // The test has ended already if nobody listens.
                        _ = tell.send(words.to_owned());
                    }
                    answer(tcp, "text/plain", b"");
                }
            }
        }
    });
    Page { addr, report }
}

fn asked_for(tcp: &TcpStream) -> String {
    tcp.set_read_timeout(Some(HANG)).expect("read timeout");
    let lines = BufReader::new(tcp).lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let path = head.first().and_then(|line| line.split(' ').nth(1));
    path.unwrap_or_default().to_owned()
}

fn answer(mut tcp: TcpStream, kind: &str, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    // A browser may open a connection and not use it.
    _ = tcp.write_all(&[head.as_bytes(), body].concat());
}

/// Opens the page in Chromium until it has reported.
fn browse(page: &Page) -> String {
    let profile = TempDir::new().expect("temporary directory");
    let mut chromium = Command::new("chromium");
    chromium.args([
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--ignore-certificate-errors",
        "--remote-debugging-port=0",
    ]);
    chromium.arg(format!("--user-data-dir={}", profile.path().display()));
    chromium.arg(format!("http://{}/", page.addr));
    let _running = Running::start(chromium, "");
    wait_until("the page's report", || page.report.try_recv().ok())
}

#[test]
fn in_a_page_of_a_browser() {
    let broker = broker();
    // The page is from the same host, on another port.
    let page = page(&format!("ws://127.0.0.1:{}/mqtt", broker.ws().port()));
    assert_eq!(browse(&page), "done");
}

#[test]
fn in_a_page_over_tls() {
    let secured = Secured::new();
    let broker = over_tls(&secured);
    let page = page(&format!("wss://127.0.0.1:{}/mqtt", broker.wss().port()));
    assert_eq!(browse(&page), "done");
}

/// Threat I11. The page is from another host than it connects to, until that is allowed.
#[test]
fn a_foreign_page_of_a_browser_is_kept_out_until_it_is_named() {
    let broker = broker();
    let page_of = |broker: &Broker| page(&format!("ws://localhost:{}/mqtt", broker.ws().port()));
    let foreign = page_of(&broker);
    let report = browse(&foreign);
    assert!(report.starts_with("failed"), "{report}");
    broker.log.wait_for(&["pages from http://127.0.0.1", "are not let in"]);
    let open = Broker::with(&[LISTEN, ("HOMING__WEBSOCKET__ORIGINS", "['*']")]);
    assert_eq!(browse(&page_of(&open)), "done");
}
