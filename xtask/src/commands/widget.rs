//! `cargo xtask widget`: builds, tests and checks FlySense's widget, and checks any vendor's `widget.zip`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::Subcommand;

use crate::tools::{CHROMIUM, Node};
use crate::{process, workspace};

/// Copy of the lock file from which `node_modules` was installed.
const INSTALLED_LOCK: &str = "node_modules/.installed-lock.json";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Build widget/dist: the AMD modules, style.css and widget.zip
    ///
    /// A release needs all three options. Without one, the widget has an address that no real host can have, which
    /// `check --release` refuses.
    Build {
        /// Public address of the API, as browsers reach it
        #[arg(long, value_name = "URL")]
        api_url: Option<String>,
        /// E-mail address of the support, for users and in the manifest
        #[arg(long, value_name = "EMAIL")]
        support_email: Option<String>,
        /// Address of the site that has the pages /privacy and /support
        #[arg(long, value_name = "URL")]
        site_url: Option<String>,
    },
    /// Check the types and run the unit tests
    Test,
    /// Write the API's types, widget/src/api/schema.ts, from api/openapi.json
    Client,
    /// Check a widget.zip as amoCRM's moderators would; by default FlySense's own, which is built first
    Check {
        /// The archive
        #[arg(value_name = "FILE")]
        zip: Option<PathBuf>,
        /// The archive is going to be uploaded: placeholder addresses (.example, .test, .invalid) are errors, not warnings
        #[arg(long)]
        release: bool,
        /// The archive of the released version: the new version must be higher. Includes --release
        #[arg(long, value_name = "FILE")]
        released: Option<PathBuf>,
    },
}

/// Addresses that a build puts into the widget; the npm build has its own for those that are missing.
#[derive(Debug, Default)]
pub struct Addresses {
    /// Public address of the API.
    pub api_url: Option<String>,
    /// E-mail address of the support.
    pub support_email: Option<String>,
    /// Address of the site with privacy policy and support.
    pub site_url: Option<String>,
}

impl Addresses {
    /// Environment variables of the npm build.
    fn variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("FLYSENSE_API_URL", &self.api_url),
            ("FLYSENSE_SUPPORT_EMAIL", &self.support_email),
            ("FLYSENSE_SITE_URL", &self.site_url),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }
}

/// Runs the action; Node.js and the packages are installed first.
pub fn run(action: Action) -> Result<()> {
    match action {
        Action::Build { api_url, support_email, site_url } => {
            build(Some(&Addresses { api_url, support_email, site_url }))
        }
        Action::Test => test(),
        Action::Client => write_client(),
        Action::Check { zip, release, released } => check(zip, release, released),
    }
}

/// Builds `widget/dist`. Without addresses, the widget calls the simulated deployment.
pub fn build(addresses: Option<&Addresses>) -> Result<()> {
    let mut command = script("build")?;
    if let Some(addresses) = addresses {
        command.envs(addresses.variables());
    }
    process::check("the widget's build", &mut command)
}

/// Checks that the client is current and the types fit, and runs the unit tests.
pub fn test() -> Result<()> {
    let what = "the check of widget/src/api/schema.ts (to write it: cargo xtask widget client)";
    process::check(what, script("client")?.args(["--", "--check"]))?;
    process::check("vue-tsc", &mut script("types")?)?;
    unit_tests()
}

/// Runs the unit tests.
pub fn unit_tests() -> Result<()> {
    process::check("vitest", &mut script("test")?)
}

/// Writes the API's types, `widget/src/api/schema.ts`, from `api/openapi.json`.
pub fn write_client() -> Result<()> {
    process::check("openapi-typescript", &mut script("client")?)
}

/// Runs the tests in Chromium. `environment` is the JSON that says where the product runs, `recording` the name of a file that
/// the recording host serves.
pub fn test_in_browser(environment: &str, recording: &str) -> Result<()> {
    let mut command = script("test:browser")?;
    command.env("FLYSENSE_ENVIRONMENT", environment).env("FLYSENSE_RECORDING", recording);
    if let Some(chromium) = CHROMIUM.find() {
        command.env("FLYSK_CHROMIUM", chromium);
    }
    process::check("the widget's tests in a browser", &mut command)
}

/// Command that runs a script of the npm project.
pub fn script(name: &str) -> Result<Command> {
    let mut command = prepared()?.npm(&directory());
    command.args(["run", "--silent", name]);
    Ok(command)
}

/// Checks an archive as amoCRM's moderators would; FlySense's own without one.
/// For a release, placeholder addresses are errors.
pub fn check(zip: Option<PathBuf>, release: bool, released: Option<PathBuf>) -> Result<()> {
    let zip = if let Some(zip) = zip {
        absolute(&zip)?
    } else {
        build(None)?;
        directory().join("dist/widget.zip")
    };
    let mut command = script("check")?;
    command.arg("--").arg(zip);
    if release {
        command.arg("--release");
    }
    if let Some(released) = released {
        command.arg("--released").arg(absolute(&released)?);
    }
    process::check("the check of the widget", &mut command)
}

/// The npm project.
fn directory() -> PathBuf {
    workspace::root().join("widget")
}

/// Node.js, with the packages of the lock file installed in the project.
fn prepared() -> Result<Node> {
    let node = Node::require()?;
    let directory = directory();
    // Tests prepare the project in several processes.
    let guard = File::create(directory.join(".prepare.lock")).context("cannot create a lock file")?;
    guard.lock().context("cannot lock the project")?;
    let lock = fs::read(directory.join("package-lock.json")).context("cannot read package-lock.json")?;
    let installed = directory.join(INSTALLED_LOCK);
    if fs::read(&installed).ok().as_ref() != Some(&lock) {
        process::check("npm ci", node.npm(&directory).args(["ci", "--no-audit", "--no-fund"]))?;
        fs::write(&installed, lock).context("cannot note the installed packages")?;
    }
    Ok(node)
}

/// npm changes the working directory, so that a relative path would point elsewhere.
fn absolute(path: &Path) -> Result<PathBuf> {
    path.canonicalize().with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    /// A command line, as `cargo xtask widget` takes it.
    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        action: Action,
    }

    fn parsed(line: &str) -> Action {
        Line::try_parse_from(line.split(' ')).unwrap().action
    }

    #[test]
    fn a_build_passes_the_addresses_that_are_named_to_npm() {
        let line = "widget build --support-email help@flysk.ru --site-url https://flysk.ru";
        let Action::Build { api_url, support_email, site_url } = parsed(line) else { panic!("no build") };
        let addresses = Addresses { api_url, support_email, site_url };
        assert_eq!(
            addresses.variables().collect::<Vec<_>>(),
            [("FLYSENSE_SUPPORT_EMAIL", "help@flysk.ru"), ("FLYSENSE_SITE_URL", "https://flysk.ru")]
        );
        assert_eq!(Addresses::default().variables().count(), 0);
    }

    #[test]
    fn a_check_knows_a_release() {
        assert!(matches!(
            parsed("widget check a.zip --release"),
            Action::Check { release: true, released: None, .. }
        ));
        assert!(matches!(
            parsed("widget check a.zip --released b.zip"),
            Action::Check { release: false, released: Some(_), .. }
        ));
    }
}
