//! Who may vouch for the issuer's web server.
//!
//! Must not: be content with some of a file, or with none.
#![forbid(unsafe_code)]

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::store::Error;
use crate::store::settled::Settled;

/// Their certificates in a file.
///
/// # Errors
/// When it cannot be read, or there is none in it.
pub fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let (_, all) = Settled::open(path, |bytes| {
        understand(&bytes).map_err(|why| Error::Corrupt {
            path: path.to_owned(),
            why,
        })
    })?;
    Ok(all)
}

fn understand(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = CertificateDer::pem_slice_iter(bytes).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|error| error.to_string())?;
    if all.is_empty() {
        return Err("there is no certificate in it".to_owned());
    }
    let mut roots = RootCertStore::empty();
    for one in &all {
        roots.add(one.clone()).map_err(|error| error.to_string())?;
    }
    Ok(all)
}
