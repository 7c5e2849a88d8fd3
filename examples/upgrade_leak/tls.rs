//! A certificate made at start, the server's side of TLS and what the clients need to trust it.

use std::sync::Arc;

use anyhow::Result;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// The name in the certificate, and the address that the server listens on.
pub const HOST: &str = "127.0.0.1";

/// Both sides' configurations, around one self-signed certificate.
pub struct Tls {
    pub server: Arc<ServerConfig>,
    pub client: Arc<ClientConfig>,
    pub certificate: CertificateDer<'static>,
}

impl Tls {
    pub fn new() -> Result<Tls> {
        let made = rcgen::generate_simple_self_signed([HOST.to_owned()])?;
        let certificate = made.cert.der().clone();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());

        let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key.into())?;
        let client = trusting(certificate.clone())?;

        Ok(Tls { server: Arc::new(server), client: Arc::new(client), certificate })
    }
}

/// The configuration of a client that trusts this certificate and no other.
pub fn trusting(certificate: CertificateDer<'static>) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(client)
}
