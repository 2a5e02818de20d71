//! Programs of another Debian release, unpacked below `target/roots`; nothing is installed on the machine.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::{DEBOOTSTRAP, root_shell};
use crate::{process, workspace};

/// A root file system with a server, created by `debootstrap`.
#[derive(Debug)]
pub struct ReleaseRoot {
    /// Directory name below `target/roots`.
    pub name: &'static str,
    /// Debian release.
    pub suite: &'static str,
    /// Additional packages, separated by commas.
    pub packages: &'static str,
    /// Path of the server's executable in the root.
    pub server: &'static str,
    /// Path of a database server's error messages in the root; character sets are below it. Empty for another server.
    pub messages: &'static str,
}

impl ReleaseRoot {
    /// Path of the root, even if it does not exist.
    pub fn dir(&self) -> PathBuf {
        workspace::target().join("roots").join(self.name)
    }

    /// The launcher of the server, if the root is complete.
    pub fn find(&self) -> Option<PathBuf> {
        Some(self.launcher()).filter(|launcher| launcher.is_file() && self.dir().join(self.server).is_file())
    }

    /// Path of the script that starts the server with the libraries of its root. Outside the root directory, whose owner is
    /// root.
    fn launcher(&self) -> PathBuf {
        self.dir().with_extension("server")
    }

    /// Path of a file or directory in the root.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.dir().join(inside)
    }

    /// Creates the root if it does not exist.
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
        let debootstrap = DEBOOTSTRAP.find().context("debootstrap is not found after its installation")?;
        let Some(mut command) = root_shell("exec \"$@\"") else {
            bail!("debootstrap requires root, or sudo without a password");
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

    /// Writes a launcher that uses the root's own dynamic loader, because the machine's C library may be too old for the
    /// server. The first argument stays first, because `--no-defaults` must be first.
    fn write_launcher(&self, dir: &Path) -> Result<()> {
        let root = dir.canonicalize().with_context(|| format!("cannot resolve {}", dir.display()))?;
        let (loader, libraries) = loader(&root).context("the root has no dynamic loader for this machine")?;
        let (root, server, messages) = (root.display(), self.server, self.messages);
        let run = format!("exec \"$root/{loader}\" --library-path \"{libraries}\" \"$root/{server}\"");
        let text = if messages.is_empty() {
            format!("#!/bin/sh\nroot='{root}'\n{run} \"$@\"\n")
        } else {
            format!(
                "#!/bin/sh\nroot='{root}'\nfirst=$1\nshift\n{run} \"$first\" --basedir=\"$root/usr\" \
                 --lc-messages-dir=\"$root/{messages}\" --character-sets-dir=\"$root/{messages}/charsets\" \"$@\"\n"
            )
        };
        let aside = dir.with_extension("server.new");
        fs::write(&aside, text).context("cannot write the launcher")?;
        fs::set_permissions(&aside, fs::Permissions::from_mode(0o755))
            .context("cannot make the launcher executable")?;
        fs::rename(aside, self.launcher()).context("cannot write the launcher")
    }
}

/// Removes a root file system, whose owner may be root.
fn remove(dir: &Path) -> Result<()> {
    if !dir.exists() {
        return Ok(());
    }
    let mut command = root_shell("rm -rf -- \"$1\"").context("only root can remove a root file system")?;
    process::check("removing an old root", command.arg(dir))
}

/// The dynamic loader of a root and the directory of its libraries.
fn loader(root: &Path) -> Option<(&'static str, String)> {
    const LOADERS: [(&str, &str); 2] = [
        ("usr/lib64/ld-linux-x86-64.so.2", "x86_64-linux-gnu"),
        ("usr/lib/ld-linux-aarch64.so.1", "aarch64-linux-gnu"),
    ];
    let (loader, triple) = LOADERS.into_iter().find(|(loader, _)| root.join(loader).exists())?;
    Some((loader, format!("$root/usr/lib/{triple}:$root/usr/lib/mysql/private")))
}

/// The mirror of this machine's own packages; `None` if the machine is not Debian, and `debootstrap` uses its default.
fn debian_mirror() -> Option<String> {
    let lists =
        Command::new("apt-get").args(["indextargets", "--format", "$(SITE) $(REPO_URI)"]).output().ok()?;
    let text = String::from_utf8_lossy(&lists.stdout).into_owned();
    let uris = text.lines().filter_map(|line| line.split(' ').nth(1));
    uris.map(|uri| uri.trim_end_matches('/')).find(|uri| uri.ends_with("/debian")).map(str::to_owned)
}
