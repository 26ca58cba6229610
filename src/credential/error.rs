//! Why a stored credential cannot be used, or a new one cannot be written.
//!
//! Must not: hold the credential, or any part of its salt or hash. These errors go into the log;
//! they name the part that is wrong, and numbers that are no secret (costs and lengths).
#![forbid(unsafe_code)]

/// Why a stored credential is unusable. It denies its account and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Nothing is stored.
    #[error("the stored credential is empty")]
    Empty,
    /// No form that doorman knows, though it looks like a hash of some kind.
    #[error("the stored credential has no known form")]
    Unknown,
    /// No form that doorman knows, so that it could only be a password in clear.
    #[error("the stored credential has no known form, and passwords in clear are not allowed")]
    Cleartext,
    /// The form is known, but parts are missing or too many.
    #[error("the stored credential is not of the form {form}")]
    Malformed {
        /// What was expected.
        form: &'static str,
    },
    /// A number is not written in plain digits, or does not fit.
    #[error("{what} of the stored credential is not a whole number in plain digits")]
    Number {
        /// Which number.
        what: &'static str,
    },
    /// A part cannot be decoded.
    #[error("the {part} of the stored credential is not {encoding}")]
    Encoding {
        /// Which part.
        part: Part,
        /// What it should have been.
        encoding: &'static str,
    },
    /// A part is shorter or longer than its form has it, or than is safe.
    #[error(
        "the {part} of the stored credential has {bytes} bytes; accepted are {least} to {most}"
    )]
    Length {
        /// Which part.
        part: Part,
        /// How long it is.
        bytes: usize,
        /// The shortest that is accepted.
        least: usize,
        /// The longest that is accepted.
        most: usize,
    },
    /// A cost of nothing would be no protection, and most algorithms do not define it.
    #[error("{what} of the stored credential is zero")]
    Zero {
        /// Which cost.
        what: &'static str,
    },
    /// More work than the configuration allows.
    #[error("{what} of the stored credential is {asked}; allowed is {allowed}")]
    TooCostly {
        /// Which cost.
        what: &'static str,
        /// What the credential asks for.
        asked: u64,
        /// What [`crate::config::CostLimits`] allows.
        allowed: u64,
    },
    /// Costs that are allowed one by one, and that the algorithm does not define together.
    #[error("the parameters of the stored credential are outside what {algorithm} defines")]
    Parameters {
        /// Which algorithm.
        algorithm: &'static str,
    },
}

/// A part of a stored credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The salt.
    Salt,
    /// The hash of the password.
    Hash,
    /// A key.
    Key,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Salt => "salt",
            Self::Hash => "hash",
            Self::Key => "key",
        })
    }
}

/// Why a password could not be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Zero, or more than the `int` in which a stock broker keeps it.
    #[error("iterations must be between 1 and 2147483647")]
    Iterations,
    /// Argon2 does not define them, or there is not that much memory.
    #[error(
        "the Argon2 parameters cannot be used: memory at least 8 KiB for each lane, one pass and one lane or more"
    )]
    Argon2,
}
