//! What is wrong with a token.
#![forbid(unsafe_code)]

use crate::verdict::Reason;

/// What is wrong with a token; the first thing, in the order in which it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// See [`LONGEST`](super::LONGEST).
    #[error("it is too long")]
    TooLong,
    /// It is not three parts of base64url.
    #[error("it is not three parts of base64url")]
    Shape,
    /// A part is no JSON object.
    #[error("a part of it is no JSON object")]
    Json,
    /// A part holds objects within objects within objects.
    #[error("it is nested too deep")]
    TooDeep,
    /// It says something twice.
    #[error("it says something twice")]
    Twice,
    /// It has an extension that must be understood; none is.
    #[error("it has an extension that has to be understood (crit)")]
    Critical,
    /// It is not signed, or nobody knows how.
    #[error("its algorithm is none, or none that is known")]
    Algorithm,
    /// The configuration does not name its algorithm.
    #[error("its algorithm is not one of plugin_opt_jwt_algorithms")]
    NotAllowed,
    /// The key that it names is not for its algorithm.
    #[error("its algorithm is not the key's")]
    NotTheKeys,
    /// Nobody knows the key that it names, or which one it means.
    #[error("its key is not known")]
    NoKey,
    /// No key made its signature.
    #[error("its signature is not right")]
    Signature,
    /// A claim is not of the kind it has to be.
    #[error("a claim is of the wrong kind")]
    Claim,
    /// It does not say when it ends.
    #[error("it does not say when it ends (exp)")]
    NoEnd,
    /// It has ended.
    #[error("it has ended (exp)")]
    Expired,
    /// It is not good yet.
    #[error("it is not good yet (nbf, iat)")]
    Early,
    /// It is good for longer than is allowed.
    #[error("it is good for longer than plugin_opt_jwt_max_lifetime")]
    TooLongLived,
    /// Somebody else issued it.
    #[error("its issuer is not plugin_opt_jwt_issuer (iss)")]
    Issuer,
    /// It is meant for somebody else.
    #[error("it is not meant for plugin_opt_jwt_audience (aud)")]
    Audience,
    /// It names no user.
    #[error("it names no user")]
    Username,
    /// The names of roles are no such list.
    #[error("its roles are no list of names")]
    Roles,
    /// What the client may do is not said in a way that is understood.
    #[error("what its client may do is not understood")]
    Acl,
    /// It is where the configuration says that none is.
    #[error("it is not where plugin_opt_jwt_token_in says")]
    Place,
}

impl Fault {
    /// What the log says of it.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::Shape | Self::Json | Self::Twice | Self::Place => Reason::BadToken,
            Self::TooLong | Self::TooDeep => Reason::TokenTooLarge,
            Self::Critical => Reason::TokenCritical,
            Self::Algorithm | Self::NotAllowed | Self::NotTheKeys => Reason::TokenAlgorithm,
            Self::NoKey => Reason::TokenKey,
            Self::Signature => Reason::TokenSignature,
            Self::Expired => Reason::TokenExpired,
            Self::Early => Reason::TokenEarly,
            Self::Claim
            | Self::NoEnd
            | Self::TooLongLived
            | Self::Issuer
            | Self::Audience
            | Self::Username
            | Self::Roles
            | Self::Acl => Reason::TokenClaims,
        }
    }
}
