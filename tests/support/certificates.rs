//! Certificates for tests: an authority, this machine and clients, each a file of `openssl`.

use std::path::Path;
use std::process::Command;

use super::program::finish;

/// A certificate authority, a certificate for this machine, and one for each client.
pub fn certificates(dir: &Path, clients: &[&str]) {
    made(dir, "ca", "ca", &[]);
    signed(
        dir,
        "localhost",
        "localhost",
        &["subjectAltName=DNS:localhost,IP:127.0.0.1"],
    );
    for client in clients {
        signed(dir, client, client, &[]);
    }
}

/// The files of a certificate of the authority for somebody, with these extensions.
pub fn signed(dir: &Path, file: &str, whom: &str, extensions: &[&str]) {
    let mut rest = vec!["-CA", "ca.crt", "-CAkey", "ca.key"];
    for extension in [&["basicConstraints=critical,CA:FALSE"], extensions].concat() {
        rest.extend(["-addext", extension]);
    }
    made(dir, file, whom, &rest);
}

fn made(dir: &Path, file: &str, whom: &str, rest: &[&str]) {
    let subject = format!("/CN={whom}");
    let (key, certificate) = (format!("{file}.key"), format!("{file}.crt"));
    let mut openssl = Command::new("openssl");
    openssl
        .current_dir(dir)
        .args(["req", "-x509", "-nodes", "-days", "2"]);
    openssl.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    openssl.args(["-subj", &subject, "-keyout", &key, "-out", &certificate]);
    finish(openssl.args(rest)).succeeded();
}

/// The authority's certificate, a client's and its key.
pub fn files(dir: &Path, name: &str) -> [String; 3] {
    [
        dir.join("ca.crt"),
        dir.join(format!("{name}.crt")),
        dir.join(format!("{name}.key")),
    ]
    .map(|path| path.display().to_string())
}
