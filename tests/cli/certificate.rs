//! Certificates of accounts: mapped, listed, taken away.

use std::process::Command;

use super::Desk;
use crate::support::finish;

fn desk() -> Desk {
    let desk = Desk::database();
    for name in ["ann", "bob"] {
        desk.add(name, "tulip-garden").code(0);
    }
    desk
}

/// A certificate in a PEM file, and the fingerprint that openssl tells of it.
fn made(desk: &Desk) -> (String, String) {
    let openssl = |args: &[&str]| {
        let mut openssl = Command::new("openssl");
        finish(openssl.current_dir(desk.dir.path()).args(args)).succeeded()
    };
    openssl(&[
        "req",
        "-x509",
        "-nodes",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-subj",
        "/CN=x",
        "-keyout",
        "x.key",
        "-out",
        "x.crt",
    ]);
    let told = openssl(&["x509", "-in", "x.crt", "-noout", "-fingerprint", "-sha256"]);
    let (_, fingerprint) = told.trim().split_once('=').unwrap();
    (
        desk.path("x.crt").display().to_string(),
        fingerprint.to_owned(),
    )
}

#[test]
fn certificates_are_mapped_and_listed_and_taken_away() {
    let desk = desk();
    let on = |args: &[&str]| desk.on(&[&["user", "certificate"], args].concat());
    let added = on(&["add", "ann", "dns:Sensor.Example", "uri:urn:dev:7"]).code(0);
    added
        .tells("ann: dns:sensor.example added")
        .tells("ann: uri:urn:dev:7 added");
    on(&["add", "ann", "dns:sensor.example"])
        .code(0)
        .tells("unchanged");
    on(&["add", "bob", "email:bob@example.org"]).code(0);
    let listed = on(&["list"]).code(0);
    assert_eq!(
        listed.out,
        "ann: dns:sensor.example\nann: uri:urn:dev:7\nbob: email:bob@example.org\n"
    );
    assert_eq!(
        on(&["list", "bob"]).code(0).out,
        "bob: email:bob@example.org\n"
    );
    desk.on(&["user", "show", "ann"])
        .code(0)
        .tells("dns:sensor.example");
    on(&["remove", "ann", "dns:sensor.example"])
        .code(0)
        .tells("removed");
    on(&["remove", "ann", "dns:sensor.example"])
        .code(0)
        .tells("unchanged");
    assert_eq!(on(&["list", "ann"]).code(0).out, "ann: uri:urn:dev:7\n");
    let audit = desk.on(&["audit", "list"]).code(0);
    audit
        .tells("addClientCertificate")
        .tells("removeClientCertificate");
}

#[test]
fn a_certificate_in_a_file_is_known_by_the_fingerprint_that_openssl_tells() {
    let desk = desk();
    let (pem, fingerprint) = made(&desk);
    let on = |args: &[&str]| desk.on(&[&["user", "certificate"], args].concat());
    on(&["add", "ann", "--pem", &pem]).code(0).tells("added");
    on(&["add", "ann", &format!("sha256:{fingerprint}")])
        .code(0)
        .tells("unchanged");
    // Of whatever is in it, a file without a certificate is none.
    let none = desk.write("none.pem", "x").display().to_string();
    on(&["add", "ann", "--pem", &none]).code(5).says("none.pem");
    on(&[
        "add",
        "ann",
        "--pem",
        &desk.path("x.key").display().to_string(),
    ])
    .code(5);
    assert_eq!(on(&["list"]).code(0).out.lines().count(), 1);
}

#[test]
fn a_certificate_belongs_to_one_account_and_what_is_none_is_refused() {
    let desk = desk();
    let on = |args: &[&str]| desk.on(&[&["user", "certificate"], args].concat());
    on(&["add", "ann", "uri:urn:dev:7"]).code(0);
    let taken = on(&["add", "bob", "dns:b.example", "uri:urn:dev:7"]);
    taken.code(4).says("belongs to another account");
    // All of them or none.
    assert_eq!(on(&["list", "bob"]).code(0).out, "");
    on(&["add", "eve", "dns:e.example"]).code(3);
    on(&["list", "eve"]).code(3);
    on(&["add", "ann"]).code(2);
    on(&["add", "ann", "sensor.example"])
        .code(2)
        .says("sha256:");
    desk.on(&["user", "delete", "ann"]).code(0);
    on(&["add", "bob", "uri:urn:dev:7"]).code(0).tells("added");
    let file = Desk::file();
    file.add("ann", "tulip-garden").code(0);
    let refused = file.on(&["user", "certificate", "add", "ann", "dns:a.example"]);
    refused.code(1).says("use a database");
}

#[test]
fn a_table_sets_the_certificates_of_accounts_and_leaves_them_where_it_has_no_such_column() {
    let desk = desk();
    let listed = || desk.on(&["user", "certificate", "list"]).code(0).out;
    desk.on(&["user", "certificate", "add", "ann", "dns:old.example"])
        .code(0);
    desk.write(
        "in.csv",
        "username,certificates\nann,uri:urn:a;b  dns:Ann.example\neve,uri:urn:e\n",
    );
    desk.on(&["import", "in.csv"])
        .code(0)
        .tells("1 added, 1 changed");
    let all = "ann: dns:ann.example\nann: uri:urn:a;b\neve: uri:urn:e\n";
    assert_eq!(listed(), all);
    desk.write("in.csv", "username,notes\nann,kept\n");
    desk.on(&["import", "in.csv"]).code(0).tells("1 changed");
    assert_eq!(listed(), all);
    // Another account's, and what is none.
    desk.write(
        "in.csv",
        "username,certificates\nbob,uri:urn:e\nbob,urn:e\neve,\nbob,uri:urn:b\n",
    );
    let ran = desk.on(&["import", "in.csv"]).code(1);
    ran.says("in.csv:2: the certificate uri:urn:e belongs to another account")
        .says("in.csv:3: certificates: accepted are")
        .tells("0 added, 2 changed, 0 unchanged, 2 refused");
    let all = "ann: dns:ann.example\nann: uri:urn:a;b\nbob: uri:urn:b\n";
    assert_eq!(listed(), all);
    let file = Desk::file();
    file.add("ann", "tulip-garden").code(0);
    file.write("in.csv", "username,certificates\nann,uri:urn:a\n");
    let refused = file.on(&["import", "in.csv"]).code(1);
    refused.says("in.csv:2: ").says("use a database");
}

#[test]
fn an_account_with_certificates_is_not_exported_without_them() {
    let desk = desk();
    desk.on(&["user", "certificate", "add", "ann", "uri:urn:dev:7"])
        .code(0);
    let exported = desk.on(&["export"]);
    exported.says("ann left out");
    let exported = desk.on(&["export", "--drop-bounds"]).code(0);
    assert!(exported.out.contains("ann:") && exported.out.contains("bob:"));
}
