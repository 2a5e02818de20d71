//! Contents of the bucket, bypassing the protocol.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use poem::error::InternalServerError;
use poem::http::StatusCode;
use poem::web::{Data, Json};
use poem::{Result, handler};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

/// The simulator's bucket. Clones share it; the last one deletes its directory on drop.
#[derive(Debug, Clone)]
pub struct Bucket {
    name: String,
    root: Arc<TempDir>,
}

/// A stored object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Key inside the bucket.
    pub key: String,
    /// Size, bytes.
    pub size: u64,
}

impl Bucket {
    pub(super) fn new(name: String, root: TempDir) -> Self {
        Self { name, root: Arc::new(root) }
    }

    /// First segment of the path of every object.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All objects, sorted by key.
    pub fn objects(&self) -> io::Result<Vec<Object>> {
        let home = self.home();
        let mut found = Vec::new();
        let mut folders = vec![home.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder)? {
                let entry = entry?;
                let meta = entry.metadata()?;
                if meta.is_dir() {
                    folders.push(entry.path());
                } else {
                    found.push(Object { key: key_of(&home, &entry.path()), size: meta.len() });
                }
            }
        }
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }

    /// Deletes all objects.
    pub fn empty(&self) -> io::Result<()> {
        std::fs::remove_dir_all(self.home())?;
        std::fs::create_dir(self.home())
    }

    fn home(&self) -> PathBuf {
        self.root.path().join(&self.name)
    }
}

fn key_of(home: &Path, path: &Path) -> String {
    path.strip_prefix(home).unwrap_or(path).to_string_lossy().into_owned()
}

#[handler]
pub(super) fn list_objects(Data(bucket): Data<&Bucket>) -> Result<Json<Vec<Object>>> {
    bucket.objects().map(Json).map_err(InternalServerError)
}

#[handler]
pub(super) fn remove_objects(Data(bucket): Data<&Bucket>) -> Result<StatusCode> {
    bucket.empty().map_err(InternalServerError)?;
    Ok(StatusCode::NO_CONTENT)
}
