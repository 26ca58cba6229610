//! What the operator decided about tokens: whose they are, what must be in them, and what that is worth.
//!
//! Must not: open a file or ask for a URL.
#![forbid(unsafe_code)]

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Everything about tokens. Without a key there are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwt {
    /// Files with public keys.
    pub key_files: Vec<PathBuf>,
    /// Files with a secret each.
    pub secret_files: Vec<PathBuf>,
    /// Where public keys are fetched from.
    pub url: Option<KeyUrl>,
    /// The certificates of those who may vouch for that server; the system's where none is named.
    pub ca: Option<PathBuf>,
    /// How often.
    pub interval: Duration,
    /// Which algorithms are taken; none for each that a key is for.
    pub algorithms: Vec<Algorithm>,
    /// Who must have issued them.
    pub issuer: Option<String>,
    /// For whom they must be meant: one of these.
    pub audiences: Vec<String>,
    /// How far the issuer's clock may be off.
    pub leeway: Duration,
    /// How long they may be good for at most.
    pub longest: Option<Duration>,
    /// Whether each must say when it ends.
    pub needs_end: bool,
    /// The claim with the username.
    pub username: String,
    /// The claim with names of roles.
    pub roles: Option<String>,
    /// The claim with topics.
    pub acl: Option<String>,
    /// Where a client shows its token.
    pub place: TokenPlace,
    /// Whether there must be an account of the name.
    pub needs_account: bool,
}

/// Where a client shows its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenPlace {
    /// As its password.
    Password,
    /// As its username.
    Username,
    /// As either.
    Both,
}

/// How a token is signed, with the names of RFC 7518 and RFC 8037.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSA, PKCS #1 1.5, with SHA-256.
    Rs256,
    /// RSA, PKCS #1 1.5, with SHA-384.
    Rs384,
    /// RSA, PKCS #1 1.5, with SHA-512.
    Rs512,
    /// RSA, PSS, with SHA-256.
    Ps256,
    /// RSA, PSS, with SHA-384.
    Ps384,
    /// RSA, PSS, with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// Whether whoever verifies by it could sign as well.
    #[must_use]
    pub fn is_secret(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The one of this name, in exactly these letters. `none` is nobody's.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where keys are fetched from: over TLS, or from this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUrl(String);

impl KeyUrl {
    /// Reads it.
    ///
    /// # Errors
    /// In a sentence, for whatever is neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        let accepted = "accepted are https:// URLs, and http:// ones of 127.0.0.1, [::1] or localhost, \
                        without a name or password in them";
        let rest = text.strip_prefix("https://").map(|rest| (rest, true));
        let rest = rest.or_else(|| text.strip_prefix("http://").map(|rest| (rest, false)));
        let (rest, is_secure) = rest.ok_or(accepted)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() => host,
            Some(_) | None => authority,
        };
        let is_here = ["127.0.0.1", "[::1]", "localhost"].contains(&host);
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_plain || host.is_empty() || authority.contains('@') || !(is_secure || is_here) {
            return Err(accepted.to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// All of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without what may be a key of ours to it.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.0.split('?').next().unwrap_or_default()
    }
}

impl Jwt {
    /// What holds where nothing is said: no keys, and so no tokens.
    #[must_use]
    pub fn standard() -> Self {
        Self {
            key_files: Vec::new(),
            secret_files: Vec::new(),
            url: None,
            ca: None,
            interval: Duration::from_mins(5),
            algorithms: Vec::new(),
            issuer: None,
            audiences: Vec::new(),
            leeway: Duration::from_secs(10),
            longest: None,
            needs_end: true,
            username: "sub".to_owned(),
            roles: None,
            acl: None,
            place: TokenPlace::Password,
            needs_account: true,
        }
    }

    /// Whether there is anything to verify tokens with.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        !self.key_files.is_empty() || !self.secret_files.is_empty() || self.url.is_some()
    }

    /// Whether what is in a token says what its client may do.
    #[must_use]
    pub fn grants(&self) -> bool {
        self.has_keys() && (self.roles.is_some() || self.acl.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_fetched_over_tls_or_from_this_machine() {
        for good in [
            "https://id.example.org/keys",
            "https://id.example.org:8443/keys?tenant=1",
            "http://127.0.0.1:8080/jwks.json",
            "http://[::1]/jwks.json",
            "http://localhost:1/",
        ] {
            assert_eq!(KeyUrl::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "id.example.org/keys",
            "http://id.example.org/keys",
            "http://127.0.0.1.example.org/",
            "http://localhost@id.example.org/",
            "https://user:secret@id.example.org/",
            "https:///keys",
            "https://id.example.org/a b",
            "file:///etc/passwd",
        ] {
            assert!(KeyUrl::parse(bad).is_err(), "{bad}");
        }
        let url = KeyUrl::parse("https://id.example.org/keys?key=secret").unwrap();
        assert_eq!(url.shown(), "https://id.example.org/keys");
    }

    #[test]
    fn an_algorithm_is_named_in_exactly_its_letters() {
        for known in Algorithm::ALL {
            assert_eq!(Algorithm::named(known.name()), Some(known));
        }
        for name in ["none", "None", "", "hs256", "RS256 ", "ES512", "EDDSA"] {
            assert_eq!(Algorithm::named(name), None, "{name}");
        }
    }
}
