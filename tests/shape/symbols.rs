//! The built plugin as the broker's loader sees it.
//!
//! 2.0 opens plugins `RTLD_GLOBAL`, so anything exported here could shadow the broker's own; and it
//! binds at once, so one name that a version lacks would be a broker that does not start.

use std::fs;

use object::{Object, ObjectSection, ObjectSymbol};

use crate::support::conf::plugin_path;

#[test]
fn the_plugin_exports_its_three_doors_and_nothing_else() {
    with_plugin(|plugin| {
        let mut exported: Vec<_> = plugin
            .dynamic_symbols()
            .filter(ObjectSymbol::is_definition)
            .map(|symbol| symbol.name().expect("a symbol's name").to_owned())
            .collect();
        exported.sort();
        let doors = [
            "mosquitto_plugin_cleanup",
            "mosquitto_plugin_init",
            "mosquitto_plugin_version",
        ];
        assert_eq!(exported, doors);
    });
}

#[test]
fn the_plugin_imports_nothing_from_the_broker() {
    with_plugin(|plugin| {
        let imported: Vec<_> = plugin
            .dynamic_symbols()
            .filter(ObjectSymbol::is_undefined)
            .map(|symbol| symbol.name().expect("a symbol's name").to_owned())
            .filter(|name| name.starts_with("mosquitto_") || name.starts_with("sqlite3_"))
            .collect();
        assert!(imported.is_empty(), "{imported:?}");
    });
}

/// 2.0 unloads plugins at exit; code that a thread or an exit handler still needs would be gone.
#[test]
fn the_plugin_stays_loaded_once_it_is() {
    with_plugin(|plugin| {
        let flags = dynamic_entry(plugin, DT_FLAGS_1).unwrap_or(0);
        assert_eq!(
            flags & DF_1_NODELETE,
            DF_1_NODELETE,
            "DT_FLAGS_1 is {flags:#x}"
        );
    });
}

fn with_plugin(test: impl FnOnce(&object::File<'_>)) {
    let bytes = fs::read(plugin_path()).expect("the plugin beside the test binary");
    test(&object::File::parse(bytes.as_slice()).expect("an ELF file"));
}

/// The value of `tag` in `.dynamic`, a list of pairs of machine words.
fn dynamic_entry(plugin: &object::File<'_>, tag: u64) -> Option<u64> {
    let section = plugin.section_by_name(".dynamic")?;
    let data = section.data().expect("the section's bytes");
    let word = if plugin.is_64() { 8 } else { 4 };
    let words: Vec<u64> = data
        .chunks_exact(word)
        .map(|bytes| match bytes.try_into() {
            Ok(eight) => u64::from_ne_bytes(eight),
            Err(_) => u64::from(u32::from_ne_bytes(bytes.try_into().expect("four bytes"))),
        })
        .collect();
    let mut entries = words.chunks_exact(2);
    entries.find(|entry| entry[0] == tag).map(|entry| entry[1])
}

const DT_FLAGS_1: u64 = 0x6fff_fffb;
const DF_1_NODELETE: u64 = 0x8;
