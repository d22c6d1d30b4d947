//! The settings, loaded exactly as `homing serve` does, and the files that have secrets of them.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::check::{Check, chmod};
use crate::cli::place::Place;
use crate::cli::serve;
use crate::config::load::Loaded;

/// Rights of those that are neither owner nor of the group.
const OTHERS: u32 = 0o007;

pub struct Settings {
    pub loaded: Loaded,
    pub data: PathBuf,
    pub check: Check,
}

/// # Errors
/// The check that says what is wrong: then there is nothing more to look at.
pub fn load(place: Place) -> Result<Settings, Box<Check>> {
    let name = "configuration";
    let next = "mend the settings; `homing config show` says where each comes from";
    let wrong = |words: String| Box::new(Check::error(name, words, next));
    let loaded = serve::settings(place).map_err(|failure| wrong(failure.words))?;
    let data = loaded.config.store.data.clone();
    let data = data.ok_or_else(|| wrong("there is no data directory".into()))?;
    let count = loaded.origins.len();
    let message = match count {
        0 => "every key has its default".to_owned(),
        1 => "1 key is set, the others have their defaults".to_owned(),
        count => format!("{count} keys are set, the others have their defaults"),
    };
    let check = Check::ok(name, message).with("keys_set", count);
    Ok(Settings { loaded, data, check })
}

/// The files of secrets, each with its rights; and the private keys are looked at with their
/// certificates.
pub fn secrets(files: &BTreeMap<String, PathBuf>) -> Vec<Check> {
    let look = |(key, path): (&String, &PathBuf)| {
        let mode = std::fs::metadata(path).map(|file| file.permissions().mode());
        judge_secret(key, path, mode.map_err(|error| error.to_string()))
    };
    files.iter().map(look).collect()
}

fn judge_secret(key: &str, path: &Path, mode: Result<u32, String>) -> Check {
    let name = format!("secret {key}");
    let shown = path.display();
    match mode {
        Err(error) => Check::error(name, format!("{shown}: {error}"), "give this user the file"),
        Ok(mode) if mode & OTHERS != 0 => Check::warning(
            name,
            format!("it stands in {shown}, which every user of this machine can read"),
            chmod("o=", path),
        ),
        Ok(_) => Check::ok(name, format!("it stands in {shown}, closed to other users")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    #[test]
    fn a_secret_that_all_can_read_is_warned_of() {
        let judge = |mode| judge_secret("store.url", Path::new("/run/url"), mode);
        for good in [0o100600, 0o100640, 0o100400] {
            assert_eq!(judge(Ok(good)).status, Status::Ok);
        }
        let bad = judge(Ok(0o100644));
        assert_eq!((bad.status, bad.next.as_deref()), (Status::Warning, Some("chmod o= /run/url")));
        assert_eq!(judge(Err("gone".into())).status, Status::Error);
    }
}
