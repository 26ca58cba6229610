//! What holds for those who came in by token while they are in: its end, what it allows, keys that come and
//! go, accounts, reloads. Beside each allow stands a deny.

use std::fs;

use serde_json::{Value, json};

use mosquitto_doorman::admin::{Change, Command};

use super::accounts::{account, change, database, lines, name, set};
use super::conf::patient;
use super::control_compared::Admin;
use super::jwt::{REFUSED, show, with_issuer};
use super::roles::may_publish;
use crate::support::{
    Answer, Broker, Client, Connect, Event, Issuer, PATIENCE, Protocol, Startup, Token, doorman,
    eventually, finish, for_each_broker,
};

/// A login by a token in the password, without a username beside it.
fn by(token: &str, id: &str) -> Connect {
    let connect = Connect::new(Protocol::V5).client_id(id);
    connect.password(token)
}

fn signed(issuer: &Issuer, username: &str, times: &str) -> String {
    issuer.token(Token::of(username, "p256", "ES256").times(times))
}

/// As often as the log says it.
fn said(broker: &Broker, needle: &str) -> usize {
    broker.log().matches(needle).count()
}

#[test]
fn a_connection_ends_with_its_token_once_and_no_session_is_served_after() {
    for_each_broker(|startup| {
        let startup = startup.file(
            "acl",
            "topic readwrite all\nuser ann\ntopic readwrite #\nuser bob\ntopic readwrite #\n",
        );
        let options = [
            "acl_file {dir}/acl",
            "jwt_key_file {dir}/issuer/p256.pem",
            "jwt_leeway 0",
        ];
        let (broker, issuer) = with_issuer(startup, &options);
        let mut bob = by(&signed(&issuer, "bob", r#""exp": 600"#), "bob").accepted(broker.port());
        // A session that the broker keeps, and one that it does not.
        let short = signed(&issuer, "ann", r#""exp": 6"#);
        let mut kept = by(&short, "kept").persistent();
        let mut ann = kept.accepted(broker.port());
        assert_eq!(ann.subscribe("news", 1), 1);
        let mut other = by(&short, "other").accepted(broker.port());
        assert_eq!(bob.publish_acknowledged("news", "before"), Event::Puback(0));
        assert!(matches!(ann.receive(PATIENCE), Event::Publish { .. }));
        assert!(ann.is_closed_within(PATIENCE) && other.is_closed_within(PATIENCE));
        assert!(bob.is_connected(), "his is good for longer");
        let ended = "ending reason=token_expired username=\"ann\"";
        assert_eq!(said(&broker, ended), 2, "once for each");
        assert_eq!(show(&broker, "ann", &short), REFUSED);
        broker.wait_for_log("refused reason=token_expired", PATIENCE);
        bob.publish_acknowledged("news", "after");
        // With a new token it is served again, from here on.
        kept.clean = false;
        kept = kept.password(signed(&issuer, "ann", r#""exp": 600"#));
        let mut ann = kept.accepted(broker.port());
        assert_eq!(bob.publish_acknowledged("news", "again"), Event::Puback(0));
        let heard = |client: &mut Client| match client.receive(PATIENCE) {
            Event::Publish { payload, .. } => String::from_utf8(payload).unwrap(),
            other => panic!("{other:?}"),
        };
        // What was sent before may come once more: she has not said that she had it.
        let mut later = std::iter::repeat_with(|| heard(&mut ann));
        let again = later.find(|payload| payload != "before");
        assert_eq!(again.as_deref(), Some("again"));
        assert_eq!(said(&broker, ended), 2);
    });
}

/// ann's account has a role; the token has topics and roles of its own.
fn with_roles(startup: Startup, options: &[&str]) -> (Broker, Issuer) {
    const ROLES: &str = "
        INSERT INTO role (id, rolename) VALUES (1, 'own'), (2, 'extra'), (3, 'boss'), (4, 'strict');
        INSERT INTO role_acl (role_id, acltype, topic, allow) VALUES
            (1, 'publishClientSend', 'own/#', 1),
            (2, 'publishClientSend', 'extra/%u', 1),
            (3, 'publishClientSend', '$CONTROL/#', 1),
            (3, 'publishClientSend', '#', 1),
            (3, 'publishClientReceive', '$CONTROL/#', 1),
            (3, 'subscribePattern', '$CONTROL/#', 1),
            (4, 'publishClientSend', 'own/secret', 0);
        INSERT INTO account_role (account_id, role_id)
            SELECT id, 1 FROM account WHERE username = 'ann';
        INSERT INTO account_role (account_id, role_id)
            SELECT id, 3 FROM account WHERE username = 'root';";
    let accounts = ["ann", "bob", "root"].map(|name| account(name, "pw"));
    drop(database(&startup.dir().join("db"), &accounts));
    super::roles::change(startup.dir(), ROLES);
    let issuer = Issuer::in_dir(startup.dir());
    let standard = [
        "database {dir}/db",
        "database_roles true",
        "jwt_key_file {dir}/issuer/p256.pem",
        "jwt_roles_claim groups.mqtt",
        "jwt_acl_claim acl",
    ];
    (
        startup.start(&patient(&[&standard, options].concat())),
        issuer,
    )
}

fn saying(issuer: &Issuer, username: &str, claims: &str) -> String {
    issuer.token(Token::of(username, "p256", "ES256").saying(claims))
}

fn ask(client: &mut Client, questions: &[(&str, bool)]) {
    for (topic, allowed) in questions {
        assert_eq!(may_publish(client, topic), *allowed, "{topic}");
    }
}

#[test]
fn a_token_adds_topics_and_roles_to_those_of_its_account_and_nothing_else() {
    for_each_broker(|startup| {
        let (broker, issuer) = with_roles(startup, &[]);
        let plain = saying(&issuer, "ann", r#""x": 1"#);
        let mut ann = by(&plain, "a").accepted(broker.port());
        ask(
            &mut ann,
            &[("own/a", true), ("extra/ann", false), ("up/a", false)],
        );
        let rich = r#""acl": {"pub": ["up/${clientid}", "both/${username}/#"], "sub": ["down/#"], "all": ["chat"]},
            "groups": {"mqtt": ["extra", "nobody has this"]}"#;
        let rich = saying(&issuer, "ann", rich);
        let mut b = by(&rich, "b").accepted(broker.port());
        ask(
            &mut b,
            &[
                ("own/a", true),
                ("extra/ann", true),
                ("extra/bob", false),
                ("up/b", true),
                ("up/a", false),
                ("both/ann/x", true),
                ("both/bob/x", false),
                ("chat", true),
                ("down/x", false),
                ("other", false),
            ],
        );
        for (filter, answer) in [("down/x", 1), ("chat", 1), ("#", 0x87), ("up/b", 0x87)] {
            assert_eq!(b.subscribe(filter, 1), answer, "{filter}");
        }
        assert!(may_publish(&mut b, "chat"));
        assert!(b.received().iter().any(|(topic, _)| topic == "chat"));
        // It holds for that login and no other one.
        ask(&mut ann, &[("up/a", false), ("extra/ann", false)]);
        let mut again = by(&plain, "b").accepted(broker.port());
        ask(
            &mut again,
            &[("own/a", true), ("up/b", false), ("extra/ann", false)],
        );
        let password = Connect::new(Protocol::V5)
            .client_id("b")
            .credentials("ann", "pw");
        by(&rich, "b").accepted(broker.port());
        let mut ann = password.accepted(broker.port());
        ask(
            &mut ann,
            &[("own/a", true), ("up/b", false), ("extra/ann", false)],
        );
        let unknown = "a token names a role that is not there: \"nobody has this\"";
        assert_eq!(said(&broker, unknown), 1);
    });
}

#[test]
fn what_a_token_grants_is_denied_by_its_roles_or_refused_where_it_is_not_understood() {
    for_each_broker(|startup| {
        let (broker, issuer) = with_roles(startup, &[]);
        let strict = saying(&issuer, "ann", r#""groups": {"mqtt": "strict"}"#);
        let mut ann = by(&strict, "c").accepted(broker.port());
        ask(&mut ann, &[("own/a", true), ("own/secret", false)]);
        for odd in [
            r##""acl": {"pub": ["a/#/b"]}"##,
            r#""acl": ["chat"]"#,
            r#""groups": {"mqtt": 7}"#,
        ] {
            let token = saying(&issuer, "ann", odd);
            assert_eq!(by(&token, "d").answer(broker.port()), REFUSED, "{odd}");
        }
    });
}

/// Whether `doorman explain` says, and an administrator is told, that a client may publish whose token names
/// these roles; both say the same.
fn explained(broker: &Broker, admin: &mut Admin, topic: &str, roles: &[&str]) -> bool {
    let mut explain = doorman();
    explain.arg("explain").arg("--config");
    explain.arg(broker.dir().join("mosquitto.conf"));
    explain.args(["ann", "publish", topic, "--json"]);
    explain.args(roles.iter().flat_map(|role| ["--token-role", *role]));
    let said = finish(&mut explain).stdout;
    let said: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
    let order = json!({"command": "explain", "username": "ann", "action": "publish", "topic": topic,
        "tokenroles": roles});
    assert_eq!(admin.order(order)["data"], said, "{topic} {roles:?}");
    said["decision"] == "allowed"
}

#[test]
fn what_explain_says_of_roles_that_a_token_names_the_broker_does() {
    for_each_broker(|startup| {
        let (broker, issuer) = with_roles(startup, &[]);
        let root = Connect::new(Protocol::V5)
            .client_id("r")
            .credentials("root", "pw");
        let mut root = root.accepted(broker.port());
        root.subscribe("$CONTROL/dynamic-security/v1/response", 0);
        let mut admin = Admin(root);
        for (roles, allowed) in [
            (&[][..], [true, true, false, false]),
            (&["extra"], [true, true, true, false]),
            (&["strict", "nobody has this"], [true, false, false, false]),
            (&["strict", "extra"], [true, false, true, false]),
            (&["boss"], [true, true, true, false]),
        ] {
            let claims = json!({"mqtt": roles}).to_string();
            let token = saying(&issuer, "ann", &format!(r#""groups": {claims}"#));
            let mut ann = by(&token, "a").accepted(broker.port());
            let topics = ["own/a", "own/secret", "extra/ann", "$CONTROL/x"];
            for (topic, allowed) in topics.into_iter().zip(allowed) {
                assert_eq!(may_publish(&mut ann, topic), allowed, "{topic} {roles:?}");
                let said = explained(&broker, &mut admin, topic, roles);
                assert_eq!(said, allowed, "{topic} {roles:?}");
            }
        }
        let wrong = admin.order(
            json!({"command": "explain", "username": "ann", "action": "publish",
            "topic": "a", "tokenroles": "extra"}),
        );
        assert_eq!(wrong["error"], "Invalid tokenroles");
    });
}

#[test]
fn what_explain_says_of_topics_that_a_token_names_the_broker_does() {
    for_each_broker(|startup| {
        let (broker, issuer) = with_roles(startup, &[]);
        let root = Connect::new(Protocol::V5).client_id("r");
        let mut root = root.credentials("root", "pw").accepted(broker.port());
        root.subscribe("$CONTROL/dynamic-security/v1/response", 0);
        let mut admin = Admin(root);
        let acl = json!({"pub": ["free/${username}"], "all": ["both"], "sub": ["read"]});
        let claims = format!(r#""groups": {{"mqtt": ["strict"]}}, "acl": {acl}"#);
        let mut ann = by(&saying(&issuer, "ann", &claims), "a").accepted(broker.port());
        for (topic, allowed) in [
            ("free/ann", true),
            ("free/bob", false),
            ("both", true),
            ("read", false),
            ("own/a", true),
            ("own/secret", false),
        ] {
            assert_eq!(may_publish(&mut ann, topic), allowed, "{topic}");
            let order = json!({"command": "explain", "username": "ann", "action": "publish",
                "topic": topic, "tokenroles": ["strict"], "tokenacl": acl});
            let said = &admin.order(order)["data"]["decision"];
            let decision = if allowed { "allowed" } else { "denied" };
            assert_eq!(said, decision, "{topic}");
        }
        for wrong in [
            json!(["a"]),
            json!({"pub": "a"}),
            json!({"deny": ["a"]}),
            json!({"pub": [1]}),
        ] {
            let order = json!({"command": "explain", "username": "ann", "action": "publish",
                "topic": "a", "tokenacl": wrong});
            assert_eq!(admin.order(order)["error"], "Invalid tokenacl");
        }
    });
}

#[test]
fn a_role_that_loses_rules_ends_those_whose_tokens_name_it() {
    for_each_broker(|startup| {
        let (broker, issuer) = with_roles(startup, &[]);
        let extra = saying(&issuer, "ann", r#""groups": {"mqtt": ["extra"]}"#);
        let mut ann = by(&extra, "a").accepted(broker.port());
        let mut bob = by(&saying(&issuer, "bob", r#""x": 1"#), "b").accepted(broker.port());
        assert!(may_publish(&mut ann, "extra/ann"));
        super::roles::change(broker.dir(), "DELETE FROM role_acl WHERE role_id = 2");
        assert!(ann.is_closed_within(PATIENCE));
        let mut ann = by(&extra, "a").accepted(broker.port());
        assert!(!may_publish(&mut ann, "extra/ann"));
        super::roles::change(
            broker.dir(),
            "INSERT INTO role_acl (role_id, acltype, topic, allow) VALUES (2, 'publishClientSend', 'extra/#', 1)",
        );
        assert!(eventually(PATIENCE, || may_publish(&mut ann, "extra/x")));
        super::roles::change(broker.dir(), "DELETE FROM role WHERE id = 2");
        assert!(ann.is_closed_within(PATIENCE));
        assert!(bob.is_connected());
    });
}

#[test]
fn no_token_gives_a_right_to_administer_and_sessions_say_how_they_came() {
    for_each_broker(|startup| {
        let (broker, issuer) = with_roles(startup, &[]);
        let boss = r##""groups": {"mqtt": ["boss"]}, "acl": {"all": ["$CONTROL/#", "#"]}"##;
        let mut bob = by(&saying(&issuer, "bob", boss), "b").accepted(broker.port());
        assert!(may_publish(&mut bob, "anything"));
        assert!(!may_publish(&mut bob, "$CONTROL/dynamic-security/v1"));
        let root = Connect::new(Protocol::V5)
            .client_id("r")
            .credentials("root", "pw");
        let mut root = root.accepted(broker.port());
        assert_eq!(
            root.subscribe("$CONTROL/dynamic-security/v1/response", 0),
            0
        );
        let mut admin = Admin(root);
        let listed = admin.order(json!({"command": "listSessions", "username": "bob"}));
        assert!(
            listed.to_string().contains(r#""credential":"jwt""#),
            "{listed}"
        );
    });
}

#[test]
fn an_account_is_held_to_its_bounds_whatever_a_token_says() {
    for_each_broker(|startup| {
        let mut database = database(
            &startup.dir().join("db"),
            &[account("ann", "pw"), account("bob", "pw")],
        );
        let issuer = Issuer::in_dir(startup.dir());
        let options = [
            "database {dir}/db",
            "jwt_key_file {dir}/issuer/p256.pem",
            "jwt_accounts optional",
        ];
        let broker = startup.start(&patient(&options));
        let token = |who: &str| signed(&issuer, who, r#""exp": 600"#);
        let mut carol = by(&token("carol"), "c").accepted(broker.port());
        let mut bob = by(&token("bob"), "b").accepted(broker.port());
        let mut ann = by(&token("ann"), "a").accepted(broker.port());
        let disabled = Change {
            disabled: Some(true),
            ..Change::default()
        };
        change(&mut database, &[set("ann", disabled)]);
        assert!(ann.is_closed_within(PATIENCE));
        assert_eq!(by(&token("ann"), "a").answer(broker.port()), REFUSED);
        broker.wait_for_log("refused reason=disabled", PATIENCE);
        let bound = Change {
            client_id: Some(Some("his".into())),
            ..Change::default()
        };
        change(&mut database, &[set("bob", bound)]);
        assert!(bob.is_closed_within(PATIENCE));
        assert_eq!(by(&token("bob"), "b").answer(broker.port()), REFUSED);
        let mut bob = by(&token("bob"), "his").accepted(broker.port());
        change(&mut database, &[Command::Delete(name("bob"))]);
        assert!(
            bob.is_closed_within(PATIENCE),
            "it was his account that let him in"
        );
        assert!(carol.is_connected());
    });
}

#[test]
fn a_change_of_the_account_does_not_put_off_the_end_of_a_token() {
    for_each_broker(|startup| {
        let names = ["ann", "bob"].map(|who| account(who, "pw"));
        let mut database = database(&startup.dir().join("db"), &names);
        let issuer = Issuer::in_dir(startup.dir());
        let options = [
            "database {dir}/db",
            "jwt_key_file {dir}/issuer/p256.pem",
            "jwt_leeway 0",
        ];
        let broker = startup.start(&patient(&options));
        let mut bob = by(&signed(&issuer, "bob", r#""exp": 600"#), "b").accepted(broker.port());
        let mut ann = by(&signed(&issuer, "ann", r#""exp": 4"#), "a").accepted(broker.port());
        let later = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
        let valid = || Change {
            valid_until: Some(Some(later)),
            ..Change::default()
        };
        change(&mut database, &["ann", "bob"].map(|who| set(who, valid())));
        assert!(ann.is_connected());
        assert!(ann.is_closed_within(PATIENCE));
        broker.wait_for_log("ending reason=token_expired username=\"ann\"", PATIENCE);
        assert!(bob.is_connected());
    });
}

/// Brokers ask again after SIGHUP, and then know of a token in the username no more than the name in it.
#[test]
fn a_reload_drops_nobody_whose_token_is_good() {
    for_each_broker(|startup| {
        let options = [
            "jwt_key_file {dir}/issuer/p256.pem",
            "jwt_token_in both",
            "jwt_leeway 0",
        ];
        let (broker, issuer) = with_issuer(startup, &options);
        let long = signed(&issuer, "ann", r#""exp": 600"#);
        let mut here = by(&long, "here").accepted(broker.port());
        let as_username = |token: &str, id: &str| {
            let connect = Connect::new(Protocol::V5).client_id(id);
            connect.credentials(token, "ignored").persistent()
        };
        let mut kept = as_username(&long, "kept");
        let mut ann = kept.accepted(broker.port());
        assert_eq!(ann.subscribe("news", 1), 1);
        ann.disconnect();
        for _ in 0..2 {
            let mark = broker.log_end();
            broker.sighup();
            broker.wait_for_log_after(mark, "Reloading config.", PATIENCE);
            assert!(here.is_connected());
            // Nobody takes that session up without a token.
            let bare = Connect::new(Protocol::V5).client_id("kept").username("ann");
            assert_eq!(bare.answer(broker.port()), REFUSED);
        }
        assert_eq!(here.publish_acknowledged("news", "1"), Event::Puback(0));
        kept.clean = false;
        let mut ann = kept.accepted(broker.port());
        assert!(matches!(ann.receive(PATIENCE), Event::Publish { .. }));
    });
}

/// After a restart nobody knows any more whether a session was one of a token.
#[test]
fn a_session_without_an_account_is_not_refused_at_a_reload_where_tokens_need_none() {
    for_each_broker(|startup| {
        let tree = startup.tree().clone();
        for (accounts, is_welcome) in [("optional", true), ("required", false)] {
            let startup = Broker::of(&tree);
            let issuer = Issuer::in_dir(startup.dir());
            let both = lines(&[("ann", "pw"), ("carol", "pw")]);
            let file = startup.dir().join("users");
            let startup = startup.file("users", &both);
            let options = [
                "password_file {dir}/users",
                "unknown_user deny",
                "log_logins all",
                "jwt_key_file {dir}/issuer/p256.pem",
                &format!("jwt_accounts {accounts}"),
            ];
            let persistence = "persistence true\npersistence_location {dir}/\n";
            let mut broker = startup.start(&(patient(&options) + persistence));
            let kept = |who: &str| {
                let mut connect = by(&signed(&issuer, who, r#""exp": 600"#), who).persistent();
                connect.clean = false;
                connect
            };
            for who in ["ann", "carol"] {
                let mut client = kept(who).accepted(broker.port());
                assert_eq!(client.subscribe("news", 1), 1);
                client.disconnect();
            }
            fs::write(&file, lines(&[("ann", "pw")])).unwrap();
            broker.restart();
            let mark = broker.log_end();
            broker.sighup();
            let login = "address=- listener=- username=\"carol\" client_id=\"carol\"";
            let told = match is_welcome {
                true => format!("allowed {login}"),
                false => format!("refused reason=unknown_user {login}"),
            };
            broker.wait_for_log_after(mark, &told, PATIENCE);
            // Without a token it is taken up by nobody.
            let bare = Connect::new(Protocol::V5).client_id("carol");
            assert_eq!(bare.username("carol").answer(broker.port()), REFUSED);
            fs::write(&file, &both).unwrap();
            let there = |who: &str| {
                let mut client = None;
                assert!(eventually(PATIENCE, || {
                    let (one, answer) = kept(who).open(broker.port());
                    client = Some(one);
                    answer == Answer::Accepted
                }));
                client.unwrap().connack().first() == Some(&1)
            };
            assert!(there("ann") && there("carol"), "{accounts}");
        }
    });
}

#[test]
fn keys_in_a_file_come_and_go_and_a_broken_file_changes_nothing() {
    for_each_broker(|startup| {
        let issuer = Issuer::in_dir(startup.dir());
        let startup = startup.file("jwks", issuer.jwks(&["rsa"]));
        let (broker, issuer) = with_issuer(startup, &["jwt_key_file {dir}/jwks"]);
        let write = |text: &str| fs::write(broker.dir().join("jwks"), text).unwrap();
        let [old, new] =
            ["rsa", "rsa_new"].map(|key| issuer.token(Token::of("ann", key, "RS256").named()));
        let mut ann = by(&old, "a").accepted(broker.port());
        assert_eq!(show(&broker, "ann", &new), REFUSED);
        broker.wait_for_log("refused reason=token_key", PATIENCE);
        write("{ rubbish");
        broker.wait_for_log("jwks: it cannot be read; the last good state", PATIENCE);
        assert_eq!(show(&broker, "ann", &old), Answer::Accepted);
        write(&issuer.jwks(&["rsa", "rsa_new"]));
        assert!(eventually(PATIENCE, || show(&broker, "ann", &new) == Answer::Accepted));
        assert!(ann.is_connected(), "its key is still there");
        write(&issuer.jwks(&["rsa_new"]));
        assert!(ann.is_closed_within(PATIENCE));
        broker.wait_for_log("ending reason=token_key_withdrawn", PATIENCE);
        assert_eq!(show(&broker, "ann", &old), REFUSED);
        assert_eq!(show(&broker, "ann", &new), Answer::Accepted);
    });
}
