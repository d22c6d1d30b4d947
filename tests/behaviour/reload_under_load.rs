//! Reloads while everybody publishes: nobody is cut off and nothing is lost.

use std::sync::atomic::{AtomicBool, Ordering};

use super::support::broker::Start;
use super::support::{Broker, Client, Connect, metrics};

const CLIENTS_COUNT: usize = 200;
const THREADS_COUNT: usize = 8;
const RELOADS_COUNT: usize = 50;

/// Each publishes to itself and takes what it published, in order, until the reloads are over.
/// Returns how many messages that were.
fn talk(clients: &mut [Client], names: &[String], over: &AtomicBool) -> usize {
    let mut round = 0;
    while !over.load(Ordering::Relaxed) {
        for (client, name) in clients.iter_mut().zip(names) {
            client.publish_acked(name, round.to_string(), 1);
            assert_eq!(client.take_text(), round.to_string(), "{name}");
        }
        round += 1;
    }
    round * clients.len()
}

fn connect(broker: &Broker, names: &[String]) -> Vec<Client> {
    names.iter().map(|name| Connect::v5(name, "phone").device(broker.mqtt)).collect()
}

#[test]
fn nobody_is_cut_off_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("homing.toml");
    let settings = |n: usize| {
        let (settle, packet) = (100 + n, 4 + n % 2);
        let text = format!(
            "[auth]\nprovider = \"open\"\n[inbox]\nsettle = \"{settle}ms\"\n\
             [limits]\npacket = \"{packet}KiB\"\nreceive_maximum = {}\n",
            1 + n % 64
        );
        std::fs::write(&file, text).unwrap();
    };
    settings(0);
    let broker = Start::dev().arg("--config").arg(file.to_str().unwrap()).start();
    let names: Vec<String> = (0..CLIENTS_COUNT).map(|n| format!("user-{n}")).collect();
    let over = AtomicBool::new(false);
    let messages: usize = std::thread::scope(|scope| {
        let talking: Vec<_> = names
            .chunks(CLIENTS_COUNT / THREADS_COUNT)
            .map(|names| {
                let mut clients = connect(&broker, names);
                let over = &over;
                scope.spawn(move || {
                    let messages = talk(&mut clients, names, over);
                    clients.into_iter().for_each(Client::disconnect);
                    messages
                })
            })
            .collect();
        for n in 1..=RELOADS_COUNT {
            settings(n);
            let told = broker.command(&["reload"]).ok();
            assert!(told.contains("inbox.settle: holds now"), "{told}");
        }
        over.store(true, Ordering::Relaxed);
        talking.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(messages >= CLIENTS_COUNT, "{messages}");
    let figures = metrics::get(broker.http, "/metrics").1;
    let opened = metrics::sum(&figures, "homing_connections_opened_total", &[]);
    assert_eq!(opened, CLIENTS_COUNT as f64, "somebody had to connect again");
}
