//! What identifies a certificate: its fingerprint, or one of the names that it was given.
//!
//! Must not: read certificates. Two spellings of the same thing are one text here, so that comparing
//! texts is enough everywhere else.
#![forbid(unsafe_code)]

use std::fmt::{self, Write as _};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a text identifies no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "accepted are sha256: with the 64 hexadecimal digits of a certificate's fingerprint, and dns:, uri: \
     and email: with one of its alternative names, of at most 1024 bytes without blanks"
)]
pub struct NoCertificateName;

/// `sha256:`, `dns:`, `uri:` or `email:` and what is meant, in one spelling.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CertificateName(Arc<str>);

impl CertificateName {
    /// Reads it as people write it: a fingerprint with colons or without, names in any case where
    /// case does not matter.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(text: &str) -> Result<Self, NoCertificateName> {
        let (kind, rest) = text.split_once(':').ok_or(NoCertificateName)?;
        let blank = |c: char| c.is_control() || c.is_whitespace();
        if rest.is_empty() || rest.len() > LONGEST || rest.contains(blank) {
            return Err(NoCertificateName);
        }
        let rest = match kind {
            "sha256" => digits(rest)?,
            "dns" => rest.to_ascii_lowercase(),
            "uri" => rest.to_owned(),
            "email" => match rest.rsplit_once('@') {
                Some((who, host)) => format!("{who}@{}", host.to_ascii_lowercase()),
                None => return Err(NoCertificateName),
            },
            _ => return Err(NoCertificateName),
        };
        Ok(Self(format!("{kind}:{rest}").into()))
    }

    /// The fingerprint of a certificate: the SHA-256 of its bytes.
    #[must_use]
    pub fn of_fingerprint(digest: &[u8; 32]) -> Self {
        let mut text = "sha256:".to_owned();
        for byte in digest {
            // A string takes whatever is written.
            write!(text, "{byte:02x}").ok();
        }
        Self(text.into())
    }

    /// Whether it names one certificate and no other.
    #[must_use]
    pub fn is_fingerprint(&self) -> bool {
        self.0.starts_with("sha256:")
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn digits(text: &str) -> Result<String, NoCertificateName> {
    let digits = text.replace(':', "").to_ascii_lowercase();
    let is_one = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_one.then_some(digits).ok_or(NoCertificateName)
}

impl TryFrom<String> for CertificateName {
    type Error = NoCertificateName;

    fn try_from(text: String) -> Result<Self, NoCertificateName> {
        Self::new(&text)
    }
}

impl From<CertificateName> for String {
    fn from(name: CertificateName) -> Self {
        name.as_str().to_owned()
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const LONGEST: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_the_same_are_one_name() {
        let hex = "0123456789abcdef".repeat(4);
        let pairs: Vec<String> = hex
            .as_bytes()
            .chunks(2)
            .map(|two| String::from_utf8_lossy(two).to_uppercase())
            .collect();
        let plain = CertificateName::new(&format!("sha256:{hex}"));
        assert_eq!(
            plain,
            CertificateName::new(&format!("sha256:{}", pairs.join(":")))
        );
        assert!(plain.unwrap().is_fingerprint());
        let same =
            |a: &str, b: &str| CertificateName::new(a).unwrap() == CertificateName::new(b).unwrap();
        assert!(same("dns:Sensor.Example", "dns:sensor.example"));
        assert!(same("email:Ann@Example.org", "email:Ann@example.ORG"));
        assert!(!same("email:Ann@example.org", "email:ann@example.org"));
        assert!(!same("uri:urn:A", "uri:urn:a"));
    }

    #[test]
    fn what_identifies_no_certificate_is_refused() {
        let short = format!("sha256:{}", "0".repeat(63));
        let odd = format!("sha256:{}", "g".repeat(64));
        for text in [
            "",
            "ann",
            "dns:",
            "dns:a b",
            "uri:a\nb",
            "email:ann",
            "cn:ann",
            "SHA256:00",
            &short,
            &odd,
        ] {
            assert_eq!(CertificateName::new(text), Err(NoCertificateName), "{text}");
        }
    }

    #[test]
    fn a_fingerprint_is_the_one_that_openssl_prints() {
        let name = CertificateName::of_fingerprint(&[0xab; 32]);
        assert_eq!(
            CertificateName::new(&format!("sha256:{}", vec!["AB"; 32].join(":"))),
            Ok(name)
        );
    }
}
