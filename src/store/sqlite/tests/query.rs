//! Somebody else's database.
#![forbid(unsafe_code)]

use super::*;

const TABLE: &str = "CREATE TABLE u (n TEXT PRIMARY KEY, p, salt, off, cid);
    INSERT INTO u VALUES ('roger', 'hash', 'pepper', 0, NULL), ('off', 'hash', NULL, 'TRUE', 'kitchen'),
        ('none', NULL, NULL, 'false', NULL), ('blob', x'6162', NULL, 1, NULL), ('odd', x'ff', NULL, 0, NULL),
        ('number', 7, NULL, 0, NULL), ('two', 'x', NULL, 2, NULL), ('null', 'x', NULL, NULL, NULL)";
const SELECT: &str = "SELECT p, salt, off AS Disabled, cid AS client_id FROM u WHERE n = :username";

fn place() -> Place {
    let place = Place::new();
    place.tool(TABLE);
    place
}

fn refused(sql: &str) -> String {
    let place = place();
    let before = std::fs::read(&place.path).unwrap();
    let error = match open_foreign(&place.ask(sql)) {
        Ok(_) => panic!("{sql} was accepted"),
        Err(error) => error,
    };
    assert!(matches!(error, Error::Invalid { .. }), "{error}");
    assert_eq!(std::fs::read(&place.path).unwrap(), before);
    error.to_string()
}

#[test]
fn the_columns_become_an_account() {
    let place = place();
    let (source, _) = asked(&place, SELECT);
    let account = |name| source.account(name, None).unwrap();
    let roger = account("roger").unwrap();
    let credential = roger.credential.unwrap();
    assert_eq!(
        (&*credential.text, credential.salt.as_deref()),
        ("hash", Some("pepper"))
    );
    assert!(!roger.disabled && roger.client_id.is_none());
    let off = account("off").unwrap();
    assert!(off.disabled && off.client_id.as_deref() == Some("kitchen"));
    assert!(account("none").unwrap().credential.is_none());
    assert_eq!(
        account("blob").unwrap().credential.unwrap().text.as_ref(),
        "ab"
    );
    assert_eq!(account("nobody"), None);
    assert_eq!(account(""), None);
    assert_eq!(account("' OR 1=1 --"), None);
}

#[test]
fn an_answer_that_is_not_understood_is_an_error() {
    let place = place();
    let (source, _) = asked(&place, SELECT);
    for odd in ["odd", "number", "two", "null"] {
        assert!(
            matches!(source.account(odd, None), Err(Error::Corrupt { .. })),
            "{odd}"
        );
    }
    let (source, _) = asked(&place, "SELECT p FROM u WHERE :username <> ''");
    let error = source.account("roger", None).unwrap_err();
    assert!(error.to_string().contains("more than one row"));
}

#[test]
fn the_client_id_can_be_asked_for() {
    let place = place();
    let (source, _) = asked(
        &place,
        "SELECT p FROM u WHERE n = :username AND cid = :client_id",
    );
    assert!(source.account("off", Some("kitchen")).unwrap().is_some());
    assert!(source.account("off", Some("cellar")).unwrap().is_none());
    assert!(source.account("off", None).unwrap().is_none());
}

#[test]
fn only_one_select_with_known_parameters_and_columns_is_accepted() {
    for (sql, why) in [
        (
            "SELECT p FROM u WHERE n = :username; DELETE FROM u",
            "one statement",
        ),
        ("DELETE FROM u WHERE n = :username", "only a SELECT"),
        (
            "DELETE FROM u WHERE n = :username RETURNING p",
            "only a SELECT",
        ),
        (
            "EXPLAIN SELECT p FROM u WHERE n = :username",
            "only a SELECT",
        ),
        ("ATTACH :username AS x", "only a SELECT"),
        ("", "only a SELECT"),
        ("PRAGMA user_version", ":username"),
        ("SELECT p FROM u", ":username"),
        ("SELECT p FROM u WHERE n = ?", "parameter"),
        ("SELECT p FROM u WHERE n = ?1", "parameter"),
        ("SELECT p FROM u WHERE n = @username", "@username"),
        (
            "SELECT p FROM u WHERE n = :username AND p = :password",
            ":password",
        ),
        (
            "SELECT p, n FROM u WHERE n = :username",
            "salt, disabled and client_id",
        ),
        (
            "SELECT p, salt, p AS SALT FROM u WHERE n = :username",
            "twice",
        ),
        ("SELECT x FROM u WHERE n = :username", "no such column"),
        ("SELECT p FROM nowhere WHERE n = :username", "no such table"),
        ("SELEKT", "syntax"),
    ] {
        let message = refused(sql);
        assert!(message.contains(why), "{sql}: {message}");
    }
}

#[test]
fn a_missing_database_and_a_file_that_is_none_are_refused() {
    let place = Place::new();
    assert!(matches!(
        open_foreign(&place.ask(SELECT)),
        Err(Error::Unavailable { .. })
    ));
    assert!(!place.path.exists());
    std::fs::write(&place.path, "roger:$7$x\n").unwrap();
    assert!(matches!(
        open_foreign(&place.ask(SELECT)),
        Err(Error::Corrupt { .. })
    ));
}

#[test]
fn a_statement_that_takes_too_long_is_given_up_and_the_next_one_is_not() {
    let place = place();
    let (source, _) = asked(&place, "WITH RECURSIVE slow(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM slow WHERE :username = 'two')
         SELECT p FROM u WHERE n = :username AND (SELECT count(*) FROM slow) > 0");
    for _ in 0..2 {
        let error = source.account("two", None).unwrap_err();
        assert!(
            matches!(&error, Error::Unavailable { .. }) && error.to_string().contains("index"),
            "{error}"
        );
        assert!(source.account("roger", None).unwrap().is_some());
    }
}

#[test]
fn any_change_is_everything_and_logins_are_not_recorded() {
    let place = place();
    let (_, mut watched) = asked(&place, SELECT);
    assert_eq!(refresh(&mut watched), News::Nothing);
    place.tool("UPDATE u SET p = 'other'");
    assert_eq!(refresh(&mut watched), News::Everything);
    let login = Login {
        name: name("roger"),
        at: jiff::Timestamp::UNIX_EPOCH,
    };
    watched.record_logins(&[login]).unwrap();
    assert_eq!(refresh(&mut watched), News::Nothing);
}

#[test]
fn a_writer_elsewhere_is_no_news_yet_and_denies_within_the_patience() {
    let place = place();
    let (source, mut watched) = asked(&place, SELECT);
    let tool = Connection::open(&place.path).unwrap();
    tool.execute_batch("BEGIN EXCLUSIVE; DELETE FROM u")
        .unwrap();
    assert!(matches!(
        source.account("roger", None),
        Err(Error::Unavailable { .. })
    ));
    assert_eq!(refresh(&mut watched), News::Nothing);
    tool.execute_batch("COMMIT").unwrap();
    assert_eq!(source.account("roger", None).unwrap(), None);
    assert_eq!(refresh(&mut watched), News::Everything);
}

#[test]
fn the_sample_is_of_what_was_asked_for_and_bounded() {
    let place = Place::new();
    place.tool(
        "CREATE TABLE u (n TEXT PRIMARY KEY, p);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
         INSERT INTO u SELECT 'u' || i, 'p' || i FROM n",
    );
    let (source, _) = asked(&place, "SELECT p FROM u WHERE n = :username");
    assert_eq!(source.sample(), []);
    for n in 1..=300 {
        source.account(&format!("u{n}"), None).unwrap();
        source.account("u1", None).unwrap();
    }
    assert_eq!(source.sample().len(), 256);
}
