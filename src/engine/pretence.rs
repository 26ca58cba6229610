//! Keys for usernames that nobody has, or whose account cannot prove itself by a mechanism: what SCRAM
//! tells whoever asks, a salt and a count of iterations, must not tell who exists.
//!
//! Must not: follow from anything stored. Whoever asks for many names sees many values of the keyed
//! hash, and could try passwords against them if a credential were part of the key. The key is made of
//! the machine's id, so that a name is told the same after a restart; without one it is the process's
//! own. A name keeps its shape as accounts come and go: each shape draws a number for the name, and the
//! highest wins, weighed by how many accounts have that shape. Nor must it take another time to pretend: who
//! is there has a name's answer made as well, and nobody's keys are computed where accounts of that shape
//! have theirs computed.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use zeroize::Zeroizing;

use crate::credential::Recipe;
use crate::mechanism::{Keys, Mechanism};

/// Makes the keys.
pub(super) struct Pretence {
    key: [u8; 32],
    sha256: Nobody,
    sha512: Nobody,
    shapes: RwLock<Shapes>,
}

/// Somebody who has no password: what would be stored, a hash, and the keys that follow from it.
struct Nobody {
    salted: Zeroizing<Vec<u8>>,
    keys: Keys,
}

/// What an account's keys are like, by how many accounts have such.
#[derive(Default)]
pub(super) struct Shapes(BTreeMap<Shape, u32>);

/// What is said to whoever gives a name.
pub(super) struct Told {
    shape: Shape,
    salt: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    mechanism: Mechanism,
    iterations: u32,
    salt: usize,
    /// Some tools take letters and digits for a salt.
    is_text: bool,
    /// Whether the keys are not stored, but follow from a hash each time.
    is_computed: bool,
}

impl Shape {
    fn of(keys: &Keys, is_computed: bool) -> Self {
        Self {
            mechanism: keys.mechanism,
            iterations: keys.iterations,
            salt: keys.salt.len(),
            is_text: keys.salt.len() >= LEAST_TEXT
                && keys.salt.iter().all(u8::is_ascii_alphanumeric),
            is_computed,
        }
    }

    /// As doorman itself stores passwords.
    fn usual(mechanism: Mechanism) -> Self {
        let iterations = match Recipe::strong_scram(mechanism) {
            Recipe::Scram { iterations, .. } | Recipe::Pbkdf2Sha512 { iterations } => iterations,
            Recipe::Argon2id { .. } => Mechanism::LEAST_ITERATIONS,
        };
        Self {
            mechanism,
            iterations,
            salt: 16,
            is_text: false,
            is_computed: false,
        }
    }
}

impl Shapes {
    /// An account has these keys; whether they are computed each time.
    pub(super) fn count(&mut self, keys: &Keys, is_computed: bool) {
        let shape = Shape::of(keys, is_computed);
        if self.0.len() < MOST_SHAPES || self.0.contains_key(&shape) {
            let count = self.0.entry(shape).or_default();
            *count = count.saturating_add(1);
        }
    }
}

impl Pretence {
    /// Under a key that is nobody else's to know.
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        let mut key = [0; 32];
        let made = Mechanism::Sha256.mac(secret, &[b"doorman: keys that nobody has"]);
        for (to, from) in key.iter_mut().zip(made.iter()) {
            *to = *from;
        }
        let nobody = |mechanism: Mechanism| {
            let salted = mechanism.mac(&key, &[b"password"]);
            let keys = Keys::of(mechanism, &salted, Vec::new(), 0);
            Nobody { salted, keys }
        };
        Self {
            key,
            sha256: nobody(Mechanism::Sha256),
            sha512: nobody(Mechanism::Sha512),
            shapes: RwLock::default(),
        }
    }

    /// Takes over the shapes of a sample of the accounts there are now.
    pub(super) fn replace(&self, shapes: Shapes) {
        *self.shapes.write().unwrap_or_else(PoisonError::into_inner) = shapes;
    }

    /// What is said to whoever gives a name: always the same.
    pub(super) fn told(&self, mechanism: Mechanism, username: &str) -> Told {
        let shape = self.shape(mechanism, username);
        let mut salt = self.bytes(mechanism, b"salt", username, shape.salt);
        if shape.is_text {
            for byte in &mut salt {
                let at = usize::from(*byte).checked_rem(LETTERS.len());
                let letter = at.and_then(|at| LETTERS.get(at));
                *byte = letter.copied().unwrap_or(b'x');
            }
        }
        Told { shape, salt }
    }

    /// Nobody's keys, with this said. Nobody sees more of them, so they need not be of the name.
    pub(super) fn keys(&self, told: Told) -> Keys {
        let Told { shape, salt } = told;
        let Shape {
            mechanism,
            iterations,
            ..
        } = shape;
        let Nobody { salted, keys } = match mechanism {
            Mechanism::Sha256 => &self.sha256,
            Mechanism::Sha512 => &self.sha512,
        };
        if shape.is_computed {
            return Keys::of(mechanism, salted, salt, iterations);
        }
        Keys {
            salt,
            iterations,
            ..keys.clone()
        }
    }

    fn shape(&self, mechanism: Mechanism, username: &str) -> Shape {
        let shapes = self.shapes.read().unwrap_or_else(PoisonError::into_inner);
        let of_mechanism = shapes.0.iter().filter(|(s, _)| s.mechanism == mechanism);
        let drawn = of_mechanism.map(|(shape, count)| (self.draw(shape, *count, username), shape));
        let best = drawn.max_by(|(one, _), (other, _)| one.total_cmp(other));
        best.map_or_else(|| Shape::usual(mechanism), |(_, shape)| *shape)
    }

    /// The lot of a shape: the highest of as many as accounts have it.
    fn draw(&self, shape: &Shape, count: u32, username: &str) -> f64 {
        let Shape {
            mechanism,
            iterations,
            salt,
            is_text,
            is_computed,
        } = shape;
        let label = format!("shape {iterations} {salt} {is_text} {is_computed}");
        let bytes = self.bytes(*mechanism, label.as_bytes(), username, 4);
        let number = bytes
            .iter()
            .fold(0_u32, |n, byte| (n << 8) | u32::from(*byte));
        // Between 0 and 1, and neither.
        let lot = (f64::from(number) + 0.5) / 4_294_967_296.0;
        lot.ln() / f64::from(count)
    }

    fn bytes(&self, mechanism: Mechanism, label: &[u8], username: &str, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count.next_multiple_of(32));
        let length = label.len().to_be_bytes();
        let mut block = 0_u32;
        while bytes.len() < count {
            let number = block.to_be_bytes();
            let parts: [&[u8]; 5] = [
                mechanism.name().as_bytes(),
                &length,
                label,
                &number,
                username.as_bytes(),
            ];
            bytes.extend_from_slice(&Mechanism::Sha256.mac(&self.key, &parts));
            block = block.saturating_add(1);
        }
        bytes.truncate(count);
        bytes
    }
}

/// More shapes than these are not told apart.
const MOST_SHAPES: usize = 64;

/// Bytes that are all letters and digits by chance are shorter.
const LEAST_TEXT: usize = 8;

const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(mechanism: Mechanism, iterations: u32, salt: &[u8]) -> Keys {
        Keys::of(mechanism, &[1; 64], salt.to_vec(), iterations)
    }

    fn pretence(shapes: &[(u32, &[u8], u32)]) -> Pretence {
        let pretence = Pretence::new(&[7; 32]);
        let mut all = Shapes::default();
        for (iterations, salt, count) in shapes {
            for _ in 0..*count {
                all.count(&keys(Mechanism::Sha512, *iterations, salt), true);
            }
        }
        pretence.replace(all);
        pretence
    }

    fn keys_of(pretence: &Pretence, mechanism: Mechanism, name: &str) -> Keys {
        pretence.keys(pretence.told(mechanism, name))
    }

    #[test]
    fn a_name_is_told_the_same_after_a_restart_and_another_name_something_else() {
        let told = |name: &str| {
            keys_of(
                &pretence(&[(5_000, &[255; 12], 1)]),
                Mechanism::Sha512,
                name,
            )
        };
        assert!(told("ann") == told("ann"));
        assert_ne!(told("ann").salt, told("bob").salt);
        let other = keys_of(&Pretence::new(&[8; 32]), Mechanism::Sha512, "ann");
        assert_ne!(other.salt, told("ann").salt);
    }

    #[test]
    fn names_have_the_shapes_that_accounts_have_as_often_as_those() {
        let pretence = pretence(&[(101, &[255; 12], 3), (5_000, b"Django0123salt", 1)]);
        let all: Vec<Keys> = (0..1_000)
            .map(|n| keys_of(&pretence, Mechanism::Sha512, &n.to_string()))
            .collect();
        let django: Vec<&Keys> = all.iter().filter(|keys| keys.iterations == 5_000).collect();
        assert!(
            (180..320).contains(&django.len()),
            "{} of 1000",
            django.len()
        );
        let is_letters = |salt: &[u8]| salt.iter().all(u8::is_ascii_alphanumeric);
        assert!(
            django
                .iter()
                .all(|keys| keys.salt.len() == 14 && is_letters(&keys.salt))
        );
        let rest = all.iter().filter(|keys| keys.iterations == 101);
        assert!(rest.clone().count() + django.len() == 1_000);
        assert!(rest.clone().all(|keys| keys.salt.len() == 12));
    }

    #[test]
    fn keys_are_computed_for_as_many_names_as_accounts_have_theirs_computed() {
        let mut all = Shapes::default();
        let some = keys(Mechanism::Sha512, 4_096, &[255; 12]);
        for number in 0..4 {
            all.count(&some, number == 0);
        }
        let pretence = Pretence::new(&[7; 32]);
        pretence.replace(all);
        let told = |name: u32| pretence.told(Mechanism::Sha512, &name.to_string());
        let computed = (0..1_000)
            .filter(|name| told(*name).shape.is_computed)
            .count();
        assert!((180..320).contains(&computed), "{computed} of 1000");
        // Which of them they are cannot be seen.
        let first = pretence.keys(told(0));
        for name in 1..1_000 {
            let other = pretence.keys(told(name));
            assert!(other.stored == first.stored && other.server == first.server);
            assert_eq!((other.iterations, other.salt.len()), (4_096, 12));
        }
    }

    #[test]
    fn few_names_change_their_shape_when_accounts_do() {
        let told = |shapes| {
            let pretence = pretence(shapes);
            (0..1_000)
                .map(|n| {
                    keys_of(&pretence, Mechanism::Sha512, &n.to_string())
                        .salt
                        .len()
                })
                .collect::<Vec<_>>()
        };
        let before = told(&[(101, &[255; 12], 50), (101, &[255; 64], 50)]);
        let after = told(&[(101, &[255; 12], 55), (101, &[255; 64], 50)]);
        let changed = before.iter().zip(&after).filter(|(a, b)| a != b).count();
        assert!(changed < 60, "{changed} of 1000");
    }

    #[test]
    fn without_such_accounts_a_name_is_told_what_a_new_account_would_be() {
        let told = |mechanism| {
            let keys = keys_of(&pretence(&[]), mechanism, "ann");
            (keys.iterations, keys.salt.len(), keys.stored.len())
        };
        assert_eq!(told(Mechanism::Sha256), (600_000, 16, 32));
        assert_eq!(told(Mechanism::Sha512), (210_000, 16, 64));
    }
}
