//! A database server and Redis servers that belong together, and their state between two runs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::{Cache, CacheServers, Database, DatabasePrograms, DatabaseServers, Durability, Redis, scratch};
use crate::{process, workspace};

/// Variable with the URLs of a cluster's nodes, for the tests that use several.
pub const CLUSTER_VARIABLE: &str = "FLYSK_CLUSTER";

/// The running private servers. Servers from the environment's URLs are not included.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The database servers, if they run.
    pub mysql: Option<DatabaseServers>,
    /// The Redis servers, if they run.
    #[serde(default)]
    pub cache: Option<CacheServers>,
}

impl State {
    /// `DATABASE_URL` of the environment, otherwise the URL of the private server, or of a cluster's first node.
    pub fn database_url(&self) -> Option<String> {
        workspace::variable("DATABASE_URL").or_else(|| self.mysql.as_ref().and_then(DatabaseServers::url))
    }

    /// `FLYSK_CLUSTER` of the environment, otherwise the URLs of the private cluster's nodes, separated by commas.
    pub fn cluster_urls(&self) -> Option<String> {
        let private = || Some(self.mysql.as_ref()?.node_urls()?.join(","));
        workspace::variable(CLUSTER_VARIABLE).or_else(private)
    }

    /// `REDIS_URL` of the environment, otherwise the URL of the private servers.
    pub fn redis_url(&self) -> Option<String> {
        workspace::variable("REDIS_URL").or_else(|| self.cache.as_ref().map(CacheServers::url))
    }
}

/// Servers with data in one directory.
#[derive(Debug, Clone)]
pub struct Instance {
    dir: PathBuf,
}

impl Instance {
    /// The instance in `target/services/<name>`; its data survives a reboot.
    pub fn named(name: &str) -> Self {
        Self::at(&scratch::on_disk().join(name))
    }

    /// The instance in this directory.
    pub fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Starts stopped servers, except those whose URL the environment sets. Reuses the previous ports if they are free. Stops
    /// running servers of another kind; each kind has separate data.
    pub fn up(&self, database: Database, cache: Cache, durability: Durability) -> Result<State> {
        let _lock = self.lock()?;
        let mut state = self.read();
        let data = self.dir.join(database.name());
        if let Some(other) = state.mysql.take_if(|servers| !servers.are_of(database)) {
            other.stop();
        }
        if let Some(other) = state.cache.take_if(|servers| servers.cache() != cache) {
            other.stop();
        }
        let missing = |variable, is_there: bool| workspace::variable(variable).is_none() && !is_there;
        let has_mysql = state.mysql.as_ref().is_some_and(DatabaseServers::is_complete);
        let has_cache = state.cache.as_ref().is_some_and(CacheServers::is_complete);
        // Find both programs before starting a server, so that a missing package does not leave one server running.
        let mysql =
            missing("DATABASE_URL", has_mysql).then(|| DatabasePrograms::require(database)).transpose()?;
        let redis = missing("REDIS_URL", has_cache).then(|| Redis::require(cache)).transpose()?;
        if let Some(mysql) = mysql {
            let last = state.mysql.take();
            // Some nodes of a cluster may still run.
            last.iter().for_each(DatabaseServers::stop);
            state.mysql = Some(mysql.start(&data, last.as_ref(), durability)?);
            self.write(&state)?;
        }
        if let Some(redis) = redis {
            let last = state.cache.take();
            // Some servers of a group may still run.
            last.iter().for_each(CacheServers::stop);
            let dir = self.dir.join(cache.name());
            state.cache = Some(CacheServers::start(cache, &redis, &dir, last.as_ref())?);
            self.write(&state)?;
        }
        Ok(state)
    }

    /// Stops all servers and keeps their data and ports. Returns what was running.
    pub fn down(&self) -> Result<State> {
        let _lock = self.lock()?;
        let running = self.running();
        running.mysql.iter().for_each(DatabaseServers::stop);
        running.cache.iter().for_each(CacheServers::stop);
        Ok(running)
    }

    /// The servers that run now; excludes dead servers, also if another process has the same process id.
    pub fn running(&self) -> State {
        let state = self.read();
        State {
            mysql: state.mysql.filter(DatabaseServers::is_alive),
            cache: state.cache.filter(CacheServers::is_alive),
        }
    }

    fn state_file(&self) -> PathBuf {
        self.dir.join("state.json")
    }

    /// Reads the state; an unreadable state is empty, so the servers are started again.
    fn read(&self) -> State {
        let text = fs::read(self.state_file()).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Writes a temporary file and renames it, so that the state is never incomplete.
    fn write(&self, state: &State) -> Result<()> {
        let aside = self.dir.join("state.json.new");
        fs::write(&aside, serde_json::to_vec_pretty(state)?)
            .context("cannot write the state of the services")?;
        fs::rename(aside, self.state_file()).context("cannot write the state of the services")
    }

    /// File lock that serializes concurrent commands.
    fn lock(&self) -> Result<File> {
        fs::create_dir_all(&self.dir).with_context(|| format!("cannot create {}", self.dir.display()))?;
        let file = File::create(self.dir.join("lock")).context("cannot create the lock of the services")?;
        file.lock().context("cannot acquire the lock of the services")?;
        Ok(file)
    }
}

/// An instance for one run of a command. Stopped and removed on drop.
#[derive(Debug)]
pub struct Private {
    instance: Instance,
    state: State,
}

impl Private {
    /// Starts servers for this process and removes leftovers of killed runs.
    pub fn up(command: &str, database: Database, durability: Durability) -> Result<Self> {
        sweep(command);
        let parent = match durability {
            Durability::Process => scratch::fastest(),
            Durability::Machine => scratch::on_disk(),
        };
        let instance = Instance::at(&parent.join(format!("{command}-{}", std::process::id())));
        // From here on, drop stops the started servers, even if only one was started.
        let mut private = Self { instance, state: State::default() };
        private.state = private.instance.up(database, Cache::from_process()?, durability)?;
        Ok(private)
    }

    /// The running servers.
    pub fn state(&self) -> &State {
        &self.state
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let _best_effort = self.instance.down();
        let _best_effort = fs::remove_dir_all(&self.instance.dir);
    }
}

/// Stops and removes private instances of this command whose process has ended.
fn sweep(command: &str) {
    let parents = [scratch::on_disk(), scratch::fastest()];
    for entry in parents.iter().filter_map(|parent| fs::read_dir(parent).ok()).flatten().flatten() {
        let name = entry.file_name();
        let owner =
            name.to_str().and_then(|name| name.strip_prefix(command)?.strip_prefix('-')?.parse().ok());
        let gone = |owner: u32| {
            process::pid(owner).is_none_or(|pid| rustix::process::test_kill_process(pid).is_err())
        };
        if owner.is_some_and(gone) {
            drop(Private { instance: Instance::at(&entry.path()), state: State::default() });
        }
    }
}
