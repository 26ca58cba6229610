//! Logins by token, beside a known client's password and beside no authentication.

use mosquitto_doorman::credential::Recipe;

use super::contender::{Accounts, Contender, PASSWORD, account, login};
use super::crowd::Crowd;
use super::turns;
use crate::support::{Issuer, Token, Tree};

const ACCOUNTS: usize = 500;
const TURNS: usize = 21;
const AT_ONCE: usize = 8;
const OPTIONS: [&str; 2] = ["throttle false", "inline_budget 1s"];

pub fn ask(tree: &Tree) {
    let dir = tempfile::tempdir().expect("a directory");
    let recipe = Recipe::Pbkdf2Sha512 { iterations: 101 };
    let accounts = Accounts::at(dir.path(), recipe, ACCOUNTS);
    let issuer = Issuer::in_dir(dir.path());
    let names: Vec<String> = (0..ACCOUNTS).map(account).collect();
    let all = |secrets: &[String]| {
        let both = names.iter().zip(secrets);
        both.map(|(name, secret)| login(name, secret)).collect()
    };
    let passwords: Vec<_> = names.iter().map(|_| PASSWORD.to_owned()).collect();
    let mut contenders = vec![
        contender(
            "no authentication",
            Contender::Nobody,
            tree,
            &accounts,
            &[],
            all(&passwords),
        ),
        contender(
            "doorman, known passwords",
            Contender::Doorman,
            tree,
            &accounts,
            &[],
            all(&passwords),
        ),
    ];
    for (algorithm, key, option, file) in [
        ("HS256", "secret", "jwt_secret_file", "secret"),
        ("RS256", "rsa", "jwt_key_file", "rsa.pem"),
        ("ES256", "p256", "jwt_key_file", "p256.pem"),
        ("EdDSA", "ed25519", "jwt_key_file", "ed25519.pem"),
    ] {
        let tokens: Vec<_> = names
            .iter()
            .map(|name| Token::of(name, key, algorithm))
            .collect();
        let option = format!("{option} {}", issuer.file(file).display());
        let name = format!("doorman, tokens by {algorithm}");
        contenders.push(contender(
            &name,
            Contender::Doorman,
            tree,
            &accounts,
            &[&option],
            all(&issuer.sign(&tokens)),
        ));
    }
    let version = tree.version();
    turns::title(
        &format!("tokens, {version}; {TURNS} turns of {ACCOUNTS} logins, {AT_ONCE} at once"),
        "nobody",
    );
    // Once, so that the passwords are known.
    contenders
        .iter_mut()
        .for_each(|one| (one.logins)(&one.broker, ACCOUNTS));
    turns::take(&mut contenders, TURNS, ACCOUNTS);
}

fn contender<'a>(
    name: &str,
    who: Contender,
    tree: &Tree,
    accounts: &Accounts,
    options: &[&str],
    packets: Vec<Vec<u8>>,
) -> turns::Contender<'a> {
    turns::Contender {
        name: name.to_owned(),
        broker: who.start(tree, accounts, &[&OPTIONS[..], options].concat()),
        logins: Box::new(move |broker, logins| {
            let some = packets.iter().take(logins).cloned();
            let outcome = Crowd::to(broker.port(), AT_ONCE).run(some, false);
            assert_eq!(outcome.accepted.len(), logins, "everybody is let in");
        }),
    }
}
