//! The client's two messages, by the grammar of RFC 5802, section 7.
//!
//! Must not: be lenient. Attributes come in their order, base64 is whole, a name's commas and equals
//! signs are escaped as written there, and what nobody knows is read over only where the grammar says
//! so. What is parsed borrows from the message, because the message as it was sent is what is signed.
#![forbid(unsafe_code)]

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Why a message is none, or not the one that belongs here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// More than any client has to say.
    #[error("the message is longer than {LONGEST} bytes")]
    TooLong,
    /// Bytes that are no UTF-8, or a NUL.
    #[error("the message is no text")]
    NoText,
    /// An attribute is missing, in another place, or something else.
    #[error("the attributes are not those of this message")]
    Attributes,
    /// The client insists on channel binding.
    #[error("channel binding is asked for, which cannot be had")]
    ChannelBinding,
    /// An extension that must be understood.
    #[error("an extension is asked for that must be understood, and none is")]
    Extension,
    /// The name has an equals sign or a comma that is not escaped, or there is none.
    #[error("the name is not escaped as it has to be")]
    Name,
    /// The client wants to act as somebody else.
    #[error("another identity is asked for than the one that is proven")]
    Identity,
    /// The channel binding data are not the header of the first message.
    #[error("the header is not the one of the first message")]
    Binding,
    /// The nonce is not a nonce, or not the one of this exchange.
    #[error("the nonce is not the one of this exchange")]
    Nonce,
    /// The proof is no base64, or not as long as the hash.
    #[error("the proof is not as long as the hash")]
    Proof,
}

/// The longest message that is looked at: names are short, and so is everything else.
const LONGEST: usize = 4096;

/// The longest nonce of a client.
const LONGEST_NONCE: usize = 512;

/// The client's first message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct First<'a> {
    /// Who it says it is.
    pub username: Cow<'a, str>,
    /// The header, with both of its commas.
    pub(super) header: &'a str,
    /// What is behind the header.
    pub(super) bare: &'a str,
    /// The client's part of the nonce.
    pub(super) nonce: &'a str,
}

impl<'a> First<'a> {
    /// Reads it.
    ///
    /// # Errors
    /// When it is not the first message of somebody who can do without channel binding.
    pub fn parse(message: &'a [u8]) -> Result<Self, Fault> {
        let text = text(message)?;
        let (flag, behind) = text.split_once(',').ok_or(Fault::Attributes)?;
        match flag {
            // "y" is a client that could bind and believes that we cannot. It is right.
            "n" | "y" => {}
            _ if flag.starts_with("p=") => return Err(Fault::ChannelBinding),
            _ => return Err(Fault::Attributes),
        }
        let (identity, bare) = behind.split_once(',').ok_or(Fault::Attributes)?;
        let header = text.strip_suffix(bare).ok_or(Fault::Attributes)?;
        let mut attributes = bare.split(',');
        let username = named(attributes.next(), "n=")?;
        let username = saslname(username)?;
        if !identity.is_empty() {
            let identity = identity.strip_prefix("a=").ok_or(Fault::Attributes)?;
            if saslname(identity)? != username {
                return Err(Fault::Identity);
            }
        }
        let nonce = named(attributes.next(), "r=")?;
        let printable = |byte: u8| byte.is_ascii_graphic() && byte != b',';
        if nonce.is_empty() || nonce.len() > LONGEST_NONCE || !nonce.bytes().all(printable) {
            return Err(Fault::Nonce);
        }
        attributes.try_for_each(extension)?;
        Ok(Self {
            username,
            header,
            bare,
            nonce,
        })
    }
}

/// The client's last message.
#[derive(Debug)]
pub(super) struct Last<'a> {
    /// The channel binding data, as they are written.
    pub(super) binding: &'a str,
    /// The nonce of both.
    pub(super) nonce: &'a str,
    /// Everything before the proof, as it is signed.
    pub(super) unproven: &'a str,
    /// The proof.
    pub(super) proof: Vec<u8>,
}

impl<'a> Last<'a> {
    /// Reads it.
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, Fault> {
        let (unproven, proof) = text(message)?.rsplit_once(',').ok_or(Fault::Attributes)?;
        let proof = named(Some(proof), "p=")?;
        let mut attributes = unproven.split(',');
        let binding = named(attributes.next(), "c=")?;
        let nonce = named(attributes.next(), "r=")?;
        attributes.try_for_each(extension)?;
        Ok(Self {
            binding,
            nonce,
            unproven,
            proof: STANDARD.decode(proof).map_err(|_| Fault::Proof)?,
        })
    }
}

fn text(message: &[u8]) -> Result<&str, Fault> {
    if message.len() > LONGEST {
        return Err(Fault::TooLong);
    }
    let text = std::str::from_utf8(message).map_err(|_| Fault::NoText)?;
    if text.contains('\0') {
        return Err(Fault::NoText);
    }
    Ok(text)
}

/// The value of the attribute that has to stand here.
fn named<'a>(attribute: Option<&'a str>, name: &str) -> Result<&'a str, Fault> {
    let attribute = attribute.ok_or(Fault::Attributes)?;
    if attribute.starts_with("m=") {
        return Err(Fault::Extension);
    }
    attribute.strip_prefix(name).ok_or(Fault::Attributes)
}

/// Something behind the attributes that are known: a letter and a value, to be read over. One that
/// stands for something else in this protocol is none.
fn extension(attribute: &str) -> Result<(), Fault> {
    let (name, value) = attribute.split_once('=').ok_or(Fault::Attributes)?;
    let is_letter = name.len() == 1 && name.bytes().all(|byte| byte.is_ascii_alphabetic());
    match name {
        "m" => Err(Fault::Extension),
        "a" | "c" | "e" | "i" | "n" | "p" | "r" | "s" | "v" => Err(Fault::Attributes),
        _ if is_letter && !value.is_empty() => Ok(()),
        _ => Err(Fault::Attributes),
    }
}

/// A name, in which a comma is `=2C` and an equals sign `=3D`.
fn saslname(escaped: &str) -> Result<Cow<'_, str>, Fault> {
    if escaped.is_empty() {
        return Err(Fault::Name);
    }
    if !escaped.contains('=') {
        return Ok(Cow::Borrowed(escaped));
    }
    let mut parts = escaped.split('=');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (sign, rest) = part
            .strip_prefix("2C")
            .map(|rest| (',', rest))
            .or_else(|| part.strip_prefix("3D").map(|rest| ('=', rest)))
            .ok_or(Fault::Name)?;
        name.push(sign);
        name.push_str(rest);
    }
    Ok(Cow::Owned(name))
}
