//! Root certificates from a file, in addition to the system's. The crate would trust those of the file alone.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const PEM_BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const PEM_END: &str = "-----END CERTIFICATE-----";

/// The file of extra root certificates (`FLYSK_REDIS_EXTRA_ROOTS`) is of no use.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// Path of the file.
        path: PathBuf,
        /// Reason.
        source: io::Error,
    },
    /// The file contains no certificate.
    #[error("no certificate in {path}; it must contain at least one section `{PEM_BEGIN}`")]
    Empty {
        /// Path of the file.
        path: PathBuf,
    },
}

/// The certificates of the file and of the system, in PEM.
pub(super) fn with_extra(path: &Path) -> Result<Vec<u8>, RootsError> {
    let mut pem =
        std::fs::read(path).map_err(|source| RootsError::Unreadable { path: path.to_owned(), source })?;
    if !pem.windows(PEM_BEGIN.len()).any(|window| window == PEM_BEGIN.as_bytes()) {
        return Err(RootsError::Empty { path: path.to_owned() });
    }
    for certificate in rustls_native_certs::load_native_certs().certs {
        let text = STANDARD.encode(certificate);
        pem.extend_from_slice(format!("\n{PEM_BEGIN}\n{text}\n{PEM_END}\n").as_bytes());
    }
    Ok(pem)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_system_stays_trusted_beside_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        let extra = format!("{PEM_BEGIN}\nMAA=\n{PEM_END}\n");
        fs::write(&file, &extra).unwrap();
        let trusted = String::from_utf8(with_extra(&file).unwrap()).unwrap();
        assert!(trusted.starts_with(&extra), "{trusted}");
        let system = rustls_native_certs::load_native_certs().certs.len();
        assert_eq!(trusted.matches(PEM_BEGIN).count(), 1 + system);
    }

    #[test]
    fn a_file_without_certificates_is_an_error_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        let missing = with_extra(&file).unwrap_err();
        assert!(matches!(&missing, RootsError::Unreadable { path, .. } if path == &file), "{missing}");
        for text in ["", "no certificate", "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"] {
            fs::write(&file, text).unwrap();
            let empty = with_extra(&file).unwrap_err();
            assert!(matches!(&empty, RootsError::Empty { path } if path == &file), "{text}: {empty}");
            assert!(empty.to_string().contains("ca.pem"), "{empty}");
        }
    }
}
