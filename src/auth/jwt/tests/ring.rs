//! Keys that come and go: by file, by URL, by key id.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const ALL: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

async fn with_file(path: &std::path::Path) -> Result<Jwt, String> {
    let source = Source::File { path: path.into(), format: Format::Jwks(ALL.to_vec()) };
    let clock = Arc::new(ManualClock::default());
    let keys = KeyRing::open(source, clock.clone()).await?;
    Ok(Jwt {
        keys,
        algorithms: ALL.to_vec(),
        rules: rules(),
        refusals: Seldom::new(clock.clone()),
        clock,
        metrics: Arc::default(),
    })
}

async fn accepts(jwt: &Jwt, token: &str) -> bool {
    login(jwt, None, token).await.is_ok()
}

#[tokio::test]
async fn a_token_is_checked_by_the_key_that_it_names_and_without_a_name_by_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys.json");
    let keys = [RSA.jwk(Some("r")), EC.jwk(Some("e")), ED.jwk(None)];
    std::fs::write(&path, jwks(&keys)).unwrap();
    let jwt = with_file(&path).await.unwrap();
    for token in [RSA.sign_as("r"), RSA.sign(&alice()), EC.sign_as("e"), ED.sign_as("any")] {
        assert!(accepts(&jwt, &token).await);
    }
    for (signer, name) in [(&*RSA, "e"), (&*EC, "r"), (&*RSA, "unknown")] {
        assert!(!accepts(&jwt, &signer.sign_as(name)).await, "{name}");
    }
}

/// Threat I6.
#[tokio::test]
async fn keys_of_a_set_that_are_for_something_else_are_left_out() {
    let of = |more: Value| {
        let mut jwk = EC.jwk(Some("e"));
        jwk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Keys::jwks(&jwks(&[jwk]), &ALL)
    };
    assert!(of(json!({})).is_ok() && of(json!({ "use": "sig" })).is_ok());
    for more in [
        json!({ "use": "enc" }),
        json!({ "alg": "ES384" }),
        json!({ "alg": "HS256" }),
        json!({ "kty": "oct", "k": "AAAA" }),
        json!({ "kty": "new" }),
    ] {
        assert!(of(more.clone()).is_err(), "{more}");
    }
    let only_rsa = Keys::jwks(&jwks(&[EC.jwk(None)]), &[Algorithm::RS256]).err().unwrap();
    assert_eq!(only_rsa.to_string(), "it has no key for RS256");
    for text in ["", "[]", "{}", r#"{"keys":{}}"#] {
        let words = Keys::jwks(text.as_bytes(), &ALL).err().unwrap().to_string();
        assert!(words.contains("no JWKS"), "{words}");
    }
}

/// Threat I6.
#[tokio::test]
async fn a_file_is_read_again_when_a_key_is_not_known() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys.json");
    std::fs::write(&path, jwks(&[EC.jwk(Some("old"))])).unwrap();
    let jwt = with_file(&path).await.unwrap();
    assert!(accepts(&jwt, &EC.sign_as("old")).await);
    let new = Signer::new(Algorithm::ES256);
    std::fs::write(&path, jwks(&[new.jwk(Some("new"))])).unwrap();
    assert!(accepts(&jwt, &new.sign_as("new")).await);
    assert!(!accepts(&jwt, &EC.sign_as("old")).await, "a key that was taken away");
    std::fs::write(&path, "half a fi").unwrap();
    tokio::time::pause();
    tokio::time::sleep(2 * std::time::Duration::from_secs(1)).await;
    tokio::time::resume();
    assert!(accepts(&jwt, &new.sign_as("new")).await, "known keys stay");
}

#[tokio::test]
async fn a_file_that_cannot_be_used_stops_the_start_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys.json");
    let words = with_file(&path).await.err().unwrap();
    assert!(words.contains("keys.json: No such file"), "{words}");
    std::fs::write(&path, vec![b' '; 300 * 1024]).unwrap();
    assert!(with_file(&path).await.err().unwrap().contains("longer than 256 KiB"));
    let pem = Source::File { path: path.clone(), format: Format::Pem(Algorithm::RS256) };
    std::fs::write(&path, &EC.public).unwrap();
    let words = KeyRing::open(pem, Arc::new(ManualClock::default())).await.err().unwrap();
    assert!(words.contains("no public key for RS256"), "{words}");
}

/// A JWKS page that can be changed, and counts.
struct Page {
    url: String,
    answer: Arc<Mutex<(u16, Vec<u8>)>>,
    asked: Arc<AtomicUsize>,
    /// Whoever holds it for writing holds the answers back.
    gate: Arc<tokio::sync::RwLock<()>>,
}

impl Page {
    async fn new(keys: Vec<u8>) -> Page {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new((200, keys)));
        let asked = Arc::new(AtomicUsize::new(0));
        let gate = Arc::new(tokio::sync::RwLock::new(()));
        let parts = (answer.clone(), asked.clone(), gate.clone());
        let page = axum::routing::get(async move || {
            let (shown, count, gate) = &parts;
            count.fetch_add(1, Ordering::SeqCst);
            let _open = gate.read().await;
            let (status, body) = shown.lock().unwrap().clone();
            (axum::http::StatusCode::from_u16(status).unwrap(), body)
        });
        let app = axum::Router::new().route("/keys", page);
        tokio::spawn(axum::serve(listener, app).into_future());
        Page { url, answer, asked, gate }
    }

    fn says(&self, status: u16, keys: Vec<u8>) {
        *self.answer.lock().unwrap() = (status, keys);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn provider(&self, clock: Arc<ManualClock>) -> Jwt {
        let interval = std::time::Duration::from_secs(3600);
        let algorithms = ALL.to_vec();
        let source = Source::Url { url: self.url.clone(), interval, algorithms };
        let keys = KeyRing::open(source, clock.clone()).await.unwrap();
        Jwt {
            keys,
            algorithms: ALL.to_vec(),
            rules: rules(),
            refusals: Seldom::new(clock.clone()),
            clock,
            metrics: Arc::default(),
        }
    }
}

/// Threat I6.
#[tokio::test]
async fn an_unknown_key_asks_the_url_once_for_all_and_seldom() {
    let page = Page::new(jwks(&[EC.jwk(Some("old"))])).await;
    let clock = Arc::new(ManualClock::default());
    let jwt = page.provider(clock.clone()).await;
    assert!(accepts(&jwt, &EC.sign_as("old")).await);
    assert_eq!(page.asked(), 1);
    let new = Signer::new(Algorithm::ES256);
    page.says(200, jwks(&[EC.jwk(Some("old")), new.jwk(Some("new"))]));
    let token = new.sign_as("new");
    let many = (accepts(&jwt, &token), accepts(&jwt, &token), accepts(&jwt, &token));
    assert_eq!(tokio::join!(many.0, many.1, many.2), (true, true, true));
    assert_eq!(page.asked(), 2, "one reading for all three");
    for n in 0..50 {
        assert!(!accepts(&jwt, &new.sign_as(&format!("made up {n}"))).await);
    }
    assert_eq!(page.asked(), 2, "made up key ids do not hammer the URL");
    clock.advance(std::time::Duration::from_secs(10));
    assert!(!accepts(&jwt, &new.sign_as("made up")).await);
    assert_eq!(page.asked(), 3);
}

#[tokio::test]
async fn of_made_up_key_ids_only_some_wait_for_a_slow_url() {
    let page = Page::new(jwks(&[EC.jwk(Some("old"))])).await;
    let jwt = Arc::new(page.provider(Arc::new(ManualClock::default())).await);
    let held = page.gate.write().await;
    let mut logins = tokio::task::JoinSet::new();
    for _ in 0..65 {
        let (jwt, token) = (jwt.clone(), EC.sign_as("new"));
        logins.spawn(async move { login(&jwt, None, &token).await });
    }
    let first = logins.join_next().await.unwrap().unwrap();
    assert_eq!(first, Err(AuthError::UNAVAILABLE), "one more than may wait");
    page.says(200, jwks(&[EC.jwk(Some("new"))]));
    drop(held);
    let rest = logins.join_all().await;
    assert_eq!(rest.iter().filter(|login| login.is_ok()).count(), 64);
}

#[test]
fn one_token_is_tried_with_a_few_keys_and_its_own_first() {
    let named: Vec<_> = (0..20).map(|n| EC.jwk(Some(&format!("k{n}")))).collect();
    let tried = |keys: &[Value], id| {
        let keys = Keys::jwks(&jwks(keys), &ALL).unwrap().for_token(Algorithm::ES256, id);
        keys.iter().map(|key| key.name()).collect::<Vec<_>>()
    };
    assert_eq!(tried(&named, None).len(), 8);
    assert_eq!(tried(&named, Some("k19")), ["k19"]);
    let nameless: Vec<_> = (0..20).map(|_| EC.jwk(None)).chain([EC.jwk(Some("k"))]).collect();
    let own = tried(&nameless, Some("k"));
    assert_eq!((own.len(), own[0].as_str()), (8, "k"));
    let mixed: Vec<_> = named.into_iter().chain([EC.jwk(None)]).collect();
    assert_eq!(tried(&mixed, None)[0], "the one without a key id");
}

#[tokio::test]
async fn while_the_url_is_down_known_keys_stay_and_unknown_ones_cannot_be_said() {
    let page = Page::new(jwks(&[EC.jwk(Some("old"))])).await;
    let clock = Arc::new(ManualClock::default());
    let jwt = page.provider(clock.clone()).await;
    for (status, body) in [(500, Vec::new()), (200, b"no json".to_vec()), (302, Vec::new())] {
        page.says(status, body);
        clock.advance(std::time::Duration::from_secs(10));
        let unknown = login(&jwt, None, &EC.sign_as("new")).await;
        assert_eq!(unknown, Err(AuthError::UNAVAILABLE));
        assert!(accepts(&jwt, &EC.sign_as("old")).await);
    }
    assert_eq!(page.asked(), 4);
}

#[tokio::test]
async fn a_url_that_is_down_at_the_start_is_read_when_it_is_there() {
    let page = Page::new(Vec::new()).await;
    page.says(503, Vec::new());
    let clock = Arc::new(ManualClock::default());
    let jwt = page.provider(clock.clone()).await;
    page.says(503, vec![b' '; 300 * 1024]);
    assert_eq!(login(&jwt, None, &EC.sign_as("e")).await, Err(AuthError::UNAVAILABLE));
    page.says(200, vec![b' '; 300 * 1024]);
    clock.advance(std::time::Duration::from_secs(10));
    assert_eq!(login(&jwt, None, &EC.sign_as("e")).await, Err(AuthError::UNAVAILABLE));
    page.says(200, jwks(&[EC.jwk(Some("e"))]));
    clock.advance(std::time::Duration::from_secs(10));
    assert!(accepts(&jwt, &EC.sign_as("e")).await);
}
