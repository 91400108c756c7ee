//! A static build needs an explicit target, so cargo leaves the binary in `<target>/<triple>/release/`. This links
//! `<target>/release/mcp-factory` to it, where people look for it.

use std::{env, fs, path::PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Err(error) = link() {
        println!("cargo::warning=no link to the binary was made: {error}");
    }
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
