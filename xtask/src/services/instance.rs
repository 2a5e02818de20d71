//! A database and a Redis that belong together, and what is known about them between two runs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::{Database, Durability, Mysql, Redis, Server, scratch};
use crate::programs::{self, REDIS};
use crate::{process, workspace};

/// The pair, as far as it runs; a server that the environment names is none of ours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The database.
    pub mysql: Option<Server>,
    /// Redis.
    pub redis: Option<Server>,
}

impl State {
    /// `DATABASE_URL`: that of the environment, or of our server.
    pub fn database_url(&self) -> Option<String> {
        workspace::variable("DATABASE_URL").or_else(|| self.mysql.as_ref().map(Mysql::url))
    }

    /// `REDIS_URL`: that of the environment, or of our server.
    pub fn redis_url(&self) -> Option<String> {
        workspace::variable("REDIS_URL").or_else(|| self.redis.as_ref().map(Redis::url))
    }
}

/// Servers under one directory.
#[derive(Debug, Clone)]
pub struct Instance {
    dir: PathBuf,
}

impl Instance {
    /// The instance of this name, `target/services/<name>`: its data outlives the machine's next start.
    pub fn named(name: &str) -> Self {
        Self::at(&scratch::on_disk().join(name))
    }

    /// The instance in this directory.
    pub fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Starts what is not running, except what the environment names. Ports stay what they were if they can. A database
    /// server of another kind that runs here is stopped; each kind keeps its own data.
    pub fn up(&self, database: Database, durability: Durability) -> Result<State> {
        let _lock = self.lock()?;
        let mut state = self.read();
        let data = self.dir.join(database.name());
        if let Some(other) = state.mysql.take_if(|server| !server.dir.ends_with(database.name())) {
            other.stop();
        }
        let missing = |variable, server: &Option<Server>| {
            workspace::variable(variable).is_none() && !server.as_ref().is_some_and(Server::is_alive)
        };
        // Both programs before either server: nothing is left half up for want of a package.
        let mysql = missing("DATABASE_URL", &state.mysql).then(|| Mysql::require(database)).transpose()?;
        let redis = missing("REDIS_URL", &state.redis).then(require_redis).transpose()?;
        if let Some(mysql) = mysql {
            let last = state.mysql.take().map(|server| server.port);
            state.mysql = Some(mysql.start(&data, last, durability)?);
            self.write(&state)?;
        }
        if let Some(redis) = redis {
            let last = state.redis.take().map(|server| server.port);
            state.redis = Some(redis.start(&self.dir.join("redis"), last)?);
            self.write(&state)?;
        }
        Ok(state)
    }

    /// Stops both. Their data and ports are kept for the next start. Says what was running.
    pub fn down(&self) -> Result<State> {
        let _lock = self.lock()?;
        let running = self.running();
        for server in [&running.mysql, &running.redis].into_iter().flatten() {
            server.stop();
        }
        Ok(running)
    }

    /// What runs now; a server that died, or whose number another process has by now, does not.
    pub fn running(&self) -> State {
        let state = self.read();
        State { mysql: state.mysql.filter(Server::is_alive), redis: state.redis.filter(Server::is_alive) }
    }

    fn state_file(&self) -> PathBuf {
        self.dir.join("state.json")
    }

    /// An unreadable state is none: the servers are started anew.
    fn read(&self) -> State {
        let text = fs::read(self.state_file()).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Written aside and moved: a state is whole or absent.
    fn write(&self, state: &State) -> Result<()> {
        let aside = self.dir.join("state.json.new");
        fs::write(&aside, serde_json::to_vec_pretty(state)?)
            .context("cannot write the state of the services")?;
        fs::rename(aside, self.state_file()).context("cannot write the state of the services")
    }

    /// Two commands at once take turns.
    fn lock(&self) -> Result<File> {
        fs::create_dir_all(&self.dir).with_context(|| format!("cannot create {}", self.dir.display()))?;
        let file = File::create(self.dir.join("lock")).context("cannot create the lock of the services")?;
        file.lock().context("cannot take the lock of the services")?;
        Ok(file)
    }
}

/// Redis's program, installed if need be.
fn require_redis() -> Result<Redis> {
    programs::require(&[&REDIS])?;
    Redis::find().context("redis-server vanished")
}

/// An instance for one run of one command: stopped and removed at its end, whatever that is.
#[derive(Debug)]
pub struct Private {
    instance: Instance,
    state: State,
}

impl Private {
    /// Starts servers for this process, and clears away what killed ones left.
    pub fn up(command: &str, database: Database, durability: Durability) -> Result<Self> {
        sweep(command);
        let parent = match durability {
            Durability::Process => scratch::fastest(),
            Durability::Machine => scratch::on_disk(),
        };
        let instance = Instance::at(&parent.join(format!("{command}-{}", std::process::id())));
        // From here on dropping stops what has been started, even if only one of the two was.
        let mut private = Self { instance, state: State::default() };
        private.state = private.instance.up(database, durability)?;
        Ok(private)
    }

    /// What runs.
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

/// Stops and removes private instances of this command whose process is gone.
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
