//! A client's certificate, as the broker's own OpenSSL has it.
//!
//! Must not: bring an OpenSSL along, or need one. The broker hands over a reference to a value of its
//! library, which alone can read it and give it back; a broker without that library has no such clients.

use std::ffi::{c_int, c_uchar, c_void};
use std::ptr::{self, NonNull};

use libloading::os::unix::Library;
use once_cell::sync::OnceCell;

use super::broker::{Api, ClientPtr};
use crate::certificate;
use crate::model::CertificateName;
use crate::request::Certificate;
use crate::show::Shown;

/// `X509 *`.
type X509 = c_void;

type ToDer = unsafe extern "C" fn(*const X509, *mut *mut c_uchar) -> c_int;
type Free = unsafe extern "C" fn(*mut X509);

/// The functions of the broker's OpenSSL.
#[derive(Clone, Copy)]
struct OpenSsl {
    to_der: ToDer,
    free: Free,
}

static OPENSSL: OnceCell<Option<OpenSsl>> = OnceCell::new();

/// What a client has shown, as far as anybody wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shows {
    /// No certificate.
    Nothing,
    /// One that nobody reads.
    Unread,
    /// One that cannot be read.
    Unreadable,
    /// One that is identified by these.
    Named(Vec<CertificateName>),
}

impl Shows {
    /// The same, borrowed.
    pub(super) fn as_request(&self) -> Certificate<'_> {
        match self {
            Self::Nothing => Certificate::None,
            Self::Unread => Certificate::Unread,
            Self::Unreadable => Certificate::Unreadable,
            Self::Named(names) => Certificate::Named(names),
        }
    }
}

/// Whether certificates can be read in this process.
pub(super) fn can_be_read() -> bool {
    openssl().is_some()
}

/// What a client has shown; what is in it only where that is wanted.
pub(super) fn of(api: &Api, client: ClientPtr, is_read: bool) -> Shows {
    // What cannot be given back is not asked for.
    let Some(openssl) = openssl() else {
        return Shows::Nothing;
    };
    let Some(held) = Held::of(api, client, openssl) else {
        return Shows::Nothing;
    };
    if !is_read {
        return Shows::Unread;
    }
    let names = held.der().map(|der| certificate::names(&der));
    match names {
        Some(Ok(names)) => Shows::Named(names),
        Some(Err(why)) => {
            log::warn!("a client's certificate: {}", Shown(&why.to_string()));
            Shows::Unreadable
        }
        None => Shows::Unreadable,
    }
}

fn openssl() -> Option<OpenSsl> {
    *OPENSSL.get_or_init(|| {
        let process = Library::this();
        // SAFETY: looked up in the running process; the types are those of openssl/x509.h since 1.0.
        let to_der = unsafe { process.get::<ToDer>(c"i2d_X509") }.ok()?;
        // SAFETY: as above.
        let free = unsafe { process.get::<Free>(c"X509_free") }.ok()?;
        Some(OpenSsl {
            to_der: *to_der,
            free: *free,
        })
    })
}

/// A reference that is given back.
struct Held {
    certificate: NonNull<X509>,
    openssl: OpenSsl,
}

impl Held {
    fn of(api: &Api, client: ClientPtr, openssl: OpenSsl) -> Option<Self> {
        // SAFETY: the client is the one the broker is asking about; a reference to its certificate, or
        // NULL, is ours from here on.
        let certificate = unsafe { (api.client_certificate)(client.as_ptr()) };
        Some(Self {
            certificate: NonNull::new(certificate)?,
            openssl,
        })
    }

    /// Its bytes; none if OpenSSL cannot write them.
    fn der(&self) -> Option<Vec<u8>> {
        let certificate = self.certificate.as_ptr().cast_const();
        // SAFETY: the certificate is held; without a place to write to only the length is told.
        let length = unsafe { (self.openssl.to_der)(certificate, ptr::null_mut()) };
        let mut der = vec![0; usize::try_from(length).ok()?];
        let mut place = der.as_mut_ptr();
        // SAFETY: there is room for as many bytes as it said that it writes; it moves the pointer.
        let written = unsafe { (self.openssl.to_der)(certificate, &raw mut place) };
        (written == length && length > 0).then_some(der)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: the reference is ours, and not used again.
        unsafe { (self.openssl.free)(self.certificate.as_ptr()) };
    }
}
