//! `doorman passwd`: the habits of `mosquitto_passwd`, without its data loss.
//!
//! Where it differs on purpose: other lines stay as they are, the file is replaced whole or not at
//! all, two writers at once lose nothing, `-c` refuses an existing file as 2.1 does, `-U` leaves
//! hashed lines alone, and the default cost is a strong one. Must not: grow features that the
//! original does not have; `doorman user` has them.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use serde::Serialize;
use sha2::{Digest as _, Sha512};

use super::actor::actor;
use super::exit::{Exit, Failure};
use super::init;
use super::print::{self, Answer, Printer};
use super::prompt::{self, Typed};
use crate::admin::{self, Batch, Command, Rotation};
use crate::config::CostLimits;
use crate::credential::{Credential, ParseError, Recipe};
use crate::founding;
use crate::model::{Account, AccountName, StoredCredential};
use crate::secret::Secret;
use crate::store::Store as _;
use crate::store::password_file::PasswordFile;

/// The arguments of `mosquitto_passwd`.
#[derive(Args, Debug)]
#[command(
    after_help = "Sets the password of USER in FILE, adding the account if it is not there. \
                        Without a terminal the password is read from standard input, twice."
)]
pub(super) struct PasswdArgs {
    /// Create the file; refused if it is there already
    #[arg(short = 'c', group = "act")]
    create: bool,
    /// Delete the account
    #[arg(short = 'D', group = "act", requires = "user")]
    delete: bool,
    /// Hash all passwords that stand in the file in clear; hashed ones are left alone
    #[arg(short = 'U', group = "act", conflicts_with = "user")]
    upgrade: bool,
    /// Take the password from the command line, where every user of this machine can read it
    #[arg(short = 'b', requires = "password", conflicts_with_all = ["delete", "upgrade"])]
    batch: bool,
    /// How to hash
    #[arg(short = 'H', value_name = "HASH", value_enum, default_value_t = Hash::Sha512Pbkdf2)]
    hash: Hash,
    /// PBKDF2 iterations
    #[arg(short = 'I', value_name = "N", default_value_t = 210_000,
          value_parser = RangedU64ValueParser::<u32>::new().range(1..=2_000_000))]
    iterations: u32,
    /// The password file
    #[arg(value_name = "FILE")]
    target: PathBuf,
    /// The account's name
    #[arg(value_name = "USER", value_parser = AccountName::new, required_unless_present = "upgrade")]
    user: Option<AccountName>,
    /// The password; only with -b
    #[arg(value_name = "PASSWORD", requires = "batch")]
    password: Option<Typed>,
}

/// How to hash, by the original's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Hash {
    /// $6$, one SHA-512 without any stretching, for brokers older than 2.0
    Sha512,
    /// $7$, as every 2.x broker reads it
    Sha512Pbkdf2,
    /// $argon2id$, which the stock broker of most distributions cannot read
    Argon2id,
}

/// What was done, for scripts; people are told nothing, as the original does.
#[derive(Serialize)]
struct Done {
    changed: u64,
}

impl Answer for Done {
    fn write(&self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// Runs `doorman passwd`.
pub(super) fn run(args: &PasswdArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let path = &args.target;
    let there = path.symlink_metadata().is_ok();
    if args.create && there {
        return Err(Failure::new(
            Exit::Exists,
            format!(
                "{} is there already; leave out -c to change it, or remove it first",
                path.display()
            ),
        ));
    }
    if !args.create && !there {
        return Err(Failure::new(
            Exit::Place,
            format!("{}: there is no such file; -c creates it", path.display()),
        ));
    }
    let changed = match &args.user {
        None => upgrade(args, printer)?,
        Some(user) if args.delete => {
            let delete = Command::Delete(user.clone());
            let outcomes = admin::apply(&mut PasswordFile::open(path)?, actor(), &[delete])?;
            u64::try_from(outcomes.len()).unwrap_or(u64::MAX)
        }
        Some(user) => {
            let secret = match &args.password {
                Some(typed) => prompt::acceptable(typed.secret())?,
                None => prompt::ask_twice_or_read()?,
            };
            set(path, args.create, user, hashed(args, &secret)?)?;
            1
        }
    };
    printer.answer(&Done { changed })?;
    Ok(Exit::Done)
}

fn hashed(args: &PasswdArgs, secret: &Secret) -> Result<StoredCredential, Failure> {
    let iterations = args.iterations;
    match args.hash {
        Hash::Sha512 => unstretched(secret),
        Hash::Sha512Pbkdf2 => Ok(founding::hashed(
            secret,
            &Recipe::Pbkdf2Sha512 { iterations },
        )?),
        Hash::Argon2id => Ok(founding::hashed(secret, &Recipe::ARGON2ID)?),
    }
}

/// Mosquitto 1.x's form. It is here and not with the recipes, because nothing new should use it.
fn unstretched(secret: &Secret) -> Result<StoredCredential, Failure> {
    let mut salt = [0_u8; 12];
    prompt::random(&mut salt)?;
    let hash = Sha512::new()
        .chain_update(secret.expose())
        .chain_update(salt)
        .finalize();
    let text = format!("$6${}${}", STANDARD.encode(salt), STANDARD.encode(hash));
    Ok(StoredCredential::marked(&text))
}

/// Sets one password; the file is created only now, when nothing can go wrong with the password.
fn set(
    path: &Path,
    create: bool,
    user: &AccountName,
    credential: StoredCredential,
) -> Result<(), Failure> {
    let mut file = if create {
        PasswordFile::create(path, init::owner("mosquitto"))?
    } else {
        PasswordFile::open(path)?
    };
    let name = user.clone();
    let mut batch = Batch::begin(&mut file, actor())?;
    let command = match batch.account(user)? {
        Some(_) => Command::SetCredential {
            name,
            credential,
            rotation: Rotation::Replace,
        },
        None => {
            let mut account = Account::named(name);
            account.credential = Some(credential);
            Command::Add(account)
        }
    };
    let _outcome = batch.carry_out(&command)?;
    Ok(batch.commit()?)
}

/// Hashes every password in clear. The hashing is done before the file is locked; an entry that
/// somebody changed meanwhile is left alone.
fn upgrade(args: &PasswdArgs, printer: &mut Printer) -> Result<u64, Failure> {
    let mut file = PasswordFile::open(&args.target)?;
    let mut clear = Vec::new();
    file.accounts(&mut |account| {
        let stored = account.credential.as_ref();
        match stored.map(|stored| Credential::parse(stored, &CostLimits::STANDARD)) {
            Some(Err(ParseError::Cleartext)) => clear.push(account),
            Some(Err(error)) => printer.note(format_args!(
                "{} left alone: {error}",
                print::name(&account.name)
            )),
            Some(Ok(_)) | None => {}
        }
        Ok(())
    })?;
    let mut hashes = Vec::new();
    for Account {
        name, credential, ..
    } in clear
    {
        if let Some(old) = credential {
            let secret = Secret::new(old.text.as_bytes().to_vec());
            hashes.push((Entry { name, old }, hashed(args, &secret)?));
        }
    }
    let mut changed = 0_u64;
    let mut batch = Batch::begin(&mut file, actor())?;
    for (Entry { name, old }, credential) in hashes {
        let now = batch.account(&name)?.and_then(|account| account.credential);
        if now.as_ref() == Some(&old) {
            let _outcome = batch.carry_out(&Command::SetCredential {
                name,
                credential,
                rotation: Rotation::Replace,
            })?;
            changed = changed.saturating_add(1);
        }
    }
    batch.commit()?;
    Ok(changed)
}

/// A password in clear as it stood in the file.
struct Entry {
    name: AccountName,
    old: StoredCredential,
}
