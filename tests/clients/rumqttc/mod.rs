//! rumqttc, the library of Rust, in a thread: `v4.rs` speaks MQTT 3.1.1, `v5.rs` MQTT 5. It has no
//! MQTT 3.1.

#[path = "v4.rs"]
mod library_v4;
#[path = "v5.rs"]
mod library_v5;

use std::io::{PipeWriter, Write};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::program::{Job, Message, Program, Task};
use crate::rig::{Client, Transport, Version};
use crate::support::log::Lines;

pub const CLIENT: Client = Client {
    name: "rumqttc",
    version: "0.25.1",
    pinned: ("Cargo.toml", "rumqttc = { version = \"0.25.1\""),
    over: Transport::Tcp,
    tells_resumed: true,
    start: |job| Program::thread(Thread::start(job.clone())),
};

/// What the event loop of the library tells, the same for both versions.
enum Seen {
    Connected {
        resumed: bool,
    },
    Refused {
        code: u8,
    },
    Subscribed,
    /// A publish that left with QoS 0, or was acknowledged for good.
    Published,
    Message(Message),
    Left,
    /// The connection is lost, or was not made.
    Lost,
    Other,
}

/// The library in one version.
trait Library {
    async fn poll(&mut self) -> Seen;
    async fn subscribe(&self, filter: &str);
    async fn publish(&self, message: &Message);
    async fn disconnect(&self);
}

/// A client that runs. Dropping it cuts its connection.
pub struct Thread {
    pub lines: Lines,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<bool>>,
}

impl Thread {
    fn start(job: Job) -> Thread {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let lines = Lines::default();
        lines.follow(reader);
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_all().build().expect("a runtime");
            runtime.block_on(async {
                tokio::select! {
                    well = begin(job, writer) => well,
                    _ = stopped => false,
                }
            })
        };
        Thread { lines, stop: Some(stop), thread: Some(std::thread::spawn(run)) }
    }

    /// Waits for its end; whether it has done its task.
    pub fn well(mut self) -> bool {
        self.thread.take().expect("it runs").join().expect("no panic")
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        if let (Some(stop), Some(thread)) = (self.stop.take(), self.thread.take()) {
            // Both fail only where it has ended already.
            _ = stop.send(());
            _ = thread.join();
        }
    }
}

async fn begin(job: Job, out: PipeWriter) -> bool {
    match job.version {
        Version::V31 => panic!("rumqttc has no MQTT 3.1"),
        Version::V311 => run(library_v4::Device::new(&job), &job.task, out).await,
        Version::V5 => run(library_v5::Device::new(&job), &job.task, out).await,
    }
}

/// Does the task; whether it was done to its end.
async fn run(mut device: impl Library, task: &Task, mut out: PipeWriter) -> bool {
    let mut say = move |line: String| writeln!(out, "{line}").expect("the test reads");
    loop {
        match device.poll().await {
            Seen::Connected { resumed } => {
                say(format!("connected {}", u8::from(resumed)));
                connected(&device, task, resumed).await;
            }
            Seen::Refused { code } => {
                say(format!("refused {code}"));
                return false;
            }
            Seen::Subscribed => {
                say("subscribed".into());
                if let Task::Visit(_) = task {
                    device.disconnect().await;
                }
            }
            Seen::Published => {
                say("published".into());
                device.disconnect().await;
            }
            Seen::Message(Message { topic, qos, retain, payload }) => {
                say(format!("message {topic} {qos} {} {payload}", u8::from(retain)));
            }
            Seen::Left => return true,
            // The next poll connects again; its documentation leaves the pause to the application.
            Seen::Lost => tokio::time::sleep(Duration::from_millis(200)).await,
            Seen::Other => {}
        }
    }
}

async fn connected(device: &impl Library, task: &Task, resumed: bool) {
    match task {
        Task::Publish(message) => device.publish(message).await,
        Task::Listen(Some(filter)) | Task::Visit(Some(filter)) if !resumed => {
            device.subscribe(filter).await;
        }
        Task::Listen(_) => {}
        Task::Visit(_) => device.disconnect().await,
    }
}

speaks!(v311: V311, v5: V5);
