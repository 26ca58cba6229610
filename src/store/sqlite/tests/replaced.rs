//! Another file under the database's name.
#![forbid(unsafe_code)]

use std::fs;

use super::*;

/// Puts a database with these accounts in place of the one that is watched.
fn replace(place: &Place, accounts: &[Account]) {
    let other = Place::of(accounts);
    let near = place.dir.path().join("near.db");
    fs::copy(&other.path, &near).unwrap();
    fs::rename(&near, &place.path).unwrap();
}

fn knows(source: &Arc<dyn Source>, name: &str) -> bool {
    source.account(name, None).unwrap().is_some()
}

#[test]
fn a_new_file_is_taken_over_whole_and_the_old_log_is_not_replayed() {
    let place = Place::of(&[plain("roger")]);
    let (source, mut watched) = opened(&place);
    place.put(&[plain("late")]);
    replace(&place, &[plain("sub")]);
    assert!(
        knows(&source, "late"),
        "the old file holds until the watcher looks"
    );
    assert_eq!(refresh(&mut watched), News::Everything);
    assert!(knows(&source, "sub") && !knows(&source, "roger") && !knows(&source, "late"));
    assert_eq!(refresh(&mut watched), News::Nothing);
    place.put(&[full("sub")]);
    assert_eq!(refresh(&mut watched), accounts(&["sub"]));
    place.database().check().unwrap();
}

#[test]
fn a_bad_file_leaves_the_last_good_one_in_force() {
    let place = Place::of(&[plain("roger")]);
    let (source, mut watched) = opened(&place);
    for content in ["", "roger:$7$x\n"] {
        let near = place.dir.path().join("near.db");
        fs::write(&near, content).unwrap();
        fs::rename(&near, &place.path).unwrap();
        for _ in 0..2 {
            assert!(matches!(
                watched.refresh(Hurry::Now),
                Err(Error::Corrupt { .. })
            ));
        }
        assert!(knows(&source, "roger"));
    }
    replace(&place, &[plain("sub")]);
    assert_eq!(refresh(&mut watched), News::Everything);
    assert!(knows(&source, "sub") && !knows(&source, "roger"));
}

#[test]
fn a_file_that_vanished_holds_until_another_comes() {
    let place = Place::of(&[plain("roger")]);
    let (source, mut watched) = opened(&place);
    fs::remove_file(&place.path).unwrap();
    for _ in 0..2 {
        assert!(matches!(
            watched.refresh(Hurry::Now),
            Err(Error::Unavailable { .. })
        ));
    }
    assert!(knows(&source, "roger"));
    assert!(watched.record_logins(&[]).is_err());
    place.put(&[plain("sub")]);
    assert_eq!(refresh(&mut watched), News::Everything);
    assert!(knows(&source, "sub") && !knows(&source, "roger"));
    place.database().check().unwrap();
}

#[test]
fn a_file_that_comes_back_has_lost_nothing() {
    let place = Place::of(&[plain("roger")]);
    let (source, mut watched) = opened(&place);
    place.put(&[plain("late")]);
    let away = place.dir.path().join("away.db");
    fs::rename(&place.path, &away).unwrap();
    watched.refresh(Hurry::Now).unwrap_err();
    assert!(knows(&source, "late"));
    fs::rename(&away, &place.path).unwrap();
    assert_eq!(refresh(&mut watched), News::Everything);
    assert!(knows(&source, "late") && knows(&source, "roger"));
    place.remove("late");
    assert_eq!(refresh(&mut watched), accounts(&["late"]));
    place.database().check().unwrap();
}

#[test]
fn a_foreign_file_is_taken_over_if_the_statement_fits_it() {
    let place = Place::new();
    place.tool("CREATE TABLE u (n TEXT PRIMARY KEY, p TEXT); INSERT INTO u VALUES ('roger', 'x')");
    let (source, mut watched) = asked(&place, "SELECT p FROM u WHERE n = :username");
    let near = place.dir.path().join("near.db");
    for (sql, good) in [
        ("CREATE TABLE other (n TEXT)", false),
        (
            "CREATE TABLE u (n TEXT PRIMARY KEY, p TEXT); INSERT INTO u VALUES ('sub', 'x')",
            true,
        ),
    ] {
        Connection::open(&near).unwrap().execute_batch(sql).unwrap();
        fs::rename(&near, &place.path).unwrap();
        assert_eq!(watched.refresh(Hurry::Now).is_ok(), good);
        assert_eq!(
            (knows(&source, "roger"), knows(&source, "sub")),
            (!good, good)
        );
    }
    fs::remove_file(&place.path).unwrap();
    watched.refresh(Hurry::Now).unwrap_err();
    assert!(knows(&source, "sub"));
}

#[test]
fn a_symbolic_link_that_leads_elsewhere_harms_no_database() {
    let (first, second) = (Place::of(&[plain("roger")]), Place::of(&[plain("sub")]));
    let place = Place::new();
    std::os::unix::fs::symlink(&first.path, &place.path).unwrap();
    let (source, mut watched) = opened(&place);
    first.put(&[plain("late")]);
    fs::remove_file(&place.path).unwrap();
    watched.refresh(Hurry::Now).unwrap_err();
    std::os::unix::fs::symlink(&second.path, &place.path).unwrap();
    assert_eq!(refresh(&mut watched), News::Everything);
    assert!(knows(&source, "sub") && !knows(&source, "roger"));
    for place in [&first, &second] {
        place.put(&[plain("new")]);
        place.database().check().unwrap();
    }
    assert!(first.database().account(&name("late")).unwrap().is_some());
}

#[test]
fn a_pen_is_taken_away_with_its_file_and_given_back_with_the_next() {
    let place = Place::of(&[plain("roger")]);
    let (_source, mut watched) = opened(&place);
    assert!(watched.pen(&place.dir.path().join("other")).is_none());
    let pen = watched.pen(&place.path).unwrap();
    let write = |name: &str| {
        pen.write(|database| {
            let mut change = database.begin()?;
            change.put(&plain(name))?;
            change.commit()
        })
    };
    let there = |name: &str| {
        let account = place.database().account(&super::name(name));
        account.unwrap().is_some()
    };
    write("first").unwrap();
    assert!(there("first"));
    // Another file: nothing is written before it is in force, neither to it nor to the one before.
    replace(&place, &[plain("sub")]);
    assert!(write("early").is_err());
    assert_eq!(refresh(&mut watched), News::Everything);
    write("second").unwrap();
    assert!(there("second") && there("sub") && !there("first") && !there("early"));
    // The same file goes and comes back: what lay beside it is gone, and nobody may still know it.
    let away = place.dir.path().join("away.db");
    fs::rename(&place.path, &away).unwrap();
    assert!(watched.refresh(Hurry::Now).is_err() && write("lost").is_err());
    fs::rename(&away, &place.path).unwrap();
    assert!(!pen.is_current());
    assert_eq!(refresh(&mut watched), News::Everything);
    write("third").unwrap();
    assert!(there("third") && there("second") && !there("lost"));
    place.database().check().unwrap();
}
