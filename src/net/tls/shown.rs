//! Which certificate a server shows, whoever signed it: for looking, not for talking.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};

/// Waits for each step of the connection `wait` at most. Nothing is said inside.
///
/// # Errors
/// In words: no connection, or no TLS.
pub fn shown(
    address: SocketAddr,
    name: ServerName<'static>,
    wait: Duration,
) -> Result<CertificateDer<'static>, String> {
    let mut tls = client(name).map_err(|error| error.to_string())?;
    let done = handshake(&mut tls, address, wait);
    // Who wants a certificate of ours ends the connection, but has shown its own by then.
    match (tls.peer_certificates().and_then(<[_]>::first), done) {
        (Some(own), _) => Ok(own.clone()),
        (None, Err(error)) => Err(error.to_string()),
        (None, Ok(())) => Err("it showed no certificate".into()),
    }
}

fn handshake(tls: &mut ClientConnection, address: SocketAddr, wait: Duration) -> io::Result<()> {
    let mut tcp = TcpStream::connect_timeout(&address, wait)?;
    tcp.set_read_timeout(Some(wait))?;
    tcp.set_write_timeout(Some(wait))?;
    tls.complete_io(&mut tcp)?;
    tls.send_close_notify();
    tls.complete_io(&mut tcp).map(drop)
}

fn client(name: ServerName<'static>) -> Result<ClientConnection, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let anyone = Anyone(provider.signature_verification_algorithms);
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(anyone))
        .with_no_client_auth();
    ClientConnection::new(Arc::new(config), name)
}

/// Takes every certificate whose key the server has.
#[derive(Debug)]
struct Anyone(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
