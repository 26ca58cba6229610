//! Tokens of an issuer that nobody here wrote: PyJWT signs them.

use std::path::{Path, PathBuf};

use super::program::{finish_with_input, python};

/// An issuer: its keys are in a directory, public ones and others.
pub struct Issuer(PathBuf);

/// A token to be signed.
#[derive(Clone, Debug)]
pub struct Token {
    key: String,
    algorithm: String,
    claims: String,
    times: String,
    headers: String,
}

impl Token {
    /// Of somebody, signed so; good for an hour.
    pub fn of(username: &str, key: &str, algorithm: &str) -> Self {
        Self {
            key: key.to_owned(),
            algorithm: algorithm.to_owned(),
            claims: format!(r#""sub": "{username}""#),
            times: r#""exp": 3600"#.to_owned(),
            headers: String::new(),
        }
    }

    /// With this beside its other claims, as JSON.
    pub fn saying(mut self, claims: &str) -> Self {
        self.claims = format!("{}, {claims}", self.claims);
        self
    }

    /// With these times instead, as JSON, in seconds from now.
    pub fn times(self, times: &str) -> Self {
        Self {
            times: times.to_owned(),
            ..self
        }
    }

    /// With these headers beside the usual ones, as JSON.
    pub fn headers(self, headers: &str) -> Self {
        Self {
            headers: headers.to_owned(),
            ..self
        }
    }

    /// With the name of its key.
    pub fn named(self) -> Self {
        let kid = format!(r#""kid": "{}""#, self.key);
        self.headers(&kid)
    }

    fn json(&self) -> String {
        let Self {
            key,
            algorithm,
            claims,
            times,
            headers,
        } = self;
        format!(
            r#"{{"key": "{key}", "alg": "{algorithm}", "claims": {{{claims}}}, "times": {{{times}}}, "headers": {{{headers}}}}}"#
        )
    }
}

impl Issuer {
    /// An issuer whose keys are below this directory.
    pub fn in_dir(dir: &Path) -> Self {
        let issuer = Self(dir.join("issuer"));
        issuer.sign(&[]);
        issuer
    }

    /// The file of a key: `rsa.pem`, `rsa.jwk`, …, `secret`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A JWKS of these keys.
    pub fn jwks(&self, names: &[&str]) -> String {
        let keys = names.iter().map(|name| {
            let path = self.file(&format!("{name}.jwk"));
            std::fs::read_to_string(path).expect("a key")
        });
        format!(r#"{{"keys": [{}]}}"#, keys.collect::<Vec<_>>().join(", "))
    }

    /// Signs them.
    #[track_caller]
    pub fn sign(&self, tokens: &[Token]) -> Vec<String> {
        let wanted: Vec<String> = tokens.iter().map(Token::json).collect();
        let wanted = format!("[{}]", wanted.join(", "));
        let mut script = python("tokens.py");
        let answer = finish_with_input(script.arg(&self.0), wanted.as_bytes());
        answer.succeeded().lines().map(ToOwned::to_owned).collect()
    }

    /// Signs one.
    #[track_caller]
    pub fn token(&self, token: Token) -> String {
        self.sign(&[token]).remove(0)
    }
}
