//! Roles and groups that somebody edited by hand.
#![forbid(unsafe_code)]

use super::*;
use crate::model::RoleName;
use crate::policy::AclType;

const ROLES: &str = "INSERT INTO role (id, rolename) VALUES (1, 'bad'), (2, 'good');
    INSERT INTO role_acl (role_id, acltype, topic) VALUES (2, 'publishClientSend', 'b');";

fn role(text: &str) -> RoleName {
    RoleName::new(text).unwrap()
}

#[test]
fn a_rule_that_is_none_is_named_and_hides_no_other_role() {
    for (rule, why) in [
        ("'publishClientSend', 'a#', 1, NULL", "whole last level"),
        ("'publishClientSend', 'a', 0, 1", "only a rule that allows"),
        ("'unsubscribePattern', 'a', 1, 1", "knows no conditions"),
    ] {
        let place = Place::of(&[plain("roger")]);
        place.tool(ROLES);
        place.tool(&format!(
            "INSERT INTO role_acl (role_id, acltype, topic, allow, max_qos) VALUES (1, {rule})"
        ));
        let mut database = place.database();
        let error = database.roles().unwrap().role(&role("bad")).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::Corrupt { .. }));
        assert!(
            text.contains("role \"bad\": rule ") && text.contains(why),
            "{text}"
        );
        let mut seen = Vec::new();
        let listed = database.roles().unwrap().roles(&mut |role| {
            seen.push(role.name);
            Ok(())
        });
        assert_eq!(listed.unwrap_err().to_string(), text);
        assert_eq!(seen, [role("good")]);
        assert_eq!(database.check().unwrap_err().to_string(), text);
    }
}

#[test]
fn what_cannot_be_read_can_be_taken_away() {
    let place = Place::of(&[plain("roger")]);
    place.tool(ROLES);
    place.tool(
        "INSERT INTO role_acl (role_id, acltype, topic) VALUES (1, 'publishClientSend', 'a#')",
    );
    let mut database = place.database();
    let mut change = database.begin().unwrap();
    let mut roles = change.roles().unwrap();
    let send = AclType::PublishClientSend;
    assert!(roles.remove_rule(&role("bad"), send, "a#").unwrap());
    assert!(!roles.remove_rule(&role("bad"), send, "a#").unwrap());
    drop(roles);
    change.commit().unwrap();
    database.check().unwrap();
}

#[test]
fn a_name_that_is_none_is_an_error() {
    let place = Place::of(&[plain("roger")]);
    for sql in [
        "INSERT INTO role (rolename) VALUES ('a' || char(10))",
        "DELETE FROM role; INSERT INTO account_group (groupname) VALUES ('a' || char(10))",
    ] {
        place.tool(sql);
        let error = place.database().check().unwrap_err();
        assert!(error.to_string().contains("control characters"), "{error}");
    }
}
