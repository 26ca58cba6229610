//! Logins by a certificate that names the client, beside the same listener without doorman: each client
//! shakes hands anew, publishes one message and leaves.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use mosquitto_doorman::certificate;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::accounts::Accounts;
use super::turns::{self, Contender};
use crate::measure::device;
use crate::support::certificates::{certificates, files};
use crate::support::mqtt::packet;
use crate::support::{Broker, Connect, Protocol, Tree, plugin_conf};

const TURNS: usize = 21;
const LOGINS: usize = 40;
const COUNT: usize = 10;

pub fn ask(tree: &Tree) {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let who = device(0);
    certificates(dir, &[&who]);
    std::fs::write(dir.join("acl"), "pattern readwrite #\n").expect("an ACL file");
    let accounts = Accounts::at(dir, COUNT, false);
    let der = der(dir, &who);
    accounts.map(0, &certificate::names(&der).expect("a certificate")[0]);
    let acl = format!("acl_file {}", dir.join("acl").display());
    let database = format!("database {}", accounts.database.display());
    let ours = |more: &[&str]| plugin_conf(&[&[&*acl, &*database], more].concat());
    let by_name = "use_identity_as_username true\n";
    let instead = "certificate instead-of-password";
    let version = tree.version();
    turns::title(
        &format!("certificates, {version}; {TURNS} turns of {LOGINS} logins"),
        "no doorman",
    );
    let mut contenders = [
        ("no doorman", by_name, format!("{acl}\n")),
        ("doorman, the name of an account", by_name, ours(&[])),
        ("doorman, mapped as well", by_name, ours(&[instead])),
        ("doorman, mapped, the broker asks", "", ours(&[instead])),
    ]
    .map(|(name, listener, conf)| contender(name, tree, dir, &(listener.to_owned() + &conf)));
    turns::take(&mut contenders, TURNS, LOGINS);
}

fn contender(name: &str, tree: &Tree, dir: &Path, conf: &str) -> Contender<'static> {
    let listener = format!(
        "set_tcp_nodelay true\nlog_type error\nlog_type warning\nlog_type notice\nlog_type information\n\
         listener {{port}} 127.0.0.1\ncafile {0}/ca.crt\ncertfile {0}/localhost.crt\n\
         keyfile {0}/localhost.key\nrequire_certificate true\n",
        dir.display()
    );
    let client = Arc::new(client(dir, &device(0)));
    Contender {
        name: name.to_owned(),
        broker: Broker::of(tree).start(&(listener + conf)),
        logins: Box::new(move |broker, logins| {
            for _ in 0..logins {
                log_in(broker, &client);
            }
        }),
    }
}

fn der(dir: &Path, who: &str) -> CertificateDer<'static> {
    let [_, certificate, _] = files(dir, who);
    CertificateDer::from_pem_file(certificate).expect("a certificate")
}

/// What a client needs that never resumes a session.
fn client(dir: &Path, who: &str) -> ClientConfig {
    let [ca, _, key] = files(dir, who);
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(ca).expect("a certificate");
    roots.add(ca).expect("an authority");
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("protocols")
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![der(dir, who)], key);
    let mut config = config.expect("a client");
    config.resumption = Resumption::disabled();
    config
}

fn log_in(broker: &Broker, client: &Arc<ClientConfig>) {
    let tcp = TcpStream::connect(("127.0.0.1", broker.port())).expect("the broker listens");
    tcp.set_nodelay(true).expect("a TCP socket");
    let name = "localhost".try_into().expect("a name");
    let tls = ClientConnection::new(Arc::clone(client), name).expect("a client");
    let mut stream = StreamOwned::new(tls, tcp);
    let mut said = Connect::new(Protocol::V311).client_id("c").encode();
    said.extend(packet::publish(Protocol::V311, 1, "t", b"m", 1));
    stream.write_all(&said).expect("a handshake");
    // CONNACK and PUBACK, of four bytes each.
    let mut answer = [0; 8];
    stream.read_exact(&mut answer).expect("the broker answers");
    assert_eq!((answer[0], answer[3], answer[4]), (0x20, 0, 0x40));
    // DISCONNECT; whether it arrives makes no difference.
    stream.write_all(&[0xe0, 0]).ok();
    stream.conn.send_close_notify();
    stream.flush().ok();
}
