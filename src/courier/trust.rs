//! TLS: whom to believe, and how to show who one is.
//!
//! Must not: believe a certificate that nobody vouches for: that its name may be another is all that can
//! be waived.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore,
    SignatureScheme,
};

use super::Error;

/// Whom to believe.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The certificates of those who may vouch for the broker; the system's where none is named.
    pub ca: Option<PathBuf>,
    /// A certificate to show, and its key.
    pub own: Option<(PathBuf, PathBuf)>,
    /// Whether the certificate may be for another name than the broker's.
    pub any_name: bool,
}

impl Trust {
    /// What rustls needs to know.
    pub(super) fn config(&self) -> Result<ClientConfig, Error> {
        let provider = Arc::new(ring::default_provider());
        let roots = Arc::new(self.roots()?);
        let verifier =
            WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
        let verifier = verifier.map_err(|error| unusable(&error))?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?;
        // Not dangerous where the verifier is rustls' own, or waives the name when asked to.
        let builder = match self.any_name {
            false => builder
                .dangerous()
                .with_custom_certificate_verifier(verifier),
            true => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyName(verifier))),
        };
        match &self.own {
            None => Ok(builder.with_no_client_auth()),
            Some((certificate, key)) => {
                let chain = certificates(certificate)?;
                let key = PrivateKeyDer::from_pem_file(key).map_err(|error| file(key, &error))?;
                let config = builder.with_client_auth_cert(chain, key);
                config.map_err(|error| unusable(&error))
            }
        }
    }

    fn roots(&self) -> Result<RootCertStore, Error> {
        let mut roots = RootCertStore::empty();
        let all = match &self.ca {
            Some(path) => certificates(path)?,
            None => rustls_native_certs::load_native_certs().certs,
        };
        let (taken, _) = roots.add_parsable_certificates(all);
        if taken == 0 {
            let whose = self.ca.as_deref().map_or_else(
                || "this system knows no certificates; give --cafile".to_owned(),
                |path| format!("{}: there is no certificate in it", path.display()),
            );
            return Err(Error::Unreachable(whose));
        }
        Ok(roots)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all = CertificateDer::pem_file_iter(path).map_err(|error| file(path, &error))?;
    all.collect::<Result<_, _>>()
        .map_err(|error| file(path, &error))
}

fn file(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Unreachable(format!("{}: {error}", path.display()))
}

fn unusable(error: &dyn std::fmt::Display) -> Error {
    Error::Unreachable(format!("TLS cannot be used: {error}"))
}

/// Waives the name, and nothing else.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        // The name is looked at last, when somebody has vouched for the certificate.
        match self.0.verify_server_cert(end, others, name, ocsp, now) {
            Err(TlsError::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.0
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.0
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
