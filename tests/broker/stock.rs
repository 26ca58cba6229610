//! The broker's own password file, without any plugin: the harness is believed once it finds here
//! what Mosquitto is known to answer. The cases are shared with the tests that put the plugin in
//! the password file's place and compare row by row.

use crate::support::{Answer, Broker, Connect, Protocol, for_each_broker};

/// What the configuration says about who may enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// `allow_anonymous`; `None` leaves the line out.
    pub allow_anonymous: Option<bool>,
    /// Whether there is a source of accounts at all.
    pub accounts: bool,
}

impl Setting {
    pub fn all() -> Vec<Self> {
        let anonymous = [Some(true), Some(false), None];
        anonymous
            .into_iter()
            .flat_map(|allow_anonymous| {
                [true, false].map(|accounts| Self {
                    allow_anonymous,
                    accounts,
                })
            })
            .collect()
    }

    /// A `mosquitto.conf` for this setting; `source` is the text that names the accounts.
    pub fn conf(self, source: &str) -> String {
        let mut conf = "listener {port} 127.0.0.1\n".to_owned();
        if let Some(allowed) = self.allow_anonymous {
            conf.push_str(&format!("allow_anonymous {allowed}\n"));
        }
        if self.accounts {
            conf.push_str(source);
        }
        conf
    }
}

/// What a client shows at the door. The accounts are [`ACCOUNTS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    Valid,
    WrongPassword,
    UnknownUser,
    Nothing,
    NoPassword,
}

/// One question: this login over this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    pub login: Login,
    pub protocol: Protocol,
}

impl Case {
    pub fn all() -> Vec<Self> {
        let logins = [
            Login::Valid,
            Login::WrongPassword,
            Login::UnknownUser,
            Login::Nothing,
            Login::NoPassword,
        ];
        logins
            .into_iter()
            .flat_map(|login| Protocol::ALL.map(|protocol| Self { login, protocol }))
            .collect()
    }

    pub fn connect(self) -> Connect {
        let connect = Connect::new(self.protocol);
        match self.login {
            Login::Valid => connect.credentials("alice", "secret"),
            Login::WrongPassword => connect.credentials("alice", "Secret"),
            Login::UnknownUser => connect.credentials("nobody", "secret"),
            Login::Nothing => connect,
            Login::NoPassword => connect.username("alice"),
        }
    }

    /// How a refusal reads in this protocol: "not authorised".
    pub fn refused(self) -> Answer {
        match self.protocol {
            Protocol::V31 | Protocol::V311 => Answer::Refused(5),
            Protocol::V5 => Answer::Refused(135),
        }
    }
}

/// The accounts the cases are about.
pub const ACCOUNTS: [(&str, &str); 2] = [("alice", "secret"), ("bob", "other")];

/// Asks `broker` every case.
pub fn answers(broker: &Broker) -> Vec<(Case, Answer)> {
    Case::all()
        .into_iter()
        .map(|case| (case, case.connect().answer(broker.port())))
        .collect()
}

/// What Mosquitto answers with its own password file, as measured on all three versions.
fn is_admitted(setting: Setting, login: Login) -> bool {
    match (setting.allow_anonymous, setting.accounts) {
        (Some(true), true) => matches!(login, Login::Valid | Login::Nothing),
        (Some(true), false) => true,
        (_, true) => login == Login::Valid,
        (_, false) => false,
    }
}

#[test]
fn stock_brokers_answer_as_measured() {
    for_each_broker(|startup| {
        for setting in Setting::all() {
            let broker = Broker::of(startup.tree())
                .password_file("users", &ACCOUNTS)
                .start(&setting.conf("password_file {dir}/users\n"));
            for (case, answer) in answers(&broker) {
                let expected = if is_admitted(setting, case.login) {
                    Answer::Accepted
                } else {
                    case.refused()
                };
                assert_eq!(answer, expected, "{setting:?} {case:?}");
            }
        }
    });
}
