//! Files of a widget, from its directory or its `widget.zip`.

use std::fs::File;
use std::io::Read as _;
use std::path::{Component, Path as FilePath};

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{IntoResponse as _, Response, handler};

use super::super::Amocrm;
use crate::lock::locked;

/// Serves a file below `/widgets/<code>/`.
#[handler]
pub(super) fn serve(Path((code, file)): Path<(String, String)>, Data(amo): Data<&Amocrm>) -> Response {
    let source = locked(&amo.inner.pages).widgets.get(&code).cloned();
    match source.and_then(|source| read(&source, &file)) {
        Some(bytes) => bytes.with_content_type(content_type(&file)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The bytes of a file; `None` if it does not exist, or its name leads out of the widget.
pub(super) fn read(source: &FilePath, name: &str) -> Option<Vec<u8>> {
    let name = FilePath::new(name);
    if !name.components().all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    if source.is_dir() {
        return std::fs::read(source.join(name)).ok();
    }
    let mut archive = zip::ZipArchive::new(File::open(source).ok()?).ok()?;
    let mut entry = archive.by_name(name.to_str()?).ok()?;
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn content_type(name: &str) -> &'static str {
    match FilePath::new(name).extension().and_then(|extension| extension.to_str()) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn files_come_from_a_directory_and_from_an_archive_and_from_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("i18n")).unwrap();
        std::fs::write(folder.path().join("i18n/ru.json"), "{}").unwrap();
        let path = folder.path().join("widget.zip");
        let mut archive = zip::ZipWriter::new(File::create(&path).unwrap());
        archive.start_file("i18n/ru.json", zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(b"{\"from\":\"zip\"}").unwrap();
        archive.finish().unwrap();
        assert_eq!(read(folder.path(), "i18n/ru.json").unwrap(), b"{}");
        assert_eq!(read(&path, "i18n/ru.json").unwrap(), b"{\"from\":\"zip\"}");
        for name in ["../widget.zip", "/etc/passwd", "i18n/../i18n/ru.json", "absent.js", ""] {
            assert_eq!(read(&folder.path().join("i18n"), name), None, "{name}");
        }
    }
}
