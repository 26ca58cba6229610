//! Makes the bindings of our broker header, links the plugin so that it stays mapped, and compares
//! the header with the broker's own when one is installed.
//!
//! Must not: need a broker. Building works without any Mosquitto package on the machine.

#![expect(
    clippy::disallowed_methods,
    reason = "cargo speaks to a build script through the environment"
)]

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=include/mosquitto_abi.h");
    println!("cargo:rerun-if-changed=include/abi_probe.cpp");
    println!("cargo:rerun-if-env-changed=DOORMAN_BROKER_INCLUDE");
    // 2.0 unmaps a plugin after its cleanup; code that something still points to must stay.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    bindings(&PathBuf::from(env::var("OUT_DIR")?))?;
    probe()
}

fn bindings(out: &Path) -> Result<(), Box<dyn Error>> {
    bindgen::Builder::default()
        .header("include/mosquitto_abi.h")
        .allowlist_item("mosquitto.*|MOSQ.*|MQTT.*")
        .dynamic_library_name("BrokerApi")
        .dynamic_link_require_all(false)
        .wrap_unsafe_ops(true)
        .default_macro_constant_type(bindgen::MacroTypeVariation::Signed)
        .layout_tests(true)
        .generate()?
        .write_to_file(out.join("mosquitto_abi.rs"))?;
    Ok(())
}

/// Compiles the probe against the headers in `DOORMAN_BROKER_INCLUDE`, or else the installed ones.
/// No header, nothing to compare: the tests compare with all supported brokers.
fn probe() -> Result<(), Box<dyn Error>> {
    let include = env::var_os("DOORMAN_BROKER_INCLUDE")
        .map_or_else(|| PathBuf::from("/usr/include"), PathBuf::from);
    if !include.join("mosquitto_plugin.h").is_file() {
        return Ok(());
    }
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .warnings(false)
        .cargo_metadata(false)
        .include(include)
        .include("include")
        .file("include/abi_probe.cpp")
        .try_compile("doorman_abi_probe")?;
    Ok(())
}
