//! What commands say in JSON that the values in them do not say by themselves.
//!
//! Must not: be used for anything but commands on their way to the store: here alone a stored credential
//! becomes JSON.
#![forbid(unsafe_code)]

use serde::de::{Deserialize, Deserializer};

use crate::model::{Scheme, StoredCredential};

/// A field that is there says something, null too; one that is missing says nothing.
pub(super) fn said<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// The text of a credential that says itself what it is.
fn text<E: serde::ser::Error>(stored: &StoredCredential) -> Result<&str, E> {
    match stored.scheme {
        Scheme::Marked if stored.salt.is_none() => Ok(&stored.text),
        Scheme::Marked | Scheme::RabbitMq | Scheme::Emqx(..) => Err(E::custom(
            "only credentials that say themselves what they are can be sent",
        )),
    }
}

/// A credential.
pub(super) mod hashed {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::text;
    use crate::model::StoredCredential;

    pub(in crate::admin) fn serialize<S: Serializer>(
        stored: &StoredCredential,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        text::<S::Error>(stored)?.serialize(serializer)
    }

    pub(in crate::admin) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<StoredCredential, D::Error> {
        let text = Box::<str>::deserialize(deserializer)?;
        Ok(StoredCredential::marked(&text))
    }
}

/// A credential, or none.
pub(super) mod perhaps_hashed {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::text;
    use crate::model::StoredCredential;

    pub(in crate::admin) fn serialize<S: Serializer>(
        stored: &Option<StoredCredential>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let text = stored.as_ref().map(text::<S::Error>).transpose()?;
        text.serialize(serializer)
    }

    pub(in crate::admin) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<StoredCredential>, D::Error> {
        let text = Option::<Box<str>>::deserialize(deserializer)?;
        Ok(text.map(|text| StoredCredential::marked(&text)))
    }
}

/// An account with its credentials.
pub(super) mod whole {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::model::{Account, StoredCredential};

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Whole {
        account: Account,
        #[serde(with = "super::perhaps_hashed", default)]
        credential: Option<StoredCredential>,
        #[serde(with = "super::perhaps_hashed", default)]
        second_credential: Option<StoredCredential>,
    }

    pub(in crate::admin) fn serialize<S: Serializer>(
        account: &Account,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let whole = Whole {
            credential: account.credential.clone(),
            second_credential: account.second_credential.clone(),
            account: account.clone(),
        };
        whole.serialize(serializer)
    }

    pub(in crate::admin) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Account, D::Error> {
        let Whole {
            account,
            credential,
            second_credential,
        } = Whole::deserialize(deserializer)?;
        Ok(Account {
            credential,
            second_credential,
            ..account
        })
    }
}
