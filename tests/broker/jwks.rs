//! Keys that an issuer publishes: fetched from a server of ours, plain and over TLS. Beside each answer that
//! is taken stands one that is not, and then the last good keys stay.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::accounts::lines;
use super::conf::patient;
use super::jwt::{REFUSED, show, with_issuer};
use crate::support::certificates::{certificates, files, signed};
use crate::support::{Answer, Broker, Issuer, PATIENCE, Token, eventually, for_each_broker};

/// An issuer's web server on this machine, which answers what it is told to.
struct Published {
    port: u16,
    answer: Arc<Mutex<Reply>>,
}

/// What it answers, and what it shows before where it speaks TLS.
#[derive(Clone, Default)]
struct Reply {
    certificate: Option<Arc<ServerConfig>>,
    text: String,
}

impl Published {
    fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = Arc::new(Mutex::new(Reply::default()));
        let its = Arc::clone(&answer);
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let Reply { certificate, text } = its.lock().unwrap().clone();
                match certificate {
                    None => answer_one(stream, &text),
                    Some(config) => {
                        let connection = ServerConnection::new(config).unwrap();
                        answer_one(StreamOwned::new(connection, stream), &text);
                    }
                }
            }
        });
        Self { port, answer }
    }

    fn answers(&self, status: &str, body: &str) {
        *self.answer.lock().unwrap() = Reply {
            certificate: None,
            text: response(status, body),
        };
    }

    /// Answers keys, and shows a certificate.
    fn publishes(&self, keys: &str, (dir, file): (&Path, &str)) {
        let [_, certificate, key] = files(dir, file);
        let certificate = CertificateDer::from_pem_file(certificate).unwrap();
        let key = PrivateKeyDer::from_pem_file(key).unwrap();
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_no_client_auth();
        let config = builder.with_single_cert(vec![certificate], key).unwrap();
        *self.answer.lock().unwrap() = Reply {
            certificate: Some(Arc::new(config)),
            text: response("200 OK", keys),
        };
    }
}

fn response(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

/// Answers a request. Whoever does not believe the certificate makes none.
fn answer_one(mut stream: impl Read + Write, text: &str) {
    let mut request = [0; 4096];
    let Ok(length) = stream.read(&mut request) else {
        return;
    };
    assert!(request[..length].starts_with(b"GET /keys HTTP/1.1\r\n"));
    stream.write_all(text.as_bytes()).ok();
    stream.flush().ok();
}

/// ann's tokens, by the key that an issuer had and by the one that it has next.
fn old_and_new(issuer: &Issuer) -> [String; 2] {
    ["rsa", "rsa_new"].map(|key| issuer.token(Token::of("ann", key, "RS256").named()))
}

/// What a fetch may take, and the pause before it.
const SOON: Duration = Duration::from_secs(30);

#[test]
fn published_keys_are_fetched_and_the_last_good_ones_stay() {
    for_each_broker(|startup| {
        let published = Published::new();
        let issuer = Issuer::in_dir(startup.dir());
        published.answers("503 Busy", "");
        let url = format!("jwt_jwks_url http://127.0.0.1:{}/keys", published.port);
        let options = ["password_file {dir}/users", &url, "jwt_jwks_interval 6s"];
        let broker = startup
            .file("users", lines(&[("ann", "pw")]))
            .start(&patient(&options));
        let [old, new] = old_and_new(&issuer);
        assert_eq!(show(&broker, "ann", &old), REFUSED, "nothing is known yet");
        assert_eq!(show(&broker, "ann", "pw"), Answer::Accepted);
        broker.wait_for_log("it answers 503", PATIENCE);
        published.answers("200 OK", &issuer.jwks(&["rsa"]));
        assert!(eventually(SOON, || show(&broker, "ann", &old) == Answer::Accepted));
        assert_eq!(show(&broker, "ann", &new), REFUSED);
        let elsewhere = format!(
            "302 Found\r\nLocation: http://127.0.0.1:{}/other",
            published.port
        );
        for (status, body) in [
            ("200 OK", "rubbish".to_owned()),
            ("200 OK", "{\"keys\": []}".to_owned()),
            ("200 OK", "x".repeat(300 * 1024)),
            (&*elsewhere, String::new()),
        ] {
            let mark = broker.log_end();
            published.answers(status, &body);
            broker.wait_for_log_after(mark, "the last good state stays in force", SOON);
            assert_eq!(show(&broker, "ann", &old), Answer::Accepted, "{status}");
        }
        published.answers("200 OK", &issuer.jwks(&["rsa_new"]));
        assert!(eventually(SOON, || show(&broker, "ann", &new) == Answer::Accepted));
        assert_eq!(show(&broker, "ann", &old), REFUSED);
    });
}

/// Whoever fetches waits for it on a thread of its own.
#[test]
fn a_server_that_takes_the_request_and_never_answers_holds_nobody_up() {
    for_each_broker(|startup| {
        let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = silent.local_addr().unwrap().port();
        let options = [
            format!("jwt_jwks_url http://127.0.0.1:{port}/keys"),
            "jwt_key_file {dir}/issuer/p256.pem".to_owned(),
        ];
        let (mut broker, issuer) = with_issuer(startup, &options.each_ref().map(String::as_str));
        let (_held, _) = silent.accept().unwrap();
        let token = |key, algorithm| issuer.token(Token::of("ann", key, algorithm).named());
        assert_eq!(show(&broker, "ann", "pw"), Answer::Accepted);
        assert_eq!(show(&broker, "ann", "wp"), REFUSED);
        assert_eq!(
            show(&broker, "ann", &token("p256", "ES256")),
            Answer::Accepted
        );
        assert_eq!(show(&broker, "ann", &token("rsa", "RS256")), REFUSED);
        assert_eq!(broker.stop().code(), Some(0));
    });
}

#[test]
fn keys_are_fetched_from_whom_an_authority_vouches_for_by_name_and_from_nobody_else() {
    for_each_broker(|startup| {
        let dir = startup.dir().to_owned();
        let issuer = Issuer::in_dir(&dir);
        certificates(&dir, &[]);
        let another_name = ["subjectAltName=DNS:issuer.example"];
        signed(&dir, "other", "localhost", &another_name);
        // Another authority of the same name.
        let elsewhere = dir.join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        certificates(&elsewhere, &[]);
        let right = (&*dir, "localhost");
        let unknown = (&*elsewhere, "localhost");
        let published = Published::new();
        published.publishes(&issuer.jwks(&["rsa"]), unknown);
        let url = format!("jwt_jwks_url https://127.0.0.1:{}/keys", published.port);
        let options = [
            &*url,
            "jwt_jwks_cafile {dir}/ca.crt",
            "jwt_jwks_interval 1s",
        ];
        let (broker, issuer) = with_issuer(startup, &options);
        let [old, new] = old_and_new(&issuer);
        broker.wait_for_log("invalid peer certificate: BadSignature", PATIENCE);
        assert_eq!(show(&broker, "ann", &old), REFUSED);
        published.publishes(&issuer.jwks(&["rsa"]), right);
        assert!(eventually(SOON, || show(&broker, "ann", &old) == Answer::Accepted));
        for (certificate, why) in [
            (unknown, "BadSignature"),
            ((&*dir, "other"), "not valid for name"),
        ] {
            let mark = broker.log_end();
            published.publishes(&issuer.jwks(&["rsa_new"]), certificate);
            broker.wait_for_log_after(mark, why, SOON);
            broker.wait_for_log_after(mark, "the last good state stays in force", SOON);
            assert_eq!(show(&broker, "ann", &old), Answer::Accepted, "{why}");
            assert_eq!(show(&broker, "ann", &new), REFUSED, "{why}");
        }
        published.publishes(&issuer.jwks(&["rsa_new"]), right);
        assert!(eventually(SOON, || show(&broker, "ann", &new) == Answer::Accepted));
        assert_eq!(show(&broker, "ann", &old), REFUSED);
        // The authorities are looked up for each fetch.
        let mark = broker.log_end();
        fs::write(dir.join("ca.crt"), "rubbish").unwrap();
        broker.wait_for_log_after(mark, "ca.crt: there is no certificate in it", SOON);
        assert_eq!(show(&broker, "ann", &new), Answer::Accepted);
    });
}

#[test]
fn where_no_authorities_are_named_the_systems_count() {
    for_each_broker(|startup| {
        let dir = startup.dir().to_owned();
        let issuer = Issuer::in_dir(&dir);
        certificates(&dir, &[]);
        let published = Published::new();
        published.publishes(&issuer.jwks(&["rsa"]), (&dir, "localhost"));
        let url = format!("jwt_jwks_url https://127.0.0.1:{}/keys", published.port);
        let [token, _] = old_and_new(&issuer);
        let system = dir.join("ca.crt").display().to_string();
        let other = Broker::of(startup.tree());
        let (broker, _) = with_issuer(startup.env("SSL_CERT_FILE", &system), &[&url]);
        assert!(eventually(SOON, || show(&broker, "ann", &token) == Answer::Accepted));
        let (other, _) = with_issuer(other, &[&url]);
        other.wait_for_log("UnknownIssuer", PATIENCE);
        assert_eq!(show(&other, "ann", &token), REFUSED);
    });
}
