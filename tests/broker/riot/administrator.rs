//! What the administrator does to accounts, and what the oracle knows of them afterwards.

use mosquitto_doorman::admin::{Change, Command, Rotation};
use mosquitto_doorman::certificate;
use mosquitto_doorman::credential::{Recipe, Salt, hash};
use mosquitto_doorman::mechanism::Mechanism;
use mosquitto_doorman::model::{Account, CertificateName, PskIdentity, StoredCredential};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::super::accounts::{change, name, set, stored};
use super::super::psk::psk;
use super::way::{Doors, identity, is_device};
use super::{Known, Riot};

impl Riot {
    pub(super) fn gets_a_password(&mut self, account: &str) {
        if self.accounts[account].password.is_none() {
            return;
        }
        let password = self.new_password();
        let (credential, mechanism) = self.stores(&password);
        let command = Command::SetCredential {
            name: name(account),
            credential,
            rotation: Rotation::Replace,
        };
        change(&mut self.database, &[command]);
        let known = self.accounts.get_mut(account).unwrap();
        (known.password, known.proves) = (Some(password), Some(mechanism));
        self.turn_out();
    }

    pub(super) fn gets_or_loses_its_certificate(&mut self, account: &str) {
        if is_device(account) || self.accounts[account].password.is_none() {
            return;
        }
        let names = names(&self.doors, account);
        let any = names[self.below(names.len() as u64) as usize].clone();
        let known = self.accounts.get_mut(account).unwrap();
        let command = match known.certificate.take() {
            Some(was) => {
                let was = CertificateName::new(&was).unwrap();
                Command::RemoveCertificate(name(account), was)
            }
            None => {
                known.certificate = Some(any.as_str().to_owned());
                Command::AddCertificate(name(account), any)
            }
        };
        change(&mut self.database, &[command]);
        self.turn_out();
    }

    pub(super) fn gets_or_loses_its_key(&mut self, account: &str) {
        if self.accounts[account].password.is_none() {
            return;
        }
        let another = self.new_key();
        let known = self.accounts.get_mut(account).unwrap();
        let identity = identity(account);
        let command = match known.key.take() {
            Some(_) => Command::DeletePsk(PskIdentity::new(&identity).unwrap()),
            None => {
                let command = psk(&identity, account, &another);
                known.key = Some(another);
                command
            }
        };
        change(&mut self.database, &[command]);
        self.turn_out();
    }

    pub(super) fn is_switched(&mut self, account: &str) {
        let known = self.accounts.get_mut(account).unwrap();
        if known.password.is_none() {
            return;
        }
        known.disabled = !known.disabled;
        let switch = Change {
            disabled: Some(known.disabled),
            ..Change::default()
        };
        change(&mut self.database, &[set(account, switch)]);
        self.turn_out();
    }

    pub(super) fn is_added_or_deleted(&mut self, account: &str) {
        if self.accounts[account].password.is_some() {
            change(&mut self.database, &[Command::Delete(name(account))]);
            self.accounts.insert(account.to_owned(), Known::default());
        } else {
            let password = self.new_password();
            let (credential, mechanism) = self.stores(&password);
            let added = Account {
                credential: Some(credential),
                ..Account::named(name(account))
            };
            let known = Known {
                password: Some(password),
                proves: Some(mechanism),
                key: is_device(account).then(|| self.new_key()),
                ..Known::default()
            };
            let key = known.key.as_ref();
            let key = key.map(|key| psk(&identity(account), account, key));
            let commands: Vec<_> = [Command::Add(added)].into_iter().chain(key).collect();
            change(&mut self.database, &commands);
            self.accounts.insert(account.to_owned(), known);
        }
        self.turn_out();
    }

    fn new_password(&mut self) -> String {
        self.passwords += 1;
        format!("password {}", self.passwords)
    }

    fn new_key(&mut self) -> String {
        self.passwords += 1;
        format!("{:064x}", u128::MAX - u128::from(self.passwords))
    }

    /// As a hash or as keys, and by which mechanism it is proven then.
    fn stores(&mut self, password: &str) -> (StoredCredential, Mechanism) {
        let iterations = [1, 500, 3_000][self.below(3) as usize];
        let mechanism = Mechanism::ALL[self.below(2) as usize];
        if self.below(2) == 0 {
            return (stored(password.as_bytes(), iterations), Mechanism::Sha512);
        }
        let recipe = Recipe::Scram {
            mechanism,
            iterations,
        };
        let keys = hash(password.as_bytes(), &recipe, &Salt::new([7; 16])).unwrap();
        (keys, mechanism)
    }
}

/// What the certificate may be known by that was made for an account.
fn names(doors: &Doors, account: &str) -> Vec<CertificateName> {
    let file = doors.dir().join(format!("{account}.crt"));
    let der = CertificateDer::from_pem_file(file).unwrap();
    certificate::names(&der).unwrap()
}
