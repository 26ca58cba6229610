//! What a client's bytes go over: TCP, TLS with a certificate, or TLS with a key, which an `openssl s_client`
//! speaks for it.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::wait::PATIENCE;

/// A way to a broker on this machine, on which nothing has been said yet.
#[derive(Debug)]
pub enum Stream {
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    Psk(Tunnel),
}

/// Whoever speaks for us, and this end of what we say to it.
#[derive(Debug)]
pub struct Tunnel {
    near: UnixStream,
    openssl: Child,
}

impl Stream {
    #[track_caller]
    pub fn tcp(port: u16) -> Self {
        Self::Tcp(tcp(port))
    }

    /// With the files of an authority that is believed, of a certificate that is shown, and of its key.
    /// Nobody shakes hands before something is said.
    #[track_caller]
    pub fn tls(port: u16, [ca, certificate, key]: &[String; 3]) -> Self {
        let read = |file| CertificateDer::from_pem_file(file).expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add(read(ca)).expect("an authority");
        let key = PrivateKeyDer::from_pem_file(key).expect("a key");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![read(certificate)], key)
            .expect("a certificate and its key");
        let name = ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
        let connection = ClientConnection::new(Arc::new(config), name).expect("a connection");
        Self::Tls(Box::new(StreamOwned::new(connection, tcp(port))))
    }

    /// With a key under an identity. Where the broker has another one it ends without a word.
    #[track_caller]
    pub fn psk(port: u16, identity: &str, key: &str) -> Self {
        let (near, far) = UnixStream::pair().expect("two sockets");
        near.set_write_timeout(Some(PATIENCE)).expect("a socket");
        let to = format!("127.0.0.1:{port}");
        let mut openssl = Command::new("openssl");
        // With TLS 1.3 a wrong key would end the handshake in a step of which 2.0.11 does not tell.
        openssl.args(["s_client", "-quiet", "-tls1_2", "-connect", &to]);
        openssl.args(["-psk_identity", identity, "-psk", key]);
        let input = OwnedFd::from(far.try_clone().expect("a second handle"));
        openssl.stdin(input).stdout(OwnedFd::from(far));
        let openssl = openssl.stderr(Stdio::null()).spawn().expect("openssl");
        Self::Psk(Tunnel { near, openssl })
    }

    pub fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(Some(timeout)),
            Self::Tls(stream) => stream.sock.set_read_timeout(Some(timeout)),
            Self::Psk(tunnel) => tunnel.near.set_read_timeout(Some(timeout)),
        }
    }

    /// Ends without a word.
    pub fn vanish(self) {
        match &self {
            // It may be closed already.
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both).ok(),
            Self::Tls(stream) => stream.sock.shutdown(Shutdown::Both).ok(),
            Self::Psk(_) => None,
        };
    }
}

#[track_caller]
fn tcp(port: u16) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the broker listens");
    stream.set_nodelay(true).expect("a TCP socket");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
            Self::Psk(tunnel) => tunnel.near.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
            Self::Psk(tunnel) => tunnel.near.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
            Self::Psk(tunnel) => tunnel.near.flush(),
        }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.openssl.kill().ok();
        self.openssl.wait().ok();
    }
}
