//! `homing auth test`: one login tried before people's eyes, by the providers that decide a real
//! one, past what a broker remembers of the member API.

mod accounts;
mod report;

use std::io::{BufRead, IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use zeroize::Zeroizing;

use super::exit::{FAILURE, Failure, LOGIN, UNREACHABLE};
use super::place::DataPlace;
use crate::auth::http::TOKEN_BYTES_MAX;
use crate::auth::witness::Outcome;
use crate::auth::{Authenticator, Certificate, Chain, Credentials, Witness};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Provider};
use crate::control::{self, Answer, AskError, Request};
use crate::model::ClientId;
use crate::net::tls::certificate_names;
use accounts::Accounts;
use report::{Broker, Report};

/// Checks logins.
#[derive(Args, Debug)]
pub struct AuthArgs {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    place: DataPlace,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Try one login: ask the providers of the settings in their order and print what each was
    /// asked, what it answered and decided, and how long it took
    Test(TestArgs),
}

#[derive(Args, Debug)]
struct TestArgs {
    /// The user name
    #[arg(long)]
    uid: String,
    /// The password; "-" or none reads it from the terminal or the first line of standard input,
    /// so that the list of processes does not show it
    #[arg(long, default_value = "-", hide_default_value = true)]
    token: String,
    /// The client id: the device
    #[arg(long, default_value = "", hide_default_value = true)]
    client_id: String,
    /// The address that the client would have
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    ip: IpAddr,
    /// The listener that the client would use
    #[arg(long, default_value = "mqtt")]
    listener: String,
    /// The client's certificate (PEM): its names are read, but nobody is asked to trust it
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// # Errors
/// [`LOGIN`] if the login is refused, [`UNREACHABLE`] if nobody can say.
pub async fn run(args: AuthArgs) -> Result<(), Failure> {
    let Verb::Test(test) = args.verb;
    let config = args.place.load()?.config;
    let token = token(&test)?;
    let client_id = ClientId::parse(&test.client_id).map_err(Failure::usage)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let certificate = test.cert.as_deref().map(|file| certificate(file, &*clock)).transpose()?;
    let witness = Arc::new(Witness::default());
    let credentials = Credentials {
        uid: Some(&test.uid),
        client_id: &client_id,
        password: Some(token.as_bytes()),
        peer: (test.ip, 0).into(),
        listener: &test.listener,
        certificate: certificate.as_ref(),
        witness: Some(&witness),
    };
    let login = try_login(&config, clock, credentials).await?;
    let broker = broker(&config, &test.uid).await?;
    let report = Report { asked: witness.take(), login: Outcome::from(&login), broker };
    let mut out = std::io::stdout().lock();
    match test.json {
        true => writeln!(out, "{}", report.json())?,
        false => write!(out, "{}", report.text())?,
    }
    match report.login {
        Outcome::Accepted => Ok(()),
        Outcome::NotMine | Outcome::Refused | Outcome::Expired => Err(Failure::new(LOGIN, "")),
        Outcome::Unavailable | Outcome::Busy => Err(Failure::new(UNREACHABLE, "")),
    }
}

async fn try_login(
    config: &Config,
    clock: Arc<dyn Clock>,
    credentials: Credentials<'_>,
) -> Result<crate::auth::Login, Failure> {
    let accounts = match config.auth.provider.has(Provider::Accounts) {
        true => Accounts::find(config).await?,
        false => Accounts::NotAsked,
    };
    let accounts = Arc::new(accounts);
    let chain: Chain =
        crate::node::chain(config, accounts.clone(), clock).await.map_err(Failure::usage)?;
    let login = chain.authenticate(credentials).await;
    accounts.close().await?;
    Ok(login)
}

fn certificate(file: &Path, clock: &dyn Clock) -> Result<Certificate, Failure> {
    let cannot = |words: &dyn std::fmt::Display| {
        Failure::usage(format!("the certificate {}: {words}", file.display()))
    };
    let first = CertificateDer::from_pem_file(file).map_err(|error| cannot(&error))?;
    certificate_names(&first, clock.stamp()).map_err(|words| cannot(&words))
}

fn token(test: &TestArgs) -> Result<Zeroizing<String>, Failure> {
    let cannot = |error| Failure::new(FAILURE, format!("the token cannot be read: {error}"));
    let stdin = std::io::stdin();
    match test.token.as_str() {
        "-" if stdin.is_terminal() => {
            let prompt = format!("Token of {}: ", test.uid);
            rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(cannot)
        }
        "-" => first_line(stdin.lock()).map_err(cannot),
        token => Ok(Zeroizing::new(token.into())),
    }
}

/// Of text; reads little more than a token can have.
fn first_line(reader: impl BufRead) -> std::io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    reader.take(TOKEN_BYTES_MAX as u64 + 2).read_line(&mut line)?;
    let length = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(length);
    Ok(line)
}

/// What a running broker remembers of the member API, where the settings ask it.
async fn broker(config: &Config, uid: &str) -> Result<Broker, Failure> {
    if !config.auth.provider.has(Provider::Http) {
        return Ok(Broker::NoMatter);
    }
    let Some(data) = &config.store.data else { return Ok(Broker::NotAsked) };
    match control::ask(data, &Request::AuthState { uid: uid.into() }).await {
        Ok(Answer::AuthState { member_api: Some(state) }) => Ok(Broker::Says(state)),
        Ok(Answer::AuthState { member_api: None }) => Ok(Broker::NoMemberApi),
        // A user name that is no uid: nothing is remembered under it.
        Ok(Answer::Refused { .. }) => Ok(Broker::NoMatter),
        Ok(_) => Err(Failure::new(UNREACHABLE, "the broker answered something else")),
        Err(AskError::NoBroker) => Ok(Broker::None),
        Err(error) => Err(Failure::new(UNREACHABLE, error)),
    }
}
