//! X.509: what identifies a certificate, read from its bytes.
//!
//! Must not: believe anybody. Whether a certificate is genuine, in its time and not revoked was looked at
//! by whoever made the TLS connection; what cannot be understood here has no name at all.
#![forbid(unsafe_code)]

use sha2::{Digest as _, Sha256};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::model::CertificateName;

/// These bytes are no certificate, or one with too much in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it cannot be read: {0}")]
pub struct Unreadable(String);

/// What identifies a certificate: its fingerprint, and behind it the alternative names that it was given.
///
/// # Errors
/// When it is not DER, all of it and nothing else, or has more names than anybody looks for.
pub fn names(der: &[u8]) -> Result<Vec<CertificateName>, Unreadable> {
    if der.len() > LARGEST {
        return Err(Unreadable(format!("it has more than {LARGEST} bytes")));
    }
    let failed = |error: x509_cert::der::Error| Unreadable(error.to_string());
    let certificate = Certificate::from_der(der).map_err(failed)?;
    let certificate = certificate.tbs_certificate();
    let mut names = vec![CertificateName::of_fingerprint(&Sha256::digest(der).into())];
    let Some((_, SubjectAltName(all))) = certificate.get_extension().map_err(failed)? else {
        return Ok(names);
    };
    if all.len() > MOST {
        return Err(Unreadable(format!(
            "it has more than {MOST} alternative names"
        )));
    }
    names.extend(all.iter().filter_map(named));
    Ok(names)
}

/// The name that an account can be mapped to; none of what no account can be mapped to.
fn named(name: &GeneralName) -> Option<CertificateName> {
    let text = match name {
        GeneralName::DnsName(name) => format!("dns:{}", name.as_str()),
        GeneralName::UniformResourceIdentifier(uri) => format!("uri:{}", uri.as_str()),
        GeneralName::Rfc822Name(address) => format!("email:{}", address.as_str()),
        GeneralName::OtherName(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EdiPartyName(_)
        | GeneralName::IpAddress(_)
        | GeneralName::RegisteredId(_) => return None,
    };
    CertificateName::new(&text).ok()
}

/// Far more than any client's certificate has.
const LARGEST: usize = 65_536;

/// Each name is a look into the sources, at the broker's thread.
const MOST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    // Made by openssl req -x509, with subjectAltName=DNS:Sensor-7.Example,URI:urn:dev:7,
    // email:ops@Example.org,IP:192.0.2.1, and with seventeen names.
    const NAMED: &[u8] = include_bytes!("../tests/vectors/certificates/named.der");
    const CROWDED: &[u8] = include_bytes!("../tests/vectors/certificates/crowded.der");

    #[test]
    fn a_certificate_is_identified_by_its_fingerprint_first_and_by_its_names() {
        let names = names(NAMED).unwrap();
        let names: Vec<_> = names.iter().map(CertificateName::as_str).collect();
        let expected = [
            "sha256:db48048f2f967b273671b40674dff2f0743f9401a5d1342e9084eea206bef702",
            "dns:sensor-7.example",
            "uri:urn:dev:7",
            "email:ops@example.org",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn what_is_not_one_whole_certificate_is_none() {
        for length in 0..NAMED.len() {
            assert!(names(&NAMED[..length]).is_err(), "{length}");
        }
        assert!(names(&[NAMED, b"\0"].concat()).is_err());
        assert!(names(&[NAMED, NAMED].concat()).is_err());
        assert!(names(&vec![0x30; LARGEST + 1]).is_err());
    }

    #[test]
    fn one_with_more_names_than_anybody_looks_for_is_refused() {
        assert!(names(CROWDED).unwrap_err().to_string().contains("16"));
    }
}
