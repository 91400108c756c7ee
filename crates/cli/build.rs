//! A static build needs an explicit target, so cargo leaves the binary in `<target>/<triple>/release/`. This links
//! `<target>/release/mcp-factory` to it, where people look for it. And it has the program's relocations packed.

use std::{env, fs, path::PathBuf, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if packs_relocations() {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    if let Err(error) = link() {
        println!("cargo::warning=no link to the binary was made: {error}");
    }
}

/// A static program relocates itself when it starts, and what says how stays in its memory: 1.7 MB, or 20 KB packed. It is the
/// C library's start-up code in the program that has to know the packed form: glibc's does since 2.36.
fn packs_relocations() -> bool {
    if env::var("TARGET").is_ok_and(|target| target != "x86_64-unknown-linux-gnu") {
        return false;
    }
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let said = said.ok().and_then(|said| String::from_utf8(said.stdout).ok()).unwrap_or_default();
    let version = said.trim().strip_prefix("glibc ").and_then(|version| version.split_once('.'));
    let version = version.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    version.is_some_and(|version: (u32, u32)| version >= (2, 36))
}

fn link() -> std::io::Result<()> {
    // <target>/<triple>/<profile>/build/<package>/out
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let triple = env::var("TARGET").expect("cargo sets TARGET");
    let Some(profile_folder) = out.ancestors().nth(3) else { return Ok(()) };
    let Some(triple_folder) = profile_folder.parent().filter(|folder| folder.ends_with(&triple)) else { return Ok(()) };
    let (Some(target), Some(profile)) = (triple_folder.parent(), profile_folder.file_name()) else { return Ok(()) };
    let link = target.join(profile).join("mcp-factory");
    let binary = PathBuf::from("..").join(&triple).join(profile).join("mcp-factory");
    if fs::read_link(&link).is_ok_and(|known| known == binary) {
        return Ok(());
    }
    fs::create_dir_all(target.join(profile))?;
    match fs::remove_file(&link) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink(&binary, &link)?;
    Ok(())
}
