//! What lies in the repository and is named elsewhere in it: pictures by documents, lists of packages by Dependabot.
#![expect(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

use std::fs;
use std::path::{Path, PathBuf};

use xtask::workspace;

/// Folders that are built or installed.
const MADE: [&str; 4] = [".git", "dist", "node_modules", "target"];

/// Files below a folder, with their paths in the repository.
fn files_below(folder: &str) -> Vec<PathBuf> {
    let root = workspace::root();
    let mut files = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_made = path.file_name().is_some_and(|name| MADE.iter().any(|made| name == *made));
            if path.is_dir() && !is_made {
                folders.push(path);
            } else if path.is_file() {
                files.push(path.strip_prefix(&root).unwrap().to_owned());
            }
        }
    }
    files.sort();
    files
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

#[test]
fn every_picture_is_shown_by_a_document() {
    let root = workspace::root();
    let documents = files_below("docs")
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let shown: String = documents
        .chain([PathBuf::from("README.md")])
        .map(|path| fs::read_to_string(root.join(path)).unwrap())
        .collect();
    let pictures = files_below("docs/images");
    assert!(pictures.len() > 40, "{pictures:?}");
    let hidden: Vec<&PathBuf> =
        pictures.iter().filter(|path| !shown.contains(&format!("images/{})", name_of(path)))).collect();
    assert!(hidden.is_empty(), "no document shows {hidden:?}");
}

#[test]
fn dependabot_looks_after_every_list_of_packages() {
    let configuration = fs::read_to_string(workspace::root().join(".github/dependabot.yml")).unwrap();
    let entries: Vec<&str> = configuration.split("- package-ecosystem: ").collect();
    let ecosystem_of = |path: &Path| match name_of(path) {
        "package-lock.json" => Some("npm"),
        "pyproject.toml" | "requirements.txt" => Some("pip"),
        _ => None,
    };
    let lists: Vec<(&str, String)> = files_below("")
        .iter()
        .filter_map(|path| Some((ecosystem_of(path)?, format!("/{}", path.parent()?.display()))))
        .collect();
    assert!(lists.len() > 5, "{lists:?}");
    let is_named = |ecosystem: &str, folder: &str| {
        let entry = entries.iter().find(|entry| entry.starts_with(ecosystem));
        let words = entry.map(|entry| entry.split(|sign: char| "[], \n".contains(sign)));
        words.is_some_and(|mut words| words.any(|word| word == folder))
    };
    let forgotten: Vec<&(&str, String)> =
        lists.iter().filter(|(ecosystem, folder)| !is_named(ecosystem, folder)).collect();
    assert!(forgotten.is_empty(), ".github/dependabot.yml does not name {forgotten:?}");
}
