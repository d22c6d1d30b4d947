//! The log on stderr: its filter and its two forms, from `log.level` and `log.format`.

mod seldom;
mod writer;

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::config::{Log, LogFormat};

pub use seldom::Seldom;
pub use writer::{dropped, finish};

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Why there can be no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error(
        "log.level: {0:?} is no level: write error, warn, info, debug or trace, \
         or a filter such as \"info,homing::net=debug\""
    )]
    NoLevel(String),
    #[error("log.level: {text:?} is no filter ({cause}); an example: \"info,homing::net=debug\"")]
    BadFilter { text: String, cause: String },
    #[error("the log was started already: {0}")]
    Started(String),
}

/// The running log, whose filter can be replaced.
#[derive(Clone, Debug)]
pub struct Running(reload::Handle<EnvFilter, Registry>);

impl Running {
    /// What is logged from now on.
    pub fn set(&self, filter: EnvFilter) {
        if let Err(error) = self.0.reload(filter) {
            // The log itself is gone: this is the last place to say so.
            eprintln!("homing: log.level stays as it was: {error}");
        }
    }
}

/// Sends what happens to stderr, for the whole process.
///
/// # Errors
/// [`LogError`] for a filter that cannot be read, or if it was called before.
pub fn start(settings: &Log) -> Result<Running, LogError> {
    let (filter, handle) = reload::Layer::new(filter(&settings.level)?);
    let terminal = std::io::stderr().is_terminal();
    let started =
        tracing_subscriber::registry().with(filter).with(lines(settings.format, terminal));
    started.try_init().map_err(|error| LogError::Started(error.to_string()))?;
    Ok(Running(handle))
}

type Filtered = tracing_subscriber::layer::Layered<reload::Layer<EnvFilter, Registry>, Registry>;

/// The form of the lines: for people on a terminal, else for machines.
fn lines(format: LogFormat, terminal: bool) -> Box<dyn Layer<Filtered> + Send + Sync> {
    let layer = fmt::layer().with_ansi(terminal).with_writer(writer::stderr());
    match format {
        LogFormat::Auto if terminal => layer.boxed(),
        LogFormat::Text => layer.boxed(),
        LogFormat::Auto | LogFormat::Json => layer.json().flatten_event(true).boxed(),
    }
}

/// What a stranger said of itself, no longer than it may be: a line stays a line.
pub fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// A word without `=` has to be a level: the library would take a misspelled one for the name of a
/// module and log all of it.
///
/// # Errors
/// [`LogError::NoLevel`] or [`LogError::BadFilter`].
pub fn filter(text: &str) -> Result<EnvFilter, LogError> {
    let directives: Vec<&str> = text.split(',').map(str::trim).collect();
    if !text.contains('[')
        && let Some(wrong) = directives.iter().find(|directive| !ends_in_level(directive))
    {
        return Err(LogError::NoLevel((*wrong).into()));
    }
    EnvFilter::try_new(directives.join(","))
        .map_err(|error| LogError::BadFilter { text: text.into(), cause: error.to_string() })
}

fn ends_in_level(directive: &str) -> bool {
    let word = directive.rsplit('=').next().unwrap_or_default();
    LEVELS.iter().any(|level| word.trim().eq_ignore_ascii_case(level))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        assert_eq!(
            [cut("bob", 3), cut("bobby", 3), cut("", 3), cut("b\u{e4}\u{e4}", 4)],
            ["bob", "bob", "", "b\u{e4}"]
        );
    }

    #[test]
    fn levels_and_filters_are_read() {
        for good in ["info", "WARN", "off", "info,homing::net=debug", "info, sqlx=off"] {
            assert!(filter(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused_in_words_that_quote_it() {
        for bad in ["inof", "", "info,", "info,homing::net", "homing=loud", "[{", "info,[=x"] {
            let error = filter(bad).expect_err(bad).to_string();
            let last = bad.rsplit(',').next().unwrap();
            assert!(error.contains("log.level") && error.contains(last), "{bad}: {error}");
        }
    }
}
