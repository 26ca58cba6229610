//! What the watcher learns about changes.
#![forbid(unsafe_code)]

use super::*;

fn watched(place: &Place) -> Box<dyn Watched> {
    opened(place).1
}

#[test]
fn a_change_and_a_removal_are_news_once() {
    let place = Place::of(&[plain("roger"), plain("sub"), plain("ann")]);
    let mut watched = watched(&place);
    assert_eq!(refresh(&mut watched), News::Nothing);
    place.put(&[full("roger")]);
    place.remove("sub");
    assert_eq!(refresh(&mut watched), accounts(&["roger", "sub"]));
    assert_eq!(refresh(&mut watched), News::Nothing);
}

#[test]
fn a_new_account_the_same_again_texts_and_notes_concern_nobody_who_is_connected() {
    let place = Place::of(&[full("roger")]);
    let mut watched = watched(&place);
    let noted = Account {
        textname: None,
        textdescription: Some("other".into()),
        notes: "other".into(),
        ..full("roger")
    };
    place.put(&[plain("sub"), full("roger"), noted]);
    assert_eq!(refresh(&mut watched), accounts(&[]));
    assert_eq!(refresh(&mut watched), News::Nothing);
}

#[test]
fn what_any_tool_does_is_news() {
    let place = Place::of(&[plain("roger")]);
    let mut watched = watched(&place);
    for sql in [
        "UPDATE account SET disabled = 1",
        "INSERT OR REPLACE INTO account (username) VALUES ('roger')",
        "INSERT INTO account_network SELECT id, '10.0.0.0/8' FROM account",
        "UPDATE account_network SET network = '::/0'",
        "DELETE FROM account_network",
        "DELETE FROM account",
    ] {
        place.tool(sql);
        assert_eq!(refresh(&mut watched), accounts(&["roger"]), "{sql}");
    }
    place.tool("INSERT INTO account (username) VALUES ('a'), ('b')");
    assert_eq!(refresh(&mut watched), accounts(&[]));
    place.tool("UPDATE OR REPLACE account SET username = 'b' WHERE username = 'a'");
    assert_eq!(refresh(&mut watched), accounts(&["a", "b"]));
}

#[test]
fn an_id_is_never_used_again() {
    let place = Place::of(&[full("roger")]);
    place.tool("PRAGMA foreign_keys = OFF; DELETE FROM account; INSERT INTO account (username) VALUES ('sub')");
    let sub = place.database().account(&name("sub")).unwrap().unwrap();
    assert!(sub.networks.is_empty());
}

#[test]
fn a_watcher_that_missed_changes_looks_at_everybody() {
    let place = Place::of(&[plain("roger")]);
    let mut watched = watched(&place);
    place.tool(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10050)
         INSERT INTO change (username) SELECT 'roger' FROM n",
    );
    place.put(&[plain("roger")]);
    let tool = Connection::open(&place.path).unwrap();
    let kept: i64 = tool
        .query_row("SELECT count(*) FROM change", [], |row| row.get(0))
        .unwrap();
    assert_eq!(kept, 10_000);
    assert_eq!(refresh(&mut watched), News::Everything);
    assert_eq!(refresh(&mut watched), News::Nothing);
}

#[test]
fn a_shortened_log_and_a_restored_backup_are_everything() {
    let place = Place::of(&[plain("roger"), plain("sub")]);
    place.put(&[full("roger")]);
    let backup = place.dir.path().join("backup.db");
    place.tool(&format!("VACUUM INTO '{}'", backup.display()));
    let mut watched = watched(&place);
    place.put(&[plain("roger")]);
    assert_eq!(refresh(&mut watched), accounts(&["roger"]));
    place.tool("DELETE FROM change");
    assert_eq!(refresh(&mut watched), News::Everything);
    assert_eq!(refresh(&mut watched), News::Nothing);
    let statement = format!(
        "ATTACH '{}' AS backup; DELETE FROM account; INSERT INTO account SELECT * FROM backup.account",
        backup.display()
    );
    place.tool(&statement);
    assert_eq!(refresh(&mut watched), News::Everything);
}
