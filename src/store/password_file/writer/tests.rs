//! What the writer of password files promises.
#![forbid(unsafe_code)]

use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::mpsc;
use std::thread;

use super::*;

fn file(dir: &tempfile::TempDir, content: &str) -> PasswordFile {
    let path = dir.path().join("passwd");
    fs::write(&path, content).unwrap();
    PasswordFile::open(&path).unwrap()
}

fn entry(name: &str, credential: &str) -> Account {
    let mut account = Account::named(AccountName::new(name).unwrap());
    account.credential = Some(StoredCredential::marked(credential));
    account
}

fn put(store: &mut PasswordFile, account: &Account) -> Result<(), Error> {
    let mut change = store.begin()?;
    change.put(account)?;
    change.commit()
}

fn content(store: &PasswordFile) -> String {
    fs::read_to_string(&store.path).unwrap()
}

fn files(dir: &tempfile::TempDir) -> usize {
    fs::read_dir(dir.path()).unwrap().count()
}

#[test]
fn an_account_is_written_read_and_taken_away() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = PasswordFile::create(&dir.path().join("passwd"), None).unwrap();
    let roger = entry("roger", "$7$1$a$b");
    put(&mut store, &roger).unwrap();
    assert_eq!(store.account(&roger.name).unwrap(), Some(roger.clone()));
    let mut change = store.begin().unwrap();
    change.remove(&roger.name).unwrap();
    assert_eq!(change.account(&roger.name).unwrap(), None);
    change.commit().unwrap();
    assert_eq!(store.account(&roger.name).unwrap(), None);
    assert_eq!(files(&dir), 1);
}

#[test]
fn accounts_come_in_the_order_of_the_file_and_the_last_line_counts() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = file(&dir, "b:1\n# c:2\na:3\nb:4\nd\ne:\n");
    let mut seen = Vec::new();
    store
        .accounts(&mut |account| {
            seen.push(account);
            Ok(())
        })
        .unwrap();
    let unusable = Account::named(AccountName::new("e").unwrap());
    assert_eq!(seen, [entry("a", "3"), entry("b", "4"), unusable]);
}

#[test]
fn mode_and_symbolic_link_stay() {
    let dir = tempfile::tempdir().unwrap();
    let store = file(&dir, "a:1\n");
    fs::set_permissions(&store.path, fs::Permissions::from_mode(0o640)).unwrap();
    let link = dir.path().join("link");
    symlink("passwd", &link).unwrap();
    put(&mut PasswordFile::open(&link).unwrap(), &entry("a", "2")).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&store.path).unwrap().mode() & 0o7777, 0o640);
    assert_eq!(content(&store), "a:2\n");
}

#[test]
fn a_change_that_is_dropped_has_never_been() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = file(&dir, "a:1\n");
    let mut change = store.begin().unwrap();
    change.put(&entry("a", "2")).unwrap();
    drop(change);
    assert_eq!(content(&store), "a:1\n");
    assert_eq!(files(&dir), 1);
}

#[test]
fn what_another_program_wrote_meanwhile_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = file(&dir, "a:1\n");
    let path = store.path.clone();
    let mut change = store.begin().unwrap();
    change.put(&entry("a", "2")).unwrap();
    fs::write(&path, "a:1\nb:3\n").unwrap();
    assert!(
        change
            .commit()
            .unwrap_err()
            .to_string()
            .contains("meanwhile")
    );
    assert_eq!(content(&store), "a:1\nb:3\n");
    assert_eq!(files(&dir), 1);
}

#[test]
fn a_commit_that_fails_leaves_the_old_file() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("etc");
    fs::create_dir(&inner).unwrap();
    let path = inner.join("passwd");
    fs::write(&path, "a:1\n").unwrap();
    let mut store = PasswordFile::open(&path).unwrap();
    let mut change = store.begin().unwrap();
    change.put(&entry("a", "2")).unwrap();
    let moved = dir.path().join("moved");
    fs::rename(&inner, &moved).unwrap();
    change.commit().unwrap_err();
    assert_eq!(fs::read(moved.join("passwd")).unwrap(), b"a:1\n");
}

#[test]
fn writers_wait_for_each_other_and_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = file(&dir, "");
    let path = &store.path;
    thread::scope(|scope| {
        for writer in 0..4 {
            scope.spawn(move || {
                let mut store = PasswordFile::open(path).unwrap();
                for n in 0..10 {
                    put(&mut store, &entry(&format!("{writer}-{n}"), "x")).unwrap();
                }
            });
        }
    });
    assert_eq!(content(&store).lines().count(), 40);
}

#[test]
fn a_reader_sees_the_old_file_or_the_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = file(&dir, "a:1\nb:1\n");
    let path = store.path.clone();
    let (done, stop) = mpsc::channel::<()>();
    let reader = thread::spawn(move || {
        while stop.try_recv() == Err(mpsc::TryRecvError::Empty) {
            let seen = fs::read_to_string(&path).unwrap();
            assert!(seen == "a:1\nb:1\n" || seen == "a:2\nb:2\n", "{seen}");
        }
    });
    for round in 0..40 {
        let credential = if round % 2 == 0 { "2" } else { "1" };
        let mut change = store.begin().unwrap();
        change.put(&entry("a", credential)).unwrap();
        change.put(&entry("b", credential)).unwrap();
        change.commit().unwrap();
    }
    drop(done);
    reader.join().unwrap();
}

#[test]
fn what_a_line_cannot_hold_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = file(&dir, "a:1\n");
    let with = |change: fn(&mut Account)| {
        let mut account = entry("a", "2");
        change(&mut account);
        account
    };
    let refused = [
        entry("a:b", "2"),
        entry("#a", "2"),
        entry(" a", "2"),
        entry("a ", "2"),
        entry("a", ""),
        entry("a", "x:y"),
        entry("a", "x\ny"),
        with(|account| account.credential = None),
        with(|account| account.second_credential.clone_from(&account.credential)),
        with(|account| account.disabled = true),
        with(|account| account.valid_from = Some(jiff::Timestamp::UNIX_EPOCH)),
        with(|account| account.valid_until = Some(jiff::Timestamp::UNIX_EPOCH)),
        with(|account| account.client_id = Some("c".into())),
        with(|account| account.networks = vec!["10.0.0.0/8".parse().unwrap()]),
        with(|account| account.notes = "n".into()),
    ];
    for account in refused {
        let error = put(&mut store, &account).unwrap_err();
        assert!(
            matches!(error, Error::Invalid { .. }),
            "{account:?}: {error}"
        );
    }
    assert_eq!(content(&store), "a:1\n");
    let recorded = with(|account| account.last_login = Some(jiff::Timestamp::UNIX_EPOCH));
    put(&mut store, &recorded).unwrap();
    assert_eq!(content(&store), "a:2\n");
}

#[test]
fn no_file_and_no_regular_file_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let missing = PasswordFile::open(&dir.path().join("none")).unwrap_err();
    assert!(matches!(missing, Error::Unavailable { .. }));
    assert!(matches!(
        PasswordFile::open(dir.path()),
        Err(Error::Corrupt { .. })
    ));
}

#[test]
fn a_new_file_is_its_owners_alone_and_one_that_is_there_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("passwd");
    let mut store = PasswordFile::create(&path, None).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    put(&mut store, &entry("a", "1")).unwrap();
    PasswordFile::create(&path, None).unwrap();
    assert_eq!(content(&store), "a:1\n");
}

#[test]
fn what_a_killed_writer_left_behind_goes_with_the_next_change() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = file(&dir, "a:1\n");
    fs::write(dir.path().join(".passwd.doorman-new"), "a:half").unwrap();
    put(&mut store, &entry("a", "2")).unwrap();
    assert_eq!(content(&store), "a:2\n");
    assert_eq!(files(&dir), 1);
}
