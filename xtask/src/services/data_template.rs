//! New data directories, copied from a template that is initialized once per server version.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::scratch;

/// Creates a new data directory at `data`. `lay_out` initializes the template, which is then copied.
pub(super) fn instantiate(version: &str, data: &Path, lay_out: impl Fn(&Path) -> Result<()>) -> Result<()> {
    let mut key = DefaultHasher::new();
    version.hash(&mut key);
    let templates = scratch::on_disk().join("templates");
    fs::create_dir_all(&templates).with_context(|| format!("cannot create {}", templates.display()))?;
    let template = templates.canonicalize()?.join(format!("{:016x}", key.finish()));
    let lock = File::create(template.with_extension("lock")).context("cannot create the template's lock")?;
    lock.lock().context("cannot acquire the template's lock")?;
    if !template.exists() {
        let unfinished = template.with_extension("unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).context("cannot remove an incomplete data directory")?;
        }
        lay_out(&unfinished)?;
        fs::rename(&unfinished, &template).context("cannot store the template of data directories")?;
    }
    copy(&template, data)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to).with_context(|| format!("cannot create {}", to.display()))?;
    let permissions =
        fs::metadata(from).context("cannot read the template of data directories")?.permissions();
    for entry in fs::read_dir(from).context("cannot read the template of data directories")? {
        let entry = entry.context("cannot read the template of data directories")?;
        let (source, target): (PathBuf, PathBuf) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            copy(&source, &target)?;
        } else if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            fs::copy(&source, &target).with_context(|| format!("cannot copy {}", source.display()))?;
        }
    }
    fs::set_permissions(to, permissions).with_context(|| format!("cannot open {}", to.display()))
}
