//! Keys of TLS-PSK: made, brought, listed, taken away, imported and sealed.

use super::Desk;

const KEY: &str = "00112233445566778899aabbccddeeff";

fn desk() -> Desk {
    let desk = Desk::database();
    desk.add("ann", "tulip-garden").code(0);
    desk
}

fn sealed(desk: &Desk, file: &str, args: &[&str]) -> super::Ran {
    let file = desk.path(file).display().to_string();
    desk.on(&[args, &["--seal-file", &file]].concat())
}

#[test]
fn a_key_is_told_once_and_shown_by_nothing() {
    let desk = desk();
    for (identity, bits, length) in [("ann", None, 64), ("short", Some("128"), 32)] {
        let bits = bits.map_or(Vec::new(), |bits| vec!["--bits", bits]);
        let args = ["psk", "add", "ann", "--identity", identity];
        let ran = desk.on(&[&args[..], &bits].concat()).code(0);
        let key = ran.out.trim();
        assert_eq!(key.len(), length);
        assert!(key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
        for show in [
            &["psk", "list"][..],
            &["audit", "list"],
            &["user", "show", "ann"],
        ] {
            let shown = desk.on(show).code(0);
            assert!(!shown.out.contains(key), "{}", shown.out);
        }
    }
    let listed = desk.on(&["psk", "list", "--json"]).code(0).json();
    assert_eq!(listed.len(), 2);
    assert_eq!(
        listed[0],
        serde_json::json!({"identity": "ann", "name": "ann", "bits": 256, "sealed": false})
    );
    desk.on(&["audit", "list"]).code(0).tells("addPsk");
    let show = desk.on(&["user", "show", "ann"]).code(0);
    show.tells("PSK identity      ann\n")
        .tells("PSK identity      short\n");
    let show = desk.on(&["user", "show", "ann", "--json"]).code(0).json();
    let identities = serde_json::json!(["ann", "short"]);
    assert_eq!(show[0]["psk_identities"], identities);
    desk.add("bob", "rose-garden").code(0);
    let show = desk.on(&["user", "show", "bob"]).code(0);
    assert!(!show.out.contains("PSK"), "{}", show.out);
}

#[test]
fn a_key_of_ones_own_comes_by_standard_input_or_a_file_and_never_as_an_argument() {
    let desk = desk();
    let own = ["psk", "add", "ann", "--psk-stdin"];
    let ran = desk.on_with(&own, KEY).code(0);
    assert_eq!(ran.out, "identity ann added\n");
    desk.write("key", &format!("{}\n", KEY.to_uppercase()));
    let file = desk.path("key").display().to_string();
    let args = [
        "psk",
        "add",
        "ann",
        "--identity",
        "two",
        "--psk-file",
        &file,
    ];
    desk.on(&args).code(0);
    for bad in ["", "xyz", "abc", &"ab".repeat(513)] {
        let args = ["psk", "add", "ann", "--identity", "bad", "--psk-stdin"];
        let ran = desk.on_with(&args, bad).code(1);
        assert!(bad.is_empty() || !ran.err.contains(bad), "{}", ran.err);
    }
    let ran = desk.on(&["psk", "add", "ann", KEY]).code(2);
    assert!(!ran.err.contains(KEY), "{}", ran.err);
    let weak = ["psk", "add", "ann", "--identity", "weak", "--psk-stdin"];
    desk.on_with(&weak, "c0ffee").code(0).says("128 bits");
}

#[test]
fn identities_that_are_taken_missing_or_anothers_name_are_refused() {
    let desk = desk();
    desk.add("bob", "rose-garden").code(0);
    desk.on(&["psk", "add", "ann"]).code(0);
    desk.on(&["psk", "add", "ann"]).code(4).says("psk delete");
    desk.on(&["psk", "add", "eve"]).code(3);
    desk.on(&["psk", "add", "eve", "--add-account"]).code(0);
    let anothers = ["psk", "add", "ann", "--identity", "bob"];
    desk.on(&anothers)
        .code(1)
        .says("the name of another account");
    desk.on(&["psk", "delete", "ann", "nobody"]).code(3);
    desk.on(&["psk", "list"]).code(0).tells("ann");
    desk.on(&["psk", "delete", "ann"]).code(0);
    desk.on(&["user", "delete", "eve"]).code(0);
    assert_eq!(desk.on(&["psk", "list"]).code(0).out, "");
    let file = Desk::file();
    file.add("ann", "tulip-garden").code(0);
    file.on(&["psk", "add", "ann"])
        .code(1)
        .says("in a database");
}

#[test]
fn a_stock_file_is_imported_line_by_line() {
    let desk = desk();
    let text = format!("# keys\nann:{KEY}\nann:ff\nbad\nodd:xyz\n\nnew:{KEY}:rest\nweak:c0ffee");
    let path = desk.write("keys", &text).display().to_string();
    let ran = desk.on(&["psk", "import", &path]).code(1);
    for (line, why) in [
        (3, "above already"),
        (4, "a colon"),
        (5, "hexadecimal"),
        (7, "--add-accounts"),
        (8, "--add-accounts"),
    ] {
        assert!(ran.err.contains(&format!(":{line}: ")), "{}", ran.err);
        assert!(ran.err.contains(why), "{}", ran.err);
    }
    assert!(!ran.err.contains(KEY) && !ran.err.contains("c0ffee"));
    assert_eq!(ran.out, "1 added, 0 changed, 0 unchanged, 5 refused\n");
    let again = desk.on(&["psk", "import", &path, "--add-accounts"]).code(1);
    again
        .says("--replace")
        .says("1 keys have less")
        .tells("2 added, 0 changed, 0 unchanged, 4 refused");
    desk.write("keys", &format!("ann:{KEY}\nnew:{}\n", "ab".repeat(16)));
    let ran = desk.on(&["psk", "import", &path, "--replace"]).code(0);
    assert_eq!(ran.out, "0 added, 1 changed, 1 unchanged, 0 refused\n");
}

#[test]
fn keys_are_sealed_with_the_first_key_and_opened_with_all() {
    let desk = desk();
    desk.on(&["psk", "add", "ann"]).code(0);
    desk.on(&["psk", "seal"]).code(1).says("--seal-file");
    for file in ["old", "new"] {
        let path = desk.path(file).display().to_string();
        desk.run(&["psk", "seal-file", &path]).code(0);
        desk.run(&["psk", "seal-file", &path]).code(5);
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    sealed(&desk, "old", &["psk", "seal"])
        .code(0)
        .tells("keys sealed");
    sealed(&desk, "old", &["psk", "seal"])
        .code(0)
        .tells("already");
    desk.on(&["psk", "list"]).code(0).tells("256 bits, sealed");
    let add = ["psk", "add", "ann", "--identity", "two"];
    desk.on(&add).code(1).says("no seal file is given");
    sealed(&desk, "new", &add).code(1).says("does not open it");
    sealed(&desk, "new", &["psk", "seal"])
        .code(1)
        .says("does not open it");
    sealed(&desk, "old", &add).code(0);
    let [old, new] = ["old", "new"].map(|file| std::fs::read_to_string(desk.path(file)).unwrap());
    std::fs::write(desk.path("new"), new + &old).unwrap();
    sealed(&desk, "new", &["psk", "seal"])
        .code(0)
        .tells("keys sealed");
    sealed(&desk, "old", &["psk", "seal"])
        .code(1)
        .says("does not open it");
    desk.on(&["audit", "list"]).code(0).tells("sealPsks");
    desk.on(&["audit", "verify"]).code(0);
    use std::os::unix::fs::PermissionsExt as _;
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(desk.path("new"), open).unwrap();
    sealed(&desk, "new", &["psk", "list"])
        .code(5)
        .says("chmod 600");
}

#[test]
fn the_seal_file_of_a_configuration_is_found() {
    let desk = desk();
    let path = |name: &str| desk.path(name).display().to_string();
    desk.run(&["psk", "seal-file", &path("seal")]).code(0);
    let conf = format!(
        "plugin /usr/lib/mosquitto_doorman.so\nplugin_opt_database {}\nplugin_opt_psk true\n\
         plugin_opt_psk_seal_file {}\n",
        desk.place.display(),
        path("seal")
    );
    desk.write("conf", &conf);
    desk.run(&["psk", "add", "ann", "--config", &path("conf")])
        .code(0);
    desk.on(&["psk", "list"]).code(0).tells("sealed");
}
