//! Rebuilds the crate if a migration file is added, because the crate embeds the files.

fn main() {
    println!("cargo:rerun-if-changed=sql");
}
