//! Doorman's own database.
#![forbid(unsafe_code)]

use std::os::unix::fs::PermissionsExt;

use super::*;

fn unreadable(place: &Place, sql: &str, why: &str) {
    let (source, _) = opened(place);
    place.tool(sql);
    let error = source.account("roger", None).unwrap_err();
    assert!(
        matches!(&error, Error::Corrupt { .. }) && error.to_string().contains(why),
        "{error}"
    );
    assert!(
        source.account("sub", None).unwrap().is_some(),
        "another account was hurt"
    );
    let mut seen = Vec::new();
    let listed = place.database().accounts(&mut |account| {
        seen.push(account.name);
        Ok(())
    });
    assert!(listed.unwrap_err().to_string().contains(why));
    assert_eq!(seen, [name("sub")], "the readable account is listed");
}

#[test]
fn an_account_comes_back_as_it_was_put() {
    let place = Place::of(&[plain("roger"), full("sub")]);
    let (source, _) = opened(&place);
    assert_eq!(source.account("roger", None).unwrap(), Some(plain("roger")));
    assert_eq!(source.account("sub", Some("x")).unwrap(), Some(full("sub")));
    let mut database = place.database();
    assert_eq!(database.account(&name("sub")).unwrap(), Some(full("sub")));
    let mut listed = Vec::new();
    database
        .accounts(&mut |account| {
            listed.push(account);
            Ok(())
        })
        .unwrap();
    assert_eq!(listed, [plain("roger"), full("sub")]);
    database.check().unwrap();
}

#[test]
fn another_name_is_another_account() {
    let place = Place::of(&[plain("roger")]);
    let (source, _) = opened(&place);
    for unknown in ["Roger", "roger ", "rog", "", "' OR 1=1 --", "roger\0"] {
        assert_eq!(source.account(unknown, None).unwrap(), None, "{unknown:?}");
    }
}

#[test]
fn an_account_that_is_put_again_keeps_nothing_of_before() {
    let place = Place::of(&[full("roger")]);
    place.put(&[plain("roger")]);
    assert_eq!(
        place.database().account(&name("roger")).unwrap(),
        Some(plain("roger"))
    );
    place.remove("roger");
    assert_eq!(place.database().account(&name("roger")).unwrap(), None);
}

#[test]
fn a_change_that_is_dropped_has_never_been() {
    let place = Place::of(&[plain("roger")]);
    let mut database = place.database();
    let mut change = database.begin().unwrap();
    change.remove(&name("roger")).unwrap();
    assert_eq!(change.account(&name("roger")).unwrap(), None);
    drop(change);
    assert_eq!(
        database.account(&name("roger")).unwrap(),
        Some(plain("roger"))
    );
}

#[test]
fn a_credential_of_a_foreign_form_is_refused() {
    let place = Place::new();
    let mut database = place.database();
    let mut account = plain("roger");
    account.credential = Some(StoredCredential {
        text: "00ff".into(),
        salt: Some("salt".into()),
        scheme: Scheme::RabbitMq,
    });
    let refused = database.begin().unwrap().put(&account);
    assert!(matches!(refused, Err(Error::Invalid { .. })));
}

#[test]
fn a_new_database_and_its_neighbours_are_the_owners_alone() {
    let place = Place::new();
    let _open = opened(&place);
    let files: Vec<_> = std::fs::read_dir(place.dir.path())
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(files.len(), 3, "database, -wal and -shm");
    for file in files {
        assert_eq!(
            file.metadata().unwrap().permissions().mode() & 0o7777,
            0o600
        );
    }
}

#[test]
fn administration_does_not_make_what_it_should_open() {
    let place = Place::new();
    assert!(matches!(
        Database::open(&place.path),
        Err(Error::Unavailable { .. })
    ));
    assert!(!place.path.exists());
}

#[test]
fn a_reader_sees_the_last_commit_while_a_change_is_being_made() {
    let place = Place::of(&[plain("roger")]);
    let (source, mut watched) = opened(&place);
    let mut database = place.database();
    let mut change = database.begin().unwrap();
    change.remove(&name("roger")).unwrap();
    assert!(source.account("roger", None).unwrap().is_some());
    assert_eq!(refresh(&mut watched), News::Nothing);
    change.commit().unwrap();
    assert_eq!(source.account("roger", None).unwrap(), None);
}

#[test]
fn a_network_edited_into_nonsense_denies_that_account_only() {
    let place = Place::of(&[full("roger"), plain("sub")]);
    unreadable(
        &place,
        "UPDATE account_network SET network = '10.0.0' WHERE network LIKE '10%'",
        "\"10.0.0\"",
    );
}

#[test]
fn a_credential_that_is_not_utf_8_denies_that_account_only() {
    let place = Place::of(&[plain("roger"), plain("sub")]);
    unreadable(
        &place,
        "UPDATE account SET credential = CAST(x'ff' AS TEXT) WHERE username = 'roger'",
        "account \"roger\"",
    );
}

#[test]
fn times_outside_the_calendar_do_not_get_in() {
    let place = Place::of(&[plain("roger")]);
    let tool = Connection::open(&place.path).unwrap();
    for at in ["253402207201", "-377705023202"] {
        let sql = ["UPDATE account SET valid_until = ", at].concat();
        assert!(tool.execute_batch(&sql).is_err());
    }
    tool.execute_batch("UPDATE account SET valid_until = 253402207200, valid_from = -377705023201")
        .unwrap();
    assert!(place.database().account(&name("roger")).unwrap().is_some());
}

#[test]
fn a_sample_is_spread_over_the_table_and_bounded() {
    let place = Place::new();
    let (source, _) = opened(&place);
    assert_eq!(source.sample(), []);
    let many: Vec<_> = (0..1000)
        .map(|n| Account {
            credential: (n % 2 == 0).then(|| StoredCredential::marked(&n.to_string())),
            ..plain(&format!("user{n}"))
        })
        .collect();
    place.put(&many[..10]);
    assert_eq!(source.sample().len(), 5);
    place.put(&many);
    let sample = source.sample();
    assert!(sample.len() <= 256 && sample.len() > 80, "{}", sample.len());
    let late = |stored: &&StoredCredential| stored.text.parse::<u32>().unwrap() > 500;
    assert!(sample.iter().filter(late).count() > 20);
}

#[test]
fn logins_are_remembered_and_the_latest_stays() {
    let place = Place::of(&[plain("roger")]);
    let (source, mut watched) = opened(&place);
    let login = |text, seconds| Login {
        name: name(text),
        at: jiff::Timestamp::from_second(seconds).unwrap(),
    };
    watched
        .record_logins(&[login("roger", 20), login("nobody", 30), login("roger", 10)])
        .unwrap();
    let seen = source.account("roger", None).unwrap().unwrap();
    assert_eq!(seen.last_login.unwrap().as_second(), 20);
    assert_eq!(refresh(&mut watched), News::Nothing);
    place.put(&[plain("roger")]);
    assert!(
        place
            .database()
            .account(&name("roger"))
            .unwrap()
            .unwrap()
            .last_login
            .is_some()
    );
}

#[test]
fn a_directory_that_may_not_be_written_to_is_named_as_the_cause() {
    let place = Place::new();
    for code in [
        ffi::SQLITE_READONLY_DIRECTORY,
        ffi::SQLITE_READONLY_CANTINIT,
        ffi::SQLITE_CANTOPEN,
    ] {
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        let told = failure(&place.path, &error);
        assert!(
            matches!(&told, Error::Unavailable { .. }) && told.to_string().contains("directory"),
            "{told}"
        );
    }
}

#[test]
fn a_change_waits_for_no_reader_and_a_second_writer_is_refused() {
    let place = Place::of(&[plain("roger")]);
    let (source, mut watched) = opened(&place);
    let mut database = place.database();
    let change = database.begin().unwrap();
    let login = Login {
        name: name("roger"),
        at: jiff::Timestamp::UNIX_EPOCH,
    };
    let refused = watched.record_logins(std::slice::from_ref(&login));
    assert!(matches!(refused, Err(Error::Unavailable { .. })));
    assert!(source.account("roger", None).unwrap().is_some());
    drop(change);
    watched.record_logins(&[login]).unwrap();
}
