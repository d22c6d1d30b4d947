//! The last words of a thread that nothing goes on without.

use std::any::Any;
use std::thread;

use crate::store::StoreError;

/// Why the store's writer ended; `None` if it was asked to.
pub fn last_words(ended: thread::Result<Result<(), StoreError>>) -> Option<String> {
    match ended {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("the store cannot go on: {error}")),
        Err(panic) => Some(panicked("the store's writer", &*panic)),
    }
}

pub fn panicked(who: &str, panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("{who} panicked, which is a bug: {}", text.unwrap_or("it said nothing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Threat N12.
    #[test]
    fn a_writer_that_panicked_has_words() {
        let ended = |end: fn() -> Result<(), StoreError>| last_words(thread::spawn(end).join());
        assert_eq!(ended(|| Ok(())), None);
        let store = ended(|| Err(StoreError::Open("the disk is gone".into())));
        assert!(store.unwrap().contains("the disk is gone"));
        let bug = "the store's writer panicked, which is a bug: injected";
        assert_eq!(ended(|| panic!("injected")).unwrap(), bug);
        assert_eq!(ended(|| panic!("{}", "injected".to_owned())).unwrap(), bug);
    }
}
