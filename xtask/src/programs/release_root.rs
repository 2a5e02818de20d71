//! Programs of another Debian release, unpacked in a directory of ours: nothing is installed on the machine.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::{DEBOOTSTRAP, root_shell};
use crate::{process, workspace};

/// A root file system with a server in it, made by `debootstrap`.
#[derive(Debug)]
pub struct ReleaseRoot {
    /// Its directory below `target/roots`.
    pub name: &'static str,
    /// The release of Debian.
    pub suite: &'static str,
    /// What it holds beside the minimum, separated by commas.
    pub packages: &'static str,
    /// The server's executable in it.
    pub server: &'static str,
    /// Its error messages in it; character sets lie below them.
    pub messages: &'static str,
}

impl ReleaseRoot {
    /// Where it is, whether it is there or not.
    pub fn dir(&self) -> PathBuf {
        workspace::target().join("roots").join(self.name)
    }

    /// What starts the server, if the root is there and whole.
    pub fn find(&self) -> Option<PathBuf> {
        Some(self.launcher()).filter(|launcher| launcher.is_file() && self.dir().join(self.server).is_file())
    }

    /// The script that starts the server with the libraries of its root; beside the root, which belongs to root.
    fn launcher(&self) -> PathBuf {
        self.dir().with_extension("server")
    }

    /// A file or directory of the root.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.dir().join(inside)
    }

    /// Makes the root unless it is there.
    pub fn require(&self) -> Result<()> {
        if self.find().is_some() {
            return Ok(());
        }
        super::require(&[&DEBOOTSTRAP])?;
        let dir = self.dir();
        let unfinished = dir.with_extension("unfinished");
        remove(&dir)?;
        remove(&unfinished)?;
        fs::create_dir_all(&unfinished).with_context(|| format!("cannot create {}", unfinished.display()))?;
        eprintln!("unpacking {} of Debian's release {} in {}", self.packages, self.suite, dir.display());
        self.unpack(&unfinished)?;
        fs::rename(&unfinished, &dir).with_context(|| format!("cannot create {}", dir.display()))?;
        self.write_launcher(&dir)
    }

    fn unpack(&self, into: &Path) -> Result<()> {
        let debootstrap = DEBOOTSTRAP.find().context("debootstrap vanished")?;
        let Some(mut command) = root_shell("exec \"$@\"") else {
            bail!("debootstrap needs root, or a sudo that asks for no password");
        };
        command
            .arg(debootstrap)
            .arg("--variant=minbase")
            .arg(format!("--include={}", self.packages))
            .arg(self.suite)
            .arg(into)
            .stdout(Stdio::null());
        if let Some(mirror) = debian_mirror() {
            command.arg(mirror);
        }
        process::check("debootstrap", &mut command)
    }

    /// The loader of the root is named, since the machine's own C library may be older than the server needs. The first
    /// argument stays first: `--no-defaults` is read nowhere else.
    fn write_launcher(&self, dir: &Path) -> Result<()> {
        let root = dir.canonicalize().with_context(|| format!("cannot resolve {}", dir.display()))?;
        let (loader, libraries) = loader(&root).context("the root has no loader for this machine")?;
        let (root, server, messages) = (root.display(), self.server, self.messages);
        let text = format!(
            "#!/bin/sh\nroot='{root}'\nfirst=$1\nshift\nexec \"$root/{loader}\" --library-path \"{libraries}\" \
             \"$root/{server}\" \"$first\" --basedir=\"$root/usr\" --lc-messages-dir=\"$root/{messages}\" \
             --character-sets-dir=\"$root/{messages}/charsets\" \"$@\"\n"
        );
        let aside = dir.with_extension("server.new");
        fs::write(&aside, text).context("cannot write the launcher")?;
        fs::set_permissions(&aside, fs::Permissions::from_mode(0o755))
            .context("cannot make the launcher executable")?;
        fs::rename(aside, self.launcher()).context("cannot write the launcher")
    }
}

/// Removes a root, which may belong to root.
fn remove(dir: &Path) -> Result<()> {
    if !dir.exists() {
        return Ok(());
    }
    let mut command = root_shell("rm -rf -- \"$1\"").context("a root can be removed by root only")?;
    process::check("removing an old root", command.arg(dir))
}

/// The dynamic loader in a root, and where its libraries lie, by what the root holds.
fn loader(root: &Path) -> Option<(&'static str, String)> {
    const LOADERS: [(&str, &str); 2] = [
        ("usr/lib64/ld-linux-x86-64.so.2", "x86_64-linux-gnu"),
        ("usr/lib/ld-linux-aarch64.so.1", "aarch64-linux-gnu"),
    ];
    let (loader, triple) = LOADERS.into_iter().find(|(loader, _)| root.join(loader).exists())?;
    Some((loader, format!("$root/usr/lib/{triple}:$root/usr/lib/mysql/private")))
}

/// The mirror that this machine's own packages come from; `debootstrap` has one of its own for a machine that is not
/// Debian.
fn debian_mirror() -> Option<String> {
    let lists =
        Command::new("apt-get").args(["indextargets", "--format", "$(SITE) $(REPO_URI)"]).output().ok()?;
    let text = String::from_utf8_lossy(&lists.stdout).into_owned();
    let uris = text.lines().filter_map(|line| line.split(' ').nth(1));
    uris.map(|uri| uri.trim_end_matches('/')).find(|uri| uri.ends_with("/debian")).map(str::to_owned)
}
