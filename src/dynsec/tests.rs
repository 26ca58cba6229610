//! Files as the original writes them, each oddity beside what is none, and there and back.
#![forbid(unsafe_code)]

mod round_trip;

use super::*;
use crate::model::Scheme;
use crate::policy::{AclType, Permission};

/// As `mosquitto_ctrl dynsec init` of 2.0 writes it.
const INIT: &str = r##"{
	"defaultACLAccess":	{
		"publishClientSend":	false,
		"publishClientReceive":	true,
		"subscribe":	false,
		"unsubscribe":	true
	},
	"clients":	[{
			"username":	"admin",
			"textName":	"Dynsec admin user",
			"password":	"aGFzaA==",
			"salt":	"c2FsdA==",
			"iterations":	101,
			"roles":	[{
					"rolename":	"admin"
				}]
		}],
	"roles":	[{
			"rolename":	"admin",
			"acls":	[{
					"acltype":	"publishClientSend",
					"topic":	"$CONTROL/dynamic-security/#",
					"allow":	true
				}, {
					"acltype":	"publishClientReceive",
					"topic":	"$CONTROL/dynamic-security/#",
					"allow":	true
				}, {
					"acltype":	"subscribePattern",
					"topic":	"#",
					"allow":	true
				}]
		}]
}"##;

/// As 2.1 writes its own first file, in part.
const AUTO: &str = r##"{
  "defaultACLAccess": {"publishClientSend": false, "publishClientReceive": true, "subscribe": false, "unsubscribe": true},
  "clients": [
    {"username": "admin", "textname": "Admin user", "roles": [{"rolename": "super-admin"}, {"rolename": "topic-observe", "priority": 3}],
     "encoded_password": "$argon2id$v=19$m=47104,t=1,p=1$c2FsdA$aGFzaA"},
    {"username": "democlient", "clientid": "demo", "disabled": true, "roles": [{"rolename": "client"}],
     "encoded_password": "$7$1000$c2FsdA==$aGFzaA=="}
  ],
  "groups": [{"groupname": "unauthenticated", "textname": "Unauthenticated group", "textdescription": "d",
    "roles": [], "clients": [{"username": "democlient", "priority": 5}]}],
  "roles": [
    {"rolename": "client", "textdescription": "Read/write access", "allowwildcardsubs": true,
     "acls": [{"acltype": "publishClientSend", "topic": "#", "priority": 0, "allow": true}]},
    {"rolename": "super-admin", "allowwildcardsubs": false, "acls": []},
    {"rolename": "topic-observe", "allowwildcardsubs": true,
     "acls": [{"acltype": "subscribePattern", "topic": "$SYS/#", "priority": -1, "allow": false}]}
  ],
  "anonymousGroup": "unauthenticated",
  "changeIndex": 12
}"##;

fn read(text: &str) -> (Document, Vec<String>) {
    let (document, remarks) = Document::parse(text).unwrap();
    (document, remarks.iter().map(Remark::to_string).collect())
}

/// The only remark about a file with nothing in it but this.
fn remark(text: &str) -> String {
    let (_, remarks) = read(text);
    assert_eq!(remarks.len(), 1, "{remarks:?}");
    remarks.into_iter().next().unwrap()
}

fn text(account: &Account) -> &str {
    &account.credential.as_ref().unwrap().text
}

#[test]
fn the_first_file_of_mosquitto_ctrl_is_read_as_the_original_does() {
    let (document, remarks) = read(INIT);
    assert_eq!(document.defaults, Defaults::FRESH);
    let admin = &document.accounts[0];
    assert_eq!(text(admin), "$7$101$c2FsdA==$aGFzaA==");
    assert_eq!(admin.credential.as_ref().unwrap().scheme, Scheme::Marked);
    assert_eq!(admin.texts, Texts::default());
    assert_eq!(admin.roles[0].priority, Priority::MEMBER);
    let role = &document.roles[0];
    assert_eq!(role.wildcard_subscriptions, WildcardSubscriptions::Allow);
    assert_eq!(role.rules.len(), 3);
    assert!(
        role.rules
            .iter()
            .all(|rule| rule.priority() == Priority::RULE)
    );
    assert_eq!(
        remarks,
        ["clients[0]: textName is not read; it is spelled textname"]
    );
}

#[test]
fn the_first_file_of_the_broker_is_read_whole() {
    let (document, remarks) = read(AUTO);
    assert_eq!(remarks, [""; 0]);
    let [admin, demo] = &document.accounts[..] else {
        panic!("{document:?}");
    };
    assert!(text(admin).starts_with("$argon2id$") && !admin.disabled);
    assert_eq!(admin.roles[1].priority.number(), 3);
    assert_eq!(text(demo), "$7$1000$c2FsdA==$aGFzaA==");
    assert!(demo.disabled && demo.client_id.as_deref() == Some("demo"));
    assert_eq!(document.groups[0].members[0].priority.number(), 5);
    assert_eq!(document.anonymous_group.as_deref(), Some("unauthenticated"));
    assert_eq!(document.change_index, Some(12));
    assert_eq!(
        document.roles[1].wildcard_subscriptions,
        WildcardSubscriptions::Deny
    );
    let rule = &document.roles[2].rules[0];
    assert_eq!(rule.acl_type(), AclType::SubscribePattern);
    assert_eq!(
        (rule.permission(), rule.priority().number()),
        (Permission::Deny, -1)
    );
}

#[test]
fn what_was_read_is_written_and_read_again() {
    for file in [INIT, AUTO, "{}"] {
        let (document, _) = read(file);
        assert_eq!(read(&document.to_json()), (document, Vec::new()));
    }
}

#[test]
fn a_password_is_written_as_2_0_reads_it_where_it_can_be() {
    let written = read(AUTO).0.to_json();
    assert!(written.contains("\"iterations\": 1000") && written.contains("\"salt\": \"c2FsdA==\""));
    assert!(written.contains("\"encoded_password\": \"$argon2id$"));
}

#[test]
fn without_a_section_of_defaults_all_is_denied() {
    assert_eq!(read("{}").0.defaults, Defaults::DENY);
    let half = read(r#"{"defaultACLAccess": {"subscribe": true}}"#)
        .0
        .defaults;
    assert_eq!(
        (half.subscribe, half.receive),
        (Permission::Allow, Permission::Deny)
    );
}

#[test]
fn what_is_missing_of_a_rule_has_its_defaults() {
    let role = |acl: &str| format!(r#"{{"roles": [{{"rolename": "r", "acls": [{acl}]}}]}}"#);
    let (document, remarks) = read(&role(r#"{"acltype": "PUBLISHclientsend", "topic": "a"}"#));
    let rule = &document.roles[0].rules[0];
    assert_eq!(
        (rule.permission(), rule.priority().number()),
        (Permission::Deny, 0)
    );
    assert_eq!(remarks, [""; 0]);
    for (acl, place, says) in [
        (
            r#"{"acltype": "publish", "topic": "a"}"#,
            "roles[0].acls[0]",
            "an ACL type is",
        ),
        (
            r#"{"acltype": "subscribePattern", "topic": "a#"}"#,
            "roles[0].acls[0]",
            "# must be",
        ),
        (
            r#"{"topic": "a"}"#,
            "roles[0].acls[0]",
            "a rule has an acltype",
        ),
        (
            r#"{"acltype": "publishClientSend", "topic": "a", "allow": "yes"}"#,
            "roles[0].acls[0].allow",
            "this cannot be a text",
        ),
        (
            r#"{"acltype": "publishClientSend", "topic": "a", "priority": 1e9}"#,
            "roles[0].acls[0].priority",
            "a priority lies",
        ),
    ] {
        let remark = remark(&role(acl));
        assert!(remark.starts_with(&format!("{place}: {says}")), "{remark}");
    }
}

#[test]
fn of_what_comes_twice_the_first_counts() {
    let text = r#"{"roles": [
        {"rolename": "r", "acls": [
            {"acltype": "publishClientSend", "topic": "a", "allow": true},
            {"acltype": "publishClientSend", "topic": "a", "allow": false}]},
        {"rolename": "r", "acls": []}, {"rolename": "R"}],
      "clients": [{"username": "a", "disabled": true, "disabled": false,
            "roles": [{"rolename": "r", "priority": 1}, {"rolename": "r"}]}, {"username": "a"}]}"#;
    let (document, remarks) = read(text);
    assert_eq!(document.roles.len(), 2, "names are told apart by case");
    assert_eq!(document.roles[0].rules[0].permission(), Permission::Allow);
    assert!(document.accounts[0].disabled && document.accounts.len() == 1);
    assert_eq!(document.accounts[0].roles[0].priority.number(), 1);
    assert_eq!(
        remarks,
        [
            "roles[0].acls[1]: this comes twice; the first counts",
            "roles[1]: this comes twice; the first counts",
            "clients[0]: the field \"disabled\" comes twice; the first counts",
            "clients[0].roles[1]: this comes twice; the first counts",
            "clients[1]: this comes twice; the first counts",
        ]
    );
}

#[test]
fn what_names_nothing_is_left_out_and_told() {
    for (text, expected) in [
        (
            r#"{"clients": [{"username": "a", "roles": [{"rolename": "r"}]}]}"#,
            "clients[0].roles[0]: there is no such role",
        ),
        (
            r#"{"groups": [{"groupname": "g", "clients": [{"username": "a"}]}]}"#,
            "groups[0].clients[0]: there is no such client",
        ),
        (
            r#"{"anonymousGroup": "g"}"#,
            "anonymousGroup: there is no such group",
        ),
        (
            r#"{"clients": [{"username": ""}]}"#,
            "clients[0]: a name cannot be empty",
        ),
        (r#"{"clients": [{}]}"#, "clients[0]: it has no name"),
        (r#"{"clients": [7]}"#, "clients[0]: this cannot be a number"),
        (r#"{"comment": 1}"#, "there is no field \"comment\""),
    ] {
        let remark = remark(text);
        assert!(remark.starts_with(expected), "{remark}");
    }
}

#[test]
fn a_switch_that_cannot_be_read_allows_less() {
    let (document, remarks) = read(
        r#"{"clients": [{"username": "a", "disabled": 0}],
            "roles": [{"rolename": "r", "allowwildcardsubs": "no"}]}"#,
    );
    assert!(document.accounts[0].disabled);
    let wildcards = document.roles[0].wildcard_subscriptions;
    assert_eq!(wildcards, WildcardSubscriptions::Deny);
    assert_eq!(remarks.len(), 2);
}

#[test]
fn a_password_that_is_not_whole_lets_nobody_in_and_is_not_shown() {
    for password in [
        r#""password": "tulip", "salt": "rose""#,
        r#""password": "tulip", "salt": "rose", "iterations": 0"#,
        r#""password": "tulip$x", "salt": "rose", "iterations": 5"#,
    ] {
        let file = format!(r#"{{"clients": [{{"username": "a", {password}}}]}}"#);
        let (document, remarks) = read(&file);
        assert_eq!(document.accounts[0].credential, None);
        assert_eq!(
            remarks,
            ["clients[0]: the password is not whole; nobody can log in with it"]
        );
    }
    let file = r#"{"clients": [{"username": "a", "encoded_password": "tulip"}]}"#;
    assert!(!format!("{:?}", Document::parse(file)).contains("tulip"));
}

#[test]
fn what_is_no_such_file_is_refused() {
    let refused = |text: &str| Document::parse(text).unwrap_err().to_string();
    assert_eq!(refused("{\n\"tulip"), "not JSON from line 2, column 6 on");
    assert_eq!(refused("[]"), "the file must be an object, not an array");
    assert_eq!(
        refused(r#"{"roles": {}}"#),
        "roles must be an array, not an object"
    );
    assert_eq!(
        refused(r#"{"defaultACLAccess": true}"#),
        "defaultACLAccess must be an object, not true or false"
    );
}
