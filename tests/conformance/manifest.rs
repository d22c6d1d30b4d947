//! The manifest as it is read: the statements of a specification, and what says that they hold.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// A specification, and the file with its statements in their order.
pub struct Specification {
    pub name: &'static str,
    file: &'static str,
}

pub const MQTT5: Specification = Specification { name: "MQTT 5", file: "mqtt5.toml" };
pub const MQTT311: Specification = Specification { name: "MQTT 3.1.1", file: "mqtt311.toml" };

/// Whose duty a statement is.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum On {
    Server,
    Client,
    Both,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// As the specification gives it: `MQTT-3.1.2-24`.
    pub id: String,
    /// The section of the specification, two numbers: `3.1`.
    pub section: String,
    pub on: On,
    /// What it demands, in our own words.
    pub says: String,
    /// As in `conformance::connect::a_second_connect_closes_the_connection`.
    #[serde(default)]
    pub tests: Vec<String>,
    /// Why no test covers it.
    pub gap: Option<String>,
    /// Where homing does otherwise on purpose.
    pub choice: Option<String>,
}

impl Statement {
    pub fn is_ours(&self) -> bool {
        self.on != On::Client
    }

    pub fn is_tested(&self) -> bool {
        !self.tests.is_empty()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    statement: Vec<Statement>,
}

/// The statements of this text; panics with the reason where it is no manifest.
pub fn parse(text: &str) -> Vec<Statement> {
    toml::from_str::<File>(text).unwrap_or_else(|error| panic!("{error}")).statement
}

impl Specification {
    pub fn statements(&self) -> Vec<Statement> {
        let file = root().join("tests/conformance").join(self.file);
        parse(&std::fs::read_to_string(file).expect(self.file))
    }
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
