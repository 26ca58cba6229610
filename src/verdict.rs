//! What the engine answers, and what it asks the broker's door to do.
//!
//! Must not: have a default. `MOSQ_ERR_SUCCESS` is 0, so an answer nobody wrote would let someone in.
#![forbid(unsafe_code)]

use std::fmt;

use crate::model::PskKey;
use crate::show::Shown;

/// The answer to one question of the broker.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The client is who it says it is.
    Allow,
    /// Refused. The reason is for the log; the client always learns the same "not authorised".
    Deny(Reason),
    /// Not ours: whoever the broker asks next decides.
    Defer(Deferral),
    /// Being found out; an [`Effect::Complete`] follows. Only for a client that can be told later.
    Pending,
}

/// Why a client was refused: one stable word each, found in the log and in `docs/options.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No source knows the username, and the configuration says that this ends it.
    UnknownUser,
    /// The password does not fit.
    BadPassword,
    /// A username without a password.
    NoPassword,
    /// The account is switched off.
    Disabled,
    /// The account's validity has not begun.
    NotYetValid,
    /// The account's validity is over.
    Expired,
    /// The account is bound to another client id.
    WrongClientId,
    /// The client's address is outside the account's networks.
    WrongNetwork,
    /// What is stored for the account cannot be checked: damaged, or beyond the cost limits.
    UnusableCredential,
    /// The password holds a NUL byte, which the broker would cut short.
    NulInPassword,
    /// A source could not be asked.
    SourceUnavailable,
    /// The request itself could not be understood.
    BadRequest,
    /// A message of a SCRAM exchange is none, or none that belongs there.
    BadExchange,
    /// The exchange proves another username than the one the client has.
    WrongUsername,
    /// Nobody has the identity of TLS-PSK that the client names.
    UnknownIdentity,
    /// The key of the identity cannot be opened or does not fit.
    UnusableKey,
    /// The client insists on channel binding.
    ChannelBinding,
    /// The client's certificate is not one of the account's, or is no account's.
    UnknownCertificate,
    /// The client's certificate cannot be understood, or its names are those of several accounts.
    BadCertificate,
    /// What has the form of a token is none.
    BadToken,
    /// A token is longer or nested deeper than any is.
    TokenTooLarge,
    /// A token has an extension that must be understood, and none is.
    TokenCritical,
    /// A token is not signed, or by an algorithm that is not the key's.
    TokenAlgorithm,
    /// Nobody knows the key of a token.
    TokenKey,
    /// The signature of a token is not right.
    TokenSignature,
    /// A token has ended.
    TokenExpired,
    /// A token is not good yet.
    TokenEarly,
    /// A token does not say what it has to say.
    TokenClaims,
    /// Too many failures from this address or for this username: not even checked.
    Throttled,
    /// Too much to check at once; a good client comes again.
    Busy,
    /// The check took longer than anybody waits.
    TimedOut,
}

impl Reason {
    /// Every reason, for the documentation and its test.
    pub const ALL: [Self; 31] = [
        Self::UnknownUser,
        Self::BadPassword,
        Self::NoPassword,
        Self::Disabled,
        Self::NotYetValid,
        Self::Expired,
        Self::WrongClientId,
        Self::WrongNetwork,
        Self::UnusableCredential,
        Self::NulInPassword,
        Self::SourceUnavailable,
        Self::BadRequest,
        Self::BadExchange,
        Self::WrongUsername,
        Self::UnknownIdentity,
        Self::UnusableKey,
        Self::ChannelBinding,
        Self::UnknownCertificate,
        Self::BadCertificate,
        Self::BadToken,
        Self::TokenTooLarge,
        Self::TokenCritical,
        Self::TokenAlgorithm,
        Self::TokenKey,
        Self::TokenSignature,
        Self::TokenExpired,
        Self::TokenEarly,
        Self::TokenClaims,
        Self::Throttled,
        Self::Busy,
        Self::TimedOut,
    ];

    /// The word in the log.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::BadPassword => "bad_password",
            Self::NoPassword => "no_password",
            Self::Disabled => "disabled",
            Self::NotYetValid => "not_yet_valid",
            Self::Expired => "expired",
            Self::WrongClientId => "wrong_client_id",
            Self::WrongNetwork => "wrong_network",
            Self::UnusableCredential => "unusable_credential",
            Self::NulInPassword => "nul_in_password",
            Self::SourceUnavailable => "source_unavailable",
            Self::BadRequest => "bad_request",
            Self::BadExchange => "bad_exchange",
            Self::WrongUsername => "wrong_username",
            Self::UnknownIdentity => "unknown_identity",
            Self::UnusableKey => "unusable_key",
            Self::ChannelBinding => "channel_binding",
            Self::UnknownCertificate => "unknown_certificate",
            Self::BadCertificate => "bad_certificate",
            Self::BadToken => "bad_token",
            Self::TokenTooLarge => "token_too_large",
            Self::TokenCritical => "token_critical",
            Self::TokenAlgorithm => "token_algorithm",
            Self::TokenKey => "token_key",
            Self::TokenSignature => "token_signature",
            Self::TokenExpired => "token_expired",
            Self::TokenEarly => "token_not_yet_valid",
            Self::TokenClaims => "token_claims",
            Self::Throttled => "throttled",
            Self::Busy => "busy",
            Self::TimedOut => "timed_out",
        }
    }

    /// What happened and what to do, in a sentence for `docs/options.md`.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a table with a row for each reason")]
    pub fn explanation(self) -> &'static str {
        match self {
            Self::UnknownUser => {
                "No source knows the username, and plugin_opt_unknown_user is deny."
            }
            Self::BadPassword => {
                "The password does not fit the account's credential, nor its second one, or a SCRAM proof does not."
            }
            Self::NoPassword => "The client sent a username without a password.",
            Self::Disabled => "The account is switched off; `doorman user enable` switches it on.",
            Self::NotYetValid => {
                "The account's validity has not begun; `doorman user show` tells when it does."
            }
            Self::Expired => {
                "The account's validity is over; `doorman user set --valid-until` extends it."
            }
            Self::WrongClientId => {
                "The account is bound to another client id than the one the client sent."
            }
            Self::WrongNetwork => "The client's address is in none of the account's networks.",
            Self::UnusableCredential => {
                "The stored credential is damaged, of an unknown kind or beyond the cost limits; `doorman check` lists such accounts. For a SCRAM login: it cannot be proven by this mechanism, or plugin_opt_scram_hashes does not allow it."
            }
            Self::NulInPassword => {
                "The password holds a NUL byte, where the broker would cut it short."
            }
            Self::SourceUnavailable => {
                "A file or database could not be read when it was asked; the log says why."
            }
            Self::BadRequest => "The broker handed over a request that could not be understood.",
            Self::BadExchange => {
                "A message of a SCRAM login was malformed, or belonged to another exchange."
            }
            Self::WrongUsername => {
                "A SCRAM login, a token or a certificate is another user's than the client's CONNECT, its certificate or its login before named; or a client with a key of TLS-PSK is called otherwise than the key's account, or is about to be."
            }
            Self::UnknownIdentity => {
                "No database has the identity of TLS-PSK that the client named, and plugin_opt_unknown_user is deny; or it was changed while the client logged in. `doorman psk list` shows those there are."
            }
            Self::UnusableKey => {
                "The key of the identity is sealed and the seal file does not open it, or it is longer than the broker takes; the log says which."
            }
            Self::ChannelBinding => {
                "The client insists on channel binding (SCRAM-SHA-…-PLUS), for which a plugin would have to see the broker's TLS."
            }
            Self::UnknownCertificate => {
                "plugin_opt_certificate is in force, and the client's certificate is not one of the account's, or no account has it; `doorman user certificate list` shows whose is which."
            }
            Self::BadCertificate => {
                "The client's certificate could not be read, or its names belong to several accounts; map it by its fingerprint, which counts before its names."
            }
            Self::BadToken => {
                "What has the form of a token is none, or is not where plugin_opt_jwt_token_in says; log_type debug has more."
            }
            Self::TokenTooLarge => {
                "A token has more than 16384 bytes, or is nested deeper than 16."
            }
            Self::TokenCritical => {
                "A token has an extension that has to be understood (crit); none is."
            }
            Self::TokenAlgorithm => {
                "A token is not signed (alg none), or by an algorithm that its key is not for, or that plugin_opt_jwt_algorithms does not name."
            }
            Self::TokenKey => {
                "No key has the name that a token gives (kid), or there are none yet; plugin_opt_jwt_jwks_url is fetched again."
            }
            Self::TokenSignature => "A token was changed, or signed with another key.",
            Self::TokenExpired => "A token has ended (exp); the client needs a new one.",
            Self::TokenEarly => {
                "A token is not good yet (nbf, iat): the clocks may differ by more than plugin_opt_jwt_leeway."
            }
            Self::TokenClaims => {
                "A token lacks a claim that it has to have, or has another issuer (iss) or audience (aud), too long a life, or a claim of the wrong kind; log_type debug says which."
            }
            Self::Throttled => {
                "Too many logins failed from this address or for this username; the password was not checked. It passes with time."
            }
            Self::Busy => {
                "More passwords and tokens were waiting to be checked than the queue or the time allowed for them holds; the client may come again."
            }
            Self::TimedOut => {
                "The password or token was not checked within plugin_opt_pending_timeout, or a SCRAM login was not finished within a minute."
            }
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The answer to a message of an exchange.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// This is said, and the client is to reply.
    Say(Vec<u8>),
    /// The client is who it says it is.
    Allow {
        /// Who that is: from now on its username.
        username: Box<str>,
        /// What it is told with the grant.
        data: Vec<u8>,
    },
    /// The answer comes later, as an effect. Nothing is known yet.
    Wait {
        /// What the client says it is called, and is called from now on.
        username: Box<str>,
    },
    /// Refused.
    Deny(Reason),
    /// Not ours: whoever the broker asks next decides.
    Defer,
}

/// The answer to what a client must have that names an identity of TLS-PSK.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyReply {
    /// This key. Whether it has it, the broker finds out.
    Key(PskKey),
    /// Nothing will do.
    Deny(Reason),
    /// Not ours: whoever the broker asks next decides.
    Defer,
}

/// The answer to whether a client may do something.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// It may.
    Allow,
    /// It may not. Why has been noted for the log.
    Deny,
    /// Not ours: whoever the broker asks next decides.
    Defer,
}

/// Why a client may not do something, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial<'a> {
    /// The rule in this line of the ACL file denies it.
    Line(usize),
    /// A rule of this role denies it.
    Role {
        /// The role's name.
        role: &'a str,
        /// The rule's ACL type.
        acl_type: &'a str,
        /// The rule's topic.
        topic: &'a str,
    },
    /// This role has no wildcard subscriptions.
    WildcardSubscription(&'a str),
    /// No rule allows it.
    NoRule,
    /// The client id or the username cannot be compared with the patterns of the file.
    UnsafeName,
    /// The account may not be used, or not be looked at, now.
    Account(Reason),
    /// The question could not be understood.
    BadRequest,
}

impl fmt::Display for Denial<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "acl_file:{line}"),
            Self::Role {
                role,
                acl_type,
                topic,
            } => write!(f, "{}:{acl_type}:{}", Shown(role), Shown(topic)),
            Self::WildcardSubscription(role) => write!(f, "{}:allowwildcardsubs", Shown(role)),
            Self::NoRule => f.write_str("none"),
            Self::UnsafeName => f.write_str("unsafe_name"),
            Self::Account(reason) => reason.fmt(f),
            Self::BadRequest => f.write_str("bad_request"),
        }
    }
}

/// Why a question is left to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deferral {
    /// No username was sent: `allow_anonymous` decides.
    Anonymous,
    /// No source knows the username, and `plugin_opt_unknown_user defer` is in force.
    UnknownUser,
}

/// One client, and no other one that comes under its client id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressee {
    /// Its connection; none where the broker did not tell of it.
    pub connection: Option<crate::request::ConnectionId>,
    /// Its client id.
    pub client_id: Box<str>,
}

/// Something to be done to the broker once the engine has let go of all its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// End this connection, without its will.
    Kick {
        /// The connection as the broker's door numbered it.
        connection: crate::request::ConnectionId,
        /// Its client id.
        client_id: Box<str>,
        /// Its username, for where the broker does not find it by its id.
        username: Box<str>,
        /// Why, unless that was said.
        why: Option<&'static str>,
    },
    /// End this connection, which was given a key of TLS-PSK and was heard of since.
    KickKeyed {
        /// The connection as the broker's door numbered it.
        connection: crate::request::ConnectionId,
    },
    /// End every connection of this name, where the broker does not tell who is in: somebody may be who was
    /// given a key.
    KickUnseen {
        /// The identity of the key, which is the username of whoever came by it alone.
        identity: Box<str>,
    },
    /// End every connection of this username, or of clients without one, without their wills.
    KickUsername(Option<Box<str>>),
    /// Publish a message of QoS 0 to whoever may receive it.
    Publish {
        /// Its topic.
        topic: Box<str>,
        /// What is in it.
        payload: Box<[u8]>,
        /// Whether the broker keeps it for later subscribers.
        retain: bool,
    },
    /// Publish a message of QoS 0 to one client and nobody else, whether it may receive it or not.
    Tell {
        /// Whom.
        to: Addressee,
        /// Its topic.
        topic: Box<str>,
        /// What is in it.
        payload: Box<[u8]>,
    },
    /// Have the broker look at the subscriptions again of a session whose client is away.
    Recheck {
        /// Its client id.
        client_id: Box<str>,
    },
    /// Tell a client that was left waiting.
    Complete {
        /// The connection as the broker's door numbered it.
        connection: crate::request::ConnectionId,
        /// Its client id.
        client_id: Box<str>,
        /// Allow or Deny.
        verdict: Verdict,
    },
}
