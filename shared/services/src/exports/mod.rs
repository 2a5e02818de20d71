//! Files of exported lists: CSV and XLSX, written row by row, so that memory does not grow with the number of rows.

mod csv;
mod xlsx;

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use chrono::{DateTime, Utc};
use flysk_store::admin::exports::FileFormat;

use csv::CsvFile;
use xlsx::XlsxFile;

/// A value of an exported row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Empty,
    /// Text, which is never a formula.
    Text(String),
    /// A number in decimal notation with a point: `-962.5`.
    Number(String),
    /// UTC; the writer of the file formats it.
    Time(DateTime<Utc>),
}

/// A file that is being written.
#[derive(Debug)]
pub struct ExportFile(Kind);

#[derive(Debug)]
enum Kind {
    Csv(CsvFile<BufWriter<File>>),
    Xlsx(Box<XlsxFile<BufWriter<File>>>),
}

impl ExportFile {
    /// Creates the file, replacing an existing one, and writes the titles of the columns.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn create(path: &Path, format: FileFormat, head: &[&str]) -> io::Result<Self> {
        let out = BufWriter::new(File::create(path)?);
        Ok(Self(match format {
            FileFormat::Csv => Kind::Csv(CsvFile::begin(out, head)?),
            FileFormat::Xlsx => Kind::Xlsx(Box::new(XlsxFile::begin(out, head)?)),
        }))
    }

    /// Writes a row.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write_row(&mut self, row: &[Value]) -> io::Result<()> {
        match &mut self.0 {
            Kind::Csv(file) => file.write_row(row),
            Kind::Xlsx(file) => file.write_row(row),
        }
    }

    /// Completes the file; returns its size in bytes.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn finish(self) -> io::Result<u64> {
        let mut out = match self.0 {
            Kind::Csv(file) => file.finish(),
            Kind::Xlsx(file) => file.finish()?,
        };
        out.flush()?;
        Ok(out.get_ref().metadata()?.len())
    }
}
